"""The verb `export`: the contents of a run as files."""

from __future__ import annotations

from pathlib import Path

from app.analysis.export import export, written
from app.console.json_file import write_json
from app.console.output_files import require_files
from app.console.progress import progress
from app.console.terminal import say
from config.output_kinds import NOTHING


def export_run(path: Path, to: str, out: Path | None, *, json: Path | None) -> None:
    """Write a run's tables or frames into a folder, and print the names of the files."""
    folder = out or path.with_suffix("")
    kind = "" if out is not None else NOTHING  # a default folder, in which no file is replaced
    outputs = written(to, folder)
    require_files({"the input 'run'": path}, {label: (file, kind) for label, file in outputs.items()}, json)
    with progress("export", None, "rows") as step:
        files = export(path, to, folder, step, kind)
    for file in files:
        say(file)
    if json is not None:
        write_json(json, {"run": str(path), "files": [str(file) for file in files]})

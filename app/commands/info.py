"""The verb `info`: description of a run or a rig, in words."""

from __future__ import annotations

from pathlib import Path

from app.analysis.run_description import info, text
from app.assembly import rig_description
from app.console.json_file import write_json
from app.console.terminal import say


def show_info(path: Path, *, json: Path | None) -> None:
    """Print the description of a run or a rig."""
    if rig_description.is_rig(path):
        description = rig_description.rig_info(path)
        say(rig_description.text(description))
        if json is not None:
            write_json(json, description)
        return
    description = info(path)
    say(text(description))
    if json is not None:
        write_json(json, description)

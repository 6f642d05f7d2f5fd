"""Checks of a verb's paths: no output replaces an input, another output or a run.

Every verb calls `require_outputs` with the paths of its command line before it does anything else. Where it chooses
files itself (a report beside the run, the weights beside a card) it calls `require_files` with all of them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.atomic import FRESH, refuse_what_is_no_file, refuse_what_was_read
from config.files import forget_read, kind_of
from config.output_kinds import require_kind
from config.refused import Refused
from config.words import quoted

WRITTEN = {"out", "json", "picture", "figure", "docs", "link", "log", "folder"}  # options whose path a verb writes
# options and arguments that it reads
READ = {"run", "runs", "recording", "source", "experiment", "rig", "config", "checkpoint"}
NEW = {("run", "out"), ("replay", "out")}  # runs, which take the place of nothing
FOLDERS = {("export", "out"), ("reproduce", "out"), ("new", "folder")}  # written into
RESULTS = {("reproduce", "docs"): "json"}  # with this option, that one is read
PAGE = "Markdown (a .md file)"
KINDS = {  # kind of the file that may be replaced; "": by the ending of the path
    ("analyse", "out"): "HTML", ("tune", "out"): "", ("correct", "out"): "", ("symmetry", "figure"): "",
    ("desktop", "picture"): "a PNG",
    ("bench", "docs"): PAGE, ("reproduce", "docs"): PAGE,
    ("train", "out"): "the card of a network", ("species", "out"): "the card of a classifier",
    ("emulate", "log"): "a log in JSON lines",
}  # fmt: skip


def require_outputs(verb: str, values: Mapping[str, Any]) -> None:
    """Check the paths of one command line.

    Args:
        verb: name of the verb.
        values: value of every argument and option by its name, None if it was not given.

    Raises Refused if an output is an input, another output or a run, or can't be written.
    """
    forget_read()
    given = {name: value for name, value in values.items() if value is not None}
    results = {json for (of, option), json in RESULTS.items() if of == verb and option in given}
    read = dict(_paths(given, READ | results))
    written = dict(_paths(given, WRITTEN - results))
    folders = {f"--{name}" for name in given if (verb, name) in FOLDERS}
    files = {name: path for name, path in written.items() if name not in folders}
    require_apart(read, files)
    kinds = {f"--{option}": kind for (of, option), kind in KINDS.items() if of == verb}
    for name, path in written.items():
        if name in folders:
            _require_outside(name, path, files)
            require_folder(name, path)
        elif name != "--link":  # an emulator replaces its own symbolic link
            require_writable(name, path, kinds.get(name))
    for name in given:
        if (verb, name) in NEW and os.path.lexists(given[name]):
            raise Refused(f"{given[name]}: there is a file of this name already, and a run is never written over")


def require_files(
    read: Mapping[str, Path], written: Mapping[str, tuple[Path, str | None]], json: Path | None = None
) -> None:
    """Check all files that a command will write before it starts.

    Args:
        read: paths of the inputs by their names in messages.
        written: path and kind (config.output_kinds; "": by its ending, None: any) of each output, by its name.
        json: path of the answer.

    Raises Refused if an output is an input or another output, can't be written, or would replace another kind of file.
    """
    answer = {"--json": json} if json is not None else {}
    require_apart(read, {**{name: path for name, (path, _) in written.items()}, **answer})
    for name, (path, kind) in written.items():
        require_writable(name, path, kind)
    for name, path in answer.items():
        refuse_what_was_read(path, name)


def require_apart(read: Mapping[str, Path], written: Mapping[str, Path]) -> None:
    """Raises Refused if an output is an input, another output, or in a folder that is one of these.

    Args:
        read, written: paths by their names in messages; links and `..` are followed.
    """
    earlier_files: dict[str, Path] = {}
    for name, path in written.items():
        for read_name, source in read.items():
            if same(path, source):
                raise Refused(f"{name}: '{quoted(path, 200)}' is {read_name}, which is read and never written over")
            if name != "--json" and source.is_dir() and Path(os.path.realpath(source)) in _folders(path):
                raise Refused(f"{name}: '{quoted(path, 200)}' lies in {read_name}, a folder that is read")
        for earlier_name, earlier in earlier_files.items():
            if same(path, earlier):
                raise Refused(f"{name}: '{quoted(path, 200)}' is {earlier_name} too; each needs a file of its own")
        _require_outside(name, path, earlier_files)
        for earlier_name, earlier in earlier_files.items():
            _require_outside(earlier_name, earlier, {name: path})
        earlier_files[name] = path


def _require_outside(name: str, path: Path, files: Mapping[str, Path]) -> None:
    """Raises Refused if `path` is one of these files, or has one as a folder above it."""
    for file_name, file in files.items():
        if Path(os.path.realpath(file)) in (Path(os.path.realpath(path)), *_folders(path)):
            raise Refused(f"{name}: '{quoted(path, 200)}' lies in {file_name}, which must be a file")


def require_writable(name: str, path: Path, kind: str | None = None) -> None:
    """Raises Refused if no file can be written at `path`, or if the file there must not be replaced.

    A run is never replaced. `--json` replaces only JSON, and a `kind` only files of that kind (config.output_kinds;
    None: any).
    """
    what = "a file for the answer" if name == "--json" else "a plain file"
    try:
        refuse_what_is_no_file(path, what)
        _try_folder(path.parent)
        if kind == PAGE and path.suffix.lower() != ".md":  # it could not be replaced by the next run
            raise Refused(f"{name}: '{quoted(path, 200)}' is not {PAGE}; name it NAME.md")
        if name == "--json" or kind is not None:
            require_kind(name, path, "JSON" if name == "--json" else kind or "")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(f"{name}: no file can be made at '{quoted(path, 200)}' ({reason})") from None
    if name == "--json" and path.with_suffix(".safetensors").exists():
        raise Refused(f"{name}: '{quoted(path, 200)}' is the card of a checkpoint; name another file")


def require_folder(name: str, path: Path) -> None:
    """Raises Refused if `path` is not a folder and no folder can be made there."""
    kind = kind_of(path)
    if kind not in ("", "a folder"):
        raise Refused(f"{path}: found {kind}, where a folder is needed")
    try:
        _try_folder(path)
    except OSError as error:
        raise Refused(f"{name}: no folder can be made at '{quoted(path, 200)}' ({error.strerror})") from None


def same(first: Path, second: Path) -> bool:
    """Whether two paths name one file, which need not exist."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(first)) == os.path.normcase(os.path.realpath(second))


def _paths(given: Mapping[str, Any], names: set[str]) -> Iterator[tuple[str, Path]]:
    """(name in messages, path) of every path among these options and arguments."""
    for name, value in given.items():
        if name not in names:
            continue
        if isinstance(value, (list, tuple)):
            yield from ((f"{name} {number}", Path(item)) for number, item in enumerate(value, 1))
        else:
            yield (f"--{name}" if name in WRITTEN else f"the input '{name}'"), Path(value)


def _folders(path: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(path)).parents)


def _try_folder(folder: Path) -> None:
    """Make and remove a file in the folder, or in the lowest existing one above it. Raises OSError."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    trial = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(trial, FRESH, 0o600))
    trial.unlink()


def checkpoint_files(card: Path, of: str = "network") -> dict[str, tuple[Path, str | None]]:
    """The two files of a checkpoint of a network or a classifier with their kinds, by their names in messages."""
    return {
        "the checkpoint": (card, f"the card of a {of}"),
        "the checkpoint's weights": (card.with_suffix(".safetensors"), "the weights of a checkpoint"),
    }

"""Checks of the inputs and outputs of a verb: no output replaces an input, another output or a run.

Every verb calls `require_outputs` with the paths of its command line before anything else. If it chooses files itself
(a report beside the run, the weights beside a card), it calls `require_files` with all of them.
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
# options and arguments whose path a verb reads
READ = {"run", "runs", "recording", "source", "experiment", "rig", "config", "checkpoint"}
NEW = {("run", "out"), ("replay", "out")}  # runs, which never replace a file
FOLDERS = {("export", "out"), ("reproduce", "out"), ("new", "folder")}  # folders for output files
RESULTS = {("reproduce", "docs"): "json"}  # with the option `docs`, the file of `json` is read
PAGE = "Markdown (a .md file)"
KINDS = {  # kinds of files that may be replaced, by verb and option; "": by the extension of the path
    ("analyse", "out"): "HTML", ("tune", "out"): "", ("correct", "out"): "", ("symmetry", "figure"): "",
    ("desktop", "picture"): "a PNG",
    ("bench", "docs"): PAGE, ("reproduce", "docs"): PAGE,
    ("train", "out"): "the card of a network", ("species", "out"): "the card of a classifier",
    ("emulate", "log"): "a log in JSON lines",
}  # fmt: skip


def require_outputs(verb: str, values: Mapping[str, Any]) -> None:
    """Check the paths of one command line.

    Raises Refused if an output is an input, another output or a run, or can't be created.

    Args:
        verb: its name.
        values: the value of every argument and option by its name, None if it was not given.
    """
    forget_read()
    given = {name: value for name, value in values.items() if value is not None}
    results = {json for (of, option), json in RESULTS.items() if of == verb and option in given}
    read = dict(_paths(given, READ | results))
    written = dict(_paths(given, WRITTEN - results))
    folders = {f"--{name}" for name in given if (verb, name) in FOLDERS}
    require_apart(read, {said: path for said, path in written.items() if said not in folders})
    kinds = {f"--{option}": kind for (of, option), kind in KINDS.items() if of == verb}
    for said, path in written.items():
        if said in folders:
            _require_outside(said, path, {other: file for other, file in written.items() if other not in folders})
            require_folder(said, path)
        elif said != "--link":  # an emulator replaces its own symbolic link
            require_writable(said, path, kinds.get(said))
    for name in given:
        if (verb, name) in NEW and os.path.lexists(given[name]):
            raise Refused(f"{given[name]}: there is a file of this name already, and a run is never written over")


def require_files(
    read: Mapping[str, Path], made: Mapping[str, tuple[Path, str | None]], json: Path | None = None
) -> None:
    """Check every file that a command will write, including side files, before its work.

    Args:
        read: paths of its inputs, by their names in messages.
        made: path and kind (config.output_kinds; "": by the extension, None: any) of each file, likewise.
        json: path of the answer.

    Raises Refused if a file is an input or another output, can't be created, or would replace a file of another kind.
    """
    answer = {"--json": json} if json is not None else {}
    require_apart(read, {**{said: path for said, (path, _) in made.items()}, **answer})
    for said, (path, kind) in made.items():
        require_writable(said, path, kind)
    for said, path in answer.items():
        refuse_what_was_read(path, said)


def require_apart(read: Mapping[str, Path], written: Mapping[str, Path]) -> None:
    """Raises Refused if two outputs are the same file, or one lies in another, in an input folder, or is an input.

    Args:
        read, written: paths by their names in messages. Links and `..` are followed.
    """
    before: dict[str, Path] = {}
    for said, path in written.items():
        for other, source in read.items():
            if same(path, source):
                raise Refused(f"{said}: '{quoted(path, 200)}' is {other}, which is read and never written over")
            if said != "--json" and source.is_dir() and Path(os.path.realpath(source)) in _folders(path):
                raise Refused(f"{said}: '{quoted(path, 200)}' lies in {other}, a folder that is read")
        for other, earlier in before.items():
            if same(path, earlier):
                raise Refused(f"{said}: '{quoted(path, 200)}' is {other} too; each needs a file of its own")
        _require_outside(said, path, before)
        for other, earlier in before.items():
            _require_outside(other, earlier, {said: path})
        before[said] = path


def _require_outside(said: str, path: Path, files: Mapping[str, Path]) -> None:
    """Raises Refused if `path` is one of these files, or lies in one as if it were a folder."""
    for other, file in files.items():
        if Path(os.path.realpath(file)) in (Path(os.path.realpath(path)), *_folders(path)):
            raise Refused(f"{said}: '{quoted(path, 200)}' lies in {other}, which is to be a file")


def require_writable(said: str, path: Path, kind: str | None = None) -> None:
    """Raises Refused if `path` can't become a file, or if its file must not be replaced.

    A run is never replaced. An answer (`--json`) replaces only JSON, and other outputs only their own `kind`
    (config.output_kinds; None: any).
    """
    what = "a file for the answer" if said == "--json" else "a plain file"
    try:
        refuse_what_is_no_file(path, what)
        _try_folder(path.parent)
        if kind == PAGE and path.suffix.lower() != ".md":  # could not be replaced later
            raise Refused(f"{said}: '{quoted(path, 200)}' is not {PAGE}; name it NAME.md")
        if said == "--json" or kind is not None:
            require_kind(said, path, "JSON" if said == "--json" else kind or "")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(f"{said}: no file can be made at '{quoted(path, 200)}' ({reason})") from None
    if said == "--json" and path.with_suffix(".safetensors").exists():
        raise Refused(f"{said}: '{quoted(path, 200)}' is the card of a checkpoint; name another file")


def require_folder(said: str, path: Path) -> None:
    """Raises Refused if `path` is not a folder and can't become one."""
    found = kind_of(path)
    if found not in ("", "a folder"):
        raise Refused(f"{path}: found {found}, where a folder is needed")
    try:
        _try_folder(path)
    except OSError as error:
        raise Refused(f"{said}: no folder can be made at '{quoted(path, 200)}' ({error.strerror})") from None


def same(one: Path, other: Path) -> bool:
    """Whether two paths name the same file, which need not exist yet."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _paths(given: Mapping[str, Any], names: set[str]) -> Iterator[tuple[str, Path]]:
    """(name in messages, path) of every path among these arguments."""
    for name, value in given.items():
        if name not in names:
            continue
        if isinstance(value, (list, tuple)):
            yield from ((f"{name} {number}", Path(one)) for number, one in enumerate(value, 1))
        else:
            yield (f"--{name}" if name in WRITTEN else f"the input '{name}'"), Path(value)


def _folders(path: Path) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(path)).parents)


def _try_folder(folder: Path) -> None:
    """Create and remove a file in the folder, or in its nearest existing parent. Raises OSError."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    trial = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(trial, FRESH, 0o600))
    trial.unlink()


def checkpoint_files(card: Path, of: str = "network") -> dict[str, tuple[Path, str | None]]:
    """The two files of a checkpoint of a network or a classifier, each with its kind, by their names in messages."""
    return {
        "the checkpoint": (card, f"the card of a {of}"),
        "the checkpoint's weights": (card.with_suffix(".safetensors"), "the weights of a checkpoint"),
    }

"""What a verb reads and what it writes: no output takes the place of an input, of another output or of a run.

Every verb passes `require_outputs` with the paths of its command line before it does anything. Where it chooses files
itself (a report beside the run, the weights beside a card) it passes `require_files` with all of them.
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
KINDS = {  # of what they replace, by verb and option; "": as the ending of the path says
    ("analyse", "out"): "HTML", ("tune", "out"): "", ("correct", "out"): "", ("symmetry", "figure"): "",
    ("desktop", "picture"): "a PNG",
    ("bench", "docs"): PAGE, ("reproduce", "docs"): PAGE,
    ("train", "out"): "the card of a network", ("species", "out"): "the card of a classifier",
    ("emulate", "log"): "a log in JSON lines",
}  # fmt: skip


def require_outputs(verb: str, values: Mapping[str, Any]) -> None:
    """The paths of one command line. Raises Refused: an output is an input, another output or a run, or can't be made.

    Args:
        verb: its name.
        values: the value of every argument and option by its name, None where it was not given.
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
    """Every file that a command will write, side files included, before its work.

    Args:
        read: paths of its inputs, by what a sentence calls them.
        made: path and kind (config.output_kinds; "": as its ending says, None: any) of each file, by the same.
        json: where the answer goes.

    Raises Refused where one is an input or another output, can't be made, or would replace a file of another kind.
    """
    answer = {"--json": json} if json is not None else {}
    require_apart(read, {**{said: path for said, (path, _) in made.items()}, **answer})
    for said, (path, kind) in made.items():
        require_writable(said, path, kind)
    for said, path in answer.items():
        refuse_what_was_read(path, said)


def require_apart(read: Mapping[str, Path], written: Mapping[str, Path]) -> None:
    """Raises Refused where two outputs are one file or one lies in another, or one is an input or in a folder that is.

    Args:
        read, written: paths by what a sentence calls them. Links and `..` are followed.
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
    """Raises Refused where `path` is one of these files, or lies in one as if it were a folder."""
    for other, file in files.items():
        if Path(os.path.realpath(file)) in (Path(os.path.realpath(path)), *_folders(path)):
            raise Refused(f"{said}: '{quoted(path, 200)}' lies in {other}, which is to be a file")


def require_writable(said: str, path: Path, kind: str | None = None) -> None:
    """Raises Refused where `path` can't become a file, or where there is one that is not replaced.

    A run is never replaced, by an answer (`--json`) nothing but JSON, and nothing by another `kind`
    (config.output_kinds; None: any).
    """
    what = "a file for the answer" if said == "--json" else "a plain file"
    try:
        refuse_what_is_no_file(path, what)
        _try_folder(path.parent)
        if kind == PAGE and path.suffix.lower() != ".md":  # which could not be written anew
            raise Refused(f"{said}: '{quoted(path, 200)}' is not {PAGE}; name it NAME.md")
        if said == "--json" or kind is not None:
            require_kind(said, path, "JSON" if said == "--json" else kind or "")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(f"{said}: no file can be made at '{quoted(path, 200)}' ({reason})") from None
    if said == "--json" and path.with_suffix(".safetensors").exists():
        raise Refused(f"{said}: '{quoted(path, 200)}' is the card of a checkpoint; name another file")


def require_folder(said: str, path: Path) -> None:
    """Raises Refused where `path` is no folder and can't become one."""
    found = kind_of(path)
    if found not in ("", "a folder"):
        raise Refused(f"{path}: found {found}, where a folder is needed")
    try:
        _try_folder(path)
    except OSError as error:
        raise Refused(f"{said}: no folder can be made at '{quoted(path, 200)}' ({error.strerror})") from None


def same(one: Path, other: Path) -> bool:
    """Whether two paths name one file, which need not be there yet."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _paths(given: Mapping[str, Any], names: set[str]) -> Iterator[tuple[str, Path]]:
    """(what a sentence calls it, path) of every path among these names."""
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
    """Make and remove a file in the folder, or in the first one above it that is there. Raises OSError."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    trial = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(trial, FRESH, 0o600))
    trial.unlink()


def checkpoint_files(card: Path, of: str = "network") -> dict[str, tuple[Path, str | None]]:
    """The two files of a checkpoint of a network or a classifier, each with its kind, by what a sentence calls them."""
    return {
        "the checkpoint": (card, f"the card of a {of}"),
        "the checkpoint's weights": (card.with_suffix(".safetensors"), "the weights of a checkpoint"),
    }

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
    arguments = {name: value for name, value in values.items() if value is not None}
    results = {json for (of, option), json in RESULTS.items() if of == verb and option in arguments}
    read = dict(_paths(arguments, READ | results))
    written = dict(_paths(arguments, WRITTEN - results))
    folders = {f"--{name}" for name in arguments if (verb, name) in FOLDERS}
    require_apart(read, {label: path for label, path in written.items() if label not in folders})
    kinds = {f"--{option}": kind for (of, option), kind in KINDS.items() if of == verb}
    for label, path in written.items():
        if label in folders:
            _require_outside(label, path, {other: file for other, file in written.items() if other not in folders})
            require_folder(label, path)
        elif label != "--link":  # an emulator replaces its own symbolic link
            require_writable(label, path, kinds.get(label))
    for name in arguments:
        if (verb, name) in NEW and os.path.lexists(arguments[name]):
            raise Refused(f"{arguments[name]}: there is a file of this name already, and a run is never written over")


def require_files(
    read: Mapping[str, Path], outputs: Mapping[str, tuple[Path, str | None]], json: Path | None = None
) -> None:
    """Check every file that a command will write, including side files, before its work.

    Args:
        read: paths of its inputs, by their names in messages.
        outputs: path and kind (config.output_kinds; "": by the extension, None: any) of each file, likewise.
        json: path of the answer.

    Raises Refused if a file is an input or another output, can't be created, or would replace a file of another kind.
    """
    answer = {"--json": json} if json is not None else {}
    require_apart(read, {**{label: path for label, (path, _) in outputs.items()}, **answer})
    for label, (path, kind) in outputs.items():
        require_writable(label, path, kind)
    for label, path in answer.items():
        refuse_what_was_read(path, label)


def require_apart(read: Mapping[str, Path], written: Mapping[str, Path]) -> None:
    """Raises Refused if two outputs are the same file, or one lies in another, in an input folder, or is an input.

    Args:
        read, written: paths by their names in messages. Links and `..` are followed.
    """
    earlier_outputs: dict[str, Path] = {}
    for label, path in written.items():
        for other, source in read.items():
            if same(path, source):
                raise Refused(f"{label}: '{quoted(path, 200)}' is {other}, which is read and never written over")
            if label != "--json" and source.is_dir() and Path(os.path.realpath(source)) in _folders(path):
                raise Refused(f"{label}: '{quoted(path, 200)}' lies in {other}, a folder that is read")
        for other, earlier in earlier_outputs.items():
            if same(path, earlier):
                raise Refused(f"{label}: '{quoted(path, 200)}' is {other} too; each needs a file of its own")
        _require_outside(label, path, earlier_outputs)
        for other, earlier in earlier_outputs.items():
            _require_outside(other, earlier, {label: path})
        earlier_outputs[label] = path


def _require_outside(label: str, path: Path, files: Mapping[str, Path]) -> None:
    """Raises Refused if `path` is one of these files, or lies in one as if it were a folder."""
    for other, file in files.items():
        if Path(os.path.realpath(file)) in (Path(os.path.realpath(path)), *_folders(path)):
            raise Refused(f"{label}: '{quoted(path, 200)}' lies in {other}, which is to be a file")


def require_writable(label: str, path: Path, kind: str | None = None) -> None:
    """Raises Refused if `path` can't become a file, or if its file must not be replaced.

    A run is never replaced. An answer (`--json`) replaces only JSON, and other outputs only their own `kind`
    (config.output_kinds; None: any).
    """
    description = "a file for the answer" if label == "--json" else "a plain file"
    try:
        refuse_what_is_no_file(path, description)
        _try_folder(path.parent)
        if kind == PAGE and path.suffix.lower() != ".md":  # could not be replaced later
            raise Refused(f"{label}: '{quoted(path, 200)}' is not {PAGE}; name it NAME.md")
        if label == "--json" or kind is not None:
            require_kind(label, path, "JSON" if label == "--json" else kind or "")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(f"{label}: no file can be made at '{quoted(path, 200)}' ({reason})") from None
    if label == "--json" and path.with_suffix(".safetensors").exists():
        raise Refused(f"{label}: '{quoted(path, 200)}' is the card of a checkpoint; name another file")


def require_folder(label: str, path: Path) -> None:
    """Raises Refused if `path` is not a folder and can't become one."""
    kind = kind_of(path)
    if kind not in ("", "a folder"):
        raise Refused(f"{path}: found {kind}, where a folder is needed")
    try:
        _try_folder(path)
    except OSError as error:
        raise Refused(f"{label}: no folder can be made at '{quoted(path, 200)}' ({error.strerror})") from None


def same(first: Path, second: Path) -> bool:
    """Whether two paths name the same file, which need not exist yet."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(first)) == os.path.normcase(os.path.realpath(second))


def _paths(arguments: Mapping[str, Any], names: set[str]) -> Iterator[tuple[str, Path]]:
    """(name in messages, path) of every path among these arguments."""
    for name, value in arguments.items():
        if name not in names:
            continue
        if isinstance(value, (list, tuple)):
            yield from ((f"{name} {number}", Path(item)) for number, item in enumerate(value, 1))
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

"""Files written whole or not at all: a fresh file of our own beside the place, moved there once it is complete.

It takes the place of a file of its own kind only (config.output_kinds), which is asked again at that moment.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from config.files import was_read
from config.output_kinds import require_kind
from config.refused import Refused
from config.words import quoted

FRESH = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
}  # fmt: skip
RUN = b"\x89HDF\r\n\x1a\n"  # how a run file begins, as every HDF5 file does


@contextmanager
def fresh_file(
    path: Path, what: str = "a plain file", *, kind: str | None = "", make_folder: bool = True, own: bool = False
) -> Iterator[Path]:
    """A new, empty file beside `path`, to be filled by its name; at the end of the block it takes the place of `path`.

    Where the block raises, `path` is as it was and nothing is left beside it.

    Args:
        what: what is to be written there, for the sentence of a refusal.
        kind: of config.output_kinds, of what it may replace; "": as the ending of `path` says; None: any.
        make_folder: make the folder if it is not there.
        own: a file that this process has read may be replaced: it goes on with what it wrote there before.

    Raises Refused where there is a run, a file that was read or is of another kind, or something else than a plain
    file, at `path` (a link, a device, a folder), OSError, which names `path`.
    """
    with fresh_files({path: kind}, what, make_folder=make_folder, own=own) as (beside,):
        yield beside


@contextmanager
def fresh_files(
    kinds: Mapping[Path, str | None], what: str = "a plain file", *, make_folder: bool = True, own: bool = False
) -> Iterator[list[Path]]:
    """The same for files that belong together, each with its kind: all of them take their places, or none does.

    All are on the disk before the first of them is moved to its place.
    """
    made: dict[Path, Path] = {}
    now = next(iter(kinds))  # the file that an error is about
    try:
        for now, kind in kinds.items():
            _refuse(now, what, kind, own)
            if make_folder:
                now.parent.mkdir(parents=True, exist_ok=True)
            beside = _beside(now)
            os.close(os.open(beside, FRESH, 0o666))
            made[now] = beside
        now = next(iter(kinds))
        yield list(made.values())
        for path, beside in made.items():
            now = path
            _to_disk(beside)
        for path, kind in kinds.items():
            now = path
            _refuse(path, what, kind, own)
        _move(made)
    except OSError as error:
        names = {str(beside): path for path, beside in made.items()}
        if error.filename is None:  # of a disk that is full: no name at all
            error.filename = str(now)
        elif str(error.filename) in names:
            error.filename = str(names[str(error.filename)])
        raise
    finally:
        for beside in made.values():
            beside.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A new name in the same folder."""
    return path.with_name(f".{path.name[:20]}.{secrets.token_hex(8)}.part")


def _move(made: Mapping[Path, Path]) -> None:
    """Each file to its place. Where one can't be moved, those before it are put back, if the file system has links."""
    before: dict[Path, Path | None] = {}  # by place: another name of the file that was there; None: there was none
    *firsts, _ = made
    try:
        for path in firsts:
            if os.path.lexists(path):
                with suppress(OSError):  # no links here
                    os.link(path, kept := _beside(path))
                    before[path] = kept
            else:
                before[path] = None
        moved: list[Path] = []
        try:
            for path, beside in made.items():
                os.replace(beside, path)
                moved.append(path)
        except BaseException:
            for path in moved:
                _put_back(path, before)
            raise
    finally:
        for other in before.values():
            if other is not None:
                other.unlink(missing_ok=True)


def _put_back(path: Path, before: Mapping[Path, Path | None]) -> None:
    """What was at `path` before, where that is known."""
    with suppress(OSError):
        if (other := before.get(path)) is not None:
            os.replace(other, path)
        elif path in before:
            path.unlink()


def write_file(
    path: Path,
    content: str | bytes,
    what: str = "a plain file",
    *,
    kind: str | None = "",
    make_folder: bool = True,
    own: bool = False,
) -> None:
    """Write text (as UTF-8) or bytes. Raises as `fresh_file` does."""
    with fresh_file(path, what, kind=kind, make_folder=make_folder, own=own) as beside:
        beside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def refuse_what_was_read(path: Path, said: str = "") -> None:
    """Raises Refused if this process has read the file at `path`; `said` is the option that names it."""
    if was_read(path):
        said = f"{said}: " if said else ""
        raise Refused(f"{said}{quoted(path, 200)}: this file was read by this command, and it is never written over")


def _refuse(path: Path, what: str, kind: str | None, own: bool) -> None:
    refuse_what_is_no_file(path, what)
    if kind is not None:
        require_kind("", path, kind)
    if not own:
        refuse_what_was_read(path)


def refuse_what_is_no_file(path: Path, what: str = "a plain file") -> None:
    """Raises Refused if what is at `path` is no plain file (a symbolic link is none, wherever it leads), or is a run.

    Raises OSError where that can't be found out.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise Refused(f"{path}: found {KINDS.get(stat.S_IFMT(mode), 'something else')}, where {what} is needed")
    with path.open("rb") as file:
        if file.read(len(RUN)) == RUN:
            raise Refused(f"{path}: this file is a run (HDF5), and a run is never written over")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Atomic writing of files: into a new file beside the path, which is moved to the path when it is complete.

It replaces only files of the same kind (config.output_kinds). The kind is checked again just before the move.
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
RUN = b"\x89HDF\r\n\x1a\n"  # first bytes of a run file, as of every HDF5 file


@contextmanager
def fresh_file(
    path: Path, what: str = "a plain file", *, kind: str | None = "", make_folder: bool = True, own: bool = False
) -> Iterator[Path]:
    """Yield the path of a new, empty file beside `path`; at the end of the block it is moved to `path`.

    If the block raises, `path` is unchanged and nothing remains beside it.

    Args:
        what: what is needed at `path`, for messages.
        kind: of config.output_kinds, of the file that may be replaced; "": by the ending of `path`; None: any.
        make_folder: make the folder if it is missing.
        own: a file that this process has read may be replaced.

    Raises Refused if there is a run at `path`, a file that was read or of another kind, or anything but a plain file
    (a link, a device, a folder), and OSError with the file name `path`.
    """
    with fresh_files({path: kind}, what, make_folder=make_folder, own=own) as (temporary,):
        yield temporary


@contextmanager
def fresh_files(
    kinds: Mapping[Path, str | None], what: str = "a plain file", *, make_folder: bool = True, own: bool = False
) -> Iterator[list[Path]]:
    """As `fresh_file` for files that belong together, each with its kind: all of them are moved, or none.

    All are on the disk before the first is moved.
    """
    parts: dict[Path, Path] = {}
    path = next(iter(kinds))  # file named in an error
    try:
        for path, kind in kinds.items():
            _require_replaceable(path, what, kind, own)
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _temporary_path(path)
            os.close(os.open(temporary, FRESH, 0o666))
            parts[path] = temporary
        path = next(iter(kinds))
        yield list(parts.values())
        for path in parts:
            _to_disk(parts[path])
        for path, kind in kinds.items():
            _require_replaceable(path, what, kind, own)
        _move(parts)
    except OSError as error:
        names = {str(temporary): target for target, temporary in parts.items()}
        if error.filename is None:  # a full disk: no file name
            error.filename = str(path)
        elif str(error.filename) in names:
            error.filename = str(names[str(error.filename)])
        raise
    finally:
        for temporary in parts.values():
            temporary.unlink(missing_ok=True)


def _temporary_path(path: Path) -> Path:
    """A new name in the same folder."""
    return path.with_name(f".{path.name[:20]}.{secrets.token_hex(8)}.part")


def _move(parts: Mapping[Path, Path]) -> None:
    """Move each file to its path. If one can't be moved, the earlier ones are restored (needs hard links)."""
    backups: dict[Path, Path | None] = {}  # by path: hard link to the replaced file; None: there was none
    *firsts, _ = parts
    try:
        for path in firsts:
            if os.path.lexists(path):
                with suppress(OSError):  # a file system without hard links
                    os.link(path, backup := _temporary_path(path))
                    backups[path] = backup
            else:
                backups[path] = None
        moved: list[Path] = []
        try:
            for path, temporary in parts.items():
                os.replace(temporary, path)
                moved.append(path)
        except BaseException:
            for path in moved:
                _restore(path, backups)
            raise
    finally:
        for link in backups.values():
            if link is not None:
                link.unlink(missing_ok=True)


def _restore(path: Path, backups: Mapping[Path, Path | None]) -> None:
    """Restore the file that was at `path`, if there is a backup of it, or remove the new one if there was none."""
    with suppress(OSError):
        if (backup := backups.get(path)) is not None:
            os.replace(backup, path)
        elif path in backups:
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
    """Write text (as UTF-8) or bytes into `path`. Arguments and errors as for `fresh_file`."""
    with fresh_file(path, what, kind=kind, make_folder=make_folder, own=own) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def refuse_what_was_read(path: Path, option: str = "") -> None:
    """Raises Refused if this process has read the file at `path`, which `option` names."""
    if was_read(path):
        prefix = f"{option}: " if option else ""
        raise Refused(f"{prefix}{quoted(path, 200)}: this file was read by this command, and is never written over")


def _require_replaceable(path: Path, what: str, kind: str | None, own: bool) -> None:
    refuse_what_is_no_file(path, what)
    if kind is not None:
        require_kind("", path, kind)
    if not own:
        refuse_what_was_read(path)


def refuse_what_is_no_file(path: Path, what: str = "a plain file") -> None:
    """Raises Refused if there is a run at `path`, or anything but a plain file (a symbolic link, wherever it leads).

    Raises OSError if that can't be determined.
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

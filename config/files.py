"""Reading a whole file: never a pipe or a device, which could block, and never more than was allowed.

What this process has read is remembered by its path: config.atomic replaces no such file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from config.refused import Refused
from config.words import one_line, quoted

KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
         (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))  # fmt: skip

_read: dict[str, None] = {}  # absolute paths, in the order of reading


def remember_read(path: Path) -> None:
    """From now on the file at `path` is an input of this process."""
    _read[os.path.abspath(path)] = None


def forget_read() -> None:
    """A new command begins: nothing was read for it yet."""
    _read.clear()


def was_read(path: Path) -> bool:
    """Whether the file that is at `path` now was read by this process, by this name or another one."""
    try:
        there = os.stat(path)
    except (OSError, ValueError):
        return False
    return os.path.abspath(path) in _read or any(_is(one, there) for one in tuple(_read))


def _is(path: str, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), there)
    except OSError:
        return False


def kind_of(path: Path) -> str:
    """'a file', 'a folder', 'a pipe', ...; '' where there is nothing. Raises Refused where that can't be found out."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero byte
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise Refused(f"{quoted(path, 200)}: this file can't be read ({reason})") from None
    return "a file" if stat.S_ISREG(mode) else next((said for test, said in KINDS if test(mode)), "no plain file")


def require_file(path: Path, what: str = "a file", near: str = "") -> None:
    """The file at `path` is about to be read. Raises Refused where there is no plain file.

    `near` is added where there is nothing.
    """
    found = kind_of(path)
    if not found:
        raise Refused(f"{path}: there is no such file{near}")
    if found != "a file":
        raise Refused(f"{path}: found {found}, where {what} is needed")
    remember_read(path)


def read_bytes(path: Path, most: int, what: str = "a file") -> bytes:
    """All of a file that has at most `most` bytes. Raises Refused."""
    require_file(path, what)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Refused(f"{path}: this file can't be read ({error.strerror})") from None
    if len(data) > most:
        raise Refused(f"{path}: this file is too large for {what} (allowed: {most / 1e6:g} MB)")
    return data


def read_text(path: Path, most: int, what: str = "a file") -> str:
    """The same as text in UTF-8. Raises Refused."""
    try:
        return read_bytes(path, most, what).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: this file can't be read as text ({error.reason} at byte {error.start})") from None

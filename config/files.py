"""Reading whole files of bounded size; pipes and devices, which could block, are refused.

The paths of files that this process has read are registered, since config.atomic never replaces these files.
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
    """Register the file at `path` as read by this process."""
    _read[os.path.abspath(path)] = None


def forget_read() -> None:
    """Clear the register at the start of a command."""
    _read.clear()


def was_read(path: Path) -> bool:
    """Whether this process has read the file at `path`, by this or another name."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return os.path.abspath(path) in _read or any(_is_same(other, status) for other in tuple(_read))


def _is_same(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def kind_of(path: Path) -> str:
    """'a file', 'a folder', 'a pipe', ...; '' if there is none. Raises Refused if that can't be determined."""
    try:
        status = path.stat()
        mode = status.st_mode
        if stat.S_ISREG(mode) and not status.st_size and os.path.realpath(path).startswith("/proc/"):
            return "a file of the kernel"  # reading it may block
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # a name that is too long or contains a zero byte
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise Refused(f"{quoted(path, 200)}: this file can't be read ({reason})") from None
    return "a file" if stat.S_ISREG(mode) else next((name for test, name in KINDS if test(mode)), "no plain file")


def require_file(path: Path, what: str = "a file", near: str = "") -> None:
    """Register a file that is about to be read. Raises Refused if `path` is not a plain file.

    `near` is appended to the message for a missing file.
    """
    kind = kind_of(path)
    if not kind:
        raise Refused(f"{path}: there is no such file{near}")
    if kind != "a file":
        raise Refused(f"{path}: found {kind}, where {what} is needed")
    remember_read(path)


def read_bytes(path: Path, most: int, what: str = "a file") -> bytes:
    """The content of a file of at most `most` bytes. Raises Refused."""
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
    """The content as text in UTF-8, with newlines as \\n. Raises Refused."""
    try:
        return read_bytes(path, most, what).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: this file can't be read as text ({error.reason} at byte {error.start})") from None

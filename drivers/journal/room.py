"""Reserves disk space for a growing file before it is written, and checks that the file is still in place."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

STEP_BYTES = 1 << 20  # additional space that is reserved at once if available
MB = 1e6
UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}  # errors of file systems that can't reserve


class NoRoom(OSError):
    """The disk, a quota or a limit on file sizes leaves no space for the next write. Nothing of it was written."""


class FileLost(OSError):
    """The file was deleted, moved, replaced or truncated by another program."""


class Room:
    """A new file with space reserved for it beyond its content.

    A write into reserved space can't fail for lack of space. If the system can't reserve, free space is checked.

    Args:
        path: the new file. Raises FileExistsError if it exists.
        content: first bytes of the file. Raises NoRoom, without a file, if there is not enough space.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = Path(os.path.abspath(path))
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._held_bytes = 0
        self._reserves = hasattr(os, "posix_fallocate")
        try:
            self._hold(0, len(content))
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[os.write(self._file, remaining) :]
        except BaseException:
            self.remove()
            self.close()
            raise

    def reserve(self, used_bytes: int, more_bytes: int) -> None:
        """Reserve space for a file of `used_bytes` to grow by `more_bytes`. Raises NoRoom."""
        needed_bytes = used_bytes + more_bytes
        if self._reserves:
            self._held_bytes = min(self._held_bytes, os.fstat(self._file).st_size)  # HDF5 may have released some
        if needed_bytes <= self._held_bytes:
            return
        begin_bytes = min(self._held_bytes, used_bytes)
        try:
            self._hold(begin_bytes, needed_bytes + STEP_BYTES)
        except OSError:
            self._hold(begin_bytes, needed_bytes)

    @property
    def held_bytes(self) -> int:
        """End of the reserved space in the file; 0 if the system can't reserve."""
        return self._held_bytes if self._reserves else 0

    def give_back(self, used_bytes: int) -> None:
        """Release the reserved space beyond `used_bytes`."""
        if os.fstat(self._file).st_size > used_bytes:
            os.ftruncate(self._file, used_bytes)
        self._held_bytes = 0

    def assert_in_place(self, used_bytes: int) -> None:
        """Raises FileLost if the file was deleted, moved, replaced, or truncated below `used_bytes`."""
        status = os.fstat(self._file)
        try:
            on_disk = os.stat(self.path)
        except OSError:
            change = "moved" if status.st_nlink else "deleted"
            raise FileLost(f"the file was {change} while it was being recorded") from None
        if not os.path.samestat(status, on_disk):
            raise FileLost("the file was replaced by another one while it was being recorded")
        if status.st_size < used_bytes:
            length = f"{status.st_size} of {used_bytes} bytes"
            raise FileLost(f"the file was cut off while it was being recorded, at {length}")

    def begin(self, length: int) -> bytes:
        """The file's first bytes."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, length)

    def remove(self) -> None:
        """Delete the file, if it is still in its place."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file), os.stat(self.path)):
                self.path.unlink()

    def close(self) -> None:
        """Close the file; its length does not change."""
        os.close(self._file)

    def _hold(self, begin_bytes: int, end_bytes: int) -> None:
        try:
            if self._reserves:
                os.posix_fallocate(self._file, begin_bytes, end_bytes - begin_bytes)
                self._held_bytes = end_bytes
                return
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise NoRoom(error.errno, os.strerror(error.errno or 0)) from None
            self._reserves = False
        if free_bytes(self.path) < end_bytes - begin_bytes:
            raise NoRoom(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._held_bytes = end_bytes


def free_bytes(path: Path) -> int:
    """Free bytes, for this user, on the disk of the file's folder."""
    return shutil.disk_usage(path.parent).free


def disk_trouble(path: Path, error: BaseException) -> str:
    """A sentence about a failure of the disk."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (number_match := re.search(r"errno = (\d+)", str(error))):  # format of HDF5's messages
        number = int(number_match[1])
    if number == errno.ENOSPC:
        with suppress(OSError):
            return f"the disk is full, {free_bytes(path) / MB:.1f} MB free"
        return "the disk is full"
    if number == errno.EDQUOT:
        return "the quota on this disk is used up"
    if number == errno.EFBIG:
        return f"a file may not grow any further here{_limit()}"
    if number:
        return f"the disk failed: {os.strerror(number)}"
    return " ".join(str(error).split()) or type(error).__name__


def _limit() -> str:
    """The limit on file sizes of this process, as words; empty if there is none."""
    try:
        import resource
    except ImportError:  # not on this system
        return ""
    limit_bytes = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return "" if limit_bytes == resource.RLIM_INFINITY else f", the limit is {limit_bytes / MB:.1f} MB"

"""Room on the disk for a file that grows, reserved before it is written, and what became of the file meanwhile."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

STEP_BYTES = 1 << 20  # reserved at once beyond what is needed, where there is so much
MB = 1e6
UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}  # a file system that can't reserve


class NoRoom(OSError):
    """The disk, a quota or a limit on the size of files has no room for what is next. Nothing of it was written."""


class FileLost(OSError):
    """The file is no longer where it was made, or was cut off by another program."""


class Room:
    """A new file, and the bytes that are reserved for it beyond its content.

    A write into reserved bytes can't fail for want of space. Where the system can't reserve, free space is looked at.

    Args:
        path: the new file. FileExistsError if there is one.
        content: what it begins with. NoRoom, and no file, if there is not so much.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = Path(os.path.abspath(path))
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._held_bytes = 0
        self._reserves = hasattr(os, "posix_fallocate")
        try:
            self._hold(0, len(content))
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except BaseException:
            self.remove()
            self.close()
            raise

    def reserve(self, used_bytes: int, more_bytes: int) -> None:
        """See that the file can grow from `used_bytes` by `more_bytes`. Raises NoRoom."""
        wanted_bytes = used_bytes + more_bytes
        if self._reserves:
            self._held_bytes = min(self._held_bytes, os.fstat(self._file).st_size)  # HDF5 may have given some back
        if wanted_bytes <= self._held_bytes:
            return
        begin_bytes = min(self._held_bytes, used_bytes)
        try:
            self._hold(begin_bytes, wanted_bytes + STEP_BYTES)
        except OSError:
            self._hold(begin_bytes, wanted_bytes)

    @property
    def held_bytes(self) -> int:
        """Up to where the file was reserved; 0 where the system can't reserve."""
        return self._held_bytes if self._reserves else 0

    def give_back(self, used_bytes: int) -> None:
        """Reserve nothing any more beyond `used_bytes`."""
        if os.fstat(self._file).st_size > used_bytes:
            os.ftruncate(self._file, used_bytes)
        self._held_bytes = 0

    def assert_in_place(self, used_bytes: int) -> None:
        """Raises FileLost where the file was deleted, moved, replaced, or cut off below `used_bytes`."""
        own = os.fstat(self._file)
        try:
            there = os.stat(self.path)
        except OSError:
            how = "moved" if own.st_nlink else "deleted"
            raise FileLost(f"the file was {how} while it was being recorded") from None
        if not os.path.samestat(own, there):
            raise FileLost("the file was replaced by another one while it was being recorded")
        if own.st_size < used_bytes:
            raise FileLost(f"the file was cut off while it was being recorded, at {own.st_size} of {used_bytes} bytes")

    def begin(self, length: int) -> bytes:
        """The file's first bytes."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, length)

    def remove(self) -> None:
        """Take the file away, as far as it is in its place."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file), os.stat(self.path)):
                self.path.unlink()

    def close(self) -> None:
        """Let go of the file; it is as long as it was made."""
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
    """Free bytes of the disk that has the file's folder, for this user."""
    return shutil.disk_usage(path.parent).free


def disk_trouble(path: Path, error: BaseException) -> str:
    """What a disk did, in words."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (named := re.search(r"errno = (\d+)", str(error))):  # as HDF5 words it
        number = int(named[1])
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
    return " ".join(str(error).split())


def _limit() -> str:
    """The limit on the size of files that this process runs under, in words; empty where there is none."""
    try:
        import resource
    except ImportError:  # not on this system
        return ""
    limit_bytes = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return "" if limit_bytes == resource.RLIM_INFINITY else f", the limit is {limit_bytes / MB:.1f} MB"

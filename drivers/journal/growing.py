"""An HDF5 file that grows, and whose every failed write is raised. What was flushed stays readable, whatever fails."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from drivers.journal.room import FileLost, Room

SIGNATURE = b"\x89HDF\r\n\x1a\n"
END_OF_FILE = slice(28, 36)  # of the superblock
METADATA_BYTES = 1 << 17  # HDF5's own bookkeeping of one append, at most
FILTER_BYTES = 64  # what an image that can't be compressed may be longer by
LOCKED_TRIES = 50
VERSIONS = ("v110", "v110")  # what HDF5 1.10 and all later ones can read


class GrowingFile:
    """The datasets of a new HDF5 file in SWMR mode, to be appended to.

    Handles stay open and there is no chunk cache, so that every row is written, and every error raised, at once.
    Room is reserved ahead of every append: HDF5 can't close a file whose flush failed, so it must not meet a full disk.
    If a call of HDF5 fails all the same, its file is cut off from the disk and what was flushed stays as it is.

    Args:
        path: the new file. FileExistsError if there is one; NoRoom, and no file, where the disk has no room for it.
        fill: makes the datasets, their first axis of length 0, and the attributes.
        batch_bytes: how much an ordinary append adds. Room for one more is kept for `append(..., last=True)`.
    """

    def __init__(self, path: Path, fill: Callable[[Any], None], batch_bytes: int) -> None:
        blank, self._chunks = _blank(fill)
        chunks_bytes = sum(rows * row_bytes for rows, row_bytes in self._chunks.values()) + METADATA_BYTES
        self._spare_bytes = batch_bytes + chunks_bytes
        self._room = Room(path, blank)
        self._rows = dict.fromkeys(self._chunks, 0)
        self._file: Any = None
        self._datasets: dict[str, Any] = {}
        self._sound = True
        try:
            self._room.reserve(len(blank), self._spare_bytes + chunks_bytes)
            self._room.give_back(len(blank))  # HDF5 would cut off on opening what is beyond the end that it knows
            with self._hdf5():
                self._file = _opened(path)
                self._datasets = {name: self._file[name] for name in self._file}
                self._file.swmr_mode = True
            self._flushed_bytes = self._used_bytes()
            self._room.reserve(self._flushed_bytes, self._spare_bytes + chunks_bytes)
            self.assert_in_place()
        except BaseException:
            self._sound = False
            self._room.remove()
            if self._file is not None:
                self._let_go()
            self._room.close()
            raise

    def append(self, rows: Mapping[str, Any], last: bool = False) -> None:
        """Rows to the end of datasets, in this order. Raises NoRoom, and then nothing was written; FileLost; OSError.

        Args:
            last: also into the room that is kept for what must still be kept when there is no other.
        """
        self.assert_in_place()
        more_bytes = METADATA_BYTES + sum(self._growth_bytes(name, len(new)) for name, new in rows.items())
        self._room.reserve(self._used_bytes(), more_bytes + (0 if last else self._spare_bytes))
        with self._hdf5():
            for name, new in rows.items():
                if len(new):
                    extend(self._datasets[name], new)
                    self._rows[name] += len(new)

    def put(self, name: str, value: Any) -> None:
        """The whole of a dataset that has its size already. Raises OSError."""
        with self._hdf5():
            self._datasets[name][...] = value

    def flush(self) -> None:
        """What was appended is in the file. Raises FileLost where the file is not in its place, and OSError."""
        self.assert_in_place()
        with self._hdf5():
            self._file.flush()
        self._flushed_bytes = self._used_bytes()

    def assert_in_place(self) -> None:
        """Raises FileLost, and lets a file that was cut off as it is."""
        try:
            self._room.assert_in_place(self._least_bytes())
        except OSError:
            self._sound = False
            raise

    def close(self) -> None:
        """Raises OSError and RuntimeError where the file is not whole, or not in its place."""
        try:
            with suppress(OSError, RuntimeError):
                self._room.give_back(self._used_bytes())  # a file system that copies on writing may need it
            if self._sound:
                with self._hdf5():
                    self._file.flush()
            self._let_go()
            if self._sound:
                self._room.assert_in_place(self._end_bytes())
        finally:
            self._room.close()

    def _used_bytes(self) -> int:
        """Where HDF5 will put what is new."""
        return int(self._file.id.get_filesize()) if self._file is not None else 0

    def _least_bytes(self) -> int:
        """How long the file has to be by now, if only we have changed it."""
        reserved_bytes = self._room.held_bytes
        return min(self._used_bytes(), reserved_bytes) if reserved_bytes else self._flushed_bytes

    def _end_bytes(self) -> int:
        """The length of the closed file, as it says itself (HDF5 file format 3.0, II.A). Raises FileLost."""
        begin = self._room.begin(END_OF_FILE.stop)
        if begin[: len(SIGNATURE)] != SIGNATURE:
            raise FileLost("the file was overwritten while it was being recorded")
        return int.from_bytes(begin[END_OF_FILE], "little")

    def _growth_bytes(self, name: str, rows: int) -> int:
        """What the chunks that are begun for so many rows take, at most."""
        chunk_rows, row_bytes = self._chunks[name]
        have = self._rows[name]
        return (-(-(have + rows) // chunk_rows) + (-have // chunk_rows)) * chunk_rows * row_bytes

    @contextmanager
    def _hdf5(self) -> Iterator[None]:
        """After an error in here, HDF5's picture of the file is no longer the file."""
        try:
            yield
        except BaseException:
            self._sound = False
            raise

    def _let_go(self) -> None:
        """Close HDF5's file, once, in whatever state. After an error not another byte of it goes to the disk.

        HDF5 can't drop a file: it then writes what it still has into a nameless one. Raises only where all was sound.
        """
        try:
            if not self._sound and os.name == "posix":
                with _nameless() as instead:
                    os.dup2(instead.fileno(), self._file.id.get_vfd_handle(), inheritable=False)
            self._file.close()
        except Exception:  # why it is not sound was raised before
            for opened in (self._file, self._file.id, *self._datasets.values()):
                _keep_for_ever(opened)
            if self._sound:
                raise


def extend(dataset: Any, rows: Any) -> None:
    """Append rows to a dataset."""
    begin = len(dataset)
    dataset.resize(begin + len(rows), 0)
    dataset[begin:] = rows


def _blank(fill: Callable[[Any], None]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A file with empty datasets, made in memory; and of each that grows: rows of a chunk, bytes of a row at most."""
    with h5py.File("blank", "w", driver="core", backing_store=False, libver=VERSIONS) as file:
        fill(file)
        file.flush()
        chunks = {
            name: (dataset.chunks[0], _row_bytes(dataset))
            for name, dataset in file.items()
            if dataset.chunks is not None
        }
        return file.id.get_file_image(), chunks


def _row_bytes(dataset: Any) -> int:
    """A row in the file, at most."""
    own_bytes = int(np.prod(dataset.chunks[1:])) * int(dataset.dtype.itemsize)
    return own_bytes + FILTER_BYTES if dataset.compression or dataset.fletcher32 else own_bytes


def _opened(path: Path) -> Any:
    """The file for writing; tried for a second, as a reader that found it first locks it for a moment."""
    for _ in range(LOCKED_TRIES):
        with suppress(BlockingIOError):
            return h5py.File(path, "r+", libver=VERSIONS, rdcc_nbytes=0)
        time.sleep(1.0 / LOCKED_TRIES)
    return h5py.File(path, "r+", libver=VERSIONS, rdcc_nbytes=0)


def _keep_for_ever(opened: Any) -> None:
    """Python never destroys it, not even at its end: that would close it again, and HDF5 crashes where it failed to."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened))


def _nameless() -> IO[bytes]:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("cut off"), "wb")
    return tempfile.TemporaryFile()

"""An HDF5 file that grows. Every failed write raises an error, and flushed data stay readable after it."""

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
METADATA_BYTES = 1 << 17  # most metadata that HDF5 writes in one append
FILTER_BYTES = 64  # largest growth of an image that can't be compressed
LOCKED_TRIES = 50
VERSIONS = ("v110", "v110")  # readable by HDF5 1.10 and later


class GrowingFile:
    """Datasets of a new HDF5 file in SWMR mode that can be appended to.

    Handles stay open and there is no chunk cache, so that each row is written, and each error raised, at once. Space is
    reserved before every append: HDF5 can't close a file after a failed flush, so it must not meet a full disk. If a
    call of HDF5 fails nevertheless, its file handle is detached from the disk, and flushed data stay unchanged.

    Args:
        path: the new file. Raises FileExistsError if it exists; NoRoom, without a file, if the disk has no space.
        fill: creates the datasets, with length 0 along their first axis, and the attributes.
        batch_bytes: size of a usual append. Space for one more is reserved for `append(..., last=True)`.
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
            self._room.give_back(len(blank))  # on opening, HDF5 truncates the file at its recorded end
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
                self._release()
            self._room.close()
            raise

    def append(self, rows: Mapping[str, Any], last: bool = False) -> None:
        """Append rows to datasets, in this order. Raises NoRoom, without writing; FileLost; OSError.

        Args:
            last: may also use the space that is reserved for the last rows.
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
        """Write all values of a dataset of fixed size. Raises OSError."""
        with self._hdf5():
            self._datasets[name][...] = value

    def flush(self) -> None:
        """Flush what was appended. Raises FileLost if the file is not in its place, and OSError."""
        self.assert_in_place()
        with self._hdf5():
            self._file.flush()
        self._flushed_bytes = self._used_bytes()

    def assert_in_place(self) -> None:
        """Raises FileLost if the file was deleted, moved, replaced or truncated; it is not written to any more."""
        try:
            self._room.assert_in_place(self._least_bytes())
        except OSError:
            self._sound = False
            raise

    def close(self) -> None:
        """Close the file. Raises OSError and RuntimeError if it is incomplete or not in its place."""
        try:
            with suppress(OSError, RuntimeError):
                self._room.give_back(self._used_bytes())  # copy-on-write file systems may need it
            if self._sound:
                with self._hdf5():
                    self._file.flush()
            self._release()
            if self._sound:
                self._room.assert_in_place(self._end_bytes())
        finally:
            self._room.close()

    def _used_bytes(self) -> int:
        """Size of the file according to HDF5."""
        return int(self._file.id.get_filesize()) if self._file is not None else 0

    def _least_bytes(self) -> int:
        """Least size of the file on the disk if no other program changed it."""
        reserved_bytes = self._room.held_bytes
        return min(self._used_bytes(), reserved_bytes) if reserved_bytes else self._flushed_bytes

    def _end_bytes(self) -> int:
        """Length of the closed file from its superblock (HDF5 file format 3.0, II.A). Raises FileLost."""
        begin = self._room.begin(END_OF_FILE.stop)
        if begin[: len(SIGNATURE)] != SIGNATURE:
            raise FileLost("the file was overwritten while it was being recorded")
        return int.from_bytes(begin[END_OF_FILE], "little")

    def _growth_bytes(self, name: str, rows: int) -> int:
        """Largest number of bytes of the chunks that this many new rows begin."""
        chunk_rows, row_bytes = self._chunks[name]
        have = self._rows[name]
        return (-(-(have + rows) // chunk_rows) + (-have // chunk_rows)) * chunk_rows * row_bytes

    @contextmanager
    def _hdf5(self) -> Iterator[None]:
        """Marks the file as not sound if an error is raised: then HDF5's state and the file differ."""
        try:
            yield
        except BaseException:
            self._sound = False
            raise

    def _release(self) -> None:
        """Close HDF5's file in any state. After an error nothing more is written to the disk.

        HDF5 can't discard a file: after an error it writes the rest to a temporary file. Raises only if all was sound.
        """
        try:
            if not self._sound and os.name == "posix":
                with _unnamed() as substitute:
                    os.dup2(substitute.fileno(), self._file.id.get_vfd_handle(), inheritable=False)
            self._file.close()
        except Exception:  # the cause was raised before
            for handle in (self._file, self._file.id, *self._datasets.values()):
                _never_destroy(handle)
            if self._sound:
                raise


def extend(dataset: Any, rows: Any) -> None:
    """Append rows to a dataset."""
    begin = len(dataset)
    dataset.resize(begin + len(rows), 0)
    dataset[begin:] = rows


def _blank(fill: Callable[[Any], None]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """(bytes of a file with empty datasets, made in memory; rows per chunk and largest row size of each that grows)."""
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
    """Largest size of a row in the file."""
    data_bytes = int(np.prod(dataset.chunks[1:])) * int(dataset.dtype.itemsize)
    return data_bytes + FILTER_BYTES if dataset.compression or dataset.fletcher32 else data_bytes


def _opened(path: Path) -> Any:
    """Open the file for writing. Tries for a second, since a reader may lock it for a moment."""
    for _ in range(LOCKED_TRIES):
        with suppress(BlockingIOError):
            return h5py.File(path, "r+", libver=VERSIONS, rdcc_nbytes=0)
        time.sleep(1.0 / LOCKED_TRIES)
    return h5py.File(path, "r+", libver=VERSIONS, rdcc_nbytes=0)


def _never_destroy(handle: Any) -> None:
    """Prevent that Python destroys an object, even at exit: closing it again would crash HDF5."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))


def _unnamed() -> IO[bytes]:
    """A temporary file without a name, in memory if the system supports that."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("cut off"), "wb")
    return tempfile.TemporaryFile()

"""Checks the structure of a run file before any table is read: a file may come from any source.

HDF5 files can refer to data in other files, and claim sizes that no file has. Both are refused before a table is read
and before memory is allocated.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from config.refused import Refused
from config.words import one_line, quoted
from drivers.journal.tables import HASH_BYTES, TABLES, TURNS

LARGEST_HEADER = 1 << 20  # bytes: its JSON is parsed in one step, which blocks all other threads
MOST_DATASETS = 100  # at the top of a file; each takes HDF5 some time, and a run has about 20
LARGEST_ATTRIBUTE = 1 << 16  # bytes
LARGEST_CHUNK = 1 << 27  # bytes: one image
FRAME_FILTERS = (3, 32001)  # Fletcher's checksum and Blosc, as in `drivers.journal.write`; tables have none
BLOSC_HEADER = 16  # bytes at the start of a Blosc buffer; bytes 4 to 7 have the uncompressed size
BLOSC_MASKED = 1  # bit of a chunk's filter mask: Blosc, the first filter, was skipped
CHECK_SUM = 4  # bytes of Fletcher's check sum, at the end of a chunk
TIMES = ("frame_time_s", "now_s", "sent_s", "effect_s", "tracks_time_s", "allowed_effect_s", "sent_effect_s")
LATEST_S = 4e9  # largest time: after the present in Unix time, and in ns within 64 bits
LAST_FRAME = 2**53  # largest frame number: exact in float64, and differences do not overflow
NEEDED = {
    "texts": ("turn", "end"),
    "events": ("turn", "kind", "particle", "text"),
    "orders": ("turn", "kind", "text"),
    "tracks": ("turn", "particle", "x_um", "y_um", "state"),
}  # columns that the oldest runs have, too
SLACK = 1 << 26  # bytes that a killed run may claim beyond those written
BEGIN_BYTES = 1 << 17  # first part of a run file, which has the texts of its attributes
HEAP = b"GCOL\1\0\0\0"  # start of a collection of such texts (HDF5 file format 3.0, III.E)
ATTEMPTS = 27  # to read metadata that is being written; pauses of 1 ns, 2 ns, 4 ns, ... sum up to 0.13 s

# Errors of HDF5, h5py and NumPy for damaged files.
DAMAGE = (OSError, RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError,
          MemoryError, NotImplementedError)  # fmt: skip


def open_file(path: Path, *, growing: bool) -> Any:
    """Open an HDF5 file for reading; `growing`: it is being written, or its writer was killed (SWMR).

    HDF5 retries damaged metadata of a growing file 100 times, each time after twice the previous pause, which never
    ends. Here it retries ATTEMPTS times, 0.13 s in total.
    """
    if not growing:
        return h5py.File(path, "r")
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    with suppress(OSError, AttributeError):  # libraries without this function keep their default
        library = ctypes.CDLL("hdf5.dll" if sys.platform == "win32" else h5py.h5p.__file__)
        limit = library.H5Pset_metadata_read_attempts
        limit.argtypes, limit.restype = (ctypes.c_int64, ctypes.c_uint), ctypes.c_int
        limit(access.id, ATTEMPTS)
    flags = h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ
    return h5py.File(h5py.h5f.open(os.fsencode(path), flags, fapl=access))


def require_sound_texts(begin: bytes, file_bytes: int) -> None:
    """Raises ValueError if texts of attributes are incomplete, which would send HDF5 into an endless loop.

    This happens if the file was cut off within a collection: HDF5 reads the missing part as zeros, an unused object
    (index 0) of size 0.

    Args:
        begin: the first BEGIN_BYTES of the file.
        file_bytes: size of the whole file.
    """
    heap = begin.find(HEAP)
    while heap >= 0:
        size = int.from_bytes(begin[heap + 8 : heap + 16], "little")
        if heap + size > file_bytes:
            raise ValueError(f"its texts end at byte {heap + size}, and the file at {file_bytes}")
        position, end = heap + 16, min(heap + size, len(begin))
        while position + 16 <= end:
            index = int.from_bytes(begin[position : position + 2], "little")
            length = int.from_bytes(begin[position + 8 : position + 16], "little")
            if index == 0 and length == 0:
                raise ValueError(f"a text at byte {position} is missing")
            position += length if index == 0 else 16 + (length + 7) // 8 * 8
        heap = begin.find(HEAP, heap + len(HEAP))


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Converts every DAMAGE error inside to Refused, with `what` as the reason."""
    try:
        yield
    except DAMAGE as error:
        raise Refused(f"{path}: {what} ({one_line(error)})") from None


def attribute(thing: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    """A small attribute of this type. Raises ValueError if it is missing, too large or of another type."""
    if name not in thing.attrs:
        raise ValueError(f"there is no attribute '{name}'")
    if h5py.h5a.open(thing.id, name.encode()).get_storage_size() > LARGEST_ATTRIBUTE:
        raise ValueError(f"the attribute '{name}' is too large")
    value = thing.attrs[name]
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, kind):
        raise ValueError(f"the attribute '{name}' is of another type")
    return value


def require_own_data(path: Path, file: Any) -> None:
    """Raises Refused if an object at the top of the file is not a dataset, or has its data in another file."""
    if len(file) > MOST_DATASETS:
        raise Refused(f"{path}: found {len(file)} data sets at its top (allowed: {MOST_DATASETS})")
    for name in file:
        label = f"{path}: '{quoted(name)}'"
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{label} is a link; a run has its data in its own file")
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset):
            raise Refused(f"{label} is no table; a run has nothing but tables at its top")
        properties = dataset.id.get_create_plist()
        if dataset.is_virtual or properties.get_external_count():
            raise Refused(f"{label} has its data in another file; a run has its data in its own file")
        size, stored = _claimed_and_stored(path, dataset)
        filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
        if not set(filters) <= set(FRAME_FILTERS if name == "frames" else ()):
            raise Refused(f"{label} is compressed or filtered, and a run has it as it is")
        claimed = 0 if dataset.chunks is None else _size(dataset.chunks, dataset.dtype.itemsize)
        if dataset.dtype.hasobject or claimed > LARGEST_CHUNK:
            raise Refused(f"{label} is of a type or a size that no run has")
        if not filters and size > stored + SLACK:
            raise Refused(f"{label} claims {size} bytes, and the file holds {stored} of it")


def require_written_rows(path: Path, file: Any) -> None:
    """Raises Refused if a table of a run that ended cleanly has rows that were never written."""
    for name in file:
        size, stored = _claimed_and_stored(path, file[name])
        filtered = name == "frames" and file[name].chunks is not None  # its chunks are counted below
        if not filtered and size > stored:
            raise Refused(f"{path}: '{quoted(name)}' claims {size} bytes, and the file holds {stored} of it")
    if "frames" in file and file["frames"].ndim and file["frames"].chunks is not None:
        images, chunks = len(file["frames"]), file["frames"].id.get_num_chunks()
        if chunks * file["frames"].chunks[0] < images:
            raise Refused(f"{path}: 'frames' claims {images} images, and the file holds {chunks} chunks of them")


def require_tables(path: Path, file: Any) -> None:
    """Raises Refused if a table is missing or has wrong columns. Older runs may have fewer columns."""
    for name in ("header", "frames", "turns", *TABLES, "digests", "digest"):
        if name not in file:
            raise Refused(f"{path}: this run is damaged: it has no '{name}'")
    for name, layout in {"turns": TURNS, **TABLES}.items():
        table = file[name]
        lacks = set(NEEDED.get(name, ())) - set(table.dtype.names or ())
        if lacks or table.ndim != 1 or not _has_layout(table.dtype, layout, whole=name == "turns"):
            raise Refused(f"{path}: this run is damaged: '{name}' is not a table of a run")
    for name, ndim in (("header", 1), ("digests", 2), ("digest", 1)):
        dataset = file[name]
        if dataset.dtype != np.uint8 or dataset.ndim != ndim or dataset.size > LARGEST_HEADER:
            raise Refused(f"{path}: this run is damaged: '{name}' is not what a run has there")
    if file["digest"].shape != (HASH_BYTES,):
        raise Refused(f"{path}: this run is damaged: 'digest' is not what a run has there")


def require_times(path: Path, turns: Any, first: int = 0) -> None:
    """Raises Refused if rows of `turns` have impossible times or frame numbers.

    Without a frame its number is -1, and its times are nan.

    Args:
        first: number of turns before these rows.
    """
    silent = turns["has_frame"] == 0
    for name in TIMES:
        values = turns[name]
        unknown = {"now_s": False, "frame_time_s": silent, "tracks_time_s": silent}.get(name, True)  # nan is allowed
        right = (np.abs(values) <= LATEST_S) | (np.isnan(values) & unknown)
        if not right.all():
            row = int(np.argmin(right))
            raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: its {name} is {values[row]:g} "
                          f"(allowed: -{LATEST_S:g} to {LATEST_S:g})")  # fmt: skip
    number = turns["frame"]
    right = (number >= np.where(silent, -1, 0)) & (number <= LAST_FRAME)
    if not right.all():
        row = int(np.argmin(right))
        raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: its frame is {number[row]} "
                      f"(allowed: 0 to {LAST_FRAME}, and -1 without a frame)")  # fmt: skip


def require_frames(path: Path, file: Any, height_px: int, width_px: int, pixel_type: str) -> None:
    """Raises Refused if the frames do not have the size of the header."""
    frames = file["frames"]
    if frames.chunks not in (None, (1, height_px, width_px)):
        raise Refused(f"{path}: this run is damaged: 'frames' is not stored image by image")
    if frames.ndim != 3 or frames.shape[1:] != (height_px, width_px) or frames.dtype.name != pixel_type:
        raise Refused(f"{path}: this run is damaged: 'frames' is {quoted(frames.shape)} {quoted(frames.dtype.name)}, "
                      f"and the header says {height_px} x {width_px} {pixel_type}")  # fmt: skip


def require_one_image(frames: Any, row: int) -> None:
    """Raises ValueError if stored image `row` would not decompress to the size of one image."""
    properties = frames.id.get_create_plist()
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if not filters:
        return
    try:
        masked, chunk = frames.id.read_direct_chunk((row, 0, 0))
    except DAMAGE as error:  # HDF5 would return zeros for a chunk that was never written
        if row < len(frames):
            raise ValueError(f"it was not written, or is damaged: {one_line(error)}") from None
        return
    image_bytes = _size(frames.shape[1:], frames.dtype.itemsize)
    if filters[0] != FRAME_FILTERS[1] or masked & BLOSC_MASKED:
        inflated_bytes = len(chunk) - CHECK_SUM * (FRAME_FILTERS[0] in filters)
    else:
        inflated_bytes = int.from_bytes(chunk[4:8], "little") if len(chunk) >= BLOSC_HEADER else 0
    if inflated_bytes != image_bytes:
        raise ValueError(f"its chunk holds {inflated_bytes} bytes, and an image has {image_bytes}")


def _has_layout(dtype: np.dtype[Any], layout: np.dtype[Any], *, whole: bool) -> bool:
    """Whether a dtype has the columns and types of a layout; unless `whole`, later columns may be missing."""
    if layout.fields is None or dtype.fields is None:
        return dtype == layout
    types = {name: layout.fields[name][0] for name in layout.fields}
    if (layout.names or ("",))[0] not in dtype.fields or (whole and set(types) - set(dtype.fields)):
        return False
    return all(dtype.fields[name][0] == types[name] for name in dtype.fields if name in types)


def _claimed_and_stored(path: Path, table: Any) -> tuple[int, int]:
    """(size in bytes of a dataset by its shape, bytes that the file has of it)."""
    return _size(table.shape, table.dtype.itemsize), min(table.id.get_storage_size(), path.stat().st_size)


def _size(shape: tuple[int, ...], itemsize: int) -> int:
    return math.prod(int(step) for step in shape) * itemsize

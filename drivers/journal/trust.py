"""What a run file has to look like before anything in it is read: it may come from anywhere.

HDF5 can name data in other files, and sizes that no file has. Here a file is refused for both, before a byte of its
tables is looked at and before memory is asked for.
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

LARGEST_HEADER = 1 << 20  # bytes: its JSON is read in one piece, during which no other thread works
MOST_DATASETS = 100  # at the top of a file: each takes HDF5 a moment, and a run has about 20
LARGEST_ATTRIBUTE = 1 << 16  # bytes
LARGEST_CHUNK = 1 << 27  # bytes: one image
FRAME_FILTERS = (3, 32001)  # Fletcher's check sum and Blosc, as `drivers.journal.write` asks for; no table has any
BLOSC_HEADER = 16  # bytes at the beginning of a Blosc buffer; its inflated size is in bytes 4 to 7
BLOSC_MASKED = 1  # of a chunk's filter mask: Blosc, the first filter, was left out
CHECK_SUM = 4  # bytes of Fletcher's check sum, at the end of a chunk
TIMES = ("frame_time_s", "now_s", "sent_s", "effect_s", "tracks_time_s", "allowed_effect_s", "sent_effect_s")
LATEST_S = 4e9  # of a clock: more than from 1970 to now, and its nanoseconds fit into 64 bits
LAST_FRAME = 2**53  # of a camera's counter: a float holds it, and its differences are no overflow
NEEDED = {
    "texts": ("turn", "end"),
    "events": ("turn", "kind", "particle", "text"),
    "orders": ("turn", "kind", "text"),
    "tracks": ("turn", "particle", "x_um", "y_um", "state"),
}  # columns that the oldest runs have, too
SLACK = 1 << 26  # bytes that a killed run may claim beyond what was written
BEGIN_BYTES = 1 << 17  # of a run file, in which the texts of its attributes stand
HEAP = b"GCOL\1\0\0\0"  # how a collection of such texts begins (HDF5 file format 3.0, III.E)
ATTEMPTS = 27  # of reading metadata that is being written: the pauses, 1 ns, 2 ns, 4 ns, ..., add up to 0.13 s

# What HDF5, h5py and NumPy raise at a file that is damaged.
DAMAGE = (OSError, RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError,
          MemoryError, NotImplementedError)  # fmt: skip


def open_file(path: Path, *, growing: bool) -> Any:
    """The HDF5 file for reading; `growing`: it is being written, or its writer was killed (SWMR).

    HDF5 reads damaged metadata of a growing file again, 100 times, each after twice the pause before: for ever. Here
    it does so ATTEMPTS times, 0.13 s in all.
    """
    if not growing:
        return h5py.File(path, "r")
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    with suppress(OSError, AttributeError):  # a library without that function reads as it likes
        library = ctypes.CDLL("hdf5.dll" if sys.platform == "win32" else h5py.h5p.__file__)
        limit = library.H5Pset_metadata_read_attempts
        limit.argtypes, limit.restype = (ctypes.c_int64, ctypes.c_uint), ctypes.c_int
        limit(access.id, ATTEMPTS)
    flags = h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ
    return h5py.File(h5py.h5f.open(os.fsencode(path), flags, fapl=access))


def require_sound_texts(begin: bytes, file_bytes: int) -> None:
    """Raises ValueError where the texts of attributes are incomplete: HDF5 goes through such a collection for ever.

    That is so where the file was cut off within a collection, since HDF5 reads what is missing as zeros: an unused
    object (index 0) of size 0.

    Args:
        begin: the first BEGIN_BYTES of the file.
        file_bytes: size of the whole file.
    """
    at = begin.find(HEAP)
    while at >= 0:
        size = int.from_bytes(begin[at + 8 : at + 16], "little")
        if at + size > file_bytes:
            raise ValueError(f"its texts end at byte {at + size}, and the file at {file_bytes}")
        here, end = at + 16, min(at + size, len(begin))
        while here + 16 <= end:
            index = int.from_bytes(begin[here : here + 2], "little")
            length = int.from_bytes(begin[here + 8 : here + 16], "little")
            if index == 0 and length == 0:
                raise ValueError(f"a text at byte {here} is missing")
            here += length if index == 0 else 16 + (length + 7) // 8 * 8
        at = begin.find(HEAP, at + len(HEAP))


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Every error of reading `what` becomes Refused."""
    try:
        yield
    except DAMAGE as error:
        raise Refused(f"{path}: {what} ({one_line(error)})") from None


def attribute(thing: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    """A small attribute of this type. Raises ValueError where there is none."""
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
    """Raises Refused where anything at the top of the file is no data set, or has its data elsewhere."""
    if len(file) > MOST_DATASETS:
        raise Refused(f"{path}: found {len(file)} data sets at its top (allowed: {MOST_DATASETS})")
    for name in file:
        said = f"{path}: '{quoted(name)}'"
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{said} is a link; a run has its data in its own file")
        found = file[name]
        if not isinstance(found, h5py.Dataset):
            raise Refused(f"{said} is no table; a run has nothing but tables at its top")
        made = found.id.get_create_plist()
        if found.is_virtual or made.get_external_count():
            raise Refused(f"{said} has its data in another file; a run has its data in its own file")
        size, stored = _claimed_and_stored(path, found)
        filters = [made.get_filter(index)[0] for index in range(made.get_nfilters())]
        if not set(filters) <= set(FRAME_FILTERS if name == "frames" else ()):
            raise Refused(f"{said} is compressed or filtered, and a run has it as it is")
        claimed = 0 if found.chunks is None else _size(found.chunks, found.dtype.itemsize)
        if found.dtype.hasobject or claimed > LARGEST_CHUNK:
            raise Refused(f"{said} is of a type or a size that no run has")
        if not filters and size > stored + SLACK:
            raise Refused(f"{said} claims {size} bytes, and the file holds {stored} of it")


def require_written_rows(path: Path, file: Any) -> None:
    """Raises Refused where a table of a run that ended cleanly has rows that were never written."""
    for name in file:
        size, stored = _claimed_and_stored(path, file[name])
        filtered = name == "frames" and file[name].chunks is not None  # its chunks are counted below
        if not filtered and size > stored:
            raise Refused(f"{path}: '{quoted(name)}' claims {size} bytes, and the file holds {stored} of it")
    if "frames" in file and file["frames"].ndim and file["frames"].chunks is not None:
        images, written = len(file["frames"]), file["frames"].id.get_num_chunks()
        if written * file["frames"].chunks[0] < images:
            raise Refused(f"{path}: 'frames' claims {images} images, and the file holds {written} chunks of them")


def require_tables(path: Path, file: Any) -> None:
    """Raises Refused where a table is missing, or is none of ours by its columns. Older runs may have fewer columns."""
    for name in ("header", "frames", "turns", *TABLES, "digests", "digest"):
        if name not in file:
            raise Refused(f"{path}: this run is damaged: it has no '{name}'")
    for name, layout in {"turns": TURNS, **TABLES}.items():
        table = file[name]
        lacks = set(NEEDED.get(name, ())) - set(table.dtype.names or ())
        if lacks or table.ndim != 1 or not _alike(table.dtype, layout, whole=name == "turns"):
            raise Refused(f"{path}: this run is damaged: '{name}' is not a table of a run")
    for name, ndim in (("header", 1), ("digests", 2), ("digest", 1)):
        found = file[name]
        if found.dtype != np.uint8 or found.ndim != ndim or found.size > LARGEST_HEADER:
            raise Refused(f"{path}: this run is damaged: '{name}' is not what a run has there")
    if file["digest"].shape != (HASH_BYTES,):
        raise Refused(f"{path}: this run is damaged: 'digest' is not what a run has there")


def require_times(path: Path, turns: Any, first: int = 0) -> None:
    """Raises Refused where a time in rows of `turns` is no time of a clock, or a frame's number none of a camera.

    A time has to be a number, and not too far off. A frame's number is -1 where the camera was silent.

    Args:
        first: how many turns come before these rows.
    """
    silent = turns["has_frame"] == 0
    for name in TIMES:
        found = turns[name]
        unknown = {"now_s": False, "frame_time_s": silent, "tracks_time_s": silent}.get(name, True)  # may be no time
        right = (np.abs(found) <= LATEST_S) | (np.isnan(found) & unknown)
        if not right.all():
            row = int(np.argmin(right))
            raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: its {name} is {found[row]:g} "
                          f"(allowed: -{LATEST_S:g} to {LATEST_S:g})")  # fmt: skip
    number = turns["frame"]
    right = (number >= np.where(silent, -1, 0)) & (number <= LAST_FRAME)
    if not right.all():
        row = int(np.argmin(right))
        raise Refused(f"{path}: turn {first + row + 1} of this run is damaged: its frame is {number[row]} "
                      f"(allowed: 0 to {LAST_FRAME}, and -1 without a frame)")  # fmt: skip


def require_frames(path: Path, file: Any, height_px: int, width_px: int, pixel_type: str) -> None:
    """Raises Refused where the frames are not of the size that the header states."""
    frames = file["frames"]
    if frames.chunks not in (None, (1, height_px, width_px)):
        raise Refused(f"{path}: this run is damaged: 'frames' is not stored image by image")
    if frames.ndim != 3 or frames.shape[1:] != (height_px, width_px) or frames.dtype.name != pixel_type:
        raise Refused(f"{path}: this run is damaged: 'frames' is {quoted(frames.shape)} {quoted(frames.dtype.name)}, "
                      f"and the header says {height_px} x {width_px} {pixel_type}")  # fmt: skip


def require_one_image(frames: Any, row: int) -> None:
    """Raises ValueError where the stored `row`-th image would inflate to more, or less, than one image."""
    made = frames.id.get_create_plist()
    filters = [made.get_filter(index)[0] for index in range(made.get_nfilters())]
    if not filters:
        return
    try:
        masked, chunk = frames.id.read_direct_chunk((row, 0, 0))
    except DAMAGE as error:  # HDF5 would fill a chunk that was never written with zeros
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


def _alike(found: np.dtype[Any], layout: np.dtype[Any], *, whole: bool) -> bool:
    """Whether a table has our columns with our types; unless `whole`, those after the first may be missing."""
    if layout.fields is None or found.fields is None:
        return found == layout
    known = {name: layout.fields[name][0] for name in layout.fields}
    if (layout.names or ("",))[0] not in found.fields or (whole and set(known) - set(found.fields)):
        return False
    return all(found.fields[name][0] == known[name] for name in found.fields if name in known)


def _claimed_and_stored(path: Path, table: Any) -> tuple[int, int]:
    """Bytes that a data set has by its shape, and bytes that the file holds of it."""
    return _size(table.shape, table.dtype.itemsize), min(table.id.get_storage_size(), path.stat().st_size)


def _size(shape: tuple[int, ...], itemsize: int) -> int:
    return math.prod(int(step) for step in shape) * itemsize

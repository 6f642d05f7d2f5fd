"""Writes Turns to one HDF5 file, through a bounded queue. Without a record there is no beam."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np

from config.refused import Refused
from config.units import unit_of
from control.contract import Fault, Turn
from drivers.journal import corrections, memory
from drivers.journal.growing import GrowingFile
from drivers.journal.header import Header
from drivers.journal.pack import Packer
from drivers.journal.room import NoRoom, disk_trouble
from drivers.journal.tables import HASH_BYTES, TABLES, TURNS
from drivers.journal.trust import LARGEST_HEADER

FORMAT = "cybloids run 1"
FLUSH_S = 0.1  # interval of flushes; a killed process loses at most the turns of this time, and the queue
LOOK_S = 0.02  # interval at which the writer checks the queue
PATIENCE_S = 120.0  # longest wait for the disk when the record is closed
ROOM_S = 0.002  # interval at which `write` checks for free space in the queue
LARGEST_BATCH = 16  # turns packed at once: short enough not to delay the loop's thread
CHUNK_ROWS = 1024
WITHOUT_VALUES = "This is a netCDF dimension but not a netCDF variable.         0"
TURN_TABLES = {**TABLES, "turns": TURNS}

# Errors of a disk, a full disk, or a turn that can't be packed. Other errors end the thread: `write` and
# `close` raise a Fault then.
FAILURES = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError)


class Journal:
    """A Recorder that writes every turn of a run to one HDF5 file (SWMR: readable while it grows).

    Everything but the queue runs in a separate thread. Packed rows are appended with one write per table,
    `turns` last, and flushed every FLUSH_S.

    Args:
        path: the new file. Raises Refused if it exists.
        header: settings and versions of the run.
        keep_frames: record images; otherwise only their hashes.
        queue_turns: most turns that wait for the disk.
        wait_s: longest wait of `write` for the queue: 0 on a live rig, seconds in simulated time.
        encoded: returns the bytes of the loop's memory, for records in flight; None: no memory is recorded.
    """

    def __init__(
        self,
        path: Path | str,
        header: Header,
        keep_frames: bool,
        queue_turns: int = 64,
        wait_s: float = 0.0,
        encoded: Callable[[Any], bytes] | None = None,
    ) -> None:
        self.path, self.header, self.wait_s = Path(path), header, wait_s
        self._packer = Packer(header.seal(), keep_frames)
        self.queue_turns = queue_turns
        self._waiting: deque[Turn] = deque()
        self._encoded = encoded
        self._memory: Any = None
        self._closing = threading.Event()
        self._closed = False
        self._finished = True
        self._failure = ""
        self._written = False  # the thread has ended normally, or with a failure in `_failure`
        self._file = _create(self.path, header, keep_frames)
        self._kept = 0
        self._all_kept = False  # all turns that were accepted are in the file
        self._sums = {table: blake2b(digest_size=HASH_BYTES) for table in TURN_TABLES}
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def begin(self, memory: Any) -> None:
        """Start the record in flight. The memory is written before the first turn."""
        self._memory = memory

    def write(self, turn: Turn) -> None:
        """Queue a turn. Raises Fault if the writer failed, the queue is full, or the frame has another size.

        A refused turn ends the record: later turns are refused, too, and the file gets no digest.
        """
        self._assert_alive()
        frame, header = turn.frame, self.header
        if frame is not None:
            size = (*frame.image.shape, frame.image.dtype.name)
            if size != (header.height_px, header.width_px, header.pixel_type):
                raise self._refused(f"frame {frame.number} is {size}, which is not what the run began with")
        if len(self._waiting) >= self.queue_turns:
            self._wait_for_room()
        self._waiting.append(turn)

    def leave_unfinished(self) -> None:
        """Close the record without its digest, like that of a killed run, since the program failed."""
        self._finished = False

    def close(self) -> None:
        """Write the queue and the digest. Raises Fault if the end of the run could not be recorded."""
        self._closing.set()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise Fault(f"{self.path}: the disk did not answer for {PATIENCE_S:g} s, and the record is not closed")
        if not self._closed:
            self._closed = True
            if self._failure or not self._written:
                raise Fault(self._failure or self._cut_short)

    @property
    def _cut_short(self) -> str:
        """State of the record after an unexpected error of the thread."""
        ended = f"{self.path}: writing ended by an error of the program"
        if self._all_kept:
            return f"{ended}; all of its {self._kept} turns can be read, but it may not count as ended cleanly"
        return f"{ended}, and the record lacks its last turns; its {self._kept} turns before that can be read"

    def _assert_alive(self) -> None:
        if self._failure or self._closing.is_set() or not self._thread.is_alive():
            closed = self._closing.is_set() or self._written
            raise Fault(self._failure or (f"{self.path}: the record is closed" if closed else self._cut_short))

    def _refused(self, why: str) -> Fault:
        """The Fault for a turn that is not recorded. Earlier turns are written; the record gets no digest."""
        self._finished = False
        self._failure = f"{self.path}: {why}, and the record ends before this turn"
        return Fault(self._failure)

    def _work(self) -> None:
        try:
            try:
                self._keep()
                self._file.flush()
                self._all_kept = True
                if self._finished:
                    self._end()
            finally:
                self._file.close()
            if self._failure:
                self._add_turns_kept()
        except NoRoom:
            self._add_turns_kept()
        except FAILURES as error:
            reason = self._write_failure(error)
            self._failure = f"{self._failure}; {reason}" if self._failure else reason
        self._written = True

    def _add_turns_kept(self) -> None:
        self._failure += f"; its {self._kept} turns before that can be read"

    def _write_failure(self, error: BaseException) -> str:
        return f"{self.path}: the record can't be written: {disk_trouble(self.path, error)}"

    def _wait_for_room(self) -> None:
        until_s = time.monotonic() + self.wait_s
        while len(self._waiting) >= self.queue_turns:
            if time.monotonic() >= until_s:
                raise self._refused(f"the disk does not keep up ({self.queue_turns} turns wait to be written)")
            time.sleep(ROOM_S)
            self._assert_alive()

    def _keep(self) -> None:
        """Pack, append and flush turns until the run is closed. It polls, so that no thread waits for a lock."""
        next_flush_s, flushed = time.monotonic() + FLUSH_S, True
        while True:
            closing = self._closing.is_set()  # read first, so that all turns before it are in the queue
            turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
            if turns:
                self._append(turns)
                flushed = False
            if not flushed and time.monotonic() >= next_flush_s:
                self._file.flush()
                next_flush_s, flushed = time.monotonic() + FLUSH_S, True
            if closing and not turns:
                return
            if len(self._waiting) < LARGEST_BATCH:
                self._closing.wait(LOOK_S)

    def _begin(self, encoded: Callable[[Any], bytes]) -> None:
        """Write the memory of a record in flight, before its first turn."""
        stored, self._memory = encoded(self._memory), None
        try:
            self._file.append({memory.DATASET: np.frombuffer(stored, np.uint8)})
        except NoRoom as error:
            self._failure = self._write_failure(error)
            raise
        self._packer.chain = memory.first_link(self.header.seal(), stored)

    def _append(self, turns: list[Turn]) -> None:
        if self._memory is not None and self._encoded is not None:
            self._begin(self._encoded)
        rows = self._packed(turns)
        try:
            self._file.append(rows)
        except NoRoom as error:
            self._failure = self._write_failure(error)  # no more turns are accepted
            self._rescue(rows, len(turns))
            raise
        self._kept += len(turns)

    def _rescue(self, rows: Mapping[str, Any], turns: int) -> None:
        """Write turns accepted before the disk was full into the reserved space, as many as fit."""
        with suppress(NoRoom):
            while turns:
                self._file.append(rows, last=True)
                self._kept += turns
                turns = min(len(self._waiting), 1)
                rows = self._packed([self._waiting.popleft() for _ in range(turns)]) if turns else rows

    def _packed(self, turns: list[Turn]) -> dict[str, Any]:
        """Rows of a batch by dataset: images first; `turns` last, since it marks which other rows are complete."""
        tables, images = self._packer.pack(turns)
        for table, rows in tables.items():
            self._sums[table].update(np.ascontiguousarray(rows).view(np.uint8).data)
        turn_rows = tables.pop("turns")
        return {**({"frames": np.stack(images)} if images else {}), **tables, "turns": turn_rows}

    def _end(self) -> None:
        """Write the digests of every table and of the whole, which mark a run that was closed."""
        digests = [self._sums[table].digest() for table in TURN_TABLES]
        self._file.put("digests", np.frombuffer(b"".join(digests), np.uint8).reshape(-1, HASH_BYTES))
        self._file.put("digest", np.frombuffer(whole(self.header, digests), np.uint8))
        self._file.flush()


def whole(header: Header, digests: list[bytes]) -> bytes:
    """Digest of a run, from its header and the digests of its tables (`turns` has the images' hashes)."""
    return blake2b(header.text().encode() + b"".join(digests), digest_size=HASH_BYTES).digest()


def _create(path: Path, header: Header, keep_frames: bool) -> GrowingFile:
    """Create the file with all datasets, in SWMR mode, where none can be added later. Raises Refused, Fault."""
    size = len(header.text().encode())
    if size > LARGEST_HEADER:
        raise Refused(f"{path}: the settings of this run, its rig and its experiment, take {size} bytes "
                      f"(allowed: {LARGEST_HEADER})")  # fmt: skip
    batch_bytes = LARGEST_BATCH * header.height_px * header.width_px * np.dtype(header.pixel_type).itemsize
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{path}: its folder can't be made ({error.strerror or type(error).__name__})") from None
    try:
        return GrowingFile(path, partial(_fill, header=header, keep_frames=keep_frames), batch_bytes * keep_frames)
    except FileExistsError:
        raise Refused(f"{path}: there is a file of this name already, and a run is never written over") from None
    except FAILURES as error:
        raise Fault(f"{path}: the record can't be begun: {disk_trouble(path, error)}") from None


def _fill(file: Any, header: Header, keep_frames: bool) -> None:
    """Create the datasets, without rows."""
    file.attrs["format"] = FORMAT
    file.attrs["keep_frames"] = keep_frames
    text = np.frombuffer(header.text().encode(), np.uint8)
    file.create_dataset("header", data=text).attrs["about"] = "JSON, UTF-8"
    file["header"].attrs["blake2b"] = blake2b(text.data, digest_size=HASH_BYTES).hexdigest()
    size = (header.height_px, header.width_px)
    file.create_dataset(
        "frames", (0, *size), header.pixel_type, maxshape=(None, *size), chunks=(1, *size), fletcher32=True,
        **hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.BITSHUFFLE),
    )  # fmt: skip
    for table, layout in TURN_TABLES.items():
        rows = CHUNK_ROWS * 16 if layout.names is None else CHUNK_ROWS
        dataset = file.create_dataset(table, (0,), layout, maxshape=(None,), chunks=(rows,))
        dataset.attrs["units"] = json.dumps({name: unit_of(name) for name in layout.names or () if unit_of(name)})
    memory.create(file)
    corrections.create(file, header.corrections)
    file.create_dataset("digests", data=np.zeros((len(TURN_TABLES), HASH_BYTES), np.uint8))
    file["digests"].attrs["of"] = json.dumps(list(TURN_TABLES))
    file.create_dataset("digest", data=np.zeros(HASH_BYTES, np.uint8))
    _name_dimensions(file, header)


def axes(header: Header) -> dict[str, Sequence[Any]]:
    """Values along the axes that are not rows of a table: pixels of `frames`, and tables of `digests`."""
    return {"y_px": range(header.height_px), "x_px": range(header.width_px), "table": [*TURN_TABLES]}


def axis_values(values: Sequence[Any]) -> Any:
    """The values as an array for the file: integers, or short texts."""
    return np.array(values, np.int64 if isinstance(values, range) else "S")


def _name_dimensions(file: Any, header: Header) -> None:
    """Attach HDF5 dimension scales, so that programs that follow netCDF have a name for every axis.

    A dataset with one axis is the scale of its rows. `image` has no values: in netCDF its length is that of the dataset
    to which it is attached.
    """
    image = file.create_dataset("image", (0,), np.uint8, maxshape=(None,), chunks=(CHUNK_ROWS,))
    image.make_scale(WITHOUT_VALUES)
    for name in list(file):
        if file[name].ndim == 1 and name != "image":
            file[name].make_scale(name)
    for name, values in axes(header).items():
        dataset = file.create_dataset(name, data=axis_values(values))
        dataset.make_scale(name)
        dataset.attrs["units"] = unit_of(name)
    for name, scales in (("frames", ("image", "y_px", "x_px")), ("digests", ("table", "digest"))):
        for axis, scale in enumerate(scales):
            file[name].dims[axis].attach_scale(file[scale])

"""The writer: Turns into one HDF5 file, behind a bounded queue. No record, no beam."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from config.refused import Refused
from config.units import unit_of
from control.contract import Fault, Turn
from drivers.journal import memory
from drivers.journal.header import Header
from drivers.journal.pack import Packer
from drivers.journal.tables import HASH_BYTES, TABLES, TURNS

FORMAT = "cybloids run 1"
FLUSH_S = 0.1  # a killed process loses this much, and what was in the queue
LOOK_S = 0.02  # how often the writer looks for turns
ROOM_S = 0.002  # how often one who may wait looks for room
LARGEST_BATCH = 16  # turns that are packed at once: short stretches of Python, so that the loop's thread gets its turn
CHUNK_ROWS = 1024
TURN_TABLES = {**TABLES, "turns": TURNS}

# What a disk, a full disk, or a turn that can't be packed raises. A thread that ended otherwise is seen to be dead.
FAILURES = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError)


class Journal:
    """A Recorder that keeps every turn of a run in one HDF5 file (SWMR: it can be read while it grows).

    Everything but the queue happens in a thread of its own. Packed rows are appended with one write a table,
    `turns` last, and flushed every FLUSH_S.

    Args:
        path: the new file; one that exists is refused.
        header: what is known before the first turn.
        keep_frames: without frames the file still has each image's hash.
        queue_turns: turns that may wait for the disk.
        wait_s: how long `write` may wait for room in the queue: 0 on a live rig, seconds where time is simulated.
        encoded: makes the bytes of the memory that a record in flight begins with; None: no memory is kept.
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
        self._failure = ""
        self._file = _create(self.path, header, keep_frames)
        self._sums = {table: blake2b(digest_size=HASH_BYTES) for table in TURN_TABLES}
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def begin(self, memory: Any) -> None:
        """The record begins in flight, from this memory. It is written before the first turn."""
        self._memory = memory

    def write(self, turn: Turn) -> None:
        """Keep the turn. Raises Fault if the writer is dead, the queue full, or the frame not of the run's size."""
        frame, header = turn.frame, self.header
        if frame is not None:
            found = (*frame.image.shape, frame.image.dtype.name)
            if found != (header.height_px, header.width_px, header.pixel_type):
                raise Fault(f"{self.path}: frame {frame.number} is {found}, which is not what the run began with")
        self._assert_alive()
        if len(self._waiting) >= self.queue_turns:
            self._wait_for_room()
        self._waiting.append(turn)

    def close(self) -> None:
        """Write what waits, and the digest of the whole. Raises Fault if the end of the run could not be kept."""
        self._closing.set()
        self._thread.join()
        if not self._closed:
            self._closed = True
            if self._failure:
                raise Fault(self._failure)

    def _assert_alive(self) -> None:
        if self._failure or self._closing.is_set() or not self._thread.is_alive():
            raise Fault(self._failure or f"{self.path}: the record is closed")

    def _work(self) -> None:
        try:
            try:
                self._keep()
                self._end()
            finally:
                self._file.close()
        except FAILURES as error:
            self._failure = f"{self.path}: the record can't be written ({' '.join(str(error).split())})"

    def _wait_for_room(self) -> None:
        until_s = time.monotonic() + self.wait_s
        while len(self._waiting) >= self.queue_turns:
            if time.monotonic() >= until_s:
                raise Fault(f"{self.path}: the disk does not keep up ({self.queue_turns} turns wait to be written)")
            time.sleep(ROOM_S)
            self._assert_alive()

    def _keep(self) -> None:
        """Until the run is closed: gather, pack, append, flush. It looks now and then: nobody waits for a lock."""
        due_s, flushed = time.monotonic() + FLUSH_S, True
        while True:
            closing = self._closing.is_set()  # asked first: what came before it is in the queue by now
            turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
            if turns:
                self._append(turns)
                flushed = False
            if not flushed and time.monotonic() >= due_s:
                self._file.flush()
                due_s, flushed = time.monotonic() + FLUSH_S, True
            if closing and not turns:
                return
            if len(self._waiting) < LARGEST_BATCH:
                self._closing.wait(LOOK_S)

    def _begin(self, encoded: Callable[[Any], bytes]) -> None:
        stored, self._memory = encoded(self._memory), None
        memory.store(self._file, stored)
        self._packer.chain = memory.first_link(self.header.seal(), stored)

    def _append(self, turns: list[Turn]) -> None:
        if self._memory is not None and self._encoded is not None:
            self._begin(self._encoded)
        tables, images = self._packer.pack(turns)
        if images:
            _extend(self._file["frames"], np.stack(images))
        for table, rows in tables.items():
            self._sums[table].update(np.ascontiguousarray(rows).view(np.uint8).data)
            if table != "turns" and len(rows):
                _extend(self._file[table], rows)
        _extend(self._file["turns"], tables["turns"])

    def _end(self) -> None:
        """The digest of every table and of the whole: the mark of a run that was closed."""
        digests = [self._sums[table].digest() for table in TURN_TABLES]
        self._file.flush()
        self._file["digests"][...] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, HASH_BYTES)
        self._file["digest"][...] = np.frombuffer(whole(self.header, digests), np.uint8)
        self._file.flush()


def whole(header: Header, digests: list[bytes]) -> bytes:
    """The digest of a run: of its header and of the digests of its tables (images are in `turns` by their hash)."""
    return blake2b(header.text().encode() + b"".join(digests), digest_size=HASH_BYTES).digest()


def _extend(dataset: Any, rows: Any) -> None:
    begin = len(dataset)
    dataset.resize(begin + len(rows), 0)
    dataset[begin:] = rows


def _create(path: Path, header: Header, keep_frames: bool) -> Any:
    """The file with all its datasets, in SWMR mode, after which none can be added."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = h5py.File(path, "x", libver=("v110", "v110"))  # what HDF5 1.10 and all later ones can read
    except FileExistsError:
        raise Refused(f"{path}: there is a file of this name already, and a run is never written over") from None
    except OSError as error:
        raise Fault(f"{path}: the record can't be begun ({' '.join(str(error).split())})") from None
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
        made = file.create_dataset(table, (0,), layout, maxshape=(None,), chunks=(rows,))
        made.attrs["units"] = json.dumps({name: unit_of(name) for name in layout.names or () if unit_of(name)})
    memory.create(file)
    file.create_dataset("digests", (len(TURN_TABLES), HASH_BYTES), np.uint8)
    file["digests"].attrs["of"] = json.dumps(list(TURN_TABLES))
    file.create_dataset("digest", (HASH_BYTES,), np.uint8)
    file.swmr_mode = True
    return file

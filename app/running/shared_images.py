"""Pictures from one process to another: slots in shared memory, each with a sequence number. The newest wins."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOTS = 8  # a picture stays while so many newer ones come
BEING_WRITTEN = -1
AGAIN_S = 10.0  # until memory that there was not is asked for again


@dataclass(frozen=True)
class Place:
    """Where a ring is, and what its pictures are like."""

    name: str
    shape: tuple[int, ...]
    pixel_type: str

    def fits(self, image: NDArray[Any]) -> bool:
        return (image.shape, str(image.dtype)) == (self.shape, self.pixel_type)


class Ring:
    """One process puts, the other gets. The memory stays until `remove`, or until the last process has let it go.

    A slot's stamp is its picture's sequence number, and none while it is written, so that half a picture is never got.
    """

    def __init__(self, memory: SharedMemory, place: Place) -> None:
        self.place, self._memory = place, memory
        self._stamps = np.ndarray(SLOTS, np.int64, memory.buf)  # [SLOTS]
        self._images: NDArray[Any] = np.ndarray((SLOTS, *place.shape), place.pixel_type, memory.buf, 8 * SLOTS)
        self._next = 0

    @classmethod
    def like(cls, image: NDArray[Any]) -> Ring:
        """A new ring for pictures of this shape and type. Raises OSError where there is no memory for it."""
        memory = SharedMemory(create=True, size=8 * SLOTS + SLOTS * max(image.nbytes, 8))
        try:
            _reserve(memory)
        except OSError:
            memory.close()
            memory.unlink()
            raise
        made = cls(memory, Place(memory.name, image.shape, str(image.dtype)))
        made._stamps[:] = BEING_WRITTEN
        return made

    @classmethod
    def at(cls, place: Place) -> Ring:
        """The ring that the other process made. Raises FileNotFoundError."""
        return cls(SharedMemory(place.name), place)

    def put(self, image: NDArray[Any]) -> int:
        """Over the oldest picture; its sequence number. The copy is made without the interpreter's lock."""
        sequence, slot = self._next, self._next % SLOTS
        self._stamps[slot] = BEING_WRITTEN
        np.copyto(self._images[slot], image)
        self._stamps[slot] = sequence
        self._next += 1
        return sequence

    def get(self, sequence: int) -> NDArray[Any] | None:
        """A copy of this picture; None where a newer one is, or is just being written, over it."""
        slot = sequence % SLOTS
        if self._stamps[slot] != sequence:
            return None
        image: NDArray[Any] = self._images[slot].copy()
        image.flags.writeable = False
        return image if self._stamps[slot] == sequence else None

    def close(self) -> None:
        """Let the memory go, here."""
        del self._stamps, self._images  # they are views of it
        self._memory.close()

    def remove(self) -> None:
        """Let it go, here and everywhere."""
        self.close()
        self._memory.unlink()


class Pictures:
    """The pictures of a loop, in a ring that fits them. Where there is no memory for one, the loop goes on without.

    Args:
        missing: called with why there are no pictures, once until there are some again.
    """

    def __init__(self, missing: Callable[[str], None]) -> None:
        self._missing = missing
        self._ring: Ring | None = None
        self._why = ""
        self._again_s = 0.0

    def put(self, image: NDArray[Any]) -> tuple[Place | None, int]:
        """Where the picture is, and its sequence number; no place where there is no ring for it."""
        if self._ring is None or not self._ring.place.fits(image):
            self.close(everywhere=True)
            self._ring = self._made(image)
        return (self._ring.place, self._ring.put(image)) if self._ring is not None else (None, 0)

    def close(self, *, everywhere: bool) -> None:
        """Let the memory go, here or everywhere."""
        ring, self._ring = self._ring, None
        if ring is not None:
            with suppress(OSError):  # its file was deleted
                (ring.remove if everywhere else ring.close)()

    def _made(self, image: NDArray[Any]) -> Ring | None:
        if time.monotonic() < self._again_s:
            return None
        try:
            made = Ring.like(image)
        except OSError as error:
            self._again_s = time.monotonic() + AGAIN_S
            why = f"shared memory has no room for {SLOTS * image.nbytes / 1e6:.3g} MB of them"
            if not self._why:
                self._missing(f"there are no pictures: {why} ({error.strerror or error})")
            self._why = why
            return None
        self._why = ""
        return made


def _reserve(memory: SharedMemory) -> None:
    """Have the system give all of it now. Raises OSError where it can't.

    Linux gives each page of a shared memory when it is first written to, and kills a process for which there is none.
    """
    file = getattr(memory, "_fd", -1)
    if hasattr(os, "posix_fallocate") and file >= 0:
        os.posix_fallocate(file, 0, memory.size)
    else:
        np.ndarray(memory.size, np.uint8, memory.buf)[:] = 0

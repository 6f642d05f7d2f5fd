"""Images from one process to another, in numbered slots of shared memory. A new image overwrites the oldest."""

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

SLOTS = 8  # an image is overwritten after this many newer ones
BEING_WRITTEN = -1
AGAIN_S = 10.0  # time from a failed allocation to the next attempt


@dataclass(frozen=True)
class Place:
    """Name of a ring's shared memory, with shape and type of its images."""

    name: str
    shape: tuple[int, ...]
    pixel_type: str

    def fits(self, image: NDArray[Any]) -> bool:
        return (image.shape, str(image.dtype)) == (self.shape, self.pixel_type)


class Ring:
    """Images that one process writes and another reads. The memory exists until `remove`, or until all have closed it.

    A slot's stamp is the sequence number of its image, or BEING_WRITTEN, so that no incomplete image is read.
    """

    def __init__(self, memory: SharedMemory, place: Place) -> None:
        self.place, self._memory = place, memory
        self._stamps = np.ndarray(SLOTS, np.int64, memory.buf)  # [SLOTS]
        self._images: NDArray[Any] = np.ndarray((SLOTS, *place.shape), place.pixel_type, memory.buf, 8 * SLOTS)
        self._next = 0

    @classmethod
    def like(cls, image: NDArray[Any]) -> Ring:
        """A new ring for images of this shape and type. Raises OSError if there is not enough memory."""
        memory = SharedMemory(create=True, size=8 * SLOTS + SLOTS * max(image.nbytes, 8))
        try:
            _reserve(memory)
        except OSError:
            memory.close()
            memory.unlink()
            raise
        ring = cls(memory, Place(memory.name, image.shape, str(image.dtype)))
        ring._stamps[:] = BEING_WRITTEN
        return ring

    @classmethod
    def at(cls, place: Place) -> Ring:
        """The ring that the other process made. Raises FileNotFoundError."""
        return cls(SharedMemory(place.name), place)

    def put(self, image: NDArray[Any]) -> int:
        """Overwrite the oldest image; returns the sequence number. Copying releases the interpreter lock (GIL)."""
        sequence, slot = self._next, self._next % SLOTS
        self._stamps[slot] = BEING_WRITTEN
        np.copyto(self._images[slot], image)
        self._stamps[slot] = sequence
        self._next += 1
        return sequence

    def get(self, sequence: int) -> NDArray[Any] | None:
        """A copy of this image; None if a newer one has overwritten it, or is being written there."""
        slot = sequence % SLOTS
        if self._stamps[slot] != sequence:
            return None
        image: NDArray[Any] = self._images[slot].copy()
        image.flags.writeable = False
        return image if self._stamps[slot] == sequence else None

    def close(self) -> None:
        """Close the memory in this process."""
        del self._stamps, self._images  # views of the memory
        self._memory.close()

    def remove(self) -> None:
        """Close the memory and delete it for all processes."""
        self.close()
        self._memory.unlink()


class Pictures:
    """The images of a loop, in a ring of their shape and type. Without memory for a ring, there are no images.

    Args:
        missing: called with the reason why there are no images; once, until there are images again.
    """

    def __init__(self, missing: Callable[[str], None]) -> None:
        self._missing = missing
        self._ring: Ring | None = None
        self._reason = ""
        self._retry_s = 0.0

    def put(self, image: NDArray[Any]) -> tuple[Place | None, int]:
        """(place of the image, its sequence number); the place is None if there is no ring."""
        if self._ring is None or not self._ring.place.fits(image):
            self.close(everywhere=True)
            self._ring = self._new_ring(image)
        return (self._ring.place, self._ring.put(image)) if self._ring is not None else (None, 0)

    def close(self, *, everywhere: bool) -> None:
        """Close the memory; if `everywhere`, also delete it for all processes."""
        ring, self._ring = self._ring, None
        if ring is not None:
            with suppress(OSError):  # its file was deleted
                (ring.remove if everywhere else ring.close)()

    def _new_ring(self, image: NDArray[Any]) -> Ring | None:
        if time.monotonic() < self._retry_s:
            return None
        try:
            ring = Ring.like(image)
        except OSError as error:
            self._retry_s = time.monotonic() + AGAIN_S
            reason = f"shared memory has no room for {SLOTS * image.nbytes / 1e6:.3g} MB of them"
            if not self._reason:
                self._missing(f"there are no pictures: {reason} ({error.strerror or error})")
            self._reason = reason
            return None
        self._reason = ""
        return ring


def _reserve(memory: SharedMemory) -> None:
    """Allocate all pages now. Raises OSError if there are not enough.

    Linux allocates each page of a shared memory at its first write, and kills a process if no page is left.
    """
    file = getattr(memory, "_fd", -1)
    if hasattr(os, "posix_fallocate") and file >= 0:
        os.posix_fallocate(file, 0, memory.size)
    else:
        np.ndarray(memory.size, np.uint8, memory.buf)[:] = 0

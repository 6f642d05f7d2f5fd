"""Pictures from one process to another: slots in shared memory, each with a sequence number. The newest wins."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOTS = 8  # a picture stays while so many newer ones come
BEING_WRITTEN = -1


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
        """A new ring for pictures of this shape and type."""
        memory = SharedMemory(create=True, size=8 * SLOTS + SLOTS * max(image.nbytes, 8))
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

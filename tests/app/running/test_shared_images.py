"""Images in shared memory: a stored image is read back complete until newer ones overwrite it."""

from __future__ import annotations

import errno
import os
from multiprocessing.shared_memory import SharedMemory
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.running import shared_images
from app.running.shared_images import AGAIN_S, SLOTS, Pictures, Ring


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pixel_type=st.sampled_from(["uint8", "uint16", "float64"]),
    number=st.integers(1, 3 * SLOTS),
)
def test_the_newest_images_are_read_and_older_ones_are_gone(
    shape: tuple[int, int], pixel_type: str, number: int
) -> None:
    images = [np.full(shape, index + 1, pixel_type) for index in range(number)]
    here = Ring.like(images[0])
    there = Ring.at(here.place)
    try:
        for index, image in enumerate(images):
            assert there.place.fits(image)
            assert here.put(image) == index
        for index, image in enumerate(images):
            got = there.get(index)
            if index < number - SLOTS:
                assert got is None
            else:
                assert got is not None
                np.testing.assert_array_equal(got, image)
        assert there.get(number) is None
    finally:
        here.close()
        there.remove()
    with pytest.raises(FileNotFoundError):
        Ring.at(here.place)


def test_an_image_of_another_shape_or_type_needs_another_ring() -> None:
    ring = Ring.like(np.zeros((4, 6), np.uint8))
    try:
        assert not ring.place.fits(np.zeros((6, 4), np.uint8))
        assert not ring.place.fits(np.zeros((4, 6), np.uint16))
    finally:
        ring.remove()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system gives shared memory when it is made")
def test_a_ring_reserves_its_memory_at_creation() -> None:
    """A page that is missing at its first write kills the loop (SIGBUS) with the laser on."""
    ring = Ring.like(np.zeros((1024, 1024), np.uint16))
    try:
        assert os.fstat(ring._memory._fd).st_blocks * 512 >= ring._memory.size  # type: ignore[attr-defined]
    finally:
        ring.remove()


def test_without_shared_memory_there_are_no_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, said, now_s = np.arange(12, dtype=np.uint8).reshape(3, 4), list[str](), [100.0]

    def full(memory: SharedMemory) -> None:
        names.append(memory.name)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    names: list[str] = []
    pictures = Pictures(said.append)
    monkeypatch.setattr(shared_images, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with monkeypatch.context() as patched:
        patched.setattr(shared_images, "_reserve", full)
        for _ in range(2):
            for _ in range(3):
                assert pictures.put(image) == (None, 0)
            now_s[0] += AGAIN_S
        assert len(names) == 2
        assert len(said) == 1
        assert "No space left" in said[0]
        for name in names:
            with pytest.raises(FileNotFoundError):
                SharedMemory(name)
    place, sequence = pictures.put(image)
    assert place is not None
    there = Ring.at(place)
    np.testing.assert_array_equal(there.get(sequence), image)
    there.close()
    pictures.close(everywhere=True)
    with pytest.raises(FileNotFoundError):
        Ring.at(place)

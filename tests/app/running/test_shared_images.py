"""Pictures in shared memory: what was put is got, whole, until newer ones come over it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.running.shared_images import SLOTS, Ring


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pixel_type=st.sampled_from(["uint8", "uint16", "float64"]),
    number=st.integers(1, 3 * SLOTS),
)
def test_the_newest_are_got_and_the_others_are_gone(shape: tuple[int, int], pixel_type: str, number: int) -> None:
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


def test_another_kind_of_picture_needs_another_ring() -> None:
    ring = Ring.like(np.zeros((4, 6), np.uint8))
    try:
        assert not ring.place.fits(np.zeros((6, 4), np.uint8))
        assert not ring.place.fits(np.zeros((4, 6), np.uint16))
    finally:
        ring.remove()

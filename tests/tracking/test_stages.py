"""The stages of the centroid locator, each compared with its explicit definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tracking.locate.bandpass import bandpass
from tracking.locate.noise import dark
from tracking.locate.peaks import above, peaks
from tracking.locate.refine import disc


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("box_px", [3, 5, 7, 11, 13, 15, 33, 63, 127, 255, 257, 259])
def test_the_integer_mean_is_rounded_down_after_each_axis(dtype: Any, box_px: int) -> None:
    raw = np.random.default_rng(box_px).integers(0, np.iinfo(dtype).max, (61, 83), dtype, endpoint=True)
    mean = raw.astype(np.int64)
    for axis in (0, 1):
        mean = ndimage.convolve1d(mean, np.ones(box_px, np.int64), axis, mode="nearest") // box_px
    smooth, largest = bandpass(raw, 0.0, box_px, 1.0)
    np.testing.assert_array_equal(smooth, np.maximum(raw - mean, 0))
    assert largest == smooth.max()


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60), top=st.integers(0, 255),
    percentile=st.floats(0, 100), wide=st.booleans(),
)  # fmt: skip
def test_the_level_of_a_percentile_is_the_value_of_its_rank(
    seed: int, height: int, width: int, top: int, percentile: float, wide: bool
) -> None:
    chance = np.random.default_rng(seed)
    dtype: Any = np.uint16 if wide else np.uint8
    image = (chance.random((height, width)) ** 3 * (top + 1)).astype(dtype)
    image[::16] //= 2  # every 16th row, from which the level is estimated, differs from the others
    lit = np.sort(image[image > 0])
    assert above(image, percentile) == (int(lit[int((lit.size - 1) * (percentile / 100))]) if lit.size else None)


def test_every_pixel_of_a_flat_frame_is_a_peak() -> None:
    found = peaks(np.full((120, 130), 7, np.uint8), 10.0, 6, 5)
    np.testing.assert_array_equal(found, np.argwhere(np.ones((110, 120))) + 5)


@pytest.mark.parametrize("radius", [1, 5, 63, 70, 130])
@pytest.mark.parametrize("shape", [(150, 200), (40, 64), (7, 131), (90, 1)])
def test_dark_pixels_are_outside_of_a_disc_around_every_bright_pixel(radius: int, shape: tuple[int, int]) -> None:
    chance = np.random.default_rng(radius)
    raw = chance.integers(0, 256, shape, np.uint8)
    image = (chance.random(shape) < 2 / (np.pi * radius**2)).astype(np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    half = disc(radius).half
    near = np.zeros(shape, bool)
    for row, column in np.argwhere(image):
        off = np.abs(y - row)
        near |= (off <= radius) & (np.abs(x - column) <= half[np.minimum(off, radius) + radius])
    mean, spread = dark(image, raw, radius)
    beyond = raw[~near]
    np.testing.assert_allclose(mean, beyond.mean() if beyond.size else np.nan)
    np.testing.assert_allclose(spread, beyond.std() if beyond.size > 1 else np.nan, atol=1e-6)

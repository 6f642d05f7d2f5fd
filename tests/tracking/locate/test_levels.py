"""Whole grey levels: bit for bit as in trackpy, for any frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trackpy.preprocessing
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.tracking.footage import scattered, spots
from tracking.locate.bandpass import bandpass
from tracking.locate.levels import levels
from tracking.locate.peaks import whole

Image = NDArray[Any]


def of_trackpy(raw: Image, noise_px: float, box_px: int, threshold: float) -> tuple[float, Image]:
    smooth = trackpy.preprocessing.bandpass(raw, noise_px, box_px, threshold)
    factor, image = trackpy.preprocessing.convert_to_int(smooth, raw.dtype)
    return float(factor), image


def assert_equal(raw: Image, noise_px: float = 1.0, box_px: int = 11, threshold: float = 1.0) -> None:
    image, factor = levels(raw, noise_px, box_px, threshold)
    expected_factor, expected = of_trackpy(raw, noise_px, box_px, threshold)
    np.testing.assert_array_equal(image, expected)
    assert factor == expected_factor


def uneven(seed: int, shape: tuple[int, int], low: int, high: int, dtype: Any) -> Image:
    """Noise between two levels, a flat patch and a bright one."""
    draw = np.random.default_rng(seed)
    image = draw.integers(low, high + 1, shape)
    image[: shape[0] // 2, : shape[1] // 3] = low
    image[-4:, -5:] = high
    return image.astype(dtype)


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 80)),
    noise_px=st.sampled_from([0.0, 0.6, 1.0, 2.3, 5.0]),
    box_px=st.sampled_from([3, 11, 21, 45]),
    threshold=st.sampled_from([0.5, 1.0, 7.0, 200.0]),
    spread=st.sampled_from([1, 8, 60, 255]),
    deep=st.booleans(),
)
def test_levels_equal_those_of_trackpy(
    seed: int, shape: tuple[int, int], noise_px: float, box_px: int, threshold: float, spread: int, deep: bool
) -> None:
    low = int(np.random.default_rng(seed).integers(0, 256 - spread))
    raw = uneven(seed, shape, low, low + spread, np.uint8)
    if noise_px < box_px:
        assert_equal(raw.astype(np.uint16) * 251 if deep else raw, noise_px, box_px, threshold)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_flat_frames_are_dark_as_in_trackpy(value: int) -> None:
    assert_equal(np.full((40, 50), value, np.uint8))


def test_many_saturated_pixels_need_many_recomputations() -> None:
    image = np.zeros((120, 300), np.uint8)
    image[30:90, 40:260] = 255
    assert_equal(image)
    assert_equal(image, 6.5, 31)


def test_in_a_frame_of_low_contrast_float32_rounds_differently() -> None:
    """The reason for the second computation."""
    image = (100 + spots((200, 300), scattered((200, 300), 40, 5), amplitude=12.0).astype(float)).astype(np.uint8)
    image += np.random.default_rng(2).integers(0, 6, image.shape).astype(np.uint8)
    smooth, brightest = bandpass(image, 1.0, 11, 1.0)
    assert (whole(smooth, brightest, np.uint8)[0] != of_trackpy(image, 1.0, 11, 1.0)[1]).any()
    assert_equal(image)

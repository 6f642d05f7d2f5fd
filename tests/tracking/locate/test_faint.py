"""Peaks are left out before refinement only if they are too faint after refinement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.footage import scattered, spots
from tracking.locate.faint import possible_peaks
from tracking.locate.refine import refine


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), height=st.integers(15, 70), width=st.integers(15, 70), radius=st.integers(1, 7),
    iterations=st.integers(1, 12), share=st.floats(0.0, 1.0), factor=st.sampled_from([1.0, 0.37, 255.0]),
    wide=st.booleans(),
)  # fmt: skip
def test_peaks_left_out_would_be_too_faint_after_refinement(
    seed: int, height: int, width: int, radius: int, iterations: int, share: float, factor: float, wide: bool
) -> None:
    """Uneven brightness shifts the masks far over the image; minmass is any quantile of the masses."""
    chance = np.random.default_rng(seed)
    lumps = chance.random((height, width)) ** 12 * np.linspace(0, 1, width)
    image = (1 + lumps * (65534 if wide else 254)).astype(np.uint16 if wide else np.uint8)
    low, high = radius, np.array([height, width]) - radius
    peak = chance.integers(low, high, (40, 2))
    _, _, mass = refine(image, peak, radius, iterations)
    minmass = float(np.quantile(mass / factor, share))
    bright = mass / factor > minmass
    stay = possible_peaks(image, peak, radius, iterations, factor, minmass)
    found = {tuple(one) for one in stay.tolist()}
    assert all(tuple(one) in found for one in peak[bright].tolist())
    _, _, mass_of_stay = refine(image, stay, radius, iterations)
    np.testing.assert_array_equal(mass_of_stay[mass_of_stay / factor > minmass], mass[bright])  # and in the same order


def test_most_noise_peaks_of_a_dark_field_are_left_out() -> None:
    there = scattered((256, 256), 5, 40)
    image = spots((256, 256), there)
    noise = np.argwhere(np.random.default_rng(1).random((256, 256)) < 0.02)
    peak = noise[((noise >= 5) & (noise < 251)).all(axis=1)]
    assert len(peak) > 1000
    dim = np.where(image > 40, image, 0).astype(np.uint8)
    assert len(possible_peaks(dim, peak, 5, 10, 1.0, 400.0)) < 0.4 * len(peak)


@pytest.mark.parametrize("minmass", [0.0, -1.0])
def test_no_peaks_are_left_out_without_a_minimum_mass(minmass: float) -> None:
    peak = np.array([[7, 7], [8, 20]])
    assert possible_peaks(np.zeros((16, 30), np.uint8), peak, 5, 10, 1.0, minmass) is peak


def test_all_peaks_are_left_out_above_the_largest_possible_mass() -> None:
    peak = np.array([[7, 7], [8, 20]])
    assert len(possible_peaks(np.full((16, 30), 255, np.uint8), peak, 5, 10, 1.0, 1e308)) == 0

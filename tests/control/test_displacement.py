"""Mean square displacement compared with trackpy, with closed forms, and with explicit sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import trackpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.displacement import add_square_displacements, displacements, mean_of, msd, square_displacements

Floats = NDArray[np.float64]


def walk(frames: int, particles: int, seed: int = 0) -> Floats:
    return np.asarray(np.cumsum(np.random.default_rng(seed).normal(0, 0.1, (frames, particles, 2)), axis=0))


def table(place_um: Floats) -> pd.DataFrame:
    """A table as in trackpy, of the positions [T, P, 2] that are not nan."""
    frame, particle = np.indices(place_um.shape[:2])
    columns: dict[str, Any] = {"frame": frame, "particle": particle, "x": place_um[..., 0], "y": place_um[..., 1]}
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}).dropna()


def hidden(place_um: Floats, share: float) -> Floats:
    """The same positions without this share of the sightings; the first and last of each particle are kept."""
    seen = np.random.default_rng(1).random(place_um.shape[:2]) >= share
    seen[[0, -1]] = True
    return np.where(seen[..., None], place_um, np.nan)


def test_each_particle_has_the_msd_of_trackpy_with_gaps() -> None:
    place_um = hidden(walk(120, 4), 0.2)
    other = trackpy.imsd(table(place_um), 1.0, 50.0, max_lagtime=30)
    np.testing.assert_allclose(msd(place_um, np.arange(1, 31), of_each=True), other.to_numpy(), rtol=1e-9)


def test_all_particles_have_the_ensemble_msd_of_trackpy() -> None:
    place_um = walk(150, 7)
    other = trackpy.emsd(table(place_um), 1.0, 50.0, max_lagtime=40)
    np.testing.assert_allclose(msd(place_um, np.arange(1, 41)), other.to_numpy(), rtol=1e-9)


@given(radius_um=st.floats(0.01, 100.0), turn=st.floats(0.0, 3.0), x=st.floats(-100, 100), y=st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_the_msd_of_a_circle_is_the_square_of_its_chord(radius_um: float, turn: float, x: float, y: float) -> None:
    """|r(t + s) - r(t)|^2 = 4 R^2 sin^2(w s / 2) at every t."""
    angle = turn * np.arange(50)
    circle_um = radius_um * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None] + [x, y]
    lags = np.array([1, 2, 7, 49])
    expected = (2.0 * radius_um * np.sin(0.5 * turn * lags)) ** 2
    np.testing.assert_allclose(msd(circle_um, lags), expected, rtol=1e-7, atol=1e-13 * (radius_um + 100.0) ** 2)


def test_every_displacement_counts_once_in_the_mean_of_all() -> None:
    place_um = np.full((9, 2, 2), np.nan)
    place_um[:, 0] = 0.0  # particle 0 rests for 9 frames, particle 1 takes one step of 3 um and disappears
    place_um[:2, 1] = [[0.0, 0.0], [3.0, 0.0]]
    assert msd(place_um, np.array([1, 8])).tolist() == [pytest.approx(9.0 / 9), 0.0]
    np.testing.assert_array_equal(msd(place_um, np.array([1, 2]), of_each=True), [[0.0, 9.0], [0.0, np.nan]])


def test_the_msd_without_displacements_is_nan() -> None:
    assert np.isnan(msd(np.zeros((5, 3, 2)), np.array([5, 6, 1000]))).all()
    assert np.isnan(msd(np.zeros((0, 0, 2)), np.array([1]))).all()
    assert msd(walk(5, 2), np.empty(0, np.int64), of_each=True).shape == (0, 2)


def test_displacements_between_two_stretches_are_not_counted() -> None:
    place_um, stretch = np.zeros((20, 1, 2)), np.repeat([0, 1], 10)[:, None]
    place_um[10:] += 7.0
    total, count = square_displacements(place_um, np.array([1, 5, 10]), stretch)
    assert total.tolist() == [[0.0], [0.0], [0.0]]
    assert count.tolist() == [[18.0], [10.0], [0.0]]


def test_a_steady_drift_is_subtracted() -> None:
    still, flow = walk(60, 3), np.arange(60)[:, None, None] * np.array([0.7, -1.3])
    lags = np.array([1, 4, 20])
    found = msd(still + flow, lags, of_each=True, less_drift=True)
    np.testing.assert_allclose(found, msd(still, lags, of_each=True, less_drift=True), rtol=1e-9)
    np.testing.assert_allclose(found[1], displacements(still, 4).var(axis=0).sum(axis=1), rtol=1e-9)


@given(share=st.floats(0.0, 0.9), longest=st.integers(0, 90), seed=st.integers(0, 5), doubts=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_sightings_and_the_grid_have_the_same_sums(share: float, longest: int, seed: int, doubts: int) -> None:
    """Many or few frames for each sighting: one method sums on the grid, the other one pair by pair."""
    place_um = hidden(walk(80, 1, seed), share)[:, 0]
    stretch = np.sort(np.random.default_rng(seed).integers(0, doubts + 1, 80))
    frame = np.flatnonzero(np.isfinite(place_um[:, 0]))
    expected: Any = square_displacements(place_um[:, None], np.arange(1, longest + 1), stretch[:, None])
    for spacing in (1, 1000):  # 1000: the same sightings so far apart that no grid is used
        total, count = np.zeros(longest * spacing), np.zeros(longest * spacing)
        add_square_displacements(frame * spacing, place_um[frame], stretch[frame], total, count)
        np.testing.assert_allclose(total[spacing - 1 :: spacing], expected[0][:, 0], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(count[spacing - 1 :: spacing], expected[1][:, 0])
        assert count.sum() == expected[1].sum()


def test_a_mean_of_no_values_is_nan() -> None:
    np.testing.assert_array_equal(mean_of(np.array([3.0, 0.0]), np.array([2.0, 0.0])), [1.5, np.nan])

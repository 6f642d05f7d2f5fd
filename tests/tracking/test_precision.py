"""Errors of the locators compared with the Cramer-Rao bound, without preference for a sub-pixel phase.

White noise of variance sigma^2 + 1/12 (rounding): bound^2 = variance / sum (d mu / d x)^2. The full tables, with
20,000 particles a cell, are in benchmarks; here the samples are smaller, and the tolerances allow for their scatter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from benchmarks.accuracy import Profile, bound_px, errors, phase_bias_px
from tests.tracking.footage import scattered, spots
from tracking.locate.auto import choose
from tracking.locate.centroid import Centroid
from tracking.locate.plane import slopes
from tracking.rules import Rules
from tracking.settings import Tracking
from tracking.tracker import locator

SPOT = Profile(110.0, 2.2, 0.0)
RING = Profile(110.0, 1.5, 5.0)


def test_the_bound_of_a_gaussian_is_its_closed_form() -> None:
    assert bound_px(SPOT, 4.0) == pytest.approx(np.sqrt(2 / np.pi) * np.sqrt(16 + 1 / 12) / 110, rel=0.01)


@pytest.mark.parametrize(
    ("locator", "profile", "noise", "diameter", "at_most"),
    [
        ("centroid", SPOT, 11.0, 11, 1.15),
        ("gaussian", SPOT, 22.0, 11, 1.05),
        ("gaussian", SPOT, 4.0, 11, 1.05),
        ("radial", SPOT, 4.0, 11, 1.06),
        ("radial", RING, 11.0, 17, 1.08),
        ("radial", RING, 4.0, 17, 1.08),
    ],
)
def test_errors_near_the_bound(locator: Any, profile: Profile, noise: float, diameter: int, at_most: float) -> None:
    off_px, phase = errors(locator, profile, noise, diameter, frames=3)
    assert len(off_px) > 1000
    assert np.sqrt(np.mean(off_px**2)) / bound_px(profile, noise) <= at_most
    if locator != "centroid" and noise <= 4.0:
        assert phase_bias_px(off_px, phase) < 0.003


@pytest.mark.parametrize(
    ("ring_px", "noise", "name"), [(0.0, 3.0, "gaussian"), (5.0, 3.0, "radial"), (0.0, 60.0, "centroid")]
)
def test_auto_notes_its_choice_and_the_reason(ring_px: float, noise: float, name: str) -> None:
    image = spots(
        (220, 220), scattered((220, 220), 20, 30), ring_px=ring_px, width_px=1.5 if ring_px else 2.2, noise=noise
    )
    s = Tracking(locator="auto", diameter_px=17 if ring_px else 11, minmass=600, separation_px=18)
    choice = choose(image, Centroid(s)(image), s)
    assert choice is not None
    assert choice.name == name
    assert choice.why.startswith(f"auto: {name}, since")


def beside_a_lamp(slope: float, amplitude: float, seed: int, least_px: float = 30.0) -> tuple[Any, Any]:
    """(positions, an image of spots on a background that rises along x)."""
    there = scattered((300, 300), 60, least_px, seed)
    image = spots((300, 300), there, amplitude=amplitude, seed=seed, dtype=np.float64) * 255.0
    return there, np.clip(np.rint(image + slope * np.arange(300)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["gaussian", "radial"])
@pytest.mark.parametrize("slope", [0.05, 0.1, 0.3])
def test_a_background_slope_causes_no_bias(name: Any, slope: float) -> None:
    """A = 40, noise 4: without the slope in the fit, `gaussian` has a bias of 0.14 px at 0.3 grey levels a px."""
    s = Tracking(locator=name, diameter_px=11, minmass=300, separation_px=12)
    off_px: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(3):
        there, image = beside_a_lamp(slope, 40.0, seed)
        for levels, found in off_px.items():
            placed = locator(s, Rules(sloped=levels))(image).position_px
            away_px, own = cKDTree(placed).query(there)
            found += (placed[own] - there)[away_px < 1.5, 0].tolist()
    assert len(off_px[True]) > 100
    error_px = np.std(off_px[True]) / np.sqrt(len(off_px[True]))
    assert abs(np.mean(off_px[True])) < 3.0 * error_px < 0.02
    if name == "gaussian":
        assert np.mean(off_px[False]) > 0.4 * slope
    assert np.std(off_px[True]) < 1.06 * np.std(off_px[False])


def test_slopes_are_measured_near_other_spots_and_at_the_edge() -> None:
    """Spots 14 px apart, some of them undetected; their light is excluded."""
    for seed in range(3):
        there, image = beside_a_lamp(0.3, 110.0, seed, 14.0)
        off = slopes(image, there[:-6], 6.0) - [0.3, 0.0]
        assert np.sqrt(np.mean(off**2)) < 0.06
        assert abs(off).max() < 0.3
    flat = np.full((20, 20), 7, np.uint8)
    assert slopes(flat, np.array([[10.0, 10.0], [1.0, 1.0]]), 3.0).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert slopes(flat, np.empty((0, 2)), 3.0).shape == (0, 2)


def test_auto_makes_no_choice_without_features() -> None:
    s = Tracking(locator="auto")
    black = np.zeros((64, 64), np.uint8)
    assert choose(black, Centroid(s)(black), s) is None

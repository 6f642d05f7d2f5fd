"""How near to the Cramer-Rao bound the locators come, and that no sub-pixel phase is favoured.

White noise of variance sigma^2 + 1/12 (rounding): bound^2 = variance / sum (d mu / d x)^2. The whole tables, with
20,000 particles a cell, are in benchmarks; here a smaller sample with room for its own scatter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.accuracy import Profile, bound_px, errors, phase_bias_px
from tests.tracking.footage import scattered, spots
from tracking.locate.auto import choose
from tracking.locate.centroid import Centroid
from tracking.settings import Tracking

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
def test_auto_says_what_it_chose_and_why(ring_px: float, noise: float, name: str) -> None:
    image = spots(
        (220, 220), scattered((220, 220), 20, 30), ring_px=ring_px, width_px=1.5 if ring_px else 2.2, noise=noise
    )
    s = Tracking(locator="auto", diameter_px=17 if ring_px else 11, minmass=600, separation_px=18)
    choice = choose(image, Centroid(s)(image), s)
    assert choice is not None
    assert choice.name == name
    assert choice.why.startswith(f"auto: {name}, since")


def test_auto_waits_until_it_has_seen_enough() -> None:
    s = Tracking(locator="auto")
    black = np.zeros((64, 64), np.uint8)
    assert choose(black, Centroid(s)(black), s) is None

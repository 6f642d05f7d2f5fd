"""A fit does not leave its particle, whatever is near it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from config.geometry import Affine
from control.contract import Frame, State
from tests.tracking.footage import recorded, scattered, spots
from tracking.locate.auto import choose
from tracking.locate.centroid import Centroid
from tracking.rules import Rules
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker, locator

Floats = NDArray[np.float64]

CLOSE = Tracking(diameter_px=7, minmass=100, separation_px=4)
LIMIT_PX = 1.0


def dimers(apart_px: float, width_px: float, fainter: float, seed: int) -> tuple[Floats, NDArray[np.uint8]]:
    """(positions [N, 2], image) of pairs of spots; the second has the amplitude `fainter`."""
    middle = scattered((300, 300), 40, 34, seed)
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(middle))
    arm = 0.5 * apart_px * np.stack([np.cos(angle), np.sin(angle)], 1)
    bright = spots((300, 300), middle + arm, width_px=width_px, noise=3, seed=seed).astype(int)
    faint = spots((300, 300), middle - arm, width_px=width_px, noise=0, amplitude=fainter).astype(int) - 20
    return np.concatenate([middle + arm, middle - arm]), np.clip(bright + faint, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["gaussian", "radial", "auto"])
@pytest.mark.parametrize(("apart_px", "width_px", "fainter"), [(5, 1.5, 60), (5, 2.2, 110), (6, 2.2, 60), (7, 2.2, 60)])
def test_no_two_rows_are_at_one_particle_of_a_pair(name: Any, apart_px: float, width_px: float, fainter: float) -> None:
    double = close = far = 0
    fitted_px, centroid_px = [], []
    for seed in range(2):
        true, image = dimers(apart_px, width_px, fainter, seed)
        s = replace(CLOSE, locator=name)
        found = Centroid(s)(image)
        tracker = LinkingTracker(s, Affine.scale("px", "um", 1.0))
        tracks = tracker.step(tracker.start(), Frame(0, 0.0, image))[1]
        placed = tracks.position_px[tracks.state == State.GOOD]
        assert len(placed) == len(found) > 50
        away_px, own = cKDTree(true).query(placed)
        double += len(own) - len(np.unique(own))
        close += len(cKDTree(placed).query_pairs(0.999 * CLOSE.least_distance_px))
        far += int((cKDTree(found.position_px).query(placed)[0] > LIMIT_PX + 1e-9).sum())
        fitted_px.append(away_px)
        centroid_px.append(cKDTree(true).query(found.position_px)[0])
    assert (double, close, far) == (0, 0, 0)
    rms = [np.sqrt(np.mean(np.concatenate(away) ** 2)) for away in (fitted_px, centroid_px)]
    assert rms[0] <= 1.1 * rms[1]


@pytest.mark.parametrize("name", ["gaussian", "radial"])
def test_the_bounds_do_not_change_the_fit_of_an_isolated_particle(name: Any) -> None:
    """Bit for bit: no bound is reached."""
    image = spots((300, 300), scattered((300, 300), 60, 24))
    s = Tracking(locator=name, diameter_px=11, minmass=400)
    free, bounded = locator(s, Rules(bounded=False))(image), locator(s)(image)
    assert len(free) > 40
    np.testing.assert_array_equal(free.position_px, bounded.position_px)
    np.testing.assert_array_equal(free.ep_px, bounded.ep_px)


@pytest.mark.parametrize("name", ["gaussian", "radial"])
def test_in_a_recorded_crowd_no_fit_leaves_its_particle(name: Any) -> None:
    left = {True: 0, False: 0}
    for image in recorded("colloids.tif", 12):
        s = Tracking(locator=name, diameter_px=7, minmass=100)
        found = Centroid(s)(image)
        for bounded in left:
            placed = locator(s, Rules(bounded=bounded))(image)
            left[bounded] += int((np.hypot(*(placed.position_px - found.position_px).T) > LIMIT_PX).sum())
            if bounded:
                assert not cKDTree(placed.position_px).query_pairs(0.999 * s.least_distance_px)
    assert left[True] == 0
    assert left[False] > 10


def test_auto_selects_centroid_in_a_crowd_and_notes_the_reason() -> None:
    _, image = dimers(7.5, 1.5, 110, 0)
    s = replace(CLOSE, locator="auto")
    choice = choose(image, Centroid(s)(image), s)
    assert choice is not None
    assert (choice.name, choice.why) == (
        "centroid", "auto: centroid, since 100% of the particles have a neighbour nearer than 8 px"
    )  # fmt: skip
    before = choose(image, Centroid(s)(image), s, Rules(bounded=False))
    assert before is not None
    assert before.name != "centroid"

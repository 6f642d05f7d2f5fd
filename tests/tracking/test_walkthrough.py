"""The published walkthrough of 1 um spheres in water: tracks and mean square displacement."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trackpy

from config.geometry import Affine
from control.contract import Frame
from tests.tracking.footage import recorded
from tracking.link import LinkMemory, link
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker, locator

UM_PER_PX = 100 / 285
FPS = 24.0
WATER = Tracking(diameter_px=11, minmass=20, invert=True, search_px=5, memory=3)


def tracked(frames: int | None) -> pd.DataFrame:
    """One row a particle a frame, with the column names of trackpy."""
    tracker = LinkingTracker(WATER, Affine.scale("px", "um", UM_PER_PX))
    memory, rows = tracker.start(), []
    for number, image in enumerate(recorded("bulk_water.tif", frames)):
        memory, tracks = tracker.step(memory, Frame(number, number / FPS, image))
        rows.append(
            pd.DataFrame({
                "frame": number, "particle": tracks.particle, "x": tracks.position_px[:, 0],
                "y": tracks.position_px[:, 1], "mass": tracks.mass, "size": tracks.size_px, "ecc": tracks.ecc,
            })
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_the_first_sixty_frames_of_the_walkthrough() -> None:
    """Result of trackpy 0.7 (locate, then link): 3056 tracks, 515 of 25 frames or more."""
    lengths = tracked(60).groupby("particle").size()
    assert len(lengths) == 3056
    assert np.count_nonzero(lengths >= 25) == 515


@pytest.mark.slow
def test_the_whole_walkthrough() -> None:
    """13715 tracks, 1505 after stubs; after drift the MSD is 1.60 um^2 t^1.08 (t in s) up to 4 s."""
    found = tracked(None)
    lengths = found.groupby("particle").size()
    assert len(lengths) == 13715
    assert np.count_nonzero(lengths >= 25) == 1505
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning of trackpy under pandas 3
        trackpy.quiet()
        kept: Any = trackpy.filter_stubs(found, 25)
        kept = kept[(kept["mass"] > 50) & (kept["size"] < 2.6) & (kept["ecc"] < 0.3)].reset_index(drop=True)
        still = trackpy.subtract_drift(kept.copy(), trackpy.compute_drift(kept))
        msd = trackpy.emsd(still, UM_PER_PX, FPS, max_lagtime=100)
    lag = np.asarray(msd.index, float)
    exponent, logarithm = np.polyfit(np.log(lag[lag <= 4]), np.log(msd.to_numpy()[lag <= 4]), 1)
    assert exponent == pytest.approx(1.08, abs=0.01)
    assert np.exp(logarithm) == pytest.approx(1.60, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "s"),
    [("bulk_water.tif", WATER), ("colloids.tif", Tracking(diameter_px=7, minmass=100, search_px=6))],
)
def test_the_partition_of_whole_videos_equals_that_of_trackpy(name: str, s: Tracking) -> None:
    find = locator(Tracking(**{**asdict(s), "doubt": 0.0}))
    places = [find(image).position_px for image in recorded(name)]
    trackpy.quiet()
    theirs = [ids for _, ids in trackpy.link_iter(iter(places), s.search_px, memory=s.memory)]
    memory, pairs = LinkMemory(), set()
    for number, (place, ids) in enumerate(zip(places, theirs, strict=True)):
        memory, found = link(memory, number, place, s)
        pairs |= set(zip(found.particle.tolist(), ids, strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})

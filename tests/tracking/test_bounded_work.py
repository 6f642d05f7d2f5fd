"""The work for one frame is bounded for all settings. Beyond the bound is one Fault; normal frames are below it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from control.contract import Fault
from tests.tracking.test_link import Floats, linked, walk
from tracking.link import MOST_FEATURES, MOST_REMEMBERED, LinkMemory, link
from tracking.locate.centroid import Centroid
from tracking.settings import Tracking

LONG_S = 20.0  # generous: normally some tenths of a second


def places(count: int, side_px: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).uniform(0, side_px, (count, 2))


@pytest.mark.parametrize("gate", ["constant", "sqrt_time"])
@pytest.mark.parametrize("crowd_share", [0.0, 1.0])
@pytest.mark.parametrize("doubt", [0.0, 0.1])
def test_a_search_over_the_whole_image_is_a_quick_fault(gate: str, crowd_share: float, doubt: float) -> None:
    """20 000 features within the search range of each other. Before, one frame took minutes."""
    s = Tracking(search_px=1e6, gate=gate, crowd_share=crowd_share, doubt=doubt)  # type: ignore[arg-type]
    link(LinkMemory(), 0, places(3, 9.0), s)  # compiled
    memory, _ = link(LinkMemory(), 0, places(MOST_FEATURES, 1000.0), s)
    began_s = time.monotonic()
    with pytest.raises(Fault, match=r"too many lie within tracking.search_px \(1e\+06\) of each other"):
        link(memory, 1, places(MOST_FEATURES, 1000.0, seed=1), s)
    assert time.monotonic() - began_s < LONG_S


def test_too_many_features_in_a_frame_are_a_fault() -> None:
    with pytest.raises(Fault, match=f"has {MOST_FEATURES + 1} features, and {MOST_FEATURES} are allowed"):
        link(LinkMemory(), 0, places(MOST_FEATURES + 1, 1000.0), Tracking())


def test_too_many_remembered_particles_are_a_fault() -> None:
    s = Tracking(search_px=0.01, memory=100_000)
    memory = LinkMemory()
    for number in range(MOST_REMEMBERED // MOST_FEATURES + 1):
        memory, _ = link(memory, number, places(MOST_FEATURES, 4000.0, number), s)
    with pytest.raises(Fault, match=r"a smaller tracking\.memory forgets sooner"):
        link(memory, number + 1, places(1, 4000.0), s)


@pytest.mark.parametrize("search_px", [8.0, 60.0])
def test_four_thousand_particles_are_linked(search_px: float) -> None:
    """Also where each has a hundred others within its search range."""
    frames = walk(4000, 4, 900.0, 1.0, 0.02, seed=3)
    assert sum(len(found) for found in linked(frames, Tracking(search_px=search_px, memory=3))) > 15_000


def test_a_flat_bright_field_takes_bounded_time() -> None:
    """Every pixel of a saturated field is a peak, within the separation of many others."""
    image = np.full((700, 1400), 10, np.uint8)
    image[:, :400] = 255
    s = Tracking(preprocess=False, percentile=0.0, minmass=0.0, diameter_px=3, separation_px=200.0)
    Centroid(s)(image[:1, :1])
    began_s = time.monotonic()
    with pytest.raises(Fault, match=r"tracking\.separation_px \(200\)"):
        Centroid(s)(image)
    assert time.monotonic() - began_s < LONG_S
    with pytest.raises(Fault, match="peaks of brightness, and 200000 are allowed"):
        Centroid(Tracking(preprocess=False, percentile=0.0, minmass=0.0, diameter_px=3))(np.tile(image, (2, 2)))

"""Frames of any size and content give a result or one clear sentence, never a crash."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.geometry import Affine
from control.contract import Frame
from tracking.locate.gaussian import _solve
from tracking.locate.page import Locator
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker, locator

LOCATORS = get_args(Locator)
WHOLE = [name for name in LOCATORS if name not in ("windows", "auto")]  # locators of whole frames only
DTYPES: list[Any] = [np.uint8, np.uint16, np.float64]


@st.composite
def frames(draw: st.DrawFn) -> NDArray[Any]:
    """Odd shapes; black, saturated, flat, one hot pixel, noise, a gradient."""
    shape = draw(st.tuples(st.integers(1, 48), st.integers(1, 48)))
    dtype = draw(st.sampled_from(DTYPES))
    top = np.iinfo(dtype).max if dtype != np.float64 else 1.0
    kind = draw(st.sampled_from(["black", "saturated", "flat", "hot", "noise", "slope"]))
    chance = np.random.default_rng(draw(st.integers(0, 999)))
    image = np.zeros(shape)
    if kind == "saturated":
        image[:] = top
    elif kind == "flat":
        image[:] = top / 3
    elif kind == "hot":
        image[chance.integers(shape[0]), chance.integers(shape[1])] = top
    elif kind == "noise":
        image = chance.random(shape) * top
    elif kind == "slope":
        image += np.linspace(0, top, shape[1])
    return image.astype(dtype)


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=60, deadline=None)
@given(image=frames(), invert=st.booleans(), diameter=st.sampled_from([3, 11, 21]))
def test_any_frame_gives_a_result(name: Any, image: NDArray[Any], invert: bool, diameter: int) -> None:
    found = locator(Tracking(locator=name, diameter_px=diameter, minmass=0.0, invert=invert))(image)
    assert np.isfinite(found.position_px).all()
    assert (found.position_px >= 0).all()
    assert (found.position_px <= np.array(image.shape[::-1]) - 1).all()
    assert (found.mass > 0).all()


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.full((20, 20), np.nan), "400 pixels of a frame are not finite"),
        (np.zeros((20, 20, 3), np.uint8), r"shape \(20, 20, 3\)"),
        (np.zeros((0, 20), np.uint8), r"shape \(0, 20\)"),
        (np.zeros((20, 20), np.int64), "this one is int64"),
    ],
)
def test_an_array_that_is_not_a_frame_is_refused_in_one_sentence(name: Any, image: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        locator(Tracking(locator=name))(image)


@pytest.mark.parametrize("name", LOCATORS)
@settings(max_examples=40, deadline=None)
@given(
    images=st.lists(frames(), min_size=1, max_size=4), invert=st.booleans(), preprocess=st.booleans(),
    search_px=st.sampled_from([0.5, 5.0, 1e6]), memory=st.integers(0, 3),
)  # fmt: skip
def test_any_sequence_of_frames_gives_results(
    name: Any, images: list[NDArray[Any]], invert: bool, preprocess: bool, search_px: float, memory: int
) -> None:
    """Successive frames through the tracker: windows have earlier positions, and `auto` has a choice."""
    made = Tracking(
        locator=name, diameter_px=5, minmass=0.0, invert=invert, preprocess=preprocess, search_px=search_px,
        memory=memory,
    )  # fmt: skip
    tracker = LinkingTracker(made, Affine.scale("px", "um", 0.1))
    known = tracker.start()
    for number, image in enumerate(images):
        known, tracks = tracker.step(known, Frame(number, 0.01 * number, image))
        assert np.isfinite(tracks.position_px).all()
        assert len(np.unique(tracks.particle)) == len(tracks)


@pytest.mark.parametrize("name", WHOLE)
def test_a_float_frame_of_absurd_brightness_gives_a_result(name: Any) -> None:
    image = np.random.default_rng(0).random((40, 40))
    with np.errstate(over="ignore", invalid="ignore"):
        found = locator(Tracking(locator=name, diameter_px=5, minmass=0.0))(image * 1e305)
    assert np.isfinite(found.position_px).all()


def test_equations_made_singular_by_rounding_have_no_solution() -> None:
    """Before, a frame of absurd brightness rarely caused a division by zero."""
    matrix = np.zeros((5, 6))
    matrix[:, :5], matrix[:, 5] = np.eye(5), 1.0
    matrix[0, 0] = -1e-12 / 1.001  # the damping term is lost by rounding
    assert np.isnan(_solve(matrix, 1e-3)).all()
    assert np.isfinite(_solve(np.hstack([np.eye(5), np.ones((5, 1))]), 1e-3)).all()

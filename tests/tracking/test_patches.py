"""Image patches around particles, and the effect of a classifier on tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.geometry import Affine
from control.contract import UNKNOWN, Frame, Ints, State
from tests.tracking.footage import scattered, spots
from tracking.patches import cut
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker


@given(st.floats(-3, 63), st.floats(-3, 43), st.integers(2, 12))
def test_a_patch_is_the_part_of_the_image_around_its_particle(x: float, y: float, half: int) -> None:
    image = np.arange(60 * 40).reshape(40, 60)
    patches, whole = cut(image, np.array([[x, y]]), 2 * half)
    column, row = round(x) - half, round(y) - half
    inside = column >= 0 and row >= 0 and column + 2 * half <= 60 and row + 2 * half <= 40
    assert patches.shape == (1, 2 * half, 2 * half)
    assert whole.tolist() == [inside]
    if inside:
        assert np.array_equal(patches[0], image[row : row + 2 * half, column : column + 2 * half])


@dataclass(frozen=True)
class Brightness:
    """A classifier: species 1 for bright particles, 0 for dim ones, from their second sighting on."""

    patch_px: int = 9

    def start(self) -> int:
        return 0

    def step(
        self, memory: int, particle: Ints, patches: NDArray[Any], whole: NDArray[np.bool_]
    ) -> tuple[int, Ints, Ints]:
        species = (patches.max((1, 2)) > 120).astype(np.int64)
        said = np.where(whole & (memory > 0), species, UNKNOWN)
        return memory + 1, said, np.where(said == UNKNOWN, -1, 0)


def footage() -> NDArray[np.uint8]:
    there = scattered((96, 96), 6, 20, seed=5)
    image = spots((96, 96), there).astype(np.int64)
    image[:, 48:] //= 2
    return image.astype(np.uint8)


def test_species_are_those_of_the_classifier_and_unknown_is_untrusted() -> None:
    settings = Tracking(diameter_px=11, minmass=200, search_px=5)
    tracker = LinkingTracker(settings, Affine.scale("px", "um", 0.1), Brightness())
    image = footage()
    memory, first = tracker.step(tracker.start(), Frame(0, 0.0, image))
    assert set(first.state.tolist()) == {State.UNSORTED}
    assert set(first.species.tolist()) == {UNKNOWN}
    assert set(first.species_age.tolist()) == {-1}
    memory, second = tracker.step(memory, Frame(1, 0.01, image))
    side = second.position_px[:, 0] - 48
    left, right = side < -10, side > 10
    assert min(left.sum(), right.sum()) >= 1
    assert second.species[left].tolist() == [1] * int(left.sum())
    assert second.species[right].tolist() == [0] * int(right.sum())
    assert set(second.state.tolist()) == {State.GOOD}
    assert set(second.species_age.tolist()) == {0}
    without = replace(tracker, classifier=None)
    memory, third = without.step(memory, Frame(2, 0.02, image))  # as when an edit removes the classifier
    assert set(third.species.tolist()) == {0}
    assert memory.labels is None
    memory, again = tracker.step(memory, Frame(3, 0.03, image))  # and restores it
    assert set(again.species.tolist()) == {UNKNOWN}


@pytest.mark.parametrize("state", [State.NEW, State.UNCERTAIN])
def test_other_doubts_are_not_changed_by_the_classifier(state: State) -> None:
    settings = Tracking(diameter_px=11, minmass=200, search_px=5, confirm=2 if state is State.NEW else 0)
    tracker = LinkingTracker(settings, Affine.scale("px", "um", 0.1), Brightness())
    _, first = tracker.step(tracker.start(), Frame(0, 0.0, footage()))
    if state is State.NEW:
        assert set(first.state.tolist()) == {State.NEW}
    else:
        assert set(first.state.tolist()) == {State.UNSORTED}

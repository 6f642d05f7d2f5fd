"""The Tracker plug: from px to um; its result depends only on its arguments."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from config.geometry import Affine
from config.reader import build, parse
from config.refused import Refused
from control.contract import Expected, Frame, State
from tests.tracking.footage import scattered, spots
from tracking.settings import Tracking
from tracking.tracker import AGAIN, LinkingTracker

SCALE = Affine.scale("px", "um", 0.1, (3.0, -2.0))
SETTINGS = Tracking(diameter_px=11, minmass=400, search_px=5)


def frame(number: int, image: NDArray[np.uint8]) -> Frame:
    return Frame(number, 0.01 * number, image)


def test_positions_in_um_are_the_mapped_positions_in_px() -> None:
    there = scattered((128, 160), 12, 20, seed=3)
    _, tracks = LinkingTracker(SETTINGS, SCALE).step(
        LinkingTracker(SETTINGS, SCALE).start(), frame(0, spots((128, 160), there))
    )
    assert len(tracks) == 12
    nearest = np.linalg.norm(tracks.position_px[:, None] - there[None], axis=-1).min(axis=1)
    assert nearest.max() < 0.2
    np.testing.assert_allclose(tracks.position_um, 0.1 * tracks.position_px + [3.0, -2.0])
    for name in ("mass", "size_px", "ecc", "signal", "raw_mass", "ep_px", "species", "cell", "state"):
        assert len(getattr(tracks, name)) == 12


def test_rows_are_sorted_and_the_result_depends_on_the_arguments_only() -> None:
    there = scattered((128, 128), 15, 18, seed=4)
    chance = np.random.default_rng(0)
    images = [spots((128, 128), there + chance.normal(0, 1, there.shape), seed=n) for n in range(6)]
    tracker = LinkingTracker(SETTINGS, SCALE)
    memory = tracker.start()
    for number, image in enumerate(images):
        again = memory
        memory, tracks = tracker.step(memory, frame(number, image))
        assert (np.diff(tracks.particle) > 0).all()
        _, same = LinkingTracker(SETTINGS, SCALE).step(again, frame(number, image))
        for column in dataclasses.fields(tracks):
            np.testing.assert_array_equal(getattr(tracks, column.name), getattr(same, column.name))


def test_after_a_black_frame_all_identities_continue() -> None:
    there = scattered((96, 96), 5, 20)
    tracker = LinkingTracker(SETTINGS, SCALE)
    memory, first = tracker.step(tracker.start(), frame(0, spots((96, 96), there)))
    memory, black = tracker.step(memory, frame(1, np.zeros((96, 96), np.uint8)))
    assert len(black) == 0
    assert black.lost.tolist() == first.particle.tolist()
    _, back = tracker.step(memory, frame(2, spots((96, 96), there)))
    assert back.particle.tolist() == first.particle.tolist()
    assert (back.state == State.GOOD).all()


def test_a_map_that_is_not_from_px_to_um_is_refused() -> None:
    with pytest.raises(ValueError, match="px to um"):
        LinkingTracker(SETTINGS, SCALE.inverse)


def test_an_even_diameter_is_refused_in_one_sentence() -> None:
    with pytest.raises(Refused, match="diameter_px is 10"):
        build(parse("diameter_px: 10\n", "tracking.yaml"), Tracking)


def test_the_tracker_starts_without_trackpy_and_pandas() -> None:
    """Their import takes a second."""
    code = "import sys, tracking.tracker; sys.exit('trackpy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_auto_notes_its_choice_once() -> None:
    there = scattered((128, 128), 10, 22)
    tracker = LinkingTracker(Tracking(locator="auto", minmass=400), SCALE)
    memory, notes = tracker.start(), []
    for number in range(3):
        memory, tracks = tracker.step(memory, frame(number, spots((128, 128), there, seed=number)))
        notes.append(tracks.notes)
    assert len(notes[0]) == 1
    assert notes[0][0].startswith("auto: gaussian, since")
    assert notes[1:] == [(), ()]


def test_auto_notes_a_new_choice_when_the_image_changes() -> None:
    """Spots become rings: the choice changes after two equal assessments, not after the first."""
    there = scattered((128, 128), 8, 26)
    tracker = LinkingTracker(Tracking(locator="auto", diameter_px=17, minmass=400, separation_px=18), SCALE)
    memory, said = tracker.start(), []
    for number in range(2 * AGAIN + 2):
        image = spots((128, 128), there, seed=number, ring_px=5.0 if number > 5 else 0.0, width_px=1.5)
        memory, tracks = tracker.step(memory, frame(number, image))
        said += [(number, note.split(",")[0]) for note in tracks.notes if note.startswith("auto")]
    assert said == [(0, "auto: gaussian"), (2 * AGAIN, "auto: radial")]


def test_auto_does_not_fit_a_crowd_that_appears_later() -> None:
    line = np.arange(16.0, 250.0, 15.0)
    there = np.array([[x, y] for y in line for x in line])
    settings = Tracking(locator="auto", diameter_px=9, minmass=300)
    tracker = LinkingTracker(settings, SCALE)
    memory, few = tracker.step(tracker.start(), frame(0, spots((256, 256), there[::10])))
    for number in range(1, settings.late_looks + 2):
        memory, many = tracker.step(memory, frame(number, spots((256, 256), there)))
    assert few.notes[0].startswith("auto: gaussian")
    assert len(many) == 256
    whole = LinkingTracker(dataclasses.replace(settings, locator="centroid"), SCALE)
    _, centroids = whole.step(whole.start(), frame(1, spots((256, 256), there)))
    np.testing.assert_allclose(np.sort(many.position_px[:, 0]), np.sort(centroids.position_px[:, 0]), atol=0.02)


def test_a_predicted_position_extends_the_search() -> None:
    """A trapped particle is where its command moves it, beyond the search range."""
    there = scattered((128, 128), 6, 30)
    tracker = LinkingTracker(SETTINGS, SCALE)
    memory, tracks = tracker.step(tracker.start(), frame(0, spots((128, 128), there)))
    moved = tracks.position_px + np.array([12.0, 0.0])
    told = Expected(np.append(tracks.particle, 99), SCALE(np.vstack([moved, [[0.0, 0.0]]])))
    image = spots((128, 144), moved)
    deaf = LinkingTracker(dataclasses.replace(SETTINGS, trapped="last"), SCALE)
    assert tracker.step(memory, frame(1, image), told)[1].particle.tolist() == tracks.particle.tolist()
    assert tracker.step(memory, frame(1, image))[1].particle.tolist() != tracks.particle.tolist()
    assert deaf.step(memory, frame(1, image), told)[1].particle.tolist() != tracks.particle.tolist()

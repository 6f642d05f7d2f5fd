"""Suggested settings beside those in force, and the candidates that each keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.tuning.judge import Judged, Tuner, tuned
from tests.patience import PATIENCE_S
from tests.tracking.dirty import DirtyCamera
from tests.tracking.footage import scattered, spots
from tracking.settings import Tracking

IMAGES = [spots((160, 200), scattered((160, 200), 15, 25), seed=k) for k in range(4)]
POOR = Tracking(diameter_px=5, minmass=1e6, search_px=7.5, memory=9)


def test_the_suggestion_keeps_every_particle_and_other_settings() -> None:
    found = tuned(IMAGES, POOR)
    assert len(found.suggested.kept_mass) == 4 * 15
    assert len(found.in_force.kept_mass) == 0
    s = found.suggested.settings
    assert (s.search_px, s.memory) == (7.5, 9)
    assert set(found.edits) <= {f"tracking.{name}" for name in ("diameter_px", "minmass", "separation_px", "invert")}
    assert found.edits["tracking.diameter_px"] == s.diameter_px != 5
    changes = {key.removeprefix("tracking."): value for key, value in found.edits.items()}
    assert replace(POOR, **changes) == s


def test_settings_already_in_force_give_no_edits() -> None:
    first = tuned(IMAGES, POOR)
    assert tuned(IMAGES, first.suggested.settings).edits == {}


def test_every_candidate_is_counted_once_in_the_histogram() -> None:
    judged = Judged.of(IMAGES, replace(Tracking(), minmass=300.0))
    edges, kept, rejected = judged.mass_histogram()
    assert (kept.sum(), rejected.sum()) == (len(judged.kept_mass), len(judged.rejected_mass))
    assert edges[0] < 300.0 < edges[-1]


def test_uniform_images_give_a_message() -> None:
    tuner = Tuner()
    tuner.look([np.zeros((40, 40), np.uint8)], Tracking())
    assert tuner._thread is not None
    tuner._thread.join(PATIENCE_S)
    assert tuner.found is None
    assert "nothing stands out" in tuner.trouble
    with pytest.raises(ValueError, match="nothing stands out"):
        tuned([np.zeros((40, 40), np.uint8)], Tracking())


def test_unclear_frames_give_a_doubt_or_a_message() -> None:
    """A doubt comes with a suggestion; noise alone gives only a message."""
    there = scattered((160, 200), 12, 30)
    pairs = [spots((160, 200), np.concatenate([there, there + 4.0]), seed=k) for k in range(2)]
    assert tuned(pairs, Tracking()).doubt.startswith("can't tell single particles")
    tuner = Tuner()
    tuner.look([spots((160, 200), np.empty((0, 2)))], Tracking())
    assert tuner._thread is not None
    tuner._thread.join(60.0)
    assert tuner.found is None
    assert tuner.trouble.startswith("can't tell which settings suit: no spot stands out from the noise")


def test_images_are_corrected_before_they_are_judged() -> None:
    """The background removes the slope of the lamp and the dirt: they cause no doubt and no kept candidate."""
    camera = DirtyCamera(frames=24)
    frames = camera.images(dirty=True)
    background = np.median(np.stack(frames), axis=0)
    tuner = Tuner()
    tuner.look(frames[:4], Tracking(background_file="b.npy"), {"b.npy": background})
    assert tuner._thread is not None
    tuner._thread.join(60.0)
    assert tuner.found is not None, tuner.trouble
    assert len(tuner.found.suggested.kept_mass) == 4 * camera.particles


@pytest.mark.parametrize("other", [{"maxsize_px": 1.0}, {"smoothing_size_px": 41}])
def test_the_used_settings_are_the_judged_ones(other: dict[str, Any]) -> None:
    """A size limit or a background box for another lens is replaced too. Regression: it stayed in force, and no
    particle was kept."""
    start = replace(POOR, **other)
    found = tuned(IMAGES, start)
    used = replace(start, **{key.removeprefix("tracking."): value for key, value in found.edits.items()})
    assert used == found.suggested.settings
    assert {f"tracking.{name}" for name in other} <= set(found.edits)
    assert len(Judged.of(IMAGES, used).kept_mass) == 4 * 15
    assert tuned(IMAGES, used).edits == {}

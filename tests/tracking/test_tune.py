"""Suggested settings for unknown footage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tracking.footage import recorded, scattered, spots
from tracking.locate.centroid import Centroid
from tracking.settings import Tracking
from tracking.tune import PHASES, inspect, particles, phases, suggest


@pytest.mark.parametrize(
    ("width_px", "ring_px", "low", "high"),
    [(1.4, 0.0, 7, 9), (2.2, 0.0, 9, 13), (3.5, 0.0, 15, 19), (1.5, 5.0, 15, 21)],
)
@pytest.mark.parametrize("dark", [False, True])
def test_suggested_settings_find_all_particles(
    width_px: float, ring_px: float, low: int, high: int, dark: bool
) -> None:
    frames = []
    for seed in range(3):
        image = spots((300, 300), scattered((300, 300), 30, 30, seed), width_px=width_px, ring_px=ring_px, seed=seed)
        frames.append(255 - image if dark else image)
    made = suggest(frames)
    assert made.settings.invert == dark
    assert low <= made.settings.diameter_px <= high
    found = [len(Centroid(made.settings)(frame)) for frame in frames]
    assert all(28 <= count <= 31 for count in found)
    assert len(made.why) >= 3


def test_recorded_footage() -> None:
    """The walkthrough uses diameter 11, inverted, and finds 535 to 560 particles a frame with minmass 20.

    The suggestion finds 72 to 75 % of these and no others: it omits the faint ones, which are out of focus.
    """
    frames = list(recorded("bulk_water.tif", 3))
    made = suggest(frames).settings
    assert (made.invert, made.diameter_px, made.separation_px) == (True, 11, None)
    assert 120 < made.minmass < 180
    for frame in frames:
        walkthrough = Centroid(Tracking(diameter_px=11, minmass=20, invert=True))(frame)
        ours = Centroid(made)(frame)
        assert 535 <= len(walkthrough) <= 560
        assert 0.70 < len(ours) / len(walkthrough) < 0.77
        away_px = np.linalg.norm(ours.position_px[:, None] - walkthrough.position_px, axis=-1).min(axis=1)
        assert away_px.max() < 0.01


def test_in_a_crowd_a_smaller_separation_is_suggested() -> None:
    columns, rows = np.meshgrid(np.arange(18), np.arange(18))
    there = np.stack([20 + 9.5 * (columns + 0.5 * (rows % 2)), 20 + 9.5 * np.sqrt(0.75) * rows], -1).reshape(-1, 2)
    there = there + np.random.default_rng(0).uniform(-0.5, 0.5, there.shape)
    image = spots((220, 240), there, width_px=2.0, noise=2.0)
    made = suggest([image], Tracking())
    assert made.settings.separation_px is not None
    assert made.settings.separation_px < 9.5
    assert len(Centroid(made.settings)(image)) > 0.75 * len(there)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), 255, np.uint8),
        np.array([[9]], np.uint8),
        np.array([[0, 255], [3, 4]], np.uint8),
        np.arange(200, dtype=np.uint8)[None],
    ],
)
def test_a_frame_without_particles_is_refused_in_one_sentence(frame: Any) -> None:
    with pytest.raises(ValueError, match="nothing stands out"):
        suggest([frame])


def test_an_empty_list_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        suggest([])


def test_kept_and_rejected_are_all_candidates() -> None:
    image = spots((200, 200), scattered((200, 200), 20, 25))
    seen = inspect([image, image], Tracking(minmass=400))
    kept, rejected = seen.mass
    assert len(kept) == 40
    assert kept.min() > 400 >= rejected.max()
    assert len(kept) + len(rejected) == 2 * len(Centroid(Tracking(minmass=0))(image))


def test_even_phases_raise_no_alarm_and_uneven_ones_do() -> None:
    chance = np.random.default_rng(0)
    share, alarm = phases([chance.uniform(0, 100, (20_000, 2))])
    assert share.shape == (2, PHASES)
    assert alarm == ""
    _, alarm = phases([np.round(chance.uniform(0, 100, (20_000, 2))) + chance.normal(0, 0.2, (20_000, 2))])
    assert alarm.startswith("sub-pixel bias")


def test_a_too_small_diameter_raises_an_alarm() -> None:
    frames = [spots((400, 400), scattered((400, 400), 250, 18, seed), seed=seed, noise=1.0) for seed in range(6)]
    assert inspect(frames, Tracking(diameter_px=5, minmass=50)).alarm
    assert not inspect(frames, Tracking(diameter_px=11, minmass=400)).alarm


def test_a_periodic_bias_is_detected_with_few_particles() -> None:
    """700 positions, 25 % more of them near the middle of a pixel: no single tenth differs by four sigma."""
    chance = np.random.default_rng(6)
    place = chance.uniform(0, 100, (4000, 2))
    kept = place[chance.uniform(size=4000) < (1.0 + 0.35 * np.cos(2 * np.pi * place[:, 0])) / 1.35][:700]
    share, alarm = phases([kept])
    assert len(kept) == 700
    assert np.abs(share - 1.0).max() < 4.0 / np.sqrt(700 / PHASES)
    assert "phase 0.0 of x" in alarm or "phase 0.1 of x" in alarm or "phase 0.9 of x" in alarm
    even = [phases([chance.uniform(0, 100, (700, 2))])[1] for _ in range(200)]
    assert even == [""] * 200


def resting(count: int, jitter_px: float, chance: np.random.Generator) -> list[Any]:
    """Eight frames of the same particles, each near its place."""
    there = chance.uniform(0, 500, (count, 2))
    return [there + chance.normal(0, jitter_px, there.shape) for _ in range(8)]


@pytest.mark.parametrize("count", [2, 12, 50, 200])
@pytest.mark.parametrize("jitter_px", [0.05, 0.15, 0.3, 1.0])
def test_resting_particles_raise_no_alarm_of_bias(count: int, jitter_px: float) -> None:
    """Eight sightings of one resting particle are one sample of its phase, not eight."""
    chance = np.random.default_rng(count)
    alarms = [phases(resting(count, jitter_px, chance))[1] for _ in range(200)]
    assert sum(map(bool, alarms)) <= 2


@pytest.mark.parametrize("jitter_px", [0.05, 0.15, 1.0])
def test_a_bias_of_resting_particles_is_detected(jitter_px: float) -> None:
    """Positions biased towards whole pixels, which are 1.5 times too frequent."""
    chance = np.random.default_rng(1)
    for _ in range(20):
        places = [place - np.sin(2 * np.pi * place) / (4 * np.pi) for place in resting(400, jitter_px, chance)]
        assert phases(places)[1].startswith("sub-pixel bias")


def test_a_resting_particle_is_counted_once() -> None:
    chance = np.random.default_rng(0)
    assert particles(resting(100, 0.0, chance)) == 100
    assert particles([chance.uniform(0, 500, (100, 2)) for _ in range(8)]) > 780
    assert particles([np.empty((0, 2)), np.ones((1, 2)), np.empty((0, 2))]) == 1
    assert particles([]) == 0


def test_the_verdict_states_the_number_of_particles() -> None:
    image = spots((200, 200), scattered((200, 200), 20, 25))
    seen = inspect([image] * 8, Tracking(minmass=400))
    assert (seen.particles, len(seen.mass[0])) == (20, 160)
    assert seen.verdict == "sub-pixel phases: even, as far as 20 particles can tell"
    assert inspect([image], Tracking(minmass=1e7)).verdict == "sub-pixel phases: no particle is kept that could tell"


GIVEN: list[dict[str, Any]] = [
    {"diameter_px": 15},
    {"invert": True},
    {"separation_px": 30.0},
    {"minmass": 123.0},
    {"maxsize_px": 2.5, "smoothing_size_px": 21, "percentile": 80.0},
    {"diameter_px": 7, "minmass": 50.0, "separation_px": 9.0, "invert": False},
]


@pytest.mark.parametrize("given", GIVEN)
def test_given_settings_are_kept_and_the_others_are_suggested(given: dict[str, Any]) -> None:
    frames = [spots((200, 200), scattered((200, 200), 20, 25), seed=seed) for seed in range(3)]
    made = suggest(frames, Tracking(**given), given)
    assert {name: getattr(made.settings, name) for name in given} == given
    again = suggest(frames, made.settings, ("diameter_px", "invert", *given))
    assert again.settings == made.settings


def test_a_given_invert_is_kept_for_rings() -> None:
    frames = [spots((300, 300), scattered((300, 300), 30, 30), width_px=1.5, ring_px=5.0, seed=k) for k in range(3)]
    free, bright, dark = (
        suggest(frames, Tracking(invert=sign), given)
        for sign, given in ((True, ()), (False, ("invert",)), (True, ("invert",)))
    )
    assert free.settings == bright.settings
    assert not free.settings.invert
    assert dark.settings.invert

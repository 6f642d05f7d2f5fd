"""Identities in a flow: prediction compared with the predictors of trackpy, and alarms compared with the truth."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trackpy
from numpy.typing import NDArray
from trackpy.predict import ChannelPredict, DriftPredict, NearestVelocityPredict

from config.geometry import Affine
from control.contract import ALARM, Expected, Frame, State, Tracks
from tests.tracking.footage import recorded, scattered, spots
from tracking.link import LinkMemory, led, link
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker, locator

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scene = list[tuple[Floats, Ints]]  # positions [N, 2] and their bodies [N], frame by frame

SEARCH_PX = 6.0
PLAIN = Tracking(search_px=SEARCH_PX, memory=3)
SIDE_PX = 300.0


@dataclass
class Followed:
    """Score of the tracks."""

    swaps: int = 0
    silent: int = 0  # swaps in a row that is not UNCERTAIN
    uncertain: int = 0
    sightings: int = 0
    identities: int = 0
    alarms: tuple[str, ...] = ()


def steady(place_px: Floats, velocity_px: tuple[float, float] = (5.0, 0.0)) -> Floats:
    return np.tile(velocity_px, (len(place_px), 1))


def channel(place_px: Floats) -> Floats:
    """Flow along x, up to 5.5 px a frame in the middle."""
    share = np.clip(place_px[:, 1] / SIDE_PX, 0, 1)
    return np.stack([22.0 * share * (1 - share), np.zeros(len(place_px))], 1)


def flowing(place_px: Floats, velocity: Any, frames: int, step_px: float, seed: int) -> Scene:
    """Bodies that flow and diffuse; those in the field of SIDE_PX are visible, in a random order."""
    chance = np.random.default_rng(seed)
    scene = []
    for _ in range(frames):
        seen = chance.permutation(np.flatnonzero(((place_px >= 0) & (place_px <= SIDE_PX)).all(axis=1)))
        scene.append((place_px[seen], seen))
        place_px = place_px + velocity(place_px) + step_px * chance.standard_normal(place_px.shape)
    return scene


def crowd(seed: int, frames: int, number: int = 300) -> Floats:
    """About `number` bodies in the field, and as many upstream of it; at least 8 px apart."""
    length = SIDE_PX + 6.0 * frames
    place_px = scattered((int(SIDE_PX) + 40, int(length)), int(number * length / SIDE_PX), 8.0, seed)
    return place_px - [length - SIDE_PX - 10.0, 20.0]


def lattice(frames: int) -> Floats:
    x, y = np.meshgrid(np.arange(-5.0 * frames, SIDE_PX, 8.0), np.arange(0.0, SIDE_PX, 8.0))
    return np.stack([x.ravel(), y.ravel()], 1)


def followed(scene: Scene, s: Tracking) -> tuple[Followed, list[Ints]]:
    """The tracks and their score."""
    memory, score, owner, who = LinkMemory(), Followed(), dict[int, int](), []
    for number, (place_px, bodies) in enumerate(scene):
        memory, found = link(led(memory, number, s), number, place_px, s)
        who.append(found.particle.copy())
        for particle, state, body in zip(found.particle.tolist(), found.state.tolist(), bodies.tolist(), strict=True):
            swapped = owner.get(particle, body) != body
            owner[particle] = body
            score.swaps += swapped
            score.silent += swapped and state != State.UNCERTAIN
            score.uncertain += state == State.UNCERTAIN
            score.sightings += 1
        if found.alarm:
            score.alarms = (*score.alarms, found.alarm)
    score.identities = len(owner)
    return score, who


def by_trackpy(scene: Scene, predictor: Any, s: Tracking) -> list[Ints]:
    trackpy.quiet()
    tables = (pd.DataFrame({"x": p[:, 0], "y": p[:, 1], "frame": n}) for n, (p, _) in enumerate(scene))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning of trackpy under pandas 3
        linked = predictor.link_df_iter(tables, s.search_px, memory=s.memory)
        return [frame.sort_index().particle.to_numpy() for frame in linked]


@pytest.mark.parametrize("predict", ["drift", "nearest_velocity", "channel"])
def test_partitions_equal_those_of_the_predictors_of_trackpy(predict: Any) -> None:
    """With the same initial velocities, in a flow for which the predictor is made."""
    velocity = steady if predict == "drift" else channel
    scene = flowing(crowd(1, 15, 130), velocity, 15, 0.5, 1)
    axes, here = ["x", "y"], scene[0][0]
    first = (5.0, 0.0)
    theirs = {
        "drift": lambda: DriftPredict(np.array(first), axes),
        "nearest_velocity": lambda: NearestVelocityPredict(here, steady(here), axes),
        "channel": lambda: ChannelPredict(30.0, "x", 5, np.array([[0.0, 5.0], [SIDE_PX, 5.0]]), axes),
    }
    s = replace(
        PLAIN, predict=predict, initial_velocity_px_per_frame=first, channel_bin_px=30.0, channel_fewest=5, doubt=0.0
    )
    score, ours = followed(scene, s)
    others = by_trackpy(scene, theirs[predict](), s)
    pairs = set(zip(np.concatenate(ours).tolist(), np.concatenate(others).tolist(), strict=True))
    assert score.sightings > 1000
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize("seed", range(3))
def test_a_drift_of_most_of_the_search_range_costs_no_identity(seed: int) -> None:
    """5 px a frame at a search range of 6 px, 300 bodies 8 px apart, no initial velocity."""
    scene = flowing(crowd(seed, 20), steady, 20, 0.5, seed)
    score, _ = followed(scene, replace(PLAIN, predict="drift"))
    assert (score.swaps, score.alarms) == (0, ())
    bodies = len(np.unique(np.concatenate([bodies for _, bodies in scene])))
    assert score.identities <= bodies + 3  # bodies that leave the field for longer than `memory` get a new identity
    assert score.uncertain < 0.01 * score.sightings


@pytest.mark.parametrize("predict", ["nearest_velocity", "channel"])
def test_a_shear_flow_is_followed(predict: Any) -> None:
    scene = flowing(crowd(3, 20, 150), channel, 20, 0.3, 3)
    score, _ = followed(scene, replace(PLAIN, predict=predict, channel_bin_px=30.0, channel_fewest=3))
    plain, _ = followed(scene, PLAIN)
    assert plain.swaps > 10
    assert (score.swaps <= 4, score.silent) == (True, 0)


@pytest.mark.parametrize("velocity_px", [(5.0, 0.0), (4.0, 2.0), (9.0, 0.0)])
def test_an_unexpected_drift_causes_no_silent_swaps(velocity_px: tuple[float, float]) -> None:
    scene = flowing(crowd(0, 15), lambda place_px: steady(place_px, velocity_px), 15, 0.5, 0)
    score, _ = followed(scene, PLAIN)
    assert score.swaps > 100
    assert score.silent == 0
    assert len(score.alarms) == 14
    assert all(alarm.startswith(f"{ALARM}the particles move together") for alarm in score.alarms)


def test_a_drift_that_begins_later_is_followed_at_once() -> None:
    velocities_px = iter([(0.0, 0.0)] * 6 + [(5.0, 0.0)] * 10)
    scene = flowing(crowd(4, 16), lambda place_px: steady(place_px, next(velocities_px)), 16, 0.5, 4)
    score, _ = followed(scene, replace(PLAIN, predict="drift"))
    assert (score.swaps, score.silent) == (0, 0)


def test_an_ambiguous_shift_of_a_lattice_is_uncertain_unless_specified() -> None:
    """5 px forwards or 3 px backwards: the period is 8 px."""
    scene = flowing(lattice(8), steady, 8, 0.3, 0)
    score, _ = followed(scene, replace(PLAIN, predict="drift"))
    assert score.swaps > 1000
    assert score.silent == 0
    assert len(score.alarms) == 7
    assert "more than one move" in score.alarms[0]
    said, _ = followed(scene, replace(PLAIN, predict="drift", initial_velocity_px_per_frame=(5.0, 0.0)))
    assert (said.swaps, said.alarms) == (0, ())


@pytest.mark.parametrize(("step_px", "words"), [(4.0, "many steps are nearly as long"), (60.0, "a third of the")])
def test_many_long_steps_and_many_new_identities_are_alarms(step_px: float, words: str) -> None:
    chance = np.random.default_rng(0)
    there = chance.uniform(0, 1000.0, (200, 2))
    memory, _ = link(LinkMemory(), 0, there, PLAIN)
    there = there + step_px * chance.standard_normal(there.shape)
    _, found = link(memory, 1, there, PLAIN)
    assert found.alarm.startswith(f"{ALARM}{words}")
    old = found.particle < 200
    assert old.any()
    assert (found.state[old] == State.UNCERTAIN).all()
    assert found.notes[0] == found.alarm
    assert not link(memory, 1, there, replace(PLAIN, doubt=0.0))[1].alarm


@pytest.mark.parametrize("sigmas", [3.5, 5.0])
def test_diffusion_within_the_search_range_is_no_alarm(sigmas: float) -> None:
    for number in (5, 20, 200):
        place_px = scattered((1000, 1000), number, 25.0)
        scene = flowing(place_px % SIDE_PX, lambda p: 0.0 * p, 40, SEARCH_PX / sigmas, number)
        assert followed(scene, PLAIN)[0].alarms == ()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bulk_water.tif", Tracking(diameter_px=11, minmass=20, invert=True, search_px=5)),
        ("colloids.tif", Tracking(diameter_px=7, minmass=100, search_px=6)),
    ],
)
def test_recorded_footage_raises_no_alarm(name: str, settings: Tracking) -> None:
    memory = LinkMemory()
    for number, image in enumerate(recorded(name, 15)):
        memory, found = link(memory, number, locator(settings)(image).position_px, settings)
        assert not found.alarm


def test_dropped_frames_count_in_the_prediction() -> None:
    """2.5 px a frame, and two of three frames are dropped: 7.5 px between two frames."""
    s = replace(PLAIN, predict="drift", initial_velocity_px_per_frame=(2.5, 0.0))
    there = scattered((300, 300), 60, 15.0)
    memory, _ = link(LinkMemory(), 0, there, s)
    for number in (3, 6, 7, 10):
        memory, found = link(led(memory, number, s), number, there + np.array([2.5 * number, 0.0]), s)
        assert found.particle.tolist() == list(range(len(there)))
        assert memory.drift_px == pytest.approx((2.5, 0.0))


def test_particles_moved_by_light_do_not_count_as_flow() -> None:
    """Twelve are carried by 5 px a frame, as predicted; the six free ones rest."""
    carried, free = scattered((128, 128), 12, 20), np.array([[20.0 + 24 * k, 200.0] for k in range(6)])
    tracker = LinkingTracker(replace(PLAIN, predict="drift", minmass=400), Affine.scale("px", "um", 0.1))
    memory, tracks = tracker.start(), Tracks(0.0)
    for number in range(4):
        there = np.concatenate([carried + np.array([5.0 * number, 0.0]), free])
        expected = Expected()
        if number:
            ids = np.flatnonzero(tracks.position_px[:, 1] < 180)
            expected = Expected(tracks.particle[ids], tracks.position_um[ids] + [0.5, 0.0])
        memory, tracks = tracker.step(memory, Frame(number, 0.01 * number, spots((220, 220), there)), expected)
        assert tracks.particle.tolist() == list(range(18))
        assert tracks.notes == ()
    assert memory.seen.drift_px == pytest.approx((0.0, 0.0), abs=0.05)

"""The linker compared with trackpy.link."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import trackpy
from numpy.typing import NDArray

from control.contract import ALARM, State
from tests.tracking.footage import recorded
from tracking.link import LinkMemory, led, link
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking
from tracking.tracker import locator

Floats = NDArray[np.float64]
PLAIN = Tracking(search_px=6.0, memory=3, doubt=0.0)


def linked(frames: list[Floats], settings: Tracking) -> list[NDArray[np.int64]]:
    memory, answer = LinkMemory(), []
    for number, position_px in enumerate(frames):
        memory, found = link(memory, number, position_px, settings)
        answer.append(found.particle)
    return answer


def by_trackpy(frames: list[Floats], settings: Tracking) -> list[NDArray[np.int64]]:
    trackpy.quiet()
    order = trackpy.link_iter(iter(frames), settings.search_px, memory=settings.memory)
    return [np.asarray(particle, np.int64) for _, particle in order]


def same_partition(ours: list[NDArray[np.int64]], theirs: list[NDArray[np.int64]]) -> bool:
    pairs = set(zip(np.concatenate(ours).tolist(), np.concatenate(theirs).tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def walk(count: int, frames: int, side_px: float, step_px: float, missed: float, seed: int) -> list[Floats]:
    """Brownian particles, each missed in a share of the frames, in a random order of rows."""
    chance = np.random.default_rng(seed)
    position = chance.uniform(0, side_px, (count, 2))
    answer = []
    for _ in range(frames):
        position = position + step_px * chance.standard_normal((count, 2))
        answer.append(chance.permutation(position[chance.random(count) >= missed]))
    return answer


@pytest.mark.parametrize("seed", range(4))
def test_the_partition_equals_that_of_trackpy(seed: int) -> None:
    frames = walk(200, 30, 400.0, 1.4, 0.1, seed)
    assert same_partition(linked(frames, PLAIN), by_trackpy(frames, PLAIN))


def test_the_partition_equals_that_of_trackpy_with_empty_frames() -> None:
    frames = walk(40, 20, 200.0, 1.0, 0.2, 5)
    for empty in (3, 4, 9, 10, 11, 12, 13):
        frames[empty] = np.empty((0, 2))
    assert same_partition(linked(frames, PLAIN), by_trackpy(frames, PLAIN))


@pytest.mark.parametrize("memory", [0, 1, 5])
def test_the_partition_equals_that_of_trackpy_at_any_memory(memory: int) -> None:
    settings = Tracking(search_px=5.0, memory=memory, doubt=0.0)
    frames = walk(150, 25, 350.0, 1.2, 0.3, memory)
    assert same_partition(linked(frames, settings), by_trackpy(frames, settings))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bulk_water.tif", Tracking(diameter_px=11, minmass=20, invert=True, search_px=5, doubt=0.0)),
        ("colloids.tif", Tracking(diameter_px=7, minmass=100, search_px=6, doubt=0.0)),
    ],
)
def test_the_partition_equals_that_of_trackpy_on_recorded_footage(name: str, settings: Tracking) -> None:
    frames = [locator(settings)(image).position_px for image in recorded(name, 40)]
    assert same_partition(linked(frames, settings), by_trackpy(frames, settings))


def test_dense_subnets_never_raise() -> None:
    """A lattice of 14 px with random shifts of 1.4 px, search range 12 px: trackpy refuses it; 99.9 % correct here."""
    columns, rows = np.meshgrid(np.arange(30), np.arange(30))
    sites = np.stack([14.0 * (columns + 0.5 * (rows % 2)), 14.0 * np.sqrt(0.75) * rows], -1).reshape(-1, 2)
    chance = np.random.default_rng(1)
    settings = Tracking(search_px=12.0, memory=3)
    memory, owner, right, links = LinkMemory(), dict[int, int](), 0, 0
    for number in range(6):
        kept = np.flatnonzero(chance.random(len(sites)) >= 0.02)
        shown = chance.permutation(kept)
        memory, found = link(memory, number, sites[shown] + 1.4 * chance.standard_normal((len(shown), 2)), settings)
        for particle, site in zip(found.particle.tolist(), shown.tolist(), strict=True):
            if particle in owner:
                links += 1
                right += owner[particle] == site
            owner[particle] = site
    assert links > 4000
    assert right / links >= 0.999


def silent_swaps(step_px: float, frames: int, rules: Rules, seed: int) -> tuple[int, int, float]:
    """(swaps, swaps of tracks that were not UNCERTAIN, share of UNCERTAIN rows) of freely diffusing points."""
    chance = np.random.default_rng(seed)
    place_px = chance.uniform(0.0, 300.0, (300, 2))
    memory, body, doubted = LinkMemory(), dict[int, int](), set[int]()
    swaps = silent = uncertain = 0
    for number in range(frames):
        shown = chance.permutation(len(place_px))
        s = Tracking(search_px=6.0, separation_px=1.0)
        memory, found = link(memory, number, place_px[shown], s, None, rules)
        for particle, state, now in zip(found.particle.tolist(), found.state.tolist(), shown.tolist(), strict=True):
            unsure = state == State.UNCERTAIN
            swapped = body.setdefault(particle, now) != now
            swaps += swapped
            silent += swapped and not unsure and particle not in doubted
            uncertain += unsure
            body[particle] = now
            (doubted.add if unsure else doubted.discard)(particle)
        place_px = np.clip(place_px + step_px * chance.standard_normal(place_px.shape), 0.0, 300.0)
    return swaps, silent, uncertain / (frames * len(place_px))


@pytest.mark.parametrize(("step_px", "uncertain"), [(0.5, 0.03), (1.0, 0.1), (1.5, 0.2)])
def test_freely_diffusing_points_cause_no_silent_swaps(step_px: float, uncertain: float) -> None:
    """With a margin of a tenth of search_px^2 alone, 28 of 227 swaps at 1 px were silent, and 194 of 503 at 1.5 px."""
    runs = [silent_swaps(step_px, 40, NEWEST, seed) for seed in range(2)]
    assert sum(swaps for swaps, _, _ in runs) > 30
    assert [silent for _, silent, _ in runs] == [0, 0]
    assert max(share for _, _, share in runs) < uncertain
    if step_px >= 1.0:
        assert silent_swaps(step_px, 40, Rules.of_kernels(4), 0)[1] > 5


def passing(gap_px: float, least_px: float, seed: int) -> list[tuple[Floats, NDArray[np.int64]]]:
    """Thirty pairs that pass each other; two closer than `least_px` are detected as one, at their midpoint."""
    chance = np.random.default_rng(seed)
    middle = 60.0 * np.argwhere(np.ones((6, 5)))
    angle = chance.uniform(0.0, 2 * np.pi, len(middle))
    along = np.stack([np.cos(angle), np.sin(angle)], 1)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    walk, frames = np.zeros((2, len(middle), 2)), []
    for time in np.arange(-9.0, 10.0):
        way = (gap_px / 2) * across + time * along
        one, other = middle + way + walk[0], middle - way + walk[1]
        alone = np.linalg.norm(one - other, axis=1) >= least_px
        places = np.concatenate([np.where(alone[:, None], one, (one + other) / 2), other[alone]])
        bodies = np.concatenate([np.where(alone, 2 * np.arange(len(middle)), -1), 2 * np.flatnonzero(alone) + 1])
        shown = chance.permutation(len(places))
        frames.append((places[shown], bodies[shown]))
        walk += 0.3 * chance.standard_normal(walk.shape)
    return frames


@pytest.mark.parametrize("gap_px", [2.5, 4.0])
def test_crossings_cause_no_silent_swaps(gap_px: float) -> None:
    """A particle vanishes up to 7 px from another: more than `search_px`, and than the resolution for pairs."""
    swaps, silent = {4: 0, 5: 0}, {4: 0, 5: 0}
    for kernels in (4, 5):
        for seed in range(3):
            memory, body, doubted = LinkMemory(), dict[int, int](), set[int]()
            for number, (places, bodies) in enumerate(passing(gap_px, 5.5, seed)):
                s = Tracking(search_px=4.0, separation_px=5.0)
                memory, found = link(memory, number, places, s, None, Rules.of_kernels(kernels))
                for particle, state, now in zip(found.particle.tolist(), found.state, bodies.tolist(), strict=True):
                    if state == State.UNCERTAIN:
                        doubted.add(particle)
                    if now < 0:
                        continue
                    swapped = body.setdefault(particle, now) != now
                    swaps[kernels] += swapped
                    silent[kernels] += swapped and particle not in doubted
                    body[particle] = now
                    if state != State.UNCERTAIN:
                        doubted.discard(particle)
    assert swaps[5] > 10
    assert silent[5] == 0
    assert silent[4] > 0


def test_a_blinking_particle_causes_no_doubt_about_its_neighbours() -> None:
    """A crystal of 9 px, `search_px` 6, 2 % missing in each frame: at most one row in 1000 is UNCERTAIN."""
    chance = np.random.default_rng(5)
    columns, rows = np.meshgrid(np.arange(20), np.arange(20))
    site = np.stack([9.0 * (columns + 0.5 * (rows % 2)), 9.0 * np.sqrt(0.75) * rows], -1).reshape(-1, 2)
    memory, uncertain = LinkMemory(), 0
    for number in range(40):
        seen = site[chance.random(len(site)) >= 0.02]
        memory, found = link(memory, number, seen + 0.4 * chance.standard_normal(seen.shape), Tracking(search_px=6.0))
        uncertain += int((found.state == State.UNCERTAIN).sum())
    assert uncertain < 0.001 * 40 * len(site)


def row_of(x_px: Floats) -> Floats:
    return np.stack([x_px, np.full(len(x_px), 50.0)], 1)


@pytest.mark.parametrize("turn", [np.pi / 3, -np.pi / 3])
def test_three_particles_that_rotate_about_each_other_are_uncertain(turn: float) -> None:
    """By 60 degrees: the opposite rotation fits as well, and no single pair can swap within the gate."""
    s = Tracking(search_px=8.0, diameter_px=5, separation_px=4.0)
    states = {}
    for kernels in (4, 5):
        memory = LinkMemory()
        for angle in (0.0, turn):
            phase = angle + np.deg2rad([0.0, 120.0, 240.0])
            places = 50.0 + 5.77 * np.stack([np.cos(phase), np.sin(phase)], 1)
            memory, found = link(memory, int(angle != 0), places, s, None, Rules.of_kernels(kernels))
        states[kernels] = found.state.tolist()
    assert states == {4: [State.GOOD] * 3, 5: [State.UNCERTAIN] * 3}


def test_a_row_that_moves_by_more_than_half_its_period_is_uncertain() -> None:
    """Four in a row, 8 px apart, move by 5 px a frame: the links go back by 3 px, and no drift is learned."""
    s = Tracking(search_px=6.0, diameter_px=7, predict="drift")
    memory = LinkMemory()
    for number in range(6):
        memory = led(memory, number, s)
        memory, found = link(memory, number, row_of(np.array([0.0, 8.0, 16.0, 24.0]) + 5.0 * number), s)
        old = found.particle < (4 + number - 1 if number else 0)  # the foremost gets a new identity
        assert (found.state[old] == State.UNCERTAIN).all()
        assert memory.drift_px == (0.0, 0.0)


def test_a_shift_during_empty_frames_is_an_alarm() -> None:
    s = Tracking(search_px=6.0, diameter_px=7)
    memory, _ = link(LinkMemory(), 0, row_of(np.arange(0.0, 160.0, 8.0)), s)
    memory, _ = link(memory, 1, np.empty((0, 2)), s)
    memory, found = link(memory, 2, row_of(np.arange(0.0, 160.0, 8.0) + 5.0), s)
    assert found.alarm.startswith(ALARM)
    assert (found.state[:-1] == State.UNCERTAIN).all()


def test_the_variance_of_steps_is_that_of_the_walk() -> None:
    """Without the contribution of a flow. 500 steps: a relative standard error of 1 / sqrt(500)."""
    chance = np.random.default_rng(4)
    place_px = (40.0 * np.argwhere(np.ones((10, 10)))).astype(np.float64)
    memory = LinkMemory()
    for number in (*range(20), *range(22, 40)):  # two dropped frames
        frames = 3 if number == 22 else 1
        place_px[:, 0] += 1.5 * frames
        place_px += 0.7 * np.sqrt(frames) * chance.standard_normal(place_px.shape)
        memory, found = link(memory, number, place_px.copy(), Tracking(search_px=15.0))
        assert not (found.state == State.UNCERTAIN).any()
    assert memory.variance_px2 == pytest.approx(0.49, rel=4 / np.sqrt(1000))
    assert memory.steps == 500


def test_identities_increase_and_are_never_reused() -> None:
    frames = walk(60, 40, 150.0, 3.0, 0.4, 8)
    memory, newest = LinkMemory(), -1
    for number, position_px in enumerate(frames):
        known = set(memory.particle.tolist())
        memory, found = link(memory, number, position_px, PLAIN)
        fresh = [particle for particle in found.particle.tolist() if particle not in known]
        assert fresh == list(range(newest + 1, newest + 1 + len(fresh)))
        newest += len(fresh)
        assert not set(found.lost.tolist()) & set(found.particle.tolist())
        assert sorted([*found.lost.tolist(), *found.particle.tolist()]) == memory.particle.tolist()


def test_a_new_particle_is_new_until_confirmed() -> None:
    settings = Tracking(confirm=2, search_px=5.0)
    memory, states = LinkMemory(), []
    for number in range(4):
        memory, found = link(memory, number, np.array([[10.0, 10.0 + number]]), settings)
        states.append(State(int(found.state[0])))
    assert states == [State.NEW, State.NEW, State.GOOD, State.GOOD]


def test_two_nearly_equal_candidates_make_an_identity_uncertain() -> None:
    memory, _ = link(LinkMemory(), 0, np.array([[10.0, 10.0], [40.0, 10.0]]), Tracking())
    _, found = link(memory, 1, np.array([[10.0, 12.0], [10.0, 8.1], [40.0, 10.0]]), Tracking())
    assert [State(int(s)) for s in found.state] == [State.GOOD, State.UNCERTAIN, State.GOOD]
    assert found.particle.tolist() == [2, 0, 1]


def test_after_a_merger_the_remaining_particle_is_uncertain() -> None:
    memory, _ = link(LinkMemory(), 0, np.array([[10.0, 10.0], [14.0, 10.0]]), Tracking())
    _, found = link(memory, 1, np.array([[12.1, 10.0]]), Tracking())
    assert State(int(found.state[0])) is State.UNCERTAIN
    assert found.lost.tolist() == [0]
    assert found.notes[0] == "particles 0 and 1 are seen as one"
    _, again = link(link(LinkMemory(), 0, np.array([[10.0, 10.0], [40.0, 10.0]]), Tracking())[0], 1,
                    np.array([[10.0, 10.0]]), Tracking())  # fmt: skip
    assert (again.lost.tolist(), again.notes) == ([1], ())  # too far for a merger


@pytest.mark.parametrize(("gate", "particle"), [("constant", 1), ("sqrt_time", 0)])
def test_the_sqrt_time_gate_grows_after_a_gap(gate: Literal["constant", "sqrt_time"], particle: int) -> None:
    settings = Tracking(search_px=5.0, memory=3, gate=gate)
    memory, _ = link(LinkMemory(), 0, np.array([[10.0, 10.0]]), settings)
    memory, _ = link(memory, 1, np.empty((0, 2)), settings)
    _, found = link(memory, 2, np.array([[16.5, 10.0]]), settings)
    assert found.particle.tolist() == [particle]


def test_a_common_drift_is_followed_with_predict_drift() -> None:
    chance = np.random.default_rng(0)
    there = chance.uniform(0, 300, (40, 2))
    still, drifting = Tracking(search_px=3.0, doubt=0.0), Tracking(search_px=3.0, doubt=0.0, predict="drift")
    speed = np.minimum(0.05 * np.arange(120), 4.0)  # px a frame: finally more than the search range
    frames = [there + np.array([x, 0.0]) + chance.normal(0, 0.1, there.shape) for x in np.cumsum(speed)]
    assert np.concatenate(linked(frames, drifting)).max() == 39
    assert np.concatenate(linked(frames, still)).max() > 39


def test_close_neighbours_narrow_the_gate() -> None:
    settings = Tracking(search_px=8.0, crowd_share=0.45, doubt=0.0)
    memory, _ = link(LinkMemory(), 0, np.array([[10.0, 10.0], [20.0, 10.0], [80.0, 10.0]]), settings)
    _, found = link(memory, 1, np.array([[10.0, 15.0], [20.0, 14.0], [80.0, 15.0]]), settings)
    assert found.particle.tolist() == [3, 1, 2]  # 5 px is beyond 0.45 of 10 px; the third has no neighbour


@pytest.mark.parametrize("gate", ["constant", "sqrt_time"])
def test_an_integer_search_range_is_equal_to_a_float(gate: Literal["constant", "sqrt_time"]) -> None:
    """A search range of 5 equals one of 5.0, also where the gate grows, or is narrowed to a fraction."""
    frames = walk(150, 20, 200.0, 1.2, 0.2, 3)
    whole = Tracking(search_px=5, memory=4, gate=gate, crowd_share=0.4)
    real = replace(whole, search_px=5.0)
    for ours, theirs in zip(linked(frames, whole), linked(frames, real), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_memory_is_not_changed() -> None:
    """A memory is a value: the same frame gives the same result, bit for bit, after any other calls."""
    settings = Tracking(search_px=6.0, memory=3, predict="drift", confirm=1)
    frames = walk(120, 12, 160.0, 1.5, 0.2, 9)
    memory = LinkMemory()
    for number, position_px in enumerate(frames):
        before = (memory.who.copy(), memory.place_px.copy())
        after, found = link(memory, number, position_px, settings)
        link(memory, number, position_px[::-1].copy(), settings)
        again, same = link(memory, number, position_px, settings)
        np.testing.assert_array_equal(memory.who, before[0])
        np.testing.assert_array_equal(memory.place_px, before[1])
        np.testing.assert_array_equal(after.who, again.who)
        np.testing.assert_array_equal(after.place_px, again.place_px)
        np.testing.assert_array_equal(found.packed, same.packed)
        memory = after


@pytest.mark.parametrize("gate", ["constant", "sqrt_time"])
def test_two_identities_of_one_feature_do_not_alternate(gate: Literal["constant", "sqrt_time"]) -> None:
    """Two particles become one feature that moves on: one identity follows it, and the other is dropped."""
    settings = Tracking(search_px=8.0, memory=3, confirm=2, gate=gate)
    chance = np.random.default_rng(0)
    memory = LinkMemory()
    for number in range(5):
        memory, _ = link(memory, number, np.array([[10.0, 10.0], [16.0, 10.0]]), settings)
    place = np.array([[13.0, 10.0]])
    states, owners = [], []
    for number in range(5, 60):
        place = place + chance.standard_normal((1, 2))
        memory, found = link(memory, number, place, settings)
        states.append(State(int(found.state[0])))
        owners.append(int(found.particle[0]))
    assert states[0] is State.UNCERTAIN
    assert states[10:] == [State.GOOD] * 45
    assert len(set(owners[10:])) == 1
    assert len(memory) == 1

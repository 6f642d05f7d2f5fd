from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from control.contract import State
from tracking.link import LinkMemory, link
from tracking.own_steps import LEAST_PX2, after_links
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Floats = NDArray[np.float64]

SITES_PX: Floats = (40.0 * np.argwhere(np.ones((10, 10))) + 20.0).astype(np.float64)
SETTINGS = Tracking(search_px=6.0, separation_px=5.0, confirm=3)


def rows(number: int, place_px: Floats, missed: int = 0) -> tuple[NDArray[np.int64], Floats]:
    """Particles 0, 1, ... that were detected at `place_px` in frame `number` without doubt."""
    who = np.zeros((len(place_px), 5), np.int64)
    who[:, 0], who[:, 1], who[:, 2], who[:, 3] = np.arange(len(place_px)), number, missed, 9
    return who, np.hstack([place_px, place_px])


def replaced(low_px: float, high_px: float, step_px: float, rules: Rules, seed: int) -> tuple[int, int, float]:
    """(swaps, silent ones, share of UNCERTAIN rows). Particles vanish; others appear near them in the next frame."""
    chance = np.random.default_rng(seed)
    place_px, body = SITES_PX.copy(), np.arange(100)
    memory, owner, doubted = LinkMemory(), dict[int, int](), set[int]()
    swaps = silent = uncertain = 0
    for number in range(200):
        for i in np.flatnonzero(chance.random(100) < 0.005 * (number > 20)):
            angle = chance.uniform(0.0, 2.0 * np.pi)
            place_px[i] += chance.uniform(low_px, high_px) * np.array([np.cos(angle), np.sin(angle)])
            body[i] = body.max() + 1
        shown = chance.permutation(100)
        memory, found = link(memory, number, place_px[shown], SETTINGS, None, rules)
        for particle, state, now in zip(found.particle.tolist(), found.state, body[shown].tolist(), strict=True):
            unsure = state == State.UNCERTAIN
            uncertain += unsure
            swapped = owner.setdefault(particle, now) != now
            swaps += swapped
            silent += swapped and not unsure and particle not in doubted
            owner[particle] = now
            (doubted.add if unsure else doubted.discard)(particle)
        place_px += step_px * chance.standard_normal(place_px.shape)
    return swaps, silent, uncertain / 20_000


def test_a_particle_that_replaces_another_one_is_uncertain() -> None:
    """Steps of 0.3 px, and 2 to 5.5 px between the two: without the rule every swap is silent."""
    swaps, silent, uncertain = replaced(2.0, 5.5, 0.3, Rules.of_kernels(5), 0)
    assert silent == swaps > 50
    assert uncertain == 0.0
    same, silent, uncertain = replaced(2.0, 5.5, 0.3, NEWEST, 0)
    assert same == swaps
    assert silent < 0.2 * swaps
    assert uncertain < (1 + SETTINGS.confirm) * swaps / 20_000  # no other row


@pytest.mark.parametrize("steps", [5, 12, 30])
def test_the_limit_is_that_of_the_f_distribution(steps: int) -> None:
    """The ratio of d^2 and the mean of n earlier d^2, along two axes, has the F distribution with 2 and 2 n."""
    mean_px2 = 0.02
    limit_px = np.sqrt(mean_px2 * f_distribution.isf(1e-6, 2, 2 * steps))
    known = np.array([[steps, mean_px2]])
    for share, expected in ((0.999, False), (1.001, True)):
        now = rows(1, np.array([[share * limit_px, 0.0]]))
        _, too_long = after_links(known, rows(0, np.zeros((1, 2))), now, np.zeros(1, np.bool_), 1.0)
        assert too_long.tolist() == [expected]


def test_slow_and_fast_particles_with_normal_steps_are_never_uncertain() -> None:
    chance = np.random.default_rng(3)
    step_px = np.where(np.arange(100) % 2, 0.1, 0.9)[:, None]
    place_px, memory = SITES_PX.copy(), LinkMemory()
    for number in range(150):
        memory, found = link(memory, number, place_px, SETTINGS)
        assert not (found.state == State.UNCERTAIN).any()
        place_px = place_px + step_px * chance.standard_normal(place_px.shape)
    mean_px2 = memory.own_steps[:, 1]
    assert mean_px2[::2].mean() == pytest.approx(2 * 0.81, rel=4 / np.sqrt(50 * 59))
    assert mean_px2[1::2].mean() == pytest.approx(2 * 0.01, rel=4 / np.sqrt(50 * 59))


@pytest.mark.parametrize(("count", "over_gaps", "doubtful"), [(5, True, 0), (4, True, 4), (8, False, 0), (7, False, 7)])
def test_a_long_step_of_all_particles_is_a_common_move(count: int, over_gaps: bool, doubtful: int) -> None:
    """From five particles on, as in the alarms; from eight in runs of kernels 6."""
    known = np.tile([30.0, 0.02], (count, 1))
    place_px = SITES_PX[:count].copy()
    still = np.zeros(count, np.bool_)
    _, too_long = after_links(known, rows(0, place_px), rows(1, place_px + 4.0), still, 6.0, over_gaps)
    assert too_long.sum() == doubtful


@pytest.mark.parametrize(("frames", "step_px"), [(4, 2.9), (16, 5.5)])
def test_a_long_step_over_missed_frames_is_doubtful(frames: int, step_px: float) -> None:
    """Regression: kernels 6 compared d per root of the number of frames with a quarter of `search_px`."""
    known, place_px, none = np.array([[30.0, 0.02]]), SITES_PX[:1].copy(), np.zeros(1, np.bool_)
    after = rows(frames, place_px + np.array([step_px, 0.0]))
    for over_gaps in (True, False):
        _, too_long = after_links(known, rows(0, place_px, frames - 1), after, none, 6.0, over_gaps)
        assert too_long.tolist() == [over_gaps]


def test_a_particle_moved_by_light_is_not_measured() -> None:
    known = np.array([[30.0, 0.02], [30.0, 0.02]])
    place_px = SITES_PX[:2].copy()
    steps, too_long = after_links(known, rows(0, place_px), rows(1, place_px + 4.0), np.array([True, False]), 6.0)
    assert too_long.tolist() == [False, True]
    assert steps.tolist() == [[30.0, 0.02], [1.0, 32.0]]


def test_a_step_over_missed_frames_counts_as_diffusion() -> None:
    """16 frames: the variance is 16 times as large."""
    known = np.array([[30.0, 0.02]])
    place_px = SITES_PX[:1].copy()
    none = np.zeros(1, np.bool_)
    steps, too_long = after_links(
        known, rows(0, place_px, missed=15), rows(16, place_px + np.array([2.0, 0.0])), none, 6.0
    )
    assert not too_long.any()
    assert steps[0].tolist() == pytest.approx([30.0, 0.02 + (4.0 / 16 - 0.02) / 30])
    assert after_links(known, rows(15, place_px), rows(16, place_px + np.array([2.0, 0.0])), none, 6.0)[1].all()


def test_a_particle_that_begins_to_move_fast_is_good_again_soon() -> None:
    """It is UNCERTAIN for `confirm` detections after its first long step, and the note is given once."""
    memory, place_px, states, notes = LinkMemory(), SITES_PX[:9].copy(), list[bool](), list[str]()
    chance = np.random.default_rng(1)
    for number in range(60):
        place_px = place_px + 0.1 * chance.standard_normal(place_px.shape)
        place_px[4, 0] += 2.0 * (number >= 40)
        memory, found = link(memory, number, place_px, SETTINGS)
        states.append(bool(found.state[4] == State.UNCERTAIN))
        notes += found.notes
    assert np.flatnonzero(states).tolist() == list(range(40, 41 + SETTINGS.confirm))
    assert notes == ["particle 4 may be another from here on"]


def test_a_static_scene_has_no_doubt_about_position_noise() -> None:
    known = np.array([[30.0, 0.0]])
    place_px = SITES_PX[:1].copy()
    beyond_px = np.sqrt(LEAST_PX2 * f_distribution.isf(1e-6, 2, 60)) - 1e-6
    now = rows(1, place_px + np.array([beyond_px, 0.0]))
    assert not after_links(known, rows(0, place_px), now, np.zeros(1, np.bool_), 0.5)[1].any()


def test_without_a_doubt_setting_no_step_is_measured() -> None:
    s = replace(SETTINGS, doubt=0.0)
    memory = LinkMemory()
    for number in range(10):
        memory, found = link(memory, number, SITES_PX + 5.0 * (number == 9), s)
    assert memory.own_steps.shape == (0, 2)
    assert not (found.state == State.UNCERTAIN).any()

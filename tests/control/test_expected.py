"""Predicted positions, for the tracker, of particles that the light has moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from control.allocate import LightModel, allocate
from control.contract import DARK, Command, Forces, RecordedLight, State, Tracks
from control.expected import Hold, PredictedPositions, assign_recorded_light, still_acting
from control.plant import Plant

LIGHT = LightModel(waist_um=0.6, depth_kt_per_mw=5.0, kt_pn_um=4.07e-3, power_mw=200.0, settle_s=1e-5, cycle_s=0.01)
PLANT = Plant()
KAPPA_HZ = PLANT.rate_hz(LIGHT.stiffness_pn_per_um)


def tracks(position_um: Any, time_s: float = 0.0, particle: Any = None, lost: Any = ()) -> Tracks:
    place = np.asarray(position_um, float).reshape(-1, 2)
    who = np.arange(len(place)) if particle is None else np.asarray(particle, np.int64)
    return Tracks(time_s, who, place, np.full(len(place), State.GOOD, np.uint8), lost=np.asarray(lost, np.int64))


def steered(seen: Tracks, offset_um: Any) -> Command:
    force_pn = LIGHT.stiffness_pn_per_um * np.asarray(offset_um, float)
    number = len(seen)
    wanted = Forces(seen.particle, force_pn, np.full(number, np.nan), np.zeros(number, np.bool_))
    return allocate(LIGHT, seen, wanted)[0]


def hold(command: Command, effect_s: float) -> Hold:
    return Hold.of(command, effect_s, LIGHT, PLANT)


def test_the_depth_of_a_shared_beam_is_that_of_the_trap() -> None:
    """The depth calculated from an allocated command is that of the trap, for any number of spots."""
    for number in (1, 2, 7):
        seen = tracks([(3.0 * k, 5.0) for k in range(number)])
        command = steered(seen, np.zeros((number, 2)))
        np.testing.assert_allclose(LIGHT.depth_kt(command), LIGHT.trap_kt, rtol=1e-9)


@given(st.floats(0.02, 0.3), st.floats(0.0, 0.02), st.floats(0.001, 0.03))
def test_a_held_particle_follows_the_equation_of_motion_in_its_trap(
    offset_um: float, late_s: float, lasting_s: float
) -> None:
    """The reference is the equation of motion in the whole Gaussian, not only near its centre."""
    seen = tracks([(5.0, 5.0)])
    command = steered(seen, [(offset_um, 0.0)])
    where = PredictedPositions().updated(seen).at(late_s + lasting_s, (hold(command, late_s),))

    def slide(_: float, x: Any) -> Any:
        away = x - offset_um
        return -KAPPA_HZ * away * np.exp(-2.0 * away**2 / LIGHT.waist_um**2)

    moved_um = float(solve_ivp(slide, (0.0, lasting_s), [0.0], rtol=1e-8).y[0, -1])
    assert where.expected.particle.tolist() == [0]
    assert where.position_um[0, 1] == 5.0
    assert where.position_um[0, 0] - 5.0 == pytest.approx(moved_um, rel=0.1, abs=1e-6)


def test_before_the_command_acts_no_particle_is_predicted() -> None:
    seen = tracks([(5.0, 5.0)])
    acting = hold(steered(seen, [(0.2, 0.0)]), 0.008)
    assert len(PredictedPositions().updated(seen).at(0.008, (acting,)).expected.particle) == 0
    assert len(PredictedPositions().updated(seen).at(0.010, (acting,)).expected.particle) == 1


def test_each_command_acts_until_the_next_one() -> None:
    seen = tracks([(5.0, 5.0)])
    right, left = steered(seen, [(0.2, 0.0)]), steered(seen, [(-0.2, 0.0)])
    both = PredictedPositions().updated(seen).at(0.02, (hold(right, 0.0), hold(left, 0.01)))
    one = PredictedPositions().updated(seen).at(0.01, (hold(right, 0.0),))
    then = replace(one, time_s=0.01).at(0.02, (hold(left, 0.01),))
    np.testing.assert_allclose(both.position_um, then.position_um)
    dark = PredictedPositions().updated(seen).at(0.02, (hold(right, 0.0), hold(DARK, 0.01)))
    np.testing.assert_array_equal(dark.position_um, one.position_um)


def test_a_lost_particle_keeps_its_predicted_position() -> None:
    seen = tracks([(5.0, 5.0), (9.0, 5.0)])
    before = PredictedPositions().updated(seen).at(0.01, (hold(steered(seen, [(0.2, 0.0), (0.2, 0.0)]), 0.0),))
    after = before.updated(tracks([(9.1, 5.0)], 0.01, particle=[1], lost=[0]))
    assert after.particle.tolist() == [0, 1]
    np.testing.assert_array_equal(after.position_um, [before.position_um[0], (9.1, 5.0)])
    assert after.expected.particle.tolist() == [0]
    assert after.updated(tracks([], 0.02)).particle.tolist() == []


def test_rings_of_spots_hold_no_particle() -> None:
    ring = Forces(
        ring_particle=np.array([0, -1]), ring_um=np.array([(5.0, 5.0), (8.0, 8.0)]),
        ring_radius_um=np.array([1.0, 0.0]), ring_kt=np.full(2, 20.0), ring_delay_s=np.full(2, np.nan),
    )  # fmt: skip
    command = allocate(LIGHT, tracks([(5.0, 5.0)]), ring)[0]
    assert len(hold(command, 0.0).particle) == 0


def test_ended_commands_are_dropped_and_dark_ones_are_kept_once() -> None:
    lit = [hold(steered(tracks([(5.0, 5.0)]), [(0.1, 0.0)]), 0.01 * k) for k in range(4)]
    holds: tuple[Hold, ...] = ()
    for one in lit:
        holds = still_acting(holds, one, 0.015)
    assert [one.effect_s for one in holds] == [0.01, 0.02, 0.03]
    for k in range(1000):
        holds = still_acting(holds, hold(DARK, 0.04 + 0.5 * k), 0.015)
    assert [one.effect_s for one in holds] == [0.01, 0.02, 0.03, 0.04]


def test_recorded_spots_are_assigned_by_position() -> None:
    """A replay has its own identities. A particle that was not detected, or is far from all, has no spot."""
    spots = Command(
        position_um=np.zeros((6, 2)), power_mw=np.ones(6), dwell_s=np.ones(6), particle=np.array([7, 3, -1, 5, 9, 4])
    )
    felt = RecordedLight(spots, np.array([3, 4, 7, 9]), np.array([[1.0, 1.0], [np.nan, 0.0], [5.0, 5.0], [20.0, 20.0]]))
    seen = tracks([[5.1, 5.0], [30.0, 0.0], [1.0, 1.2]])
    assert assign_recorded_light(felt, seen, 0.6).particle.tolist() == [0, 2, -1, -1, -1, -1]
    assert assign_recorded_light(felt, Tracks(0.0), 0.6).particle.tolist() == [-1] * 6


def test_recorded_positions_not_finite_or_too_far_are_not_assigned() -> None:
    spots = Command(position_um=np.zeros((2, 2)), power_mw=np.ones(2), dwell_s=np.ones(2), particle=np.array([3, 4]))
    felt = RecordedLight(spots, np.array([3, 4]), np.array([[1e200, 1.0], [5.0, 5.0]]))
    for lost_um, found in ((np.nan, [-1, 1]), (np.inf, [-1, 1]), (1e200, [-1, 1])):
        assert assign_recorded_light(felt, tracks([[lost_um, 0.0], [5.1, 5.0]]), 0.6).particle.tolist() == found
    assert assign_recorded_light(felt, tracks([[np.nan, 0.0]]), 0.6).particle.tolist() == [-1, -1]

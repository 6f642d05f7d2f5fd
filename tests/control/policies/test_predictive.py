"""The estimator of the delay compensation: the predicted position, its variance, and known limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.allocate import LightModel
from control.contract import Command, Seen, Tracks
from control.history import History
from control.plant import Plant, spot_stiffness
from control.policies.external import External
from control.policies.force_context import Now
from control.policies.pair import Pair
from control.policies.predictive import Predictive, PredictiveMemory, within
from control.policies.response import CommandedTraps
from control.potentials.harmonic import Harmonic

Floats = NDArray[np.float64]

PLANT = Plant()
LIGHT = LightModel(waist_um=2000.0, depth_kt_per_mw=1e12, kt_pn_um=PLANT.kt_pn_um, power_mw=1e9, trap_kt=2.2e8)
MIDDLE = (5.0, 5.0)
SPRING = External(shape=Harmonic(stiffness_pn_per_um=0.3))
POLICY = Predictive((SPRING,), PLANT, LIGHT, MIDDLE, exposure_s=0.0)
K = spot_stiffness(LIGHT.trap_kt * LIGHT.kt_pn_um, LIGHT.waist_um)
KAPPA_HZ = PLANT.rate_hz(K)


def known(policy: Predictive, *told: CommandedTraps) -> PredictiveMemory:
    return replace(policy.start(), told=told)


def seen(place_um: Floats, time_s: float = 1.0, late_s: float = 0.01, hold_s: float = 0.01) -> Seen:
    number = len(place_um)
    who = np.arange(number)
    tracks = Tracks(
        time_s, who, place_um, np.zeros(number, np.uint8), np.zeros(number, np.int64), np.zeros(number, np.int64)
    )
    return Seen(tracks, History(1.0), time_s + late_s, hold_s)


def now(made: Seen) -> Now:
    return Now.of(made, PLANT, MIDDLE)


def test_without_latency_and_hold_the_force_is_that_of_the_law() -> None:
    place = np.array([[5.3, 5.0], [5.0, 4.2]])
    _, wanted = POLICY.step(POLICY.start(), seen(place, late_s=0.0, hold_s=1e-7))
    np.testing.assert_allclose(wanted.force_pn, -0.3 * (place - MIDDLE), rtol=1e-3)


@given(late_s=st.floats(1e-3, 0.05), before_s=st.floats(-0.02, 0.05))
def test_the_prediction_is_that_of_a_particle_in_a_known_trap(late_s: float, before_s: float) -> None:
    """The trap acts from before_s after (or before) the sighting: free diffusion until then, relaxation afterwards."""
    place, trap = np.array([[5.0, 5.0]]), np.array([[5.2, 4.9]])
    made = seen(place, late_s=late_s)
    told = (CommandedTraps(1.0 + before_s, np.array([0]), trap),)
    found, variance = POLICY.predicted(known(POLICY, *told), now(made))
    free_s = min(max(before_s, 0.0), late_s)
    held_s = late_s - free_s
    keep = math.exp(-KAPPA_HZ * held_s)
    np.testing.assert_allclose(found, trap + keep * (place - trap))
    d = PLANT.diffusion_um2_per_s
    assert variance[0] == pytest.approx(2 * d * free_s * keep**2 + d / KAPPA_HZ * (1 - keep**2))


def test_the_variance_of_a_free_particle_includes_blur_and_noise() -> None:
    made, d = seen(np.array([[5.0, 5.0], [6.0, 6.0]])), PLANT.diffusion_um2_per_s
    policy = replace(POLICY, exposure_s=0.006, error_um=0.02)
    found, variance = policy.predicted(
        known(policy, CommandedTraps(0.9, np.array([1]), np.array([[6.0, 6.0]]))), now(made)
    )
    np.testing.assert_allclose(found[0], [5.0, 5.0])
    assert variance[0] == pytest.approx(2 * d * (0.01 - 0.001) + 0.02**2)
    assert variance[1] < variance[0]


@pytest.mark.parametrize("z", [0.2, 0.5, 1.0])
def test_a_harmonic_law_gets_the_gain_of_the_exact_walk(z: float) -> None:
    """(1 - g)^2 (V - P) + s^2 = V - P: the random walk of the estimates keeps the wanted density."""
    late_s = z / KAPPA_HZ - 0.005
    soft = Predictive((External(shape=Harmonic(stiffness_pn_per_um=0.15 * K)),), PLANT, LIGHT, MIDDLE, exposure_s=0.0)
    place = np.array([[5.1, 5.0]])
    made = seen(place, late_s=late_s)
    trap = CommandedTraps(0.5, np.array([0]), place)
    at, blur = soft.predicted(known(soft, trap), now(made))
    way = soft.way_um(soft.believed, now(made), at, blur)
    keep = math.exp(-KAPPA_HZ * 0.01)
    gain = -float(way[0, 0] / (at[0, 0] - 5.0)) * (1.0 - keep)
    wide, p = PLANT.kt_pn_um / (0.15 * K), float(blur[0])
    step = (keep**2 - 1.0) * p + PLANT.diffusion_um2_per_s / KAPPA_HZ * (1.0 - keep**2)
    kept = (1.0 - gain) ** 2 * (wide - p) + step
    assert kept == pytest.approx(wide - p, rel=0.01)


def test_steep_walls_give_a_bounded_step() -> None:
    wall = replace(POLICY, forces=(External(shape=Harmonic(stiffness_pn_per_um=1000.0 * K)),))
    made = seen(np.array([[5.5, 5.0]]))
    way = wall.way_um(wall.believed, now(made), made.tracks.position_um, np.array([1e-3]))
    assert np.isfinite(way).all()
    assert np.hypot(*way[0]) < 0.5


def test_pair_forces_use_the_predicted_positions_of_both_particles() -> None:
    """The law is evaluated with the predicted position of the other particle, not with the measured one."""
    pair = Predictive((Pair(shape=Harmonic(stiffness_pn_per_um=0.1)),), PLANT, LIGHT, MIDDLE, exposure_s=0.0)
    place = np.array([[4.0, 5.0], [6.0, 5.0]])
    made = seen(place, late_s=0.05)
    still = CommandedTraps(0.5, np.array([0, 1]), place)
    moved = CommandedTraps(0.5, np.array([0, 1]), np.array([[4.0, 5.0], [9.0, 5.0]]))
    one, other = (pair.step(known(pair, told), made)[1].force_pn for told in (still, moved))
    assert other[0, 0] > one[0, 0] * 1.2


def test_allowed_traps_are_kept_as_long_as_they_may_be_needed() -> None:
    kept = POLICY.start()
    place = np.array([[5.0, 5.0]])
    for frame in range(20):
        lit = Command(place, np.ones(1), np.ones(1), np.array([0]), effect_s=1.015 + 0.01 * frame)
        kept, _ = POLICY.step(kept, replace(seen(place, time_s=1.0 + 0.01 * frame, late_s=0.025), allowed=lit))
    assert [round(told.effect_s - 1.19, 6) for told in kept.told] == [-0.015, -0.005, 0.005, 0.015]


def test_within_limits_the_length_of_vectors() -> None:
    short = within(np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 1.0)
    np.testing.assert_allclose(short, np.array([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))

"""Parameters of the traps that a predictive law learns during a run: stiffness, latency, noise, diffusion."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from control.allocate import LightModel
from control.contract import DARK, Command, Seen, Tracks, dark
from control.history import History, Sighting
from control.plant import Plant
from control.policies.external import External
from control.policies.predictive import Predictive, PredictiveMemory
from control.policies.response import CommandedTraps, Response, alone
from control.potentials.harmonic import Harmonic

Floats = NDArray[np.float64]

PLANT = Plant()
D = PLANT.diffusion_um2_per_s
RATE_HZ, HOLD_S = 32.0, 0.01
WAIST_UM = 2000.0
DEPTH_KT = RATE_HZ * PLANT.drag_pn_s_per_um * WAIST_UM**2 / (4.0 * PLANT.kt_pn_um)
LIGHT = LightModel(waist_um=WAIST_UM, depth_kt_per_mw=1e12, kt_pn_um=PLANT.kt_pn_um, power_mw=1e9, trap_kt=DEPTH_KT)
SOFT = External(shape=Harmonic(stiffness_pn_per_um=0.4 * RATE_HZ * PLANT.drag_pn_s_per_um))
POLICY = Predictive((SOFT,), PLANT, LIGHT, (0.0, 0.0), exposure_s=0.0)


def flown(
    policy: Predictive = POLICY,
    *,
    stiffer: float = 1.0,
    late_s: float = 0.0,
    error_um: float = 0.0,
    faster: float = 1.0,
    latency_s: float = 0.0156,
    particles: int = 150,
    frames: int = 800,
    lit: bool = True,
    together: bool = False,
) -> PredictiveMemory:
    """Estimates after some frames of simulated particles with these true parameters, each in its own cell."""
    chance = np.random.default_rng(7)
    d, rate_hz = D * faster, RATE_HZ * stiffer * faster
    who, zeros = np.arange(particles), np.zeros(particles, np.int64)
    place = chance.normal(0.0, 0.1, (particles, 2))
    commands: list[tuple[float, Floats]] = []
    known, history, allowed, time_s = policy.start(), History(0.2), DARK, 0.0
    for frame in range(frames):
        seen_um = place + error_um * chance.normal(size=place.shape)
        history = history.push(Sighting(frame * HOLD_S, who, seen_um))
        cell = zeros if together else who
        tracks = Tracks(frame * HOLD_S, who, seen_um, np.zeros(particles, np.uint8), zeros, cell)
        seen = Seen(tracks, history, frame * HOLD_S + latency_s, HOLD_S, allowed)
        known, wanted = policy.step(known, seen)
        trap = seen_um + wanted.force_pn / LIGHT.stiffness_pn_per_um
        if lit:
            commands.append((seen.effect_s + late_s, trap))
            allowed = Command(trap, np.ones(particles), np.ones(particles), who, effect_s=seen.effect_s)
        else:
            allowed = replace(dark("not armed"), effect_s=seen.effect_s)
        edges = sorted({time_s, *(at for at, _ in commands if time_s < at < time_s + HOLD_S), time_s + HOLD_S})
        for begin_s, end_s in pairwise(edges):
            acting = [trap for at, trap in commands if at <= begin_s + 1e-12]
            keep = math.exp(-rate_hz * (end_s - begin_s)) if acting else 1.0
            wide = math.sqrt(d / rate_hz * (1 - keep**2)) if acting else math.sqrt(2 * d * (end_s - begin_s))
            place = (
                (acting[-1] if acting else place) * (1 - keep) + keep * place + wide * chance.normal(size=place.shape)
            )
        time_s, commands = time_s + HOLD_S, commands[-5:]
    return known


@pytest.mark.parametrize("latency_s", [0.004, 0.0156, 0.025])  # the newest command acts before the next frame, or not
@pytest.mark.parametrize(
    "truth", [{}, {"stiffer": 0.8}, {"stiffer": 1.25}, {"late_s": 0.003}, {"error_um": 0.02}, {"faster": 1.3}]
)
def test_the_learned_parameters_are_the_true_ones(truth: dict[str, Any], latency_s: float) -> None:
    found = flown(latency_s=latency_s, **truth).learning.now
    if latency_s < HOLD_S:
        assert found.late_s == 0.0  # it cannot be distinguished from the localisation error
        if "late_s" in truth:
            return
    rate_hz = RATE_HZ * truth.get("stiffer", 1.0) * truth.get("faster", 1.0)
    assert found.rate_hz == pytest.approx(rate_hz, rel=0.04)
    assert found.diffusion_um2_per_s == pytest.approx(D * truth.get("faster", 1.0), rel=0.04)
    assert found.late_s == pytest.approx(truth.get("late_s", 0.0), abs=0.5e-3)
    assert found.sight_um2 == pytest.approx(truth.get("error_um", 0.0) ** 2, abs=5e-5)


def test_without_light_or_with_close_neighbours_nothing_is_learned() -> None:
    assert flown(frames=50, lit=False).learning.now == POLICY.believed
    assert flown(frames=50, together=True).learning.now == POLICY.believed  # all particles have close neighbours


def test_with_learn_false_nothing_is_learned() -> None:
    assert flown(replace(POLICY, learn=False), frames=50, stiffer=0.8).learning.now == POLICY.believed


def test_a_few_sightings_change_the_estimate_only_little() -> None:
    found = flown(particles=1, frames=40, stiffer=1.0).learning.now
    assert found.rate_hz == pytest.approx(RATE_HZ, rel=0.5)
    assert abs(found.late_s) < 0.5 * HOLD_S


def test_a_learned_change_of_the_stiffness_is_reported() -> None:
    known = flown(stiffer=0.8, frames=400)
    assert known.said_hz == pytest.approx(0.8 * RATE_HZ, rel=0.1)
    assert "times the believed one" in POLICY.words(known.learning.now)


def test_only_particles_without_neighbours_in_their_cell_are_alone() -> None:
    place = np.array([[0.0, 0.0], [2.2, 0.0], [9.0, 0.0], [9.0, 1.0]])
    tracks = Tracks(
        0.0, np.arange(4), place, np.array([0, 0, 0, 1], np.uint8), np.zeros(4, np.int64), np.zeros(4, np.int64)
    )
    assert alone(tracks, 2.0).tolist() == []
    assert alone(tracks, 1.0).tolist() == [0, 1]
    assert alone(replace(tracks, cell=np.arange(4)), 2.0).tolist() == [0, 1, 2]


def test_the_traps_of_a_command_are_sorted_without_painted_spots() -> None:
    command = Command(np.arange(6.0).reshape(3, 2), np.ones(3), np.ones(3), np.array([7, -1, 3]), effect_s=0.5)
    told = CommandedTraps.by(command, 0.4)
    assert told.particle.tolist() == [3, 7]
    assert told.trap_um.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    held, trap_um = told.of(np.array([1, 7]))
    assert held.tolist() == [False, True]
    assert trap_um.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_the_relaxation_begins_after_the_learned_latency() -> None:
    response = Response(RATE_HZ, D, 0.0, late_s=0.004)
    told = (CommandedTraps(0.002, np.array([0]), np.array([[1.0, 0.0]])),)
    place, _, always = response.relaxed(np.zeros((1, 2)), np.zeros(1), np.array([0]), told, 0.0, 0.01)
    assert place[0, 0] == pytest.approx(1.0 - math.exp(-RATE_HZ * 0.004))
    assert not always.any()

"""Observables against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from app.analysis.live_observables import (
    MOST_GAPS,
    bond_order,
    lags,
    mean_square_displacement,
    paths,
    speed_um_per_s,
    steps_um,
)
from control.contract import State, Tracks


def walk(
    number: int, particles: int, drift_um: float, spread_um: float, skip: frozenset[int] = frozenset()
) -> list[Tracks]:
    chance = np.random.default_rng(3)
    place = np.cumsum(chance.normal(0, spread_um, (number, particles, 2)), axis=0)
    place[..., 0] += drift_um * np.arange(number)[:, None]
    return [Tracks(0.01 * k, np.arange(particles), place[k]) for k in range(number) if k not in skip]


def test_diffusion_is_linear_and_drift_quadratic() -> None:
    lag = lags(50)
    free = mean_square_displacement(paths(walk(4000, 10, 0.0, 0.05), 0.01), lag)
    assert free == pytest.approx(2 * 0.05**2 * lag, rel=0.1)
    driven = mean_square_displacement(paths(walk(400, 3, 0.1, 0.0), 0.01), lag)
    assert driven == pytest.approx((0.1 * lag) ** 2, rel=1e-9)


def test_a_dropped_frame_leaves_a_gap_and_no_jump() -> None:
    made = paths(walk(400, 3, 0.1, 0.0, skip=frozenset({17, 18, 100})), 0.01)
    assert np.isnan(made.position_um[17]).all()
    assert np.allclose(steps_um(made)[::2], 0.1)


def test_no_step_spans_an_uncertain_identity() -> None:
    """Two particles at rest exchange their identities: no displacement results."""
    here, there = np.array([[0.0, 0.0], [5.0, 0.0]]), np.array([[5.0, 0.0], [0.0, 0.0]])
    sure, unsure = np.zeros(2, np.uint8), np.full(2, State.UNCERTAIN, np.uint8)
    seen = [(here, sure)] * 20 + [(there, unsure)] * 3 + [(there, sure)] * 20
    tracks = [Tracks(0.01 * k, np.arange(2), place, state) for k, (place, state) in enumerate(seen)]
    made = paths(tracks, 0.01)
    assert set(made.particle.tolist()) == {0, 1}
    assert (steps_um(made) == 0).all()
    assert np.nanmax(mean_square_displacement(made, lags(15))) == 0.0
    assert len(steps_um(made)) == 2 * 2 * (19 + 20)  # the last uncertain frame starts the new path
    assert made.position_um.shape == (43, 2 + 2 * 3, 2)


def test_speed_over_a_delay() -> None:
    speed = speed_um_per_s(paths(walk(400, 3, 0.1, 0.0), 0.01), 0.5)
    assert np.isnan(speed[:50]).all()
    assert speed[50:] == pytest.approx(10.0)


def test_bond_order_of_a_turned_hexagon_is_1() -> None:
    angle = np.arange(6) * np.pi / 3 + 0.2
    place = np.vstack([[0, 0], 2.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)]) + 30.0
    assert bond_order(place, 6)[0] == pytest.approx(1.0, abs=1e-5)
    assert np.isnan(bond_order(place[:6], 6)).all()


def test_of_too_many_particles_the_most_frequent_are_kept() -> None:
    tracks = [Tracks(0.01 * k, np.arange(5 if k % 2 else 3), np.zeros((5 if k % 2 else 3, 2))) for k in range(10)]
    assert paths(tracks, 0.01, most=3).particle.tolist() == [0, 1, 2]
    assert paths(tracks, 0.01, most=9).particle.tolist() == [0, 1, 2, 3, 4]


def test_the_time_grid_is_bounded_by_the_tracks() -> None:
    """Frames before a pause of years are left out. Times that jump back and forth, or that are NaN, raise no error."""
    seen = walk(400, 2, 0.1, 0.0)
    paused = [replace(one, time_s=one.time_s + 3.9e9 * (index >= 200)) for index, one in enumerate(seen)]
    made = paths(paused, 0.01)
    assert made.position_um.shape == (200, 2, 2)
    assert made.time_s[0] == paused[200].time_s
    to_and_fro = [replace(one, time_s=one.time_s + (-4e9) ** (index % 2)) for index, one in enumerate(seen)]
    assert len(paths(to_and_fro, 0.01).time_s) <= MOST_GAPS * len(seen)
    assert len(paths(seen[::-1], 0.01).time_s) == 1
    assert len(paths([replace(one, time_s=math.nan) for one in seen], 0.01).time_s) == 0
    few = paths([replace(one, time_s=30.0 * one.time_s) for one in seen], 0.01)  # 3 frames a second
    assert np.isfinite(few.position_um[:, 0, 0]).sum() == 400

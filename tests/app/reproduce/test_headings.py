"""Headings along flights: only fluctuations turn them, and motion between two flights does not count."""

from __future__ import annotations

import numpy as np
import pytest

from app.reproduce.check import load, plan_of
from app.reproduce.rows.active import headings, seen_heading, turns
from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.trajectory import Trajectory


def test_turns_count_in_every_flight_and_not_between_two() -> None:
    """A walker whose direction diffuses; every 4 s it is carried to another place."""
    check, document = load()["P18-instrument"]
    known = ExperimentFacts(plan_of(check, document, check.full))
    frames, number, dt, rate = 6000, 40, known.frame_s, 0.3
    chance = np.random.default_rng(5)
    angle = np.cumsum(np.sqrt(2.0 * rate * dt) * chance.standard_normal((frames, number)), axis=0)
    place = np.cumsum(4.0 * dt * np.stack([np.cos(angle), np.sin(angle)], axis=2), axis=0)
    carried = np.zeros((frames, number), np.bool_)
    carried[:, :] = (np.arange(frames) % 400 < 60)[:, None]
    jump = np.cumsum(carried[:, :, None] * chance.standard_normal((frames, number, 2)), axis=0)
    time_s = dt * np.arange(frames, dtype=np.float64)
    seen = Trajectory(time_s, place + jump, np.empty((frames, 0, 2)), carried, np.arange(number))
    found = seen_heading(known, check.options, seen)
    assert np.isfinite(found).all()
    assert found.mean() == pytest.approx(rate, rel=0.1)
    way = headings(known, seen)
    share = np.isfinite(turns(way, 60)).mean()
    assert share == pytest.approx((340 - 16 - 60) / 400, abs=0.03)  # in every flight, not only in the first
    assert np.isnan(turns(way, 300)).mean() > 0.9

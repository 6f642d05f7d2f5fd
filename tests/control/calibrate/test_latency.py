"""Latency from a shaken trap and from time stamps, with known parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.calibrate.dither import by_phase, expected_response, response
from control.calibrate.latency import by_stages
from control.theory.trapped import dither_latency_s

Floats = NDArray[np.float64]

FPS, EXPOSURE_S = 100.0, 5e-3


def shaken(
    seed: int, *, rate_hz: float, latency_s: float, tones: tuple[float, ...], seconds: float, particles: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """(frame times, measured positions [T, particles], send times, commanded positions): a trap held for each frame,
    simulated in steps of 0.1 ms."""
    chance = np.random.default_rng(seed)
    dt_s, steps = 1e-4, round(seconds / 1e-4)
    frames = round(seconds * FPS)
    told_s = np.arange(frames) / FPS + 0.0081
    told = sum(0.1 * np.sin(2.0 * np.pi * f * told_s) for f in tones)
    time_s = dt_s * np.arange(steps)
    latest = np.clip(np.searchsorted(told_s + latency_s, time_s, side="right") - 1, 0, None)
    trap = np.asarray(told)[latest]
    keep, sigma = math.exp(-rate_hz * dt_s), 0.05
    kick = sigma * math.sqrt(1.0 - keep**2)
    place = np.zeros((steps, particles))
    here = np.zeros(particles)
    noise = chance.normal(0.0, kick, (steps, particles))
    for n in range(steps):
        here = trap[n] + (here - trap[n]) * keep + noise[n]
        place[n] = here
    within = round(EXPOSURE_S / dt_s)
    each = round(1.0 / FPS / dt_s)
    seen = place.reshape(frames, each, particles)[:, :within].mean(axis=1)
    return np.arange(frames) / FPS + EXPOSURE_S / 2.0, seen, told_s, np.asarray(told)


@pytest.mark.parametrize("latency_s", [0.0, 0.0063, 0.021])
def test_two_tones_give_latency_and_rate_within_a_millisecond(latency_s: float) -> None:
    tones, rate_hz = (3.0, 11.0), 40.0
    time_s, seen, told_s, told = shaken(
        21, rate_hz=rate_hz, latency_s=latency_s, tones=tones, seconds=10.0, particles=16
    )
    found = np.array([[response(time_s, one, told_s, told, f) for f in tones] for one in seen.T])
    both = by_phase(np.array(tones), found, hold_s=1 / FPS, exposure_s=EXPOSURE_S)
    assert both.latency_s.value == pytest.approx(latency_s, abs=1e-3)
    assert abs(both.latency_s.value - latency_s) < 4.5 * both.latency_s.error
    assert both.rate_hz.value == pytest.approx(rate_hz, rel=0.08)
    known = by_phase(np.array(tones), found, hold_s=1 / FPS, exposure_s=EXPOSURE_S, rate_hz=rate_hz)
    assert known.latency_s.value == pytest.approx(latency_s, abs=1e-3)


@settings(max_examples=50)
@given(latency_s=st.floats(0.0, 0.05), rate_hz=st.floats(5.0, 200.0), hold_s=st.floats(1e-4, 0.02))
def test_the_fit_inverts_the_model(latency_s: float, rate_hz: float, hold_s: float) -> None:
    tones = np.array([2.0, 6.0])
    one = expected_response(tones, rate_hz, latency_s, hold_s=hold_s, exposure_s=EXPOSURE_S)
    found = by_phase(tones, one, hold_s=hold_s, exposure_s=EXPOSURE_S, guess_s=0.02)
    assert found.latency_s.value == pytest.approx(latency_s, abs=1e-6)
    assert found.rate_hz.value == pytest.approx(rate_hz, rel=1e-4)


def test_without_hold_the_phase_gives_the_latency_in_closed_form() -> None:
    phase = float(np.angle(expected_response(np.array([3.0]), 20.0, 0.02, hold_s=0.0, exposure_s=0.0))[0])
    assert dither_latency_s(phase, 3.0, 20.0) == pytest.approx(0.02)


def test_one_tone_needs_the_rate() -> None:
    with pytest.raises(ValueError, match="two frequencies"):
        by_phase(np.array([3.0]), np.ones((2, 1), complex), hold_s=0.01, exposure_s=0.0)


def test_the_stages_add_up_to_the_latency() -> None:
    frame_s = np.arange(100) / FPS
    stages = by_stages(frame_s, frame_s + 0.0075, frame_s + 0.0090, np.where(frame_s > 0.5, frame_s + 0.0106, np.nan))
    summary = stages.summary()
    assert summary["arrival_s"][0] == pytest.approx(0.0075)
    assert summary["turn_s"][1] == pytest.approx(0.0015)
    assert summary["effect_s"][0] == pytest.approx(0.0106)
    assert len(stages.arrival_s) == 49

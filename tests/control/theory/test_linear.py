"""The variance of linear motion with delays, compared with closed forms and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.theory.feedback import virtual_spring_variance_um2
from control.theory.linear import drift_variance_um2_per_s2, is_stable, variance_um2

D = 0.113


@given(kappa=st.floats(0.1, 100.0))
def test_a_spring_without_a_delay(kappa: float) -> None:
    assert variance_um2(D, [(kappa, 0.0)]) == pytest.approx(D / kappa, rel=1e-3)


@given(z=st.floats(0.01, 1.4), delay_s=st.floats(0.01, 2.0))
def test_a_spring_with_a_delay(z: float, delay_s: float) -> None:
    """P14: D (1 + sin z) / (kappa cos z)."""
    kappa = z / delay_s
    assert variance_um2(D, [(kappa, delay_s)]) == pytest.approx(D / kappa * (1 + math.sin(z)) / math.cos(z), rel=2e-3)


@pytest.mark.parametrize("z", [1.5, 1.55, 1.565, 1.57, 1.5707])
def test_a_spring_near_its_longest_delay(z: float) -> None:
    """P14: the peak of the spectrum, at kappa, is as narrow as pi / 2 - z."""
    assert variance_um2(D, [(1.0, z)]) == pytest.approx(D * (1 + math.sin(z)) / math.cos(z), rel=1e-5)


@pytest.mark.parametrize(("z", "stable"), [(1.55, True), (1.59, False), (3.0, False), (8.0, False)])
def test_the_longest_stable_delay_of_a_spring(z: float, stable: bool) -> None:
    assert is_stable([(z, 1.0)]) is stable


def test_without_a_restoring_force_the_variance_is_infinite() -> None:
    assert variance_um2(D, [(-1.0, 0.0)]) == math.inf
    assert variance_um2(D, [(5.0, 0.0), (-5.0, 0.02)]) == math.inf
    assert variance_um2(D, []) == math.inf


def test_the_limit_of_stability_itself() -> None:
    assert variance_um2(D, [(1.0, math.pi / 2)]) > 1e15


@given(kappa=st.floats(0.1, 100.0), z=st.floats(0.01, 100.0))
def test_the_distance_from_a_trap_at_its_own_past_position(kappa: float, z: float) -> None:
    """P7 at tau: the mean square distance from its past position is 2 D tau / (1 + z)."""
    delay_s = z / kappa
    found = drift_variance_um2_per_s2(D, [(kappa, 0.0), (-kappa, delay_s)]) / kappa**2
    assert found == pytest.approx(2.0 * D * delay_s / (1.0 + z), rel=2e-3)
    within = [(kappa, 0.3 * delay_s), (-kappa, 0.3 * delay_s)]  # as a trap with the stiffness of its spring
    again = drift_variance_um2_per_s2(D, [(kappa, 0.0), *within, (-kappa, delay_s)]) / kappa**2
    assert again == pytest.approx(found, rel=1e-9)
    assert drift_variance_um2_per_s2(D, [(kappa, 0.0)]) == pytest.approx(D * kappa, rel=1e-3)
    assert drift_variance_um2_per_s2(D, []) == 0.0


@pytest.mark.parametrize(("kappa", "delay_s"), [(0.0278, 5e-4), (0.0278, 1e-6), (25.0, 60.0), (25.0, 1e-5)])
def test_a_delay_far_shorter_than_the_relaxation_time(kappa: float, delay_s: float) -> None:
    """P7, for the middle of a bond of P23: a short delay does not require a huge number of steps."""
    found = drift_variance_um2_per_s2(D, [(kappa, 0.0), (-kappa, delay_s)]) / kappa**2
    assert found == pytest.approx(2.0 * D * delay_s / (1.0 + kappa * delay_s), rel=5e-4)


@pytest.mark.parametrize(
    ("trap_hz", "rate_hz", "stable"),
    [(25.0, 0.0, True), (25.0, 40.0, True), (25.0, 45.0, True), (25.0, 83.0, False), (125.0, 166.0, False)],
)
def test_a_spring_about_a_past_position_may_be_unstable(trap_hz: float, rate_hz: float, stable: bool) -> None:
    """For a steered trap: stability from the winding of f / s, compared with Euler steps from one displacement."""
    terms = [(trap_hz, 0.0), (-trap_hz, 0.016), (rate_hz, 0.016), (-rate_hz, 0.1)]
    step_s = 5e-4
    x = np.zeros(8000)
    x[200] = 1.0
    for n in range(200, len(x) - 1):
        x[n + 1] = x[n] - step_s * sum(rate * x[n - round(delay_s / step_s)] for rate, delay_s in terms)
    assert bool(np.ptp(x[-400:]) < 0.1) is stable
    assert is_stable(terms) is stable
    assert math.isfinite(drift_variance_um2_per_s2(D, terms)) is stable


def test_a_simulated_steered_trap_with_a_delayed_force() -> None:
    terms = [(25.0, 0.0), (-25.0, 0.02), (7.0, 0.2)]
    step_s, number = 0.001, 300
    draw = np.random.default_rng(3)
    x = np.zeros((12_000, number))
    kicks = draw.normal(0.0, math.sqrt(2.0 * D * step_s), x.shape)
    for n in range(200, len(x) - 1):
        pull = sum(rate * x[n - round(delay / step_s)] for rate, delay in terms)
        x[n + 1] = x[n] - step_s * pull + kicks[n]
    assert float((x[4000:] ** 2).mean()) == pytest.approx(variance_um2(D, terms), rel=0.03)


@pytest.mark.parametrize("ratio", [1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0, 1.9, 2.0])
@pytest.mark.parametrize(("trap_hz", "age_s"), [(25.0, 0.016), (125.0, 0.016), (125.0, 0.005), (1.0, 5.0)])
def test_a_virtual_spring_much_softer_than_its_trap(trap_hz: float, age_s: float, ratio: float) -> None:
    """P15: the spectrum has a peak at 0 of width kappa_v / (1 + z)."""
    terms = [(trap_hz, 0.0), (-trap_hz, age_s), (ratio * trap_hz, age_s)]
    exact_um2 = virtual_spring_variance_um2(D, trap_hz, ratio * trap_hz, age_s)
    assert variance_um2(D, terms) == pytest.approx(exact_um2, rel=1e-4)


@given(ratio=st.floats(0.1, 2.5), z=st.floats(0.05, 1.9))
def test_a_steered_spring_agrees_with_its_closed_form(ratio: float, z: float) -> None:
    """P15: a trap of rate kappa at (1 - kappa_v / kappa) x(t - a)."""
    trap_hz, age_s = 10.0, z / 10.0
    terms = [(trap_hz, 0.0), (-trap_hz, age_s), (ratio * trap_hz, age_s)]
    assert variance_um2(D, terms) == pytest.approx(
        virtual_spring_variance_um2(D, trap_hz, ratio * trap_hz, age_s), rel=3e-3
    )

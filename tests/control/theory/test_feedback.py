"""P14 to P16 compared with the spectral integral, characteristic roots and the Lyapunov equation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from control.theory import feedback
from tests.control.theory.oracles import Floats, spectral_variance, stepped


@pytest.mark.parametrize("z", [0.05, 0.2, 0.368, 0.8, 1.2, 1.5])
def test_late_force_p14(z: float) -> None:
    found = feedback.late_force_variance_um2(1.0, z, 1.0)
    assert found == pytest.approx(spectral_variance(lambda w: 1j * w + z * np.exp(-1j * w)), rel=3e-4)


@pytest.mark.parametrize(("z", "figure"), [(0.2, 1.223), (0.368, 1.457), (0.8, 2.465), (1.2, 5.33)])
def test_late_force_has_the_figures_of_p14(z: float, figure: float) -> None:
    assert feedback.late_force_variance_um2(2.0, 2.0, z / 2.0) == pytest.approx(figure, rel=1e-3)


def test_late_force_by_the_covariance_of_its_steps() -> None:
    """Euler steps of h = tau / 150 as a matrix: the stationary covariance has a bias of order kappa h."""
    steps, z = 150, 0.8
    move = np.eye(steps + 1, k=-1)
    move[0, 0] = 1.0
    move[0, -1] = -z / steps
    kick = np.zeros_like(move)
    kick[0, 0] = 2.0 / steps
    variance = solve_discrete_lyapunov(move, kick, method="bilinear")[0, 0]
    assert feedback.late_force_variance_um2(1.0, z, 1.0) == pytest.approx(variance, rel=2e-2)


def swing(z: float) -> float:
    """Late over early amplitude of x' = -z x(t - 1)."""
    path = stepped(lambda _, then: -z * then, np.array([1.0]), delay=1.0, until=120.0, steps=100)
    return float(np.abs(path[-800:]).max() / np.abs(path[2000:2800]).max())


def test_stability_limit_p14() -> None:
    assert swing(feedback.STABLE * 0.98) < 0.7
    assert swing(feedback.STABLE * 1.02) > 1.4
    assert feedback.late_force_variance_um2(1.0, feedback.STABLE, 1.0) == math.inf


def test_no_overshoot_limit_p14() -> None:
    path = {
        z: stepped(lambda _, then, z=z: -z * then, np.array([1.0]), delay=1.0, until=60.0, steps=100)  # type: ignore[misc]
        for z in (feedback.STEADY * 0.98, feedback.STEADY * 1.1)
    }
    below, above = path.values()
    assert below.min() > 0.0
    assert above.min() < 0.0


@pytest.mark.parametrize("virtual", [0.1, 0.5, 1.0, 1.5, 1.99, 2.0, 2.3])
@pytest.mark.parametrize("latency", [0.2, 1.0, 2.0])
def test_virtual_spring_p15(virtual: float, latency: float) -> None:
    found = feedback.virtual_spring_variance_um2(1.0, 1.0, virtual, latency)
    integral = spectral_variance(lambda w: 1j * w + 1.0 - (1.0 - virtual) * np.exp(-1j * w * latency), highest=1000.0)
    assert found == pytest.approx(integral, rel=1e-3)


@pytest.mark.parametrize(("virtual", "latency", "figure"), [(0.1, 1.0, 5.42), (0.1, 5.0, 2.64), (1.5, 2.0, 1.050)])
def test_virtual_spring_has_the_figures_of_p15(virtual: float, latency: float, figure: float) -> None:
    assert feedback.virtual_spring_variance_um2(1.0, 1.0, virtual, latency) == pytest.approx(figure, rel=2e-3)


@pytest.mark.parametrize("latency", [0.5, 1.0, 3.0])
def test_virtual_spring_estimate_is_its_weak_limit(latency: float) -> None:
    exact, estimate = (
        law(1.0, 1.0, 0.003, latency)
        for law in (feedback.virtual_spring_variance_um2, feedback.virtual_spring_estimate_um2)
    )
    assert estimate == pytest.approx(exact, rel=5e-3)


def test_virtual_spring_limit_p15() -> None:
    limit = feedback.virtual_spring_limit_s(1.0, 2.5)
    assert limit == pytest.approx(2.06, abs=5e-3)
    assert feedback.virtual_spring_limit_s(1.0, 2.0) == math.inf
    assert feedback.virtual_spring_variance_um2(1.0, 1.0, 2.5, limit) == math.inf

    def late_swing(delay: float) -> float:
        def velocity(now: Floats, then: Floats) -> Floats:
            return -now - 1.5 * then

        path = stepped(velocity, np.array([1.0]), delay=delay, until=60.0 * delay, steps=100)
        return float(np.abs(path[-800:]).max() / np.abs(path[2000:2800]).max())

    assert late_swing(0.95 * limit) < 0.8
    assert late_swing(1.05 * limit) > 1.25


@pytest.mark.parametrize("gain", [0.1, 0.4, 0.8, 1.2])
@pytest.mark.parametrize("late", [0.0, 0.3, 0.5, 0.8])
def test_stepped_force_is_the_lyapunov_solution_p16(gain: float, late: float) -> None:
    move = np.array([[1.0 - gain * (1.0 - late), -gain * late], [1.0, 0.0]])
    kick = np.array([[2.0, 0.0], [0.0, 0.0]])
    expected = solve_discrete_lyapunov(move, kick)[0, 0]
    found = feedback.stepped_force_variance_um2(2.0, gain=gain, frame_s=0.5, frames_late=late)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("gain", "late", "figure"), [(0.4, 0.0, 3.125), (0.4, 0.5, 3.750), (0.4, 1.0, 4.861), (0.8, 1.0, 8.04)]
)
def test_stepped_force_has_the_figures_of_p16(gain: float, late: float, figure: float) -> None:
    found = feedback.stepped_force_variance_um2(1.0, gain=gain, frame_s=1.0, frames_late=late)
    assert found == pytest.approx(figure, rel=5e-3)


@pytest.mark.parametrize(("gain", "late"), [(1.0, 1.0), (2.0, 0.0), (2.5, 0.1)])
def test_stepped_force_is_unstable_beyond_its_characteristic_roots_p16(gain: float, late: float) -> None:
    move = np.array([[1.0 - gain * (1.0 - late), -gain * late], [1.0, 0.0]])
    assert np.abs(np.linalg.eigvals(move)).max() >= 1.0 - 1e-12
    assert feedback.stepped_force_variance_um2(1.0, gain=gain, frame_s=1.0, frames_late=late) == math.inf


@pytest.mark.parametrize("gain", [0.2, 0.9, 1.7])
def test_stepped_force_with_a_localisation_error_p16(gain: float) -> None:
    expected = solve_discrete_lyapunov(np.array([[1.0 - gain]]), np.array([[2.0 * 0.01 + (gain * 0.3) ** 2]]))[0, 0]
    found = feedback.stepped_force_seen_variance_um2(1.0, gain=gain, frame_s=0.01, error_um=0.3)
    assert found == pytest.approx(expected)
    assert feedback.stepped_force_seen_variance_um2(1.0, gain=2.0, frame_s=1.0, error_um=0.1) == math.inf


@pytest.mark.parametrize(
    ("kappa", "after", "exposure"), [(2.5, 0.14, 0.1), (2.5, 0.9, 0.0), (0.4, 0.3, 0.2), (8.0, 0.5, 0.3)]
)
def test_a_particle_behind_a_stepping_trap_is_ahead_of_its_mean_line(
    kappa: float, after: float, exposure: float
) -> None:
    """By integration: a trap moves by 1 at every whole time; its particle after a long time."""
    fine = 4000
    time = (np.arange(60 * fine) + 0.5) / fine
    place = np.empty(len(time))
    x = 0.0
    for index, trap in enumerate(np.floor(time)):
        place[index] = x = trap + (x - trap) * math.exp(-kappa / fine)
    time += 0.5 / fine  # the position at the end of its step
    last = time > 50.0
    line = float((place - time)[last].mean())  # its velocity is 1
    phase = np.abs(time % 1.0 - after) <= max(exposure / 2.0, 0.6 / fine)
    seen = float((place - time)[last & phase].mean())
    assert feedback.stepped_lead_s(kappa, 1.0, after, exposure) == pytest.approx(seen - line, abs=2e-3)


def test_a_trap_that_hardly_steps_has_no_lead() -> None:
    assert feedback.stepped_lead_s(1.0, 1e-3, 0.0) == pytest.approx(-1e-6 / 12.0, rel=1e-2)

"""P1 to P6 and P26 to P34 compared with integrals, sums and averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad, solve_ivp

from control.theory import free, trapped


def blurred(at: float, and_at: float, exposure: float) -> float:
    """Covariance of two positions of a walk with D = .2, each the mean over an exposure from `at` on."""
    cells = (np.arange(200) + 0.5) / 200.0 * exposure
    first, second = np.meshgrid(at + cells, and_at + cells)
    return float(2.0 * 0.2 * np.minimum(first, second).mean())


def steps(frame: float, exposure: float, error: float) -> tuple[float, float]:
    """<dx^2> and <dx dx'> of blurred positions of a walk with a localisation error."""
    cov = [[blurred(1.0 + i * frame, 1.0 + j * frame, exposure) for j in range(3)] for i in range(3)]
    square = cov[1][1] + cov[0][0] - 2.0 * cov[0][1] + 2.0 * error**2
    neighbour = cov[2][1] - cov[2][0] - cov[1][1] + cov[1][0] - error**2
    return square, neighbour


def test_the_msd_of_a_free_particle_p1() -> None:
    np.testing.assert_allclose(free.msd_um2(0.2, np.array([0.0, 0.5])), [0.0, 0.4])


def test_seen_msd_is_that_of_blurred_positions_p2() -> None:
    square, _ = steps(0.01, 0.008, 0.02)
    seen = free.seen_msd_um2(0.2, np.array([0.01]), exposure_s=0.008, error_um=0.02, dimensions=1)
    assert seen[0] == pytest.approx(square, rel=1e-4)


def test_the_figures_of_p2() -> None:
    seen = free.seen_msd_um2(0.2, np.array([0.01, 0.03]), exposure_s=0.008, error_um=0.02)
    np.testing.assert_allclose(seen, [7.47e-3, 2.347e-2], rtol=1e-3)


@pytest.mark.parametrize(("exposure", "error"), [(0.0001, 0.0), (0.005, 0.03), (0.01, 0.01)])
def test_the_covariance_estimator_recovers_diffusion_and_error_p3(exposure: float, error: float) -> None:
    square, neighbour = steps(0.01, exposure, error)
    found = free.covariance_estimate(square, neighbour, frame_s=0.01, exposure_s=exposure)
    assert found == pytest.approx((0.2, error**2), rel=2e-3, abs=2e-6)


def test_equipartition_is_the_mean_over_the_boltzmann_density_p4() -> None:
    def weight(x: float) -> float:
        return math.exp(-0.5 * 0.9 * x**2 / 4e-3)

    mean = quad(lambda x: x**2 * weight(x), -1.0, 1.0)[0] / quad(weight, -1.0, 1.0)[0]
    assert trapped.variance_um2(4e-3, 0.9) == pytest.approx(mean)


def test_the_variance_in_a_gaussian_spot_exceeds_kt_over_stiffness() -> None:
    """12 % above kT / k at 20 kT, 1 % at 200 kT (measured; docs/predictions.md)."""
    waist_um = 0.6
    for depth_kt, excess in ((20.0, 0.12), (200.0, 0.01)):
        harmonic_um2 = waist_um**2 / (4.0 * depth_kt)
        found = trapped.spot_variance_um2(depth_kt, waist_um, waist_um / 2.0 * 1.5)
        assert found / harmonic_um2 - 1.0 == pytest.approx(excess, abs=0.03 if depth_kt < 100 else 0.003)
        r_um = np.linspace(0.0, 0.45, 200001)
        weight = np.exp(depth_kt * (np.exp(-2.0 * (r_um / waist_um) ** 2) - 1.0)) * r_um
        assert found == pytest.approx(float((weight * r_um**2).sum() / weight.sum() / 2.0), rel=1e-6)


def test_the_spectrum_holds_the_variance_p5() -> None:
    total = quad(lambda f: float(trapped.spectrum_um2_per_hz(0.1, 25.0, np.array(f))), 0.0, math.inf)[0]
    assert total == pytest.approx(0.1 / 25.0)


def test_the_sampled_spectrum_is_the_sum_of_its_covariances_p5() -> None:
    frequency = np.array([1.0, 17.0, 120.0, 199.0])
    lags = np.arange(1, 2000)
    covariance = 0.1 / 25.0 * np.exp(-25.0 * lags / 400.0)
    turn = np.cos(2.0 * math.pi * frequency[:, None] * lags / 400.0)
    expected = 2.0 / 400.0 * (0.1 / 25.0 + 2.0 * (turn * covariance).sum(axis=1))
    found = trapped.sampled_spectrum_um2_per_hz(0.1, 25.0, frequency, sampling_hz=400.0)
    np.testing.assert_allclose(found, expected)
    folded = sum(
        trapped.spectrum_um2_per_hz(0.1, 25.0, frequency + 400.0 * n)
        + trapped.spectrum_um2_per_hz(0.1, 25.0, 400.0 * (n + 1) - frequency)
        for n in range(20000)
    )
    np.testing.assert_allclose(found, folded, rtol=1e-3)


@pytest.mark.parametrize(("a", "figure"), [(0.2, 0.937), (1.0, 0.736), (3.0, 0.456), (1e-6, 1.0)])
def test_blur_in_a_trap_p6(a: float, figure: float) -> None:
    mean = dblquad(lambda s, t: 2.0 * math.exp(-a * (t - s)), 0.0, 1.0, 0.0, lambda t: t)[0]
    assert trapped.blur_ratio(a / 0.01, 0.01) == pytest.approx(mean, rel=1e-6)
    assert mean == pytest.approx(figure, abs=1e-3)


def shared_by_steps(share: float, strength: float) -> float:
    """Mean variance over one cycle (T = 1, D = 1) of a trap that is lit for `share` of it, in the steady state."""
    rate = strength / share
    variance, total, number = 0.0, 0.0, 20000
    for cycle in range(400):
        total = 0.0
        lit = np.arange(number) / number * share
        start = variance
        on = 1.0 / rate + (start - 1.0 / rate) * np.exp(-2.0 * rate * lit)
        end = 1.0 / rate + (start - 1.0 / rate) * math.exp(-2.0 * rate * share)
        off = end + 2.0 * np.arange(number) / number * (1.0 - share)
        variance = end + 2.0 * (1.0 - share)
        total = float(on.mean() * share + off.mean() * (1.0 - share))
        if abs(variance - start) < 1e-12 * variance and cycle:
            break
    return total * rate


@pytest.mark.parametrize(("strength", "share"), [(0.1, 0.25), (0.1, 0.5), (0.4, 0.5), (0.3, 0.1)])
def test_time_sharing_p26(strength: float, share: float) -> None:
    rate = strength / share
    found = trapped.shared_variance_um2(1.0, rate, share=share, cycle_s=1.0) * rate
    assert found == pytest.approx(shared_by_steps(share, strength), rel=2e-3 + strength**4 / 10.0)


def test_the_figures_of_p26() -> None:
    assert trapped.shared_variance_um2(1.0, 1.0, share=0.25, cycle_s=0.4) == pytest.approx(4.0075, abs=2e-4)
    assert trapped.shared_variance_um2(1.0, 1.0, share=0.5, cycle_s=2.0) == pytest.approx(2.167, abs=1e-3)


def test_the_figures_of_p27() -> None:
    spacing = 2.0 * math.pi * 2.5 / np.array([20, 26])
    assert [trapped.ring_ripple(0.6, s) for s in spacing] == pytest.approx([0.1123, 0.0154], abs=2e-4)
    assert trapped.ring_depth(0.6, 2.5) == pytest.approx(0.04787, abs=1e-5)


@pytest.mark.parametrize(("step", "figure"), [(0.1, 0.0906), (1.0, 0.4323)])
def test_the_power_of_an_information_engine_p28(step: float, figure: float) -> None:
    """After re-centring the energy is 0; until the next time it grows to k <x^2> / 2, all of it from the heat bath."""
    grown = solve_ivp(lambda _, v: 2.0 - 2.0 * v, (0.0, step), [0.0], rtol=1e-10, atol=1e-12).y[0, -1]
    assert trapped.harvest_kt(step / 0.01, 0.01) == pytest.approx(grown / 2.0, rel=1e-8)
    assert grown / 2.0 == pytest.approx(figure, abs=1e-4)


def test_jarzynski_for_a_sudden_ramp_p29() -> None:
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    start, end = 0.5, 2.0  # in kT: the work of a jump is (k2 - k1) x^2 / 2 with <x^2> = 1 / k1
    work = (end - start) / start * node**2 / 2.0
    assert trapped.jarzynski_mean(start, end) == pytest.approx(float(weight @ np.exp(-work)), rel=1e-6)
    assert -math.log(trapped.jarzynski_mean(start, end)) == pytest.approx(trapped.free_energy_kt(start, end))
    assert trapped.free_energy_kt(start, end) == pytest.approx(0.693, abs=1e-3)
    assert float(weight @ work) >= trapped.free_energy_kt(start, end)


def test_a_moving_trap_p30() -> None:
    moved = solve_ivp(lambda t, x: -25.0 * (x - 2.0 * t), (0.0, 3.0), [0.0], rtol=1e-9, atol=1e-12)
    assert trapped.drag_lag_um(0.036, 2.0, 0.9) == pytest.approx(6.0 - moved.y[0, -1], rel=1e-6)
    assert trapped.drag_lag_um(0.036, 2.0, 0.9) == pytest.approx(0.080)
    assert trapped.escape_speed_um_per_s(0.165, 0.036) == pytest.approx(4.58, abs=0.01)


@pytest.mark.parametrize(
    ("height", "figure"), [(1.02, 0.347), (1.05, 0.379), (1.1, 0.424), (1.5, 0.619), (3.0, 0.815), (10.0, 0.944)]
)
def test_drag_at_a_wall_has_the_figures_of_p31(height: float, figure: float) -> None:
    assert trapped.wall_mobility(height) == pytest.approx(figure, abs=6e-4)


def test_the_phase_of_a_dither_gives_its_latency_p32() -> None:
    frequency, rate, latency = 3.0, 25.0, 0.02
    turn = 2.0 * math.pi * frequency
    moved = solve_ivp(
        lambda t, x: -rate * (x - math.sin(turn * (t - latency))), (0.0, 4.0), [0.0],
        rtol=1e-9, atol=1e-12, dense_output=True,
    )  # fmt: skip
    time = np.linspace(2.0, 4.0, 6000, endpoint=False)  # six periods
    beat = np.exp(-1j * turn * time)
    phase = float(np.angle((moved.sol(time)[0] * beat).mean() / (np.sin(turn * time) * beat).mean()))
    assert trapped.dither_phase_rad(frequency, rate, latency) == pytest.approx(phase, abs=1e-5)
    assert trapped.dither_latency_s(phase, frequency, rate) == pytest.approx(latency, abs=1e-6)


def test_heat_and_bits_p33_p34() -> None:
    assert trapped.propulsion_heat_kt_per_s(0.036, 3.6, 4.07e-3) == pytest.approx(115.0, abs=0.5)
    assert trapped.landauer_pn_um(1.380649e-5 * 295.0) * 1e-18 == pytest.approx(2.82e-21, rel=2e-3)

"""P7 to P13 compared with the spectral integral, root finding and the recursion itself."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.theory import delayed
from tests.control.theory.oracles import Floats, Response, spectral_msd


def response(kappa: float, tau: float) -> Response:
    return lambda omega: 1j * omega + kappa * (1.0 - np.exp(-1j * omega * tau))


@pytest.mark.parametrize("z", [0.2, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("lag", [0.3, 1.0, 1.4, 2.0, 5.3])
def test_msd_is_the_spectral_integral_p7(z: float, lag: float) -> None:
    exact = delayed.msd_um2(1.0, z, 1.0, np.array([lag]))[0]
    assert exact == pytest.approx(spectral_msd(response(z, 1.0), lag), rel=2e-4)


def test_msd_has_units() -> None:
    lag_s = np.array([0.0, 0.01, 0.05, 0.1, 0.7])
    scaled = delayed.msd_um2(1.0, 3.0, 1.0, lag_s / 0.05)
    np.testing.assert_allclose(delayed.msd_um2(0.1, 60.0, 0.05, lag_s), 0.1 * 0.05 * scaled)


@pytest.mark.parametrize("z", [0.01, 0.5, 5.0, 40.0, 150.0])
def test_msd_obeys_its_equation_beyond_the_delay_p7(z: float) -> None:
    lag = np.linspace(1.05, 6.95, 60)
    step = 1e-4

    def msd(time: Floats) -> Floats:
        return delayed.msd_um2(1.0, z, 1.0, time)

    slope = (msd(lag + step) - msd(lag - step)) / (2.0 * step)
    np.testing.assert_allclose(slope, 2.0 - z * (msd(lag) + msd(np.array([1.0])) - msd(lag - 1.0)), atol=1e-5)


@pytest.mark.parametrize(("z", "share", "figure"), [(5.0, 0.5, 0.2917), (5.0, 1.0, 0.1667)])
def test_msd_has_the_figures_of_p7(z: float, share: float, figure: float) -> None:
    """In units of 2 D tau."""
    assert delayed.msd_um2(0.5, z, 1.0, np.array([share]))[0] == pytest.approx(figure, abs=1e-4)


@pytest.mark.parametrize("z", [1.5, 5.0, 10.0])
def test_the_msd_has_a_maximum_p8(z: float) -> None:
    lag = np.linspace(0.0, 1.0, 100001)
    msd = delayed.msd_um2(1.0, z, 1.0, lag)
    found = delayed.peak(1.0, z, 1.0)
    assert found is not None
    assert found == pytest.approx((lag[msd.argmax()], msd.max()), abs=2e-5)


def test_the_msd_has_no_maximum_up_to_z_1() -> None:
    assert delayed.peak(1.0, 1.0, 1.0) is None
    assert (np.diff(delayed.msd_um2(1.0, 1.0, 1.0, np.linspace(0.0, 3.0, 300))) > -1e-12).all()


@pytest.mark.parametrize("z", [0.1, 1.0, 5.0, 20.0])
def test_late_line_p9_p10(z: float) -> None:
    lag = np.array([1.0, 1.3]) * 30.0 * delayed.slowest_decay_s(z, 1.0) + 3.0
    np.testing.assert_allclose(delayed.msd_um2(1.0, z, 1.0, lag), delayed.late_msd_um2(1.0, z, 1.0, lag), rtol=1e-7)


def test_the_figure_of_p10() -> None:
    assert delayed.late_msd_um2(0.5, 5.0, 1.0, np.array([40.0]))[0] == pytest.approx(1.30788, abs=1e-5)
    assert delayed.long_diffusion_um2_per_s(1.0, 4.0, 1.0) == 0.04
    plateau = delayed.late_msd_um2(1.0, 1e4, 1.0, np.array([0.0]))[0]
    assert plateau == pytest.approx(1.0 / 3.0, rel=1e-3)


def roots_by_newton(kappa: float, tau: float, number: int) -> list[complex]:
    """Roots of lambda + kappa (1 - exp(-lambda tau)) with rising imaginary part, by Newton from a grid of starts."""
    found: list[complex] = []
    for imaginary in np.linspace(0.0, 2.0 * math.pi * (number + 1), 60 * number):
        for real in (-0.1, -1.0, -3.0):
            root = complex(real, imaginary) / tau
            try:
                for _ in range(60):
                    decay = cmath.exp(-root * tau)
                    root -= (root + kappa * (1.0 - decay)) / (1.0 + kappa * tau * decay)
            except (OverflowError, ZeroDivisionError):
                continue
            if abs(root + kappa * (1.0 - cmath.exp(-root * tau))) < 1e-9 and root.imag > -1e-9:
                found.append(root)
    distinct: list[complex] = []
    for root in sorted(found, key=lambda r: r.imag):
        if all(abs(root - known) > 1e-5 for known in distinct):
            distinct.append(root)
    return distinct[:number]


@pytest.mark.parametrize("z", [0.5, 3.0, 10.0, 40.0])
def test_modes_are_the_roots_p11(z: float) -> None:
    modes = delayed.modes_per_s(z / 0.5, 0.5, 4)
    np.testing.assert_allclose(modes, roots_by_newton(z / 0.5, 0.5, 4), atol=1e-7)
    assert modes[0] == pytest.approx(0.0, abs=1e-9)
    assert (modes[1:].real < 0.0).all()


@pytest.mark.parametrize(("z", "period", "decay"), [(10.0, 1.0917, 7.52), (40.0, None, 88.2)])
def test_the_echo_has_the_figures_of_p11(z: float, period: float | None, decay: float) -> None:
    found = delayed.echo(z, 1.0)
    assert found[1] == pytest.approx(decay, rel=1e-3)
    assert found == pytest.approx(delayed.echo_estimate(z, 1.0), rel=0.12)
    if period is not None:
        assert found[0] == pytest.approx(period, abs=1e-4)


def test_modes_that_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="500"):
        delayed.modes_per_s(600.0, 1.0, 2)


@given(st.floats(0.05, 50.0))
@settings(max_examples=25, deadline=None)
def test_heat_is_work_done_against_the_past_p12(z: float) -> None:
    """<F o v> = (k^2 <(x - x(t - tau))^2> - k D gamma kappa) / gamma, in kT: kappa^2 M(tau) / D - kappa."""
    displacement = delayed.msd_um2(1.0, z, 1.0, np.array([1.0]))[0]
    assert delayed.heat_kt_per_s(z, 1.0) == pytest.approx(z**2 * displacement - z, abs=1e-9 * z)


@given(st.floats(0.05, 1.5), st.integers(0, 4), st.floats(0.0, 0.3))
@settings(max_examples=20, deadline=None)
def test_sampled_diffusion_is_that_of_the_recursion_p13(step: float, late: int, error: float) -> None:
    """x' = a x + (1 - a)(x(-m) + error) + kick: the growth of its covariance matrix."""
    keep = math.exp(-step)
    size = late + 1
    move = np.eye(size, k=-1)
    move[0, 0] = keep
    move[0, late] += 1.0 - keep
    kick = np.zeros((size, size))
    # every sighting is used once, `late` frames later; its error enters then, and is new each time
    kick[0, 0] = 1.0 - keep**2 + (1.0 - keep) ** 2 * error**2
    covariance = np.zeros((size, size))
    variances = []
    for _ in range(4000):
        covariance = move @ covariance @ move.T + kick
        variances.append(covariance[0, 0])
    measured = (variances[-1] - variances[-2001]) / (2.0 * 2000 * step)
    # kappa = 1 and D = 1: a frame lasts `step`
    expected = delayed.sampled_diffusion_um2_per_s(1.0, 1.0, frame_s=step, frames_late=late, error_um=error)
    assert measured == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("rate", "back", "after"), [(0.25, 3.5, 0.0), (0.25, 3.64, 0.14), (1.0, 7.2, 0.5)])
def test_held_long_diffusion_is_where_kicks_lead_p9(rate: float, back: float, after: float) -> None:
    """A kick at each time of a hold, followed through holds and interpolated sightings until the motion ends."""
    late, share = math.floor(back + after), (back + after) % 1.0
    keep, seen = math.exp(-rate), math.exp(-rate * after)
    squares = []
    for at in (np.arange(400) + 0.5) / 400:
        # the first hold: the sighting includes only what happened before it
        x, sights = math.exp(-rate * (1.0 - at)), [math.exp(-rate * (after - at)) if at < after else 0.0]
        for _ in range(600):
            old = [sights[-i] if i <= len(sights) else 0.0 for i in (late, late + 1)]
            trap = (1.0 - share) * old[0] + share * old[1]
            sights.append(seen * x + (1.0 - seen) * trap)
            x = keep * x + (1.0 - keep) * trap
        squares.append(x**2)
    found = delayed.held_long_diffusion_um2_per_s(1.0, rate, back + 0.5, hold_s=1.0, after_s=after)
    assert found == pytest.approx(float(np.mean(squares)), rel=1e-4)


def test_held_long_diffusion_without_a_hold_p9() -> None:
    found = delayed.held_long_diffusion_um2_per_s(2.0, 25.0, 0.1, hold_s=1e-6)
    assert found == pytest.approx(delayed.long_diffusion_um2_per_s(2.0, 25.0, 0.1), rel=1e-6)

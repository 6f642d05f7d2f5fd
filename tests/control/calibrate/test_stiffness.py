"""Stiffness by four methods, from particles of known stiffness with blur, noise and a low frame rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.calibrate import boltzmann, drag, equipartition, spectrum
from control.calibrate.estimate import Estimate, disagreement, mean_of
from control.theory.trapped import blur_ratio, sampled_spectrum_um2_per_hz, spectrum_um2_per_hz, spot_variance_um2
from tests.control.calibrate.seen import trapped_um

KT, DRAG = 4.07e-3, 0.036
RATE_HZ = 25.0
STIFFNESS = RATE_HZ * DRAG
VARIANCE = KT / STIFFNESS


@given(
    stiffness=st.floats(0.05, 50.0), exposure_s=st.floats(0.0, 0.05), error_um=st.floats(0.0, 0.05),
    seconds=st.sampled_from([math.inf, 1000.0]),
)  # fmt: skip
def test_equipartition_inverts_the_effects_of_the_camera(
    stiffness: float, exposure_s: float, error_um: float, seconds: float
) -> None:
    rate_hz = stiffness / DRAG
    kept = 1.0 if math.isinf(seconds) else equipartition.kept_by_mean(rate_hz, seconds)
    seen = KT / stiffness * blur_ratio(rate_hz, exposure_s) * kept + error_um**2
    found = equipartition.stiffness_pn_per_um(
        seen, kt_pn_um=KT, drag_pn_s_per_um=DRAG, exposure_s=exposure_s, error_um=error_um, seconds=seconds
    )
    assert found == pytest.approx(stiffness, rel=1e-6)


def test_a_variance_below_the_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="all localisation error"):
        equipartition.stiffness_pn_per_um(1e-4, kt_pn_um=KT, drag_pn_s_per_um=DRAG, error_um=0.02)


def test_equipartition_needs_its_corrections() -> None:
    exposure_s, error_um = 0.02, 0.02
    trace = trapped_um(1, frames=6000, fps=50.0, variance_um2=VARIANCE, rate_hz=RATE_HZ, exposure_s=exposure_s,
                       error_um=error_um, traces=8)  # fmt: skip
    seen = float(equipartition.variance_um2(trace).mean())
    plain = equipartition.stiffness_pn_per_um(seen, kt_pn_um=KT, drag_pn_s_per_um=DRAG)
    whole = equipartition.stiffness_pn_per_um(
        seen, kt_pn_um=KT, drag_pn_s_per_um=DRAG, exposure_s=exposure_s, error_um=error_um, seconds=120.0
    )
    assert whole == pytest.approx(STIFFNESS, rel=0.03)
    assert abs(plain / STIFFNESS - 1.0) > 0.06


def test_subtracting_the_mean_of_a_short_trace_reduces_the_variance() -> None:
    trace = trapped_um(2, frames=50, fps=100.0, variance_um2=1.0, rate_hz=10.0, traces=4000)
    assert trace.var(axis=0).mean() == pytest.approx(equipartition.kept_by_mean(10.0, 0.5), rel=0.02)


@pytest.mark.parametrize("depth_kt", [20.0, 60.0, 200.0])
def test_the_centre_stiffness_of_a_gaussian_spot_from_its_variance(depth_kt: float) -> None:
    waist_um = 0.6
    true = 4.0 * depth_kt * KT / waist_um**2
    effective = KT / spot_variance_um2(depth_kt, waist_um, within_um=1.2 * waist_um)
    found = equipartition.centre_stiffness_pn_per_um(effective, waist_um=waist_um, kt_pn_um=KT)
    assert found == pytest.approx(true, rel=0.012 if depth_kt < 50 else 0.002)
    assert effective < true


def test_the_measured_spectrum_has_the_known_limits() -> None:
    f = np.linspace(0.5, 199.0, 400)
    seen = spectrum.measured_spectrum_um2_per_hz(VARIANCE, RATE_HZ, f, fps=400.0, exposure_s=0.0, error_um=0.0)
    aliased = sampled_spectrum_um2_per_hz(VARIANCE * RATE_HZ, RATE_HZ, f, sampling_hz=400.0)
    np.testing.assert_allclose(seen, aliased, rtol=1e-12)
    fast = spectrum.measured_spectrum_um2_per_hz(VARIANCE, RATE_HZ, f[:50], fps=1e5, exposure_s=0.0, error_um=0.0)
    np.testing.assert_allclose(fast, spectrum_um2_per_hz(VARIANCE * RATE_HZ, RATE_HZ, f[:50]), rtol=1e-3)
    whole = spectrum.measured_spectrum_um2_per_hz(VARIANCE, RATE_HZ, f, fps=400.0, exposure_s=2e-3, error_um=0.01)
    total = np.trapezoid(whole, f) + whole[0] * 0.5 + whole[-1]
    assert total == pytest.approx(VARIANCE * blur_ratio(RATE_HZ, 2e-3) + 1e-4, rel=2e-3)


@pytest.mark.parametrize(("rate_hz", "exposure_s", "error_um"), [(25.0, 5e-3, 0.01), (80.0, 9e-3, 0.005), (5.0, 0, 0)])
def test_the_spectrum_gives_stiffness_variance_and_noise(rate_hz: float, exposure_s: float, error_um: float) -> None:
    trace = trapped_um(3, frames=6000, fps=100.0, variance_um2=KT / (rate_hz * DRAG), rate_hz=rate_hz,
                       exposure_s=exposure_s, error_um=error_um, traces=16)  # fmt: skip
    f, power = spectrum.periodogram_um2_per_hz(trace, 100.0)
    fit = spectrum.fit_spectrum(f, power, fps=100.0, exposure_s=exposure_s, averaged=16, error_um=error_um)
    assert fit.rate_hz.value == pytest.approx(rate_hz, rel=0.03)
    assert abs(fit.rate_hz.value - rate_hz) < 4.0 * fit.rate_hz.error
    assert fit.variance_um2.value == pytest.approx(KT / (rate_hz * DRAG), rel=0.03)
    assert fit.stiffness_pn_per_um(DRAG).value == pytest.approx(rate_hz * DRAG, rel=0.03)


def test_the_fit_of_the_spectrum_finds_the_noise() -> None:
    trace = trapped_um(4, frames=12000, fps=200.0, variance_um2=VARIANCE, rate_hz=RATE_HZ, exposure_s=2.5e-3,
                       error_um=0.02, traces=8)  # fmt: skip
    f, power = spectrum.periodogram_um2_per_hz(trace, 200.0)
    fit = spectrum.fit_spectrum(f, power, fps=200.0, exposure_s=2.5e-3, averaged=8)
    assert fit.error_um == pytest.approx(0.02, rel=0.05)
    assert fit.rate_hz.value == pytest.approx(RATE_HZ, rel=0.04)


def test_the_spectrum_agrees_with_pylake_on_the_same_trace() -> None:
    """A fast detector, as pylake assumes: no blur, sampled far above the corner frequency."""
    pylake = pytest.importorskip("lumicks.pylake", reason="lumicks.pylake is not installed: pip install -e '.[test]'")
    fs, diameter_um, viscosity, celsius = 78_125.0, 1.0, 1.002e-3, 20.0
    drag_si = 3.0 * math.pi * viscosity * diameter_um * 1e-6
    kt = 1.380649e-23 * (273.15 + celsius) * 1e18  # pN um
    drag_pn_s_per_um = drag_si * 1e6
    rate_hz = 2.0 * math.pi * 200.0
    trace = trapped_um(5, frames=2_000_000, fps=fs, variance_um2=kt / (rate_hz * drag_pn_s_per_um), rate_hz=rate_hz)[
        :, 0
    ]
    volts = trace / 0.5  # a detector of 0.5 um/V
    theirs = pylake.calibrate_force(
        volts, bead_diameter=diameter_um, temperature=celsius, viscosity=viscosity, sample_rate=fs,
        num_points_per_block=200, fit_range=(20.0, 5000.0), fast_sensor=True,
    )  # fmt: skip
    f, power = spectrum.periodogram_um2_per_hz(trace, fs)
    part = (f > 20.0) & (f < 5000.0)
    ours = spectrum.fit_spectrum(f[part], power[part], fps=fs, error_um=0.0)
    assert ours.stiffness_pn_per_um(drag_pn_s_per_um).value == pytest.approx(theirs.stiffness * 1e3, rel=0.02)
    assert kt / ours.variance_um2.value == pytest.approx(theirs.stiffness * 1e3, rel=0.02)


def test_boltzmann_inversion_of_a_harmonic_trap() -> None:
    offset = np.random.default_rng(6).normal(0.0, math.sqrt(VARIANCE), (60_000, 2))
    found = boltzmann.invert(offset, kt_pn_um=KT)
    assert found.stiffness_pn_per_um.value == pytest.approx(STIFFNESS, rel=0.04)
    assert abs(found.stiffness_pn_per_um.value - STIFFNESS) < 4.0 * found.stiffness_pn_per_um.error
    inner = found.r_um < 1.5 * math.sqrt(VARIANCE)
    np.testing.assert_allclose(found.energy_kt[inner], 0.5 * STIFFNESS * found.r_um[inner] ** 2 / KT, atol=0.12)
    blurred = boltzmann.invert(0.8 * offset, kt_pn_um=KT, sharpen=1.25)
    assert blurred.stiffness_pn_per_um.value == pytest.approx(found.stiffness_pn_per_um.value, rel=1e-6)


def test_boltzmann_inversion_finds_the_centre_stiffness_of_a_spot() -> None:
    depth_kt, waist_um, chance = 20.0, 0.6, np.random.default_rng(7)
    proposed = chance.uniform(-0.5, 0.5, (3_000_000, 2))  # rejection sampling from the density
    energy = -depth_kt * np.exp(-2.0 * (proposed**2).sum(axis=1) / waist_um**2)
    offset = proposed[chance.uniform(size=len(proposed)) < np.exp(-(energy + depth_kt))]
    found = boltzmann.invert(offset, kt_pn_um=KT)
    true = 4.0 * depth_kt * KT / waist_um**2
    assert found.stiffness_pn_per_um.value == pytest.approx(true, rel=0.03)
    assert found.softening_per_um2 == pytest.approx(1.0 / waist_um**2, rel=0.5)


def test_a_potential_needs_positions() -> None:
    with pytest.raises(ValueError, match="too few"):
        boltzmann.invert(np.zeros((100, 2)), kt_pn_um=KT)


def test_the_drag_method_gives_the_stiffness_from_the_lag() -> None:
    speed, seconds, fps = 2.0, 40.0, 100.0
    time_s = np.arange(int(seconds * fps)) / fps
    way = np.where(np.floor(time_s) % 2 == 0, speed, -speed)  # back and forth, 1 s each
    noise = trapped_um(8, frames=len(time_s), fps=fps, variance_um2=VARIANCE, rate_hz=RATE_HZ, traces=2)
    offset = noise + 0.05  # and an offset of the map
    steady = (time_s % 1.0) > 5.0 / RATE_HZ
    offset[:, 0] -= way * (DRAG / STIFFNESS + 0.004)  # the command acts 4 ms later than stated
    velocity = np.stack([way, np.zeros_like(way)], axis=1)
    found = Estimate(drag.lag_s(offset[steady], velocity[steady]), 1e-4)
    stiffness = drag.stiffness_pn_per_um(found, DRAG, late_s=0.004)
    assert stiffness.value == pytest.approx(STIFFNESS, rel=0.04)
    with pytest.raises(ValueError, match="latency"):
        drag.stiffness_pn_per_um(found, DRAG, late_s=1.0)


def test_the_drag_method_in_a_gaussian_spot() -> None:
    """Simulated particles in a steadily moving spot of 0.6 um; in a harmonic trap they would lag by 53 nm."""
    waist_um, stiffness, push_pn = 0.6, 0.9, 0.0477
    rate_hz = stiffness / DRAG
    step_s, chance = 0.02 / rate_hz, np.random.default_rng(53)
    push = np.array([push_pn, 0.0])
    number, place = 5000, np.tile(push / stiffness, (5000, 1))
    spring, sums = place.copy(), np.zeros(number)  # the same noise in a harmonic trap, whose mean is known
    for step in range(4500):
        kick = math.sqrt(2.0 * KT / DRAG * step_s) * chance.standard_normal((number, 2))
        pull = -stiffness * np.exp(-2.0 * (place**2).sum(axis=1, keepdims=True) / waist_um**2) * place
        place = place + (pull + push) / DRAG * step_s + kick
        spring = spring + (push - stiffness * spring) / DRAG * step_s + kick
        if step >= 500:
            sums += (place - spring)[:, 0] / 4000.0
    stayed = np.hypot(*place.T) < 0.45
    assert stayed.mean() > 0.995
    lag_um = push_pn / stiffness + float(sums[stayed].mean())
    stderr = float(sums[stayed].std(ddof=1) / math.sqrt(number))
    assert stderr < 2e-3 * lag_um
    found = drag.centre_stiffness_pn_per_um(lag_um, push_pn, waist_um=waist_um, kt_pn_um=KT)
    assert found == pytest.approx(stiffness, rel=4.0 * stderr / lag_um + 2e-3)  # and a tenth of the bias of a step
    plain = equipartition.centre_stiffness_pn_per_um(push_pn / lag_um, waist_um=waist_um, kt_pn_um=KT)
    assert plain / stiffness == pytest.approx(0.971, abs=0.005)  # without the correction


def test_the_drag_method_in_a_wide_spot_equals_that_of_a_spring() -> None:
    found = drag.centre_stiffness_pn_per_um(0.05, 0.05 * 0.9, waist_um=20.0, kt_pn_um=KT)
    assert found == pytest.approx(0.9, rel=1e-3)
    leading = 0.9 * math.exp(2.0 * 0.05**2 / (2.0**2 + 4.0 * KT / 0.9))
    assert drag.centre_stiffness_pn_per_um(0.05, 0.05 * 0.9, waist_um=2.0, kt_pn_um=KT) == pytest.approx(
        equipartition.centre_stiffness_pn_per_um(leading, waist_um=2.0, kt_pn_um=KT), rel=1e-3
    )


def test_methods_that_disagree_are_named() -> None:
    good = {"equipartition": Estimate(1.0, 0.01), "spectrum": Estimate(1.03, 0.02)}
    assert disagreement(good) == ""
    assert "drag" in disagreement({**good, "drag": Estimate(1.4, 0.02)})
    assert "drag" in disagreement({**good, "drag": Estimate(math.nan, 0.02)})


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_the_mean_of_independent_values_has_the_correct_error(seed: int) -> None:
    values = np.random.default_rng(seed).normal(3.0, 0.5, 200)
    found = mean_of(np.append(values, np.nan))
    assert abs(found.value - 3.0) < 6.0 * found.error
    assert found.error == pytest.approx(0.5 / math.sqrt(200), rel=0.35)

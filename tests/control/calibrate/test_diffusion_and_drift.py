"""Free particles of known diffusion, noise and drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.calibrate.diffusion import best_lags, by_covariance, by_msd
from control.calibrate.drift import drift_um_per_s
from tests.control.calibrate.seen import free_um

D = 0.113


@pytest.mark.parametrize(("exposure_s", "error_um"), [(0.0, 0.0), (5e-3, 0.02), (10e-3, 0.08)])
def test_both_estimators_correct_for_blur_and_noise(exposure_s: float, error_um: float) -> None:
    trace = free_um(11, frames=3000, fps=100.0, diffusion_um2_per_s=D, exposure_s=exposure_s, error_um=error_um,
                    traces=32)  # fmt: skip
    for found in (
        by_covariance(trace, frame_s=0.01, exposure_s=exposure_s),
        by_msd(trace, frame_s=0.01, exposure_s=exposure_s),
    ):
        assert abs(found.diffusion_um2_per_s.value - D) < 4.0 * found.diffusion_um2_per_s.error
        assert found.diffusion_um2_per_s.value == pytest.approx(D, rel=0.05)
        assert found.error_um == pytest.approx(error_um, abs=max(0.05 * error_um, 0.006))


def test_the_standard_error_of_the_covariance_estimator_is_its_scatter() -> None:
    trace = free_um(12, frames=200, fps=100.0, diffusion_um2_per_s=D, exposure_s=5e-3, error_um=0.03, traces=600)
    each = [by_covariance(one[:, None], frame_s=0.01, exposure_s=5e-3).diffusion_um2_per_s for one in trace.T]
    scatter = np.std([one.value for one in each])
    assert scatter == pytest.approx(np.mean([one.error for one in each]), rel=0.1)


def test_missed_detections_do_not_bias_the_estimators() -> None:
    trace = free_um(13, frames=4000, fps=100.0, diffusion_um2_per_s=D, exposure_s=5e-3, error_um=0.02, traces=16)
    trace[np.random.default_rng(0).uniform(size=trace.shape) < 0.1] = np.nan
    assert by_covariance(trace, frame_s=0.01, exposure_s=5e-3).diffusion_um2_per_s.value == pytest.approx(D, rel=0.05)
    assert by_msd(trace, frame_s=0.01, exposure_s=5e-3).diffusion_um2_per_s.value == pytest.approx(D, rel=0.06)


def test_a_steady_drift_is_not_counted_as_diffusion() -> None:
    trace = free_um(14, frames=4000, fps=100.0, diffusion_um2_per_s=D, traces=16)
    moved = trace + 0.5 * np.arange(4000)[:, None] * 0.01
    for estimator in (by_covariance, by_msd):
        still = estimator(trace, frame_s=0.01, exposure_s=0.0).diffusion_um2_per_s.value
        assert estimator(moved, frame_s=0.01, exposure_s=0.0).diffusion_um2_per_s.value == pytest.approx(still)


@given(x=st.floats(0.0, 100.0), frames=st.integers(10, 100_000))
def test_the_best_number_of_lags_grows_with_the_noise_and_fits_the_trace(x: float, frames: int) -> None:
    offset, slope = best_lags(x, frames)
    noisier = best_lags(2.0 * x + 0.1, frames)
    assert 2 <= slope <= max(frames, 2)
    assert offset >= 2
    assert noisier >= (offset, slope) or noisier[1] >= slope


def test_the_best_number_of_lags_without_noise_is_two() -> None:
    assert best_lags(0.0, 1000) == (2, 2)


def test_drift_is_the_common_motion_of_all_particles() -> None:
    trace = free_um(15, frames=2000, fps=100.0, diffusion_um2_per_s=D, traces=64).reshape(2000, 32, 2)
    trace += np.array([0.10, -0.04]) * 0.01 * np.arange(2000)[:, None, None]
    x, y = drift_um_per_s(trace, frame_s=0.01)
    assert abs(x.value - 0.10) < 4.0 * x.error
    assert abs(y.value + 0.04) < 4.0 * y.error
    assert x.error == pytest.approx(np.sqrt(2.0 * D / (32 * 20.0)), rel=0.05)

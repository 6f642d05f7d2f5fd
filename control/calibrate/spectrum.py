"""Stiffness from the power spectrum of a trapped particle; blur, aliasing and noise in closed form (P5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from control.calibrate.estimate import Estimate
from control.theory.trapped import blur_ratio

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpectrumFit:
    """Parameters of a trapped particle from its spectrum, one axis."""

    variance_um2: Estimate  # <x^2> without blur and noise, D / kappa
    rate_hz: Estimate  # kappa
    error_um: float  # localisation error

    def stiffness_pn_per_um(self, drag_pn_s_per_um: float) -> Estimate:
        """k = gamma kappa."""
        return self.rate_hz * drag_pn_s_per_um

    @property
    def diffusion_um2_per_s(self) -> float:
        """D = <x^2> kappa."""
        return self.variance_um2.value * self.rate_hz.value


def periodogram_um2_per_hz(trace_um: Floats, fps: float) -> tuple[Floats, Floats]:
    """One-sided power spectrum of traces [T, K], averaged over K: (frequency_hz [F], um^2/Hz [F]).

    Without the frequency 0 and the highest one, which have other statistics.
    """
    trace_um = np.asarray(trace_um, np.float64).reshape(len(trace_um), -1)
    centred_um = trace_um - trace_um.mean(axis=0)
    power = np.abs(np.fft.rfft(centred_um, axis=0)) ** 2 * 2.0 / (fps * len(trace_um))
    frequency_hz = np.fft.rfftfreq(len(trace_um), 1.0 / fps)
    inner = slice(1, (len(trace_um) + 1) // 2)
    return np.asarray(frequency_hz[inner], np.float64), np.asarray(power[inner].mean(axis=1), np.float64)


def measured_spectrum_um2_per_hz(
    variance_um2: float, rate_hz: float, frequency_hz: Floats, *, fps: float, exposure_s: float, error_um: float
) -> Floats:
    """Exact one-sided spectrum [...] of a trapped particle, as measured with a camera.

    Each sample is a mean over the exposure, plus noise. Its autocovariance is var S(a) + sigma^2 at lag 0 and
    var e^(-kappa m dt) (sinh(a/2) / (a/2))^2 at m frames, a = kappa t_E; their cosine series is summed in closed form,
    including aliasing (P6; without blur: Berg-Sorensen and Flyvbjerg 2004).
    """
    half = rate_hz * exposure_s / 2.0
    blur = (math.sinh(half) / half) ** 2 if half > 1e-6 else 1.0
    keep = math.exp(-rate_hz / fps)
    turn = np.cos(2.0 * np.pi * frequency_hz / fps)
    series = (keep * turn - keep**2) / (1.0 + keep**2 - 2.0 * keep * turn)
    lag_zero = variance_um2 * blur_ratio(rate_hz, exposure_s) + error_um**2
    return np.asarray(2.0 / fps * (lag_zero + 2.0 * variance_um2 * blur * series))


def fit_spectrum(
    frequency_hz: Floats,
    power_um2_per_hz: Floats,
    *,
    fps: float,
    exposure_s: float = 0.0,
    averaged: int = 1,
    error_um: float | None = None,
) -> SpectrumFit:
    """Maximum-likelihood fit of a spectrum: minimises sum(ln m + P / m) (Whittle 1953; Norrelykke, Flyvbjerg 2010).

    Args:
        frequency_hz, power_um2_per_hz: [F] from `periodogram_um2_per_hz`, or a part of it.
        fps, exposure_s: of the camera.
        averaged: number of independent spectra in the mean, for the standard errors.
        error_um: localisation error if known; None: it is fitted.
    """
    frequency_hz, power = np.asarray(frequency_hz), np.asarray(power_um2_per_hz)
    spacing_hz = float(frequency_hz[1] - frequency_hz[0])
    total_um2 = float(power.sum() * spacing_hz)
    middle = int(np.searchsorted(np.cumsum(power), power.sum() / 2.0))
    start = [math.log(total_um2), math.log(2.0 * math.pi * frequency_hz[middle])]
    if error_um is None:
        start.append(math.log(0.1 * math.sqrt(total_um2)))

    def model(logs: Floats) -> Floats:
        noise_um = error_um if error_um is not None else math.exp(logs[2])
        return measured_spectrum_um2_per_hz(
            math.exp(logs[0]), math.exp(logs[1]), frequency_hz, fps=fps, exposure_s=exposure_s, error_um=noise_um
        )

    def loss(logs: Floats) -> float:
        expected = model(logs)
        return float(np.mean(np.log(expected) + power / expected))

    widest = [(mid - 12.0, mid + 6.0) for mid in start]
    widest[1] = (math.log(frequency_hz[0] / 10.0), math.log(50.0 * fps))
    logs = minimize(loss, start, method="L-BFGS-B", bounds=widest, options={"ftol": 1e-14, "gtol": 1e-9}).x
    logs = minimize(loss, logs, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-14, "maxiter": 4000}).x
    sigma = _log_errors(model, logs, averaged)
    variance, rate = math.exp(logs[0]), math.exp(logs[1])
    noise_um = error_um if error_um is not None else math.exp(logs[2])
    return SpectrumFit(Estimate(variance, variance * sigma[0]), Estimate(rate, rate * sigma[1]), noise_um)


def _log_errors(model: object, logs: Floats, averaged: int) -> Floats:
    """Standard errors of the logarithms, from the Fisher information n sum (d ln m / d a) (d ln m / d b)."""
    assert callable(model)
    step = 1e-5
    slopes = []
    for index in range(len(logs)):
        up, down = logs.copy(), logs.copy()
        up[index] += step
        down[index] -= step
        slopes.append((np.log(model(up)) - np.log(model(down))) / (2.0 * step))
    jacobian = np.array(slopes)
    return np.asarray(np.sqrt(np.diag(np.linalg.pinv(averaged * jacobian @ jacobian.T))))

"""Latency and relaxation rate from the response of a particle to an oscillating trap (P32)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """Latency of commands and relaxation rate of the particle."""

    latency_s: Estimate  # from the time of a command until it acts
    rate_hz: Estimate  # kappa


def response(time_s: Floats, particle_um: Floats, command_s: Floats, trap_um: Floats, frequency_hz: float) -> complex:
    """Complex amplitude of the particle over that of the commanded trap, at one frequency.

    Args:
        time_s, particle_um: [T] times and positions of the particle along one axis; nan is ignored.
        command_s, trap_um: [M] times and positions of the commands.
    """
    return _amplitude(time_s, particle_um, frequency_hz) / _amplitude(command_s, trap_um, frequency_hz)


def _amplitude(time_s: Floats, value: Floats, frequency_hz: float) -> complex:
    """Amplitude of e^(i omega t) by least squares, with a straight line for the drift."""
    finite = np.isfinite(value)
    time, value = time_s[finite], value[finite]
    angle = 2.0 * np.pi * frequency_hz * time
    middle = time - time.mean()
    design = np.column_stack([np.cos(angle), np.sin(angle), np.ones(len(time)), middle])
    cosine, sine = np.linalg.lstsq(design, value, rcond=None)[0][:2]
    return complex(cosine, -sine)


def expected_response(
    frequency_hz: Floats, rate_hz: float, latency_s: float, *, hold_s: float, exposure_s: float
) -> NDArray[np.complex128]:
    """[F] theoretical `response`: that of the trap, e^(-i omega latency) / (1 + i omega / kappa) (P32), with commands
    held for `hold_s` (a delay of half of it: P13), averaged over the exposure.
    """
    omega = 2.0 * np.pi * np.asarray(frequency_hz)
    hold_response = np.sinc(omega * hold_s / (2.0 * np.pi)) * np.exp(-0.5j * omega * hold_s)
    blurred = np.sinc(omega * exposure_s / (2.0 * np.pi))
    return np.asarray(np.exp(-1j * omega * latency_s) * hold_response * blurred / (1.0 + 1j * omega / rate_hz))


def by_phase(
    frequency_hz: Floats,
    responses: NDArray[np.complex128],
    *,
    hold_s: float,
    exposure_s: float,
    rate_hz: float | None = None,
    guess_s: float = 0.01,
) -> Followed:
    """Latency, and with two or more frequencies also kappa, from responses [R, F] (R repetitions or particles).

    Standard errors are from the scatter between the repetitions. Raises ValueError for one frequency without kappa.

    Args:
        rate_hz: kappa if known; None: it is fitted to phase and amplitude.
        guess_s: initial latency, wrong by less than half of the shortest period.
    """
    responses = np.atleast_2d(responses)
    frequency_hz = np.asarray(frequency_hz, np.float64)
    if rate_hz is None and len(frequency_hz) < 2:
        raise ValueError("latency and relaxation rate together need two frequencies")

    def fit(mean: NDArray[np.complex128]) -> tuple[float, float]:
        def residual(parameters: Floats) -> Floats:
            rate = rate_hz if rate_hz is not None else math.exp(parameters[1])
            expected = expected_response(frequency_hz, rate, parameters[0], hold_s=hold_s, exposure_s=exposure_s)
            if rate_hz is not None:
                return np.asarray(np.angle(mean / expected))
            difference = (mean - expected) / np.abs(expected)
            return np.concatenate([difference.real, difference.imag])

        start = [guess_s] if rate_hz is not None else [guess_s, math.log(2.0 * math.pi * frequency_hz.mean())]
        best = least_squares(residual, start, xtol=1e-14, ftol=1e-14).x
        return float(best[0]), rate_hz if rate_hz is not None else math.exp(best[1])

    latency_s, rate = fit(responses.mean(axis=0))
    number = len(responses)
    if number < 2:
        return Followed(Estimate(latency_s, math.nan), Estimate(rate, math.nan))
    # jackknife
    leave_one_out = np.array([fit(np.delete(responses, index, axis=0).mean(axis=0)) for index in range(number)])
    error = np.sqrt((number - 1) / number * ((leave_one_out - leave_one_out.mean(axis=0)) ** 2).sum(axis=0))
    return Followed(Estimate(latency_s, float(error[0])), Estimate(rate, float(error[1])))

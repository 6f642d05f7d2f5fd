"""Latency and relaxation rate from how a particle follows its shaken trap (P32)."""

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
    """How late commands act, and how fast a particle follows."""

    latency_s: Estimate  # from a command's own time to when it acts
    rate_hz: Estimate  # kappa


def response(time_s: Floats, seen_um: Floats, told_s: Floats, told_um: Floats, frequency_hz: float) -> complex:
    """Complex amplitude of what was seen over that of what was told, at one frequency.

    Args:
        time_s, seen_um: [T] when and where the particle was seen; nan is left out.
        told_s, told_um: [M] when the trap was told where to be.
    """
    return _amplitude(time_s, seen_um, frequency_hz) / _amplitude(told_s, told_um, frequency_hz)


def _amplitude(time_s: Floats, value: Floats, frequency_hz: float) -> complex:
    """Of e^(i omega t), by least squares with a straight line for the drift beside it."""
    known = np.isfinite(value)
    time, value = time_s[known], value[known]
    angle = 2.0 * np.pi * frequency_hz * time
    middle = time - time.mean()
    design = np.column_stack([np.cos(angle), np.sin(angle), np.ones(len(time)), middle])
    cosine, sine = np.linalg.lstsq(design, value, rcond=None)[0][:2]
    return complex(cosine, -sine)


def expected_response(
    frequency_hz: Floats, rate_hz: float, latency_s: float, *, hold_s: float, exposure_s: float
) -> NDArray[np.complex128]:
    """[F] what `response` should be: the trap's own e^(-i omega latency) / (1 + i omega / kappa) (P32), held for
    `hold_s` from each command on (half of it is delay: P13), and seen as a mean over the exposure.
    """
    omega = 2.0 * np.pi * np.asarray(frequency_hz)
    held = np.sinc(omega * hold_s / (2.0 * np.pi)) * np.exp(-0.5j * omega * hold_s)
    blurred = np.sinc(omega * exposure_s / (2.0 * np.pi))
    return np.asarray(np.exp(-1j * omega * latency_s) * held * blurred / (1.0 + 1j * omega / rate_hz))


def by_phase(
    frequency_hz: Floats,
    found: NDArray[np.complex128],
    *,
    hold_s: float,
    exposure_s: float,
    rate_hz: float | None = None,
    guess_s: float = 0.01,
) -> Followed:
    """The latency, and with two frequencies or more kappa too, from responses [R, F] (R repetitions or particles).

    Standard errors are from the scatter between the repetitions.

    Args:
        rate_hz: kappa where it is known; None: it is fitted from phase and amplitude.
        guess_s: a latency that is less than half of the fastest period off.
    """
    found = np.atleast_2d(found)
    frequency_hz = np.asarray(frequency_hz, np.float64)
    if rate_hz is None and len(frequency_hz) < 2:
        raise ValueError("latency and relaxation rate together need two frequencies")

    def fit(mean: NDArray[np.complex128]) -> tuple[float, float]:
        def left(parameters: Floats) -> Floats:
            rate = rate_hz if rate_hz is not None else math.exp(parameters[1])
            wanted = expected_response(frequency_hz, rate, parameters[0], hold_s=hold_s, exposure_s=exposure_s)
            if rate_hz is not None:
                return np.asarray(np.angle(mean / wanted))
            apart = (mean - wanted) / np.abs(wanted)
            return np.concatenate([apart.real, apart.imag])

        start = [guess_s] if rate_hz is not None else [guess_s, math.log(2.0 * math.pi * frequency_hz.mean())]
        best = least_squares(left, start, xtol=1e-14, ftol=1e-14).x
        return float(best[0]), rate_hz if rate_hz is not None else math.exp(best[1])

    latency_s, rate = fit(found.mean(axis=0))
    number = len(found)
    if number < 2:
        return Followed(Estimate(latency_s, math.nan), Estimate(rate, math.nan))
    without = np.array([fit(np.delete(found, index, axis=0).mean(axis=0)) for index in range(number)])  # jackknife
    error = np.sqrt((number - 1) / number * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return Followed(Estimate(latency_s, float(error[0])), Estimate(rate, float(error[1])))

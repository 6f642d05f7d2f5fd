"""Independent methods for linear delay equations: the integral over frequencies, and direct time stepping."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Response = Callable[[Floats], NDArray[np.complex128]]


def _frequencies(highest: float, number: int) -> tuple[Floats, float]:
    step = highest / number
    return np.asarray(
        (np.arange(number) + 0.5) * step, dtype=np.float64
    ), step  # midpoints: the integrands are undefined at 0


def spectral_variance(response: Response, *, highest: float = 4000.0, number: int = 500_000) -> float:
    """<x^2> of response(omega) x = sqrt(2) noise, for D = 1: (1/pi) integral of 2 / |response|^2."""
    omega, step = _frequencies(highest, number)
    return float((2.0 / np.abs(response(omega)) ** 2).sum() * step + 2.0 / highest) / np.pi


def spectral_msd(response: Response, lag: float, *, highest: float = 4000.0, number: int = 500_000) -> float:
    """<(x(t) - x(0))^2> for D = 1: (1/pi) integral of 4 (1 - cos(omega t)) / |response|^2."""
    omega, step = _frequencies(highest, number)
    inner = (4.0 * (1.0 - np.cos(omega * lag)) / np.abs(response(omega)) ** 2).sum() * step
    return float(inner + 4.0 / highest) / np.pi


def stepped(
    velocity: Callable[[Floats, Floats], Floats], start: Floats, *, delay: float, until: float, steps: int = 2000
) -> Floats:
    """x(t) [number + 1, ...] of x' = velocity(x(t), x(t - delay)) by Heun, `steps` a delay; x = start before 0."""
    step = delay / steps
    path = [start] * (steps + 1)
    for _ in range(round(until / step)):
        now, then, next_then = path[-1], path[-1 - steps], path[-steps]
        first = velocity(now, then)
        second = velocity(now + step * first, next_then)
        path.append(now + step / 2.0 * (first + second))
    return np.array(path[steps:])

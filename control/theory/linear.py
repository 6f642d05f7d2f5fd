"""A coordinate whose drift is a sum of its own past values: x'(t) = -sum_j rate_j x(t - delay_j) + noise.

A steered trap of rate kappa_t that is put at x(t - a) plus force over stiffness has the terms (kappa_t, 0) and
(-kappa_t, a) beside those of the force. The transfer function of the noise is 1 / f(i omega) with
f(s) = s + sum_j rate_j exp(-s delay_j).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]
Terms = Sequence[tuple[float, float]]  # (rate 1/s, delay s)

MOST_STEPS = 1_000_000  # of the frequency
BEYOND = 20.0  # sums of all rates, and inverse delays, up to which the spectrum is integrated; beyond, motion is free
TURN = 0.25  # the most by which f may change in one step, as a share of itself: no peak is stepped over
LEAST = 1e-9  # of the sum of all rates: a narrower peak, or one nearer to 0, is at the limit of stability


def is_stable(terms: Terms) -> bool:
    """Whether all perturbations decay: f(s) has no zero with a real part of 0 or more (argument principle)."""
    return math.isfinite(variance_um2(1.0, terms))


def variance_um2(diffusion_um2_per_s: float, terms: Terms) -> float:
    """<x^2> = (1 / pi) int_0^inf 2 D / |f(i omega)|^2 d omega; inf where unstable, nan where rates are too fast.

    With one term (kappa, 0) it is D / kappa (P4); with (kappa, tau) D (1 + sin z) / (kappa cos z) (P14).
    """
    if sum(rate for rate, _ in terms) <= 0.0:
        return math.inf
    omega = _frequencies(terms)
    if omega is None:
        return math.nan
    f = _inverse_response(omega, terms)
    if np.abs(f).min() <= LEAST * sum(abs(rate) for rate, _ in terms):
        return math.inf
    turned = float(np.angle(f[1:] / f[:-1]).sum())  # from 0; pi/2 where no zero lies on the right
    if abs(turned - math.pi / 2.0) > math.pi / 2.0:
        return math.inf
    within = _integral(omega, terms, pulled=False)
    return 2.0 * diffusion_um2_per_s / math.pi * (within + 1.0 / float(omega[-1]))


def drift_variance_um2_per_s2(diffusion_um2_per_s: float, terms: Terms) -> float:
    """<(sum_j rate_j x(t - delay_j))^2> = (1 / pi) int_0^inf 2 D |f - i omega|^2 / |f|^2 d omega; nan where too fast.

    Over kappa_t^2 it is the variance of how far the particle is from the middle of its trap. The rates may add to 0, as
    those of a trap about the particle's own past: x then has no variance, and this has one, of (kappa, 0) and
    (-kappa, tau) 2 D tau kappa^2 / (1 + z) (P7). It is that of a stable coordinate.
    """
    summed = {delay: sum(rate for rate, other in terms if other == delay) for _, delay in terms}
    terms = [(rate, delay) for delay, rate in summed.items() if rate != 0.0]
    if not terms:
        return 0.0
    omega = _frequencies(terms)
    if omega is None:
        return math.nan
    squares = sum(rate**2 for rate, _ in terms)
    within = _integral(omega, terms, pulled=True)
    return 2.0 * diffusion_um2_per_s / math.pi * (within + squares / float(omega[-1]))


def _inverse_response(omega: Floats, terms: Terms) -> Complexes:
    """[W] f(i omega)."""
    f: Complexes = 1j * omega
    for rate, delay in terms:
        f = f + rate * np.exp(-1j * omega * delay)
    return f


def _frequencies(terms: Terms) -> Floats | None:
    """[W] rad/s, from 0 on, or from nearly 0 where f(0) = 0. None where there would be too many.

    |f'| is nowhere larger than 1 + sum |rate delay|. So in a step of TURN |f| over that, f changes by TURN at most:
    steps are halved until all are as short as that, and there is no peak of 1 / |f| between two of them.
    """
    fastest_hz = sum(abs(rate) for rate, _ in terms)
    delays_s = [delay for rate, delay in terms if rate and delay]
    slope = 1.0 + sum(abs(rate) * delay for rate, delay in terms)
    last = BEYOND * max(fastest_hz, 1.0 / min(delays_s, default=math.inf))
    least = LEAST * fastest_hz
    steps = math.ceil(last * max(2.0 * max(delays_s, default=0.0), 10.0 / fastest_hz))
    if steps > MOST_STEPS:
        return None
    first = 0.0 if abs(sum(rate for rate, _ in terms)) > least else 1e3 * least
    omega = np.linspace(first, last, steps + 1)
    while True:
        step = np.diff(omega)
        middle = omega[:-1] + 0.5 * step
        wide = (slope * step > TURN * np.abs(_inverse_response(middle, terms))) & (step > least)
        if not wide.any():
            return omega
        omega = np.insert(omega, np.flatnonzero(wide) + 1, middle[wide])
        if len(omega) > MOST_STEPS:
            return None


def _integral(omega: Floats, terms: Terms, *, pulled: bool) -> float:
    """Of 1 / |f|^2, or of |f - i omega|^2 / |f|^2, over these steps (Simpson)."""

    def density(at: Floats) -> Floats:
        f = _inverse_response(at, terms)
        return np.asarray((np.abs(f - 1j * at) if pulled else 1.0) ** 2 / np.abs(f) ** 2)

    step, ends, middle = np.diff(omega), density(omega), density(0.5 * (omega[1:] + omega[:-1]))
    within = float((step / 6.0 * (ends[1:] + ends[:-1] + 4.0 * middle)).sum())
    return within + float(omega[0] * ends[0])

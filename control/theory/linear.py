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

Terms = Sequence[tuple[float, float]]  # (rate 1/s, delay s)

MOST_STEPS = 2_000_000  # of the frequency
BEYOND = 20.0  # sums of all rates up to which the spectrum is integrated; beyond it is that of free diffusion


def is_stable(terms: Terms) -> bool:
    """Whether all perturbations decay: f(s) has no zero with a real part of 0 or more (argument principle)."""
    return math.isfinite(variance_um2(1.0, terms))


def variance_um2(diffusion_um2_per_s: float, terms: Terms) -> float:
    """<x^2> = (1 / pi) int_0^inf 2 D / |f(i omega)|^2 d omega; inf where unstable, nan where rates are too fast.

    With one term (kappa, 0) it is D / kappa (P4); with (kappa, tau) D (1 + sin z) / (kappa cos z) (P14).
    """
    fastest_hz = sum(abs(rate) for rate, _ in terms)
    longest_s = max((delay for rate, delay in terms if rate), default=0.0)
    if fastest_hz == 0.0 or sum(rate for rate, _ in terms) <= 0.0:
        return math.inf
    last = BEYOND * fastest_hz
    steps = math.ceil(last * max(40.0 * longest_s, 400.0 / fastest_hz))
    if steps > MOST_STEPS:
        return math.nan
    omega = np.linspace(0.0, last, steps + 1)  # [W] rad/s
    f: NDArray[np.complexfloating[Any, Any]] = 1j * omega
    for rate, delay in terms:
        f = f + rate * np.exp(-1j * omega * delay)
    turned = float(np.unwrap(np.angle(f))[-1])  # from 0; pi/2 where no zero lies on the right
    if abs(turned - math.pi / 2.0) > math.pi / 2.0:
        return math.inf
    within = float(np.trapezoid(1.0 / np.abs(f) ** 2, omega))
    return 2.0 * diffusion_um2_per_s / math.pi * (within + 1.0 / last)

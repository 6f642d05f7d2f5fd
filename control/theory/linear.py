"""A coordinate whose drift is a sum of its own past values: x'(t) = -sum_j rate_j x(t - delay_j) + noise.

A steered trap of rate kappa_t that is placed at x(t - a) plus force over stiffness has the terms (kappa_t, 0) and
(-kappa_t, a) besides those of the force. The transfer function of the noise is 1 / f(i omega) with
f(s) = s + sum_j rate_j exp(-s delay_j).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import sici

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]
Terms = Sequence[tuple[float, float]]  # (rate 1/s, delay s)

MOST_STEPS = 1_000_000  # largest number of frequency steps
BEYOND = 20.0  # upper limit of the numerical integration, over the sum of all rates; beyond, motion is nearly free
PHASE = 1.5  # rad, largest change of the phase of exp(-i omega delay) in one step
TURN = 0.25  # largest relative change of f in one step, so that no peak is missed
LEAST = 1e-9  # of the sum of all rates: a narrower peak, or one nearer to 0, is at the limit of stability


def is_stable(terms: Terms) -> bool:
    """Whether perturbations decay: f(s) has no zero with a real part of 0 or more (argument principle).

    If the rates add to 0, f(0) = 0, since a uniform shift does not decay. That zero does not count.
    """
    terms = _summed(terms)
    omega = _frequencies(terms) if terms else np.zeros(1)
    return omega is not None and (not terms or _decays(omega, _inverse_response(omega, terms), terms))


def variance_um2(diffusion_um2_per_s: float, terms: Terms) -> float:
    """<x^2> = (1 / pi) int_0^inf 2 D / |f(i omega)|^2 d omega; inf if unstable, nan if rates are too fast.

    With one term (kappa, 0) it is D / kappa (P4); with (kappa, tau) D (1 + sin z) / (kappa cos z) (P14).
    """
    if sum(rate for rate, _ in terms) <= 0.0:
        return math.inf
    return _spectrum_integral(diffusion_um2_per_s, _summed(terms), pulled=False)


def drift_variance_um2_per_s2(diffusion_um2_per_s: float, terms: Terms) -> float:
    """<(sum_j rate_j x(t - delay_j))^2> = (1 / pi) int_0^inf 2 D |f - i omega|^2 / |f|^2 d omega.

    inf if unstable (`is_stable`), nan if rates are too fast. Divided by kappa_t^2 it is the variance of the distance of
    the particle from the centre of its trap. The rates may add to 0, as for a trap about the particle's own past: the
    variance of x is then not finite, but that of the drift is, 2 D tau kappa^2 / (1 + z) for (kappa, 0) and
    (-kappa, tau) (P7).
    """
    terms = _summed(terms)
    return _spectrum_integral(diffusion_um2_per_s, terms, pulled=True) if terms else 0.0


def _spectrum_integral(diffusion_um2_per_s: float, terms: Terms, pulled: bool) -> float:
    """The variance of x (um^2), or if `pulled` of its drift (um^2/s^2); inf if unstable, nan if rates are too fast."""
    omega = _frequencies(terms)
    if omega is None:
        return math.nan
    f = _inverse_response(omega, terms)
    if not _decays(omega, f, terms):
        return math.inf
    within = _integral(omega, f, terms, pulled=pulled)
    return 2.0 * diffusion_um2_per_s / math.pi * (within + _tail_integral(float(omega[-1]), terms, pulled=pulled))


def _summed(terms: Terms) -> list[tuple[float, float]]:
    """One term for each delay, without terms of rate 0."""
    summed = {delay: sum(rate for rate, other in terms if other == delay) for _, delay in terms}
    return [(rate, delay) for delay, rate in summed.items() if rate != 0.0]


def _decays(omega: Floats, f: Complexes, terms: Terms) -> bool:
    """Whether f has no zero in the right half plane or on the imaginary axis, except f(0) = 0."""
    neutral = float(omega[0]) > 0.0  # f(0) = 0: use f / s, which is f'(0) at 0 and 1 at infinity
    of = f / (1j * omega) if neutral else f
    if np.abs(f).min() <= LEAST * sum(abs(rate) for rate, _ in terms) or of[0].real <= 0.0:
        return False
    turned = float(np.angle(of[1:] / of[:-1]).sum())  # without a zero on the right: 0 for f / s, pi / 2 for f
    return abs(turned - (0.0 if neutral else math.pi / 2.0)) <= math.pi / 2.0


def _tail_integral(last: float, terms: Terms, *, pulled: bool) -> float:
    """The integral of `_integral` from `last` to infinity, to the second order in 1 / BEYOND.

    With g = f - i omega, 1 / |f|^2 is (1 - 2 Im g / omega) / omega^2 there, and all integrals are of the forms
    cos(omega d) / omega^2 and sin(omega d) / omega^3.
    """
    rate, delay_s = (np.array(column) for column in zip(*terms, strict=True))

    def of_cos(d_s: Floats) -> Floats:
        return np.asarray(np.cos(last * d_s) / last - np.abs(d_s) * (math.pi / 2.0 - sici(last * np.abs(d_s))[0]))

    def of_sin(d_s: Floats) -> Floats:
        return np.asarray(np.sin(last * d_s) / (2.0 * last**2) + 0.5 * d_s * of_cos(d_s))

    if not pulled:
        return 1.0 / last + 2.0 * float(rate @ of_sin(delay_s))
    difference_s = delay_s[:, None] - delay_s
    # cos(omega a) sin(omega d) is half of sin(omega (d + a)) + sin(omega (d - a)); every a occurs with both signs
    second_order = 2.0 * np.einsum("i,j,k,ijk", rate, rate, rate, of_sin(delay_s + difference_s[..., None]))
    return float(rate @ of_cos(difference_s) @ rate + second_order)


def _inverse_response(omega: Floats, terms: Terms) -> Complexes:
    """[W] f(i omega)."""
    f: Complexes = 1j * omega
    for rate, delay in terms:
        f = f + rate * np.exp(-1j * omega * delay)
    return f


def _frequencies(terms: Terms) -> Floats | None:
    """[W] frequencies in rad/s, from 0, or from nearly 0 if f(0) = 0. None if there would be too many.

    |f'| is at most 1 + sum |rate delay|. In a step of TURN |f| divided by this, f changes by at most TURN, relatively:
    steps are halved until all are this short, so that no peak of 1 / |f| lies between two of them. A step also covers
    only a part of a period of any delay.
    """
    fastest_hz = sum(abs(rate) for rate, _ in terms)
    slope = 1.0 + sum(abs(rate) * delay for rate, delay in terms)
    last = BEYOND * fastest_hz
    least = LEAST * fastest_hz
    steps = math.ceil(last * max(delay for _, delay in terms) / PHASE) + 1
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


def _integral(omega: Floats, f: Complexes, terms: Terms, *, pulled: bool) -> float:
    """Integral of 1 / |f|^2, or if `pulled` of |f - i omega|^2 / |f|^2, over these steps (Simpson)."""

    def density(at: Floats, f: Complexes) -> Floats:
        return np.asarray((np.abs(f - 1j * at) if pulled else 1.0) ** 2 / np.abs(f) ** 2)

    step, at = np.diff(omega), 0.5 * (omega[1:] + omega[:-1])
    ends, middle = density(omega, f), density(at, _inverse_response(at, terms))
    within = float((step / 6.0 * (ends[1:] + ends[:-1] + 4.0 * middle)).sum())
    return within + float(omega[0] * ends[0])

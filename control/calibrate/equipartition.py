"""Stiffness from the variance of positions, <x^2> = kT / k, corrected for blur and localisation error (P4, P6)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from control.theory.trapped import blur_ratio

Floats = NDArray[np.float64]

WIDEST = 1e6  # upper limit of the stiffness in units of the uncorrected one


def variance_um2(trace_um: Floats) -> Floats:
    """[...] variance of a trace [T, ...] about its own mean; nan is ignored."""
    return np.asarray(np.nanvar(trace_um, axis=0))


def kept_by_mean(rate_hz: float, seconds: float) -> float:
    """Share of the variance that remains about the mean of a trace of this length: 1 - <mean^2> / <x^2>.

    <mean^2> / <x^2> = 2 [1 - (1 - e^-b) / b] / b, b = kappa T (the integral of exp(-kappa |t - t'|) over the trace).
    """
    b = rate_hz * seconds
    return 1.0 - 2.0 * (1.0 + math.expm1(-b) / b) / b


def stiffness_pn_per_um(
    variance_um2: float,
    *,
    kt_pn_um: float,
    drag_pn_s_per_um: float,
    exposure_s: float = 0.0,
    error_um: float = 0.0,
    seconds: float = math.inf,
) -> float:
    """Stiffness by equipartition from a measured variance.

    Solves (kT / k) S(k t_E / gamma) = <x^2> - sigma^2 for k (Wong and Halvorsen, Opt. Express 14, 12517 (2006)), with
    the share of the variance that the trace's mean removes.

    Args:
        variance_um2: along one axis, about the trace's mean.
        kt_pn_um, drag_pn_s_per_um: thermal energy and drag.
        exposure_s: exposure time.
        error_um: localisation error of one axis.
        seconds: length of the trace.

    Raises:
        ValueError: the localisation error is as large as the variance, or the trace is too short.
    """
    true_um2 = variance_um2 - error_um**2
    if not true_um2 > 0:
        raise ValueError(f"a variance of {variance_um2:.3g} um^2 is all localisation error ({error_um:.3g} um)")
    first = kt_pn_um / true_um2

    def surplus(stiffness: float) -> float:
        rate_hz = stiffness / drag_pn_s_per_um
        remaining = 1.0 if math.isinf(seconds) else kept_by_mean(rate_hz, seconds)
        return kt_pn_um / stiffness * blur_ratio(rate_hz, exposure_s) * remaining - true_um2

    low = first / 1000.0
    while surplus(low) < 0:  # a trace much shorter than the relaxation time has less variance than kT / k
        raise ValueError("the trace is too short for its trap: it is not yet in equilibrium")
    return float(brentq(surplus, low, first * WIDEST, xtol=1e-15, rtol=1e-12))


def centre_stiffness_pn_per_um(effective_pn_per_um: float, *, waist_um: float, kt_pn_um: float) -> float:
    """Stiffness at the centre of a Gaussian spot, from the one given by equipartition.

    Farther out a spot pulls less. By Stein's lemma the mean slope of F = k x exp(-2 r^2 / w^2) over a normal density
    of variance s^2 per axis is k / (1 + 4 s^2 / w^2)^2, so that k = k_eff (1 + 4 kT / (k_eff w^2))^2.
    """
    return effective_pn_per_um * (1.0 + 4.0 * kt_pn_um / (effective_pn_per_um * waist_um**2)) ** 2

"""Stiffness from how far a particle lags behind its moving trap (P30)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]

REACH = 0.75  # of a waist: a particle further out has left its spot


def lag_s(offset_um: Floats, velocity_um_per_s: Floats) -> float:
    """By how long a particle is behind its trap, gamma / k: -<offset . velocity> / <velocity^2>.

    Args:
        offset_um: [M, 2] particle less trap, at the same time.
        velocity_um_per_s: [M, 2] of the trap, steady for several relaxation times before.
    """
    known = np.isfinite(offset_um).all(axis=1)
    offset, velocity = offset_um[known], velocity_um_per_s[known]
    velocity = velocity - velocity.mean(axis=0)  # to and fro: what the map is off by drops out
    return float(-(offset * velocity).sum() / (velocity**2).sum())


def stiffness_pn_per_um(lag: Estimate, drag_pn_s_per_um: float, *, late_s: float = 0.0) -> Estimate:
    """k = gamma / lag, less what is not the trap's: an error of the time at which commands act.

    Raises ValueError where nothing is left of the lag.
    """
    left_s = lag.value - late_s
    if not left_s > 0:
        raise ValueError(f"the particle lags {lag.value:.3g} s behind its trap, and {late_s:.3g} s of it is latency")
    stiffness = drag_pn_s_per_um / left_s
    return Estimate(stiffness, stiffness * lag.error / left_s)


def centre_stiffness_pn_per_um(lag_um: float, push_pn: float, *, waist_um: float, kt_pn_um: float) -> float:
    """Stiffness at the middle of a Gaussian spot behind which a particle lags by this much, on average.

    Further out a spot pulls less. Seen from a spot that moves steadily, a particle is in equilibrium with the spot and
    with the push of the fluid, so that its mean place is that of Boltzmann's density of both. To leading order, over
    what `equipartition.centre_stiffness_pn_per_um` corrects, push / lag is too small by
    exp[-2 lag^2 / (w^2 + 4 kT / k)]: 1.3 % at 53 nm in 0.6 um of 20 kT; in truth by 2 %, since density spreads there.

    Args:
        push_pn: gamma u.
    """
    edge_um = min(REACH * waist_um, lag_um + 9.0 * math.sqrt(kt_pn_um * lag_um / push_pn))
    axis_um = np.linspace(-edge_um, edge_um, 241)
    x, y = axis_um[:, None], axis_um[None, :]
    inside = x**2 + y**2 < edge_um**2
    dip = np.exp(-2.0 * (x**2 + y**2) / waist_um**2)

    def surplus_um(stiffness: float) -> float:
        falls = (stiffness * waist_um**2 / 4.0 * dip + push_pn * x) / kt_pn_um
        density = np.where(inside, np.exp(falls - falls[inside].max()), 0.0)
        return float((density * x).sum() / density.sum()) - lag_um

    least = push_pn / lag_um
    return float(brentq(surplus_um, 0.5 * least, 100.0 * least, rtol=1e-9))

"""Stiffness from the distance by which a particle lags behind its moving trap (P30)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]

REACH = 0.75  # of a waist: a particle farther out has left its spot


def lag_s(offset_um: Floats, velocity_um_per_s: Floats) -> float:
    """Lag time of a particle behind its trap, gamma / k: -<offset . velocity> / <velocity^2>.

    Args:
        offset_um: [M, 2] particle minus trap, at the same time.
        velocity_um_per_s: [M, 2] of the trap, constant for several relaxation times before.
    """
    finite = np.isfinite(offset_um).all(axis=1)
    offset, velocity = offset_um[finite], velocity_um_per_s[finite]
    velocity = velocity - velocity.mean(axis=0)  # with motion both ways, an offset of the map cancels
    return float(-(offset * velocity).sum() / (velocity**2).sum())


def stiffness_pn_per_um(lag: Estimate, drag_pn_s_per_um: float, *, late_s: float = 0.0) -> Estimate:
    """k = gamma / lag, after subtracting `late_s`, the error of the time at which commands act.

    Raises ValueError if no lag remains.
    """
    corrected_s = lag.value - late_s
    if not corrected_s > 0:
        raise ValueError(f"the particle lags {lag.value:.3g} s behind its trap, and {late_s:.3g} s of it is latency")
    stiffness = drag_pn_s_per_um / corrected_s
    return Estimate(stiffness, stiffness * lag.error / corrected_s)


def centre_stiffness_pn_per_um(lag_um: float, push_pn: float, *, waist_um: float, kt_pn_um: float) -> float:
    """Stiffness at the centre of a Gaussian spot behind which a particle lags by lag_um on average.

    Farther out a spot pulls less. In the frame of a spot that moves steadily, a particle is in equilibrium with the
    spot and the drag force, and its mean position is that of the Boltzmann density. To leading order, beyond the
    correction by `equipartition.centre_stiffness_pn_per_um`, push / lag is too small by
    exp[-2 lag^2 / (w^2 + 4 kT / k)]: 1.3 % at 53 nm in 0.6 um of 20 kT (2 % in full, since the density is wider).

    Args:
        push_pn: drag force gamma u.
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

"""Stiffness from how far a particle lags behind its moving trap (P30)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


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

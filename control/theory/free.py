"""A free particle, as observed by a camera (P1 to P3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def msd_um2(diffusion_um2_per_s: float, lag_s: Floats, *, dimensions: int = 2) -> Floats:
    """P1: mean square displacement [...] of a free particle, 2 d D t (Einstein 1905)."""
    return np.asarray(2.0 * dimensions * diffusion_um2_per_s * lag_s)


def seen_msd_um2(
    diffusion_um2_per_s: float, lag_s: Floats, *, exposure_s: float, error_um: float, dimensions: int = 2
) -> Floats:
    """P2: MSD as measured, with motion blur and a localisation error per axis, for lags not shorter than the exposure.

    2 d [D (t - t_E / 3) + sigma^2] (Savin and Doyle, Biophys. J. 88, 623 (2005)).
    """
    per_axis_um2 = diffusion_um2_per_s * (lag_s - exposure_s / 3.0) + error_um**2
    return np.asarray(2.0 * dimensions * per_axis_um2)


def covariance_estimate(
    square_um2: float, neighbour_um2: float, *, frame_s: float, exposure_s: float
) -> tuple[float, float]:
    """P3: (D um^2/s, sigma^2 um^2) from one axis' steps (Vestergaard, Blainey and Flyvbjerg, PRE 89, 022726 (2014)).

    Args:
        square_um2: mean square step, <dx_n^2>.
        neighbour_um2: mean product of neighbouring steps, <dx_n dx_n+1>.
        frame_s: time between the frames.
        exposure_s: exposure time, at most a frame.
    """
    blur = exposure_s / (6.0 * frame_s)  # R
    diffusion_um2_per_s = square_um2 / (2.0 * frame_s) + neighbour_um2 / frame_s
    return diffusion_um2_per_s, blur * square_um2 + (2.0 * blur - 1.0) * neighbour_um2

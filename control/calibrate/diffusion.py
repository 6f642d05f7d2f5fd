"""Diffusion and localisation error of a free particle, from its MSD with the best number of lags or by covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate
from control.displacement import displacements, msd
from control.theory.free import covariance_estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Diffusion:
    """Diffusion and localisation error of a free particle, per axis."""

    diffusion_um2_per_s: Estimate
    error2_um2: float  # sigma^2, squared localisation error; below 0 if it is smaller than its own error

    @property
    def error_um(self) -> float:
        return math.sqrt(max(self.error2_um2, 0.0))


def by_covariance(trace_um: Floats, *, frame_s: float, exposure_s: float) -> Diffusion:
    """P3, over all traces [T, ...] together (Vestergaard, Blainey and Flyvbjerg, PRE 89, 022726 (2014)).

    The standard error is that paper's: D^2 [(6 + 4 e + 2 e^2) / N + 4 (1 + e)^2 / N^2], e = sigma^2 / (D dt) - 2 R.
    Raises ValueError where D is 0: nothing has moved.
    """
    step = displacements(trace_um, 1, less_drift=True)
    product = step[1:] * step[:-1]
    square_um2, neighbour_um2 = float(np.nanmean(step**2)), float(np.nanmean(product))
    diffusion, error2_um2 = covariance_estimate(square_um2, neighbour_um2, frame_s=frame_s, exposure_s=exposure_s)
    if diffusion == 0.0:
        raise ValueError("D is 0: nothing has moved")
    number = int(np.isfinite(step).sum())
    e = error2_um2 / (diffusion * frame_s) - exposure_s / (3.0 * frame_s)
    spread = (6.0 + 4.0 * e + 2.0 * e**2) / number + 4.0 * (1.0 + e) ** 2 / number**2
    return Diffusion(Estimate(diffusion, abs(diffusion) * math.sqrt(spread)), error2_um2)


def best_lags(error_ratio: float, frames: int) -> tuple[int, int]:
    """Best number of lags for the fits of (offset, slope) (Michalet, PRE 82, 041914 (2010), eqs. 30-33).

    Args:
        error_ratio: x = sigma^2 / (D dt) (less 2 R with blur: Michalet and Berglund, PRE 85, 061916 (2012)).
        frames: N, length of a trace.
    """
    x = max(error_ratio, 0.0)
    offset_free, offset_most = 2.0 + 1.6 * x**0.51, 3.0 + max(4.5 * frames**0.4 - 8.5, 0.0) ** 1.2
    slope_free, slope_most = 2.0 + 1.35 * x**0.6, 0.8 + 0.564 * frames
    return _lags(offset_free, offset_most), _lags(slope_free, slope_most)


def _lags(free: float, most: float) -> int:
    return max(int(free * most / (free**3 + most**3) ** (1.0 / 3.0)), 2)


def by_msd(trace_um: Floats, *, frame_s: float, exposure_s: float) -> Diffusion:
    """Straight line through the MSD of traces [T, K] over the best number of lags, found by iteration.

    MSD per axis = 2 D (t - t_E / 3) + 2 sigma^2 (P2). The standard error is from the scatter between the K traces.
    """
    place_um = np.asarray(trace_um, np.float64).reshape(len(trace_um), -1, 1)  # each trace is a particle on a line
    frames = len(place_um)
    offset_lags = slope_lags = max(frames // 10, 2)
    msd_of_each = np.empty((0, place_um.shape[1]))  # [L, K]
    for _ in range(20):
        new_lags = np.arange(len(msd_of_each), max(offset_lags, slope_lags)) + 1
        msd_of_each = np.concatenate([msd_of_each, msd(place_um, new_lags, of_each=True, less_drift=True)])
        mean = np.array([np.nanmean(row) for row in msd_of_each])
        lag_s = frame_s * np.arange(1, len(msd_of_each) + 1)
        slope = np.polyfit(lag_s[:slope_lags], mean[:slope_lags], 1)[0]
        offset = np.polyfit(lag_s[:offset_lags], mean[:offset_lags], 1)[1]
        ratio = math.inf if slope <= 0 else max(offset / (slope * frame_s), 0.0)
        lags = best_lags(min(ratio, 1e6), frames)
        if lags == (offset_lags, slope_lags):
            break
        offset_lags, slope_lags = lags
    slopes = np.array([np.polyfit(lag_s[:slope_lags], row, 1)[0] for row in msd_of_each[:slope_lags].T]) / 2.0
    slopes = slopes[np.isfinite(slopes)]
    error = float(slopes.std(ddof=1) / math.sqrt(len(slopes))) if len(slopes) > 1 else math.nan
    return Diffusion(Estimate(slope / 2.0, error), float(offset / 2.0 + slope / 2.0 * exposure_s / 3.0))

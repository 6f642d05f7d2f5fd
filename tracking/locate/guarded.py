"""Bounds on the positions of fits: a fit in a window also includes light of the neighbours.

The centroid position stays if the mask overlaps or touches a neighbour's (possible with a small `separation_px` only),
if the fit moved too far, or if it would bring two features closer together than `separation_px`. Two features on one
particle would give it two spots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.locate.distinct import MARGIN
from tracking.locate.features import Features, sharpened
from tracking.settings import Tracking

Floats = NDArray[np.float64]

FARTHEST_PX, FARTHEST_SHARE = 1.0, 0.1  # largest move of a fit: px, or share of the radius if that is larger


def guarded(features: Features, refined: Floats, s: Tracking) -> Features:
    """The features at the positions of a fit, within bounds.

    Args:
        features: with the positions of `centroid`.
        refined: [N, 3] x, y and standard error of the fit, or nan without a fit.
    """
    refined = refined.copy()
    shift_px = np.hypot(*(refined[:, :2] - features.position_px).T)
    farthest_px = max(FARTHEST_PX, FARTHEST_SHARE * s.radius_px)
    refined[(shift_px > farthest_px) | crowded(features, s)] = np.nan
    while True:
        moved = sharpened(features, refined)
        fitted = np.isfinite(refined.sum(axis=1))
        close = fitted & _close(moved.position_px, (1 - MARGIN) * s.least_distance_px)
        if not close.any():
            return moved
        refined[close] = np.nan


def crowded(features: Features, s: Tracking) -> NDArray[np.bool_]:
    """[N] True if the mask overlaps or touches that of another feature."""
    near: NDArray[np.bool_] = _nearest_px(features.position_px) < (1 - MARGIN) * (s.diameter_px + 1)
    return near


def _nearest_px(position_px: Floats) -> Floats:
    """[N] distance to the nearest other position; infinite if there is none."""
    if len(position_px) < 2:
        return np.full(len(position_px), np.inf)
    distance_px: Floats = cKDTree(position_px).query(position_px, k=2)[0][:, 1]
    return distance_px


def _close(position_px: Floats, least_px: float) -> NDArray[np.bool_]:
    """[N] True if another position is nearer than least_px."""
    close: NDArray[np.bool_] = _nearest_px(position_px) < least_px
    return close

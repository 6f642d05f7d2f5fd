"""Bounds on where a fit may put a feature: a fit in a window sees its neighbours' light, too.

The centroid stays where another feature is so near that their masks overlap or touch (only a `separation_px` below its
default lets it), where the fit has left the place, and where it would bring two features closer together than they may
be: two rows on one particle would be double light for one, and none for the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.locate.distinct import MARGIN
from tracking.locate.features import Features, sharpened
from tracking.settings import Tracking

Floats = NDArray[np.float64]

FARTHEST_PX, FARTHEST_SHARE = 1.0, 0.1  # from the centroid: the larger of the two, the second of the radius


def guarded(found: Features, better: Floats, s: Tracking) -> Features:
    """The features at the places of a fit, within bounds.

    Args:
        found: as `centroid` places them.
        better: [N, 3] x, y and standard error of the fit, or nan where there is none.
    """
    better = better.copy()
    shift_px = np.hypot(*(better[:, :2] - found.position_px).T)
    farthest_px = max(FARTHEST_PX, FARTHEST_SHARE * s.radius_px)
    better[(shift_px > farthest_px) | crowded(found, s)] = np.nan
    while True:
        made = sharpened(found, better)
        fitted = np.isfinite(better.sum(axis=1))
        close = fitted & _close(made.position_px, (1 - MARGIN) * s.least_distance_px)
        if not close.any():
            return made
        better[close] = np.nan


def crowded(found: Features, s: Tracking) -> NDArray[np.bool_]:
    """[N] whose mask overlaps or touches another one's."""
    near: NDArray[np.bool_] = _nearest_px(found.position_px) < (1 - MARGIN) * (s.diameter_px + 1)
    return near


def _nearest_px(position_px: Floats) -> Floats:
    """[N] distance to the nearest other; infinite where there is none."""
    if len(position_px) < 2:
        return np.full(len(position_px), np.inf)
    distance_px: Floats = cKDTree(position_px).query(position_px, k=2)[0][:, 1]
    return distance_px


def _close(position_px: Floats, least_px: float) -> NDArray[np.bool_]:
    """[N] who has another one nearer than that."""
    found: NDArray[np.bool_] = _nearest_px(position_px) < least_px
    return found

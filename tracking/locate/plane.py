"""The slope of the background around each feature: uneven light, which would shift a fit with a level background.

A plane is fitted to the pixels of a ring around the feature, without pixels near other features and without outliers
(light of features that were not found). The ring is wide, so that the slope adds little to the position error: in the
window of the feature itself a slope and a shift are hard to distinguish.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[Any]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WIDE = 2.5  # outer over inner radius of the ring
ROUNDS, FAR_OFF = 8, 2.5  # most rounds of dropping outliers, and their distance from the plane in standard deviations
SETTLED = 0.98  # a limit above this share of the previous one has converged
LEAST_SHARE = 0.25  # least share of the ring without other features, else the slope is 0
FEWEST, LEAST_ROUND = 8, 0.05  # least number of pixels of a plane, and least deviation from one line


@njit(cache=True, nogil=True)
def slopes(raw: Image, position: Floats, near_px: float) -> Floats:
    """[N, 2] slope of the background along x and y, grey levels a px, about x, y [N, 2]; 0 where it can't be measured.

    Args:
        near_px: inner radius of the ring, and least distance of its pixels from other features.
    """
    slope = np.zeros((position.shape[0], 2))
    far_px = WIDE * near_px
    side = 2 * int(np.ceil(far_px)) + 3
    free = np.zeros((side, side), np.bool_)
    pixels = np.empty((side * side, 3))
    order = np.argsort(position[:, 1])
    least = LEAST_SHARE * np.pi * (far_px * far_px - near_px * near_px)
    for k in range(order.size):
        x, y = position[order[k], 0], position[order[k], 1]
        top, left = int(np.rint(y)) - side // 2, int(np.rint(x)) - side // 2
        free[:] = True
        for step in (-1, 1):
            other = k + step
            while 0 <= other < order.size and abs(position[order[other], 1] - y) <= far_px + near_px:
                if abs(position[order[other], 0] - x) <= far_px + near_px:
                    _take(free, position[order[other], 0] - left, position[order[other], 1] - top, near_px)
                other += step
        count = _ring(pixels, free, raw, top, left, x, y, near_px, far_px)
        if count >= max(least, FEWEST):
            slope[order[k], 0], slope[order[k], 1] = _plane(pixels[:count])
    return slope


@njit(cache=True, nogil=True)
def _take(free: Bools, x: float, y: float, near_px: float) -> None:
    """Set `free` to False within near_px of another feature at x, y of the patch."""
    for r in range(max(int(np.ceil(y - near_px)), 0), min(int(np.floor(y + near_px)) + 1, free.shape[0])):
        for c in range(max(int(np.ceil(x - near_px)), 0), min(int(np.floor(x + near_px)) + 1, free.shape[1])):
            if (r - y) * (r - y) + (c - x) * (c - x) <= near_px * near_px:
                free[r, c] = False


@njit(cache=True, nogil=True)
def _ring(
    pixels: Floats, free: Bools, raw: Image, top: int, left: int, x: float, y: float, near_px: float, far_px: float
) -> int:
    """Write (x, y from the feature, value) of free pixels in the ring to `pixels` [K, 3]; return their number K."""
    count = 0
    for r in range(max(-top, 0), min(free.shape[0], raw.shape[0] - top)):
        for c in range(max(-left, 0), min(free.shape[1], raw.shape[1] - left)):
            dx, dy = left + c - x, top + r - y
            square = dx * dx + dy * dy
            if free[r, c] and near_px * near_px < square <= far_px * far_px:
                pixels[count, 0], pixels[count, 1], pixels[count, 2] = dx, dy, raw[top + r, left + c]
                count += 1
    return count


@njit(cache=True, nogil=True)
def _plane(pixels: Floats) -> tuple[float, float]:
    """Slopes along x and y of the plane through pixels (x, y, value) [K, 3]; 0, 0 if it can't be fitted."""
    level, slope_x, slope_y, limit = pixels[0, 2], 0.0, 0.0, np.inf
    for _ in range(ROUNDS + 1):
        count = 0
        sx = sy = sv = sxx = sxy = syy = sxv = syv = svv = 0.0
        for k in range(pixels.shape[0]):
            x, y = pixels[k, 0], pixels[k, 1]
            residual = pixels[k, 2] - level - slope_x * x - slope_y * y
            if residual * residual <= limit:
                count += 1
                sx += x
                sy += y
                sv += residual
                sxx += x * x
                sxy += x * y
                syy += y * y
                sxv += x * residual
                syv += y * residual
                svv += residual * residual
        if count < FEWEST:
            return 0.0, 0.0
        xx, xy, yy = sxx - sx * sx / count, sxy - sx * sy / count, syy - sy * sy / count
        xv, yv, vv = sxv - sx * sv / count, syv - sy * sv / count, svv - sv * sv / count
        determinant = xx * yy - xy * xy
        if determinant <= LEAST_ROUND * xx * yy:
            return 0.0, 0.0
        more_x, more_y = (yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant
        level += (sv - more_x * sx - more_y * sy) / count
        slope_x += more_x
        slope_y += more_y
        previous, limit = limit, FAR_OFF * FAR_OFF * max(vv - more_x * xv - more_y * yv, 0.0) / count + 1e-9
        if limit > SETTLED * previous:
            break
    return slope_x, slope_y

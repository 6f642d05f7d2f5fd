"""The centre of radial symmetry: for rings, halos and other round images.

First the point closest to all lines along the gradient (Parthasarathy, Nat. Methods 9, 724, 2012), then Gauss-Newton
steps that fit the particle's mean radial profile, with each pixel weighted by the slope of the profile there: the
linearised maximum likelihood for white noise and an unknown profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.centroid import Centroid, checked
from tracking.locate.features import Features, sharpened
from tracking.locate.guarded import guarded
from tracking.locate.plane import slopes
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Image = NDArray[Any]
Floats = NDArray[np.float64]

STEPS = 3  # Gauss-Newton steps
BINS_PER_PX = 2
SIGNIFICANT = 4.0  # standard errors beyond which a slope is subtracted, in runs of older kernels


@dataclass(frozen=True, slots=True)
class Radial:
    """Full-frame locator of round particles: `centroid` finds them, radial symmetry refines their positions."""

    settings: Tracking
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any]) -> Features:
        return sharpen(image, Centroid(self.settings, rules=self.rules)(image), self.settings, self.rules)


def sharpen(image: NDArray[Any], features: Features, s: Tracking, rules: Rules = NEWEST) -> Features:
    """The features at their centres of radial symmetry; where that fails or leaves its bounds, the old position."""
    if len(features) == 0:
        return features
    raw, reach = checked(image, s.invert), s.radius_px + 1
    slope = slopes(raw, features.position_px, float(reach)) if rules.sloped else np.zeros((len(features), 2))
    refined = centres(raw, features.position_px, reach, slope, not rules.sloped)
    return guarded(features, refined, s) if rules.bounded else sharpened(features, refined)


@njit(cache=True, nogil=True)
def centres(raw: Image, position: Floats, reach: int, slope: Floats, significant: bool) -> Floats:
    """[N, 3] x, y and standard error of the centres nearest the positions x, y [N, 2]; nan where there is none.

    Only pixels within `reach` count.

    Args:
        slope: [N, 2] of the background along x and y, grey levels per px, subtracted first.
        significant: instead measure the slope from pixels between `reach` and 1.4 `reach`, and subtract it if it
            is significant (older kernels).
    """
    result = np.full((position.shape[0], 3), np.nan)
    side = 2 * reach + 1
    patch = np.empty((side, side))
    for n in range(position.shape[0]):
        column, row = int(np.rint(position[n, 0])), int(np.rint(position[n, 1]))
        if not (reach <= row < raw.shape[0] - reach and reach <= column < raw.shape[1] - reach):
            continue
        for r in range(side):
            for c in range(side):
                ground = slope[n, 0] * (c - reach) + slope[n, 1] * (r - reach)
                patch[r, c] = raw[row - reach + r, column - reach + c] - ground
        if significant:
            _level(patch, raw, row, column, reach)
        y, x = _gradient_centre(patch)
        if not (abs(y - reach) < 0.5 * reach and abs(x - reach) < 0.5 * reach):
            y, x = position[n, 1] - row + reach, position[n, 0] - column + reach
        y, x, error = _profile_centre(patch, y, x)
        if abs(y - reach) < 0.5 * reach and abs(x - reach) < 0.5 * reach:
            result[n, 0], result[n, 1], result[n, 2] = column - reach + x, row - reach + y, error
    return result


@njit(cache=True, nogil=True)
def _level(patch: Floats, raw: Image, row: int, column: int, reach: int) -> None:
    """Subtract the slope of the background where it is significant."""
    far = int(np.ceil(1.4 * reach))
    count = 0
    xx = yy = xv = yv = v1 = v2 = 0.0
    for r in range(max(row - far, 0), min(row + far + 1, raw.shape[0])):
        for c in range(max(column - far, 0), min(column + far + 1, raw.shape[1])):
            y, x = float(r - row), float(c - column)
            square = x * x + y * y
            if reach**2 < square <= far**2:
                value = float(raw[r, c])
                count += 1
                xx += x * x
                yy += y * y
                xv += x * value
                yv += y * value
                v1 += value
                v2 += value * value
    if count < 8:
        return
    slope_x, slope_y = xv / xx, yv / yy
    variance = max(v2 / count - (v1 / count) ** 2, 0.0)
    if slope_x**2 * xx < SIGNIFICANT**2 * variance and slope_y**2 * yy < SIGNIFICANT**2 * variance:
        return
    for r in range(patch.shape[0]):
        for c in range(patch.shape[1]):
            patch[r, c] -= slope_x * (c - reach) + slope_y * (r - reach)


@njit(cache=True, nogil=True)
def _gradient_centre(patch: Floats) -> tuple[float, float]:
    """y, x of the point with the least weighted distance to the gradient lines (equations 2 to 5 of the paper)."""
    side = patch.shape[0]
    in_x = in_y = below = 0.0
    for r in range(side - 1):  # centroid of the gradient: lines weigh less if they start farther away
        for c in range(side - 1):
            u = patch[r, c + 1] - patch[r + 1, c]
            v = patch[r, c] - patch[r + 1, c + 1]
            square = u * u + v * v
            in_x += square * (c + 0.5)
            in_y += square * (r + 0.5)
            below += square
    if below == 0:
        return np.nan, np.nan
    rough_x, rough_y = in_x / below, in_y / below
    a = b = d = e = f = 0.0
    for r in range(side - 1):
        for c in range(side - 1):
            u = patch[r, c + 1] - patch[r + 1, c]
            v = patch[r, c] - patch[r + 1, c + 1]
            gx, gy = u - v, -(u + v)  # along x and y, both times sqrt 2
            square = gx * gx + gy * gy
            if square == 0:
                continue
            y, x = r + 0.5, c + 0.5
            weight = square / max(np.hypot(x - rough_x, y - rough_y), 0.5)
            nx, ny = -gy / np.sqrt(square), gx / np.sqrt(square)  # across the line
            projection = nx * x + ny * y
            a += weight * nx * nx
            b += weight * nx * ny
            d += weight * ny * ny
            e += weight * nx * projection
            f += weight * ny * projection
    determinant = a * d - b * b
    if determinant <= 1e-12 * a * d:
        return np.nan, np.nan
    return (a * f - b * e) / determinant, (d * e - b * f) / determinant


@njit(cache=True, nogil=True)
def _profile_centre(patch: Floats, y: float, x: float) -> tuple[float, float, float]:
    """y, x and standard error after Gauss-Newton steps on the mean radial profile about the last centre."""
    side = patch.shape[0]
    reach = (side - 1) / 2
    bins = int(reach * BINS_PER_PX) + 2
    total = np.empty(bins)
    weight = np.empty(bins)
    slope = np.zeros(bins)
    error = np.nan
    for _ in range(STEPS):
        _profile(patch, y, x, reach, total, weight)
        for k in range(1, bins - 1):
            slope[k] = 0.5 * BINS_PER_PX * (total[k + 1] - total[k - 1])
        slope[0] = 0.0  # a radial profile has slope 0 at its centre
        slope[bins - 1] = 0.0
        xx = xy = yy = xd = yd = square_sum = 0.0
        count = 0
        for r in range(side):
            for c in range(side):
                distance = np.hypot(r - y, c - x)
                if distance >= reach or distance < 1e-9:
                    continue
                bin_position = distance * BINS_PER_PX
                k = int(bin_position)
                part = bin_position - k
                difference = patch[r, c] - ((1 - part) * total[k] + part * total[k + 1])
                steep = ((1 - part) * slope[k] + part * slope[k + 1]) / distance
                to_x, to_y = -steep * (c - x), -steep * (r - y)
                xx += to_x * to_x
                xy += to_x * to_y
                yy += to_y * to_y
                xd += to_x * difference
                yd += to_y * difference
                square_sum += difference * difference
                count += 1
        determinant = xx * yy - xy * xy
        if determinant <= 0 or count < 8:
            return np.nan, np.nan, np.nan
        y += min(max((xx * yd - xy * xd) / determinant, -1.0), 1.0)
        x += min(max((yy * xd - xy * yd) / determinant, -1.0), 1.0)
        error = np.sqrt(square_sum / count * 0.5 * (xx + yy) / determinant)
    return y, x, error


@njit(cache=True, nogil=True)
def _profile(patch: Floats, y: float, x: float, reach: float, total: Floats, weight: Floats) -> None:
    """Write the mean brightness at each distance to `total`. Each pixel is shared by its two nearest bins."""
    total[:] = 0.0
    weight[:] = 1e-12
    for r in range(patch.shape[0]):
        for c in range(patch.shape[1]):
            bin_position = np.hypot(r - y, c - x) * BINS_PER_PX
            k = int(bin_position)
            if k + 1 < total.size:
                part = bin_position - k
                total[k] += (1 - part) * patch[r, c]
                weight[k] += 1 - part
                total[k + 1] += part * patch[r, c]
                weight[k + 1] += part
    _smooth(total)
    _smooth(weight)
    for k in range(total.size):
        total[k] /= weight[k]


@njit(cache=True, nogil=True)
def _smooth(line: Floats) -> None:
    """Smooth in place with weights 1, 2, 1, so that the profile does not follow single pixels."""
    before = line[1]
    for k in range(line.size):
        current = line[k]
        after = line[k + 1] if k + 1 < line.size else current
        line[k] = 0.25 * before + 0.5 * current + 0.25 * after
        before = current

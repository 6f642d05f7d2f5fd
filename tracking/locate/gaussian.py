"""Least-squares fit of a Gaussian spot on a sloping background: the most precise locator for spots in focus.

For white pixel noise its error is the Cramer-Rao bound sigma_x = sqrt(2 / pi) sigma / amplitude, whatever the width.
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

ITERATIONS = 25
CLOSE_PX = 1e-4  # the fit has converged when its step is smaller
AMPLITUDE, X, Y, WIDTH, LEVEL = range(5)


@dataclass(frozen=True, slots=True)
class GaussianLocator:
    """Full-frame locator of spots: `centroid` finds them, a Gaussian fit refines their positions."""

    settings: Tracking
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any]) -> Features:
        return sharpen(image, Centroid(self.settings, rules=self.rules)(image), self.settings, self.rules)


def sharpen(image: NDArray[Any], features: Features, s: Tracking, rules: Rules = NEWEST) -> Features:
    """The features at the positions of Gaussian fits; where a fit fails or leaves its bounds, the old position."""
    if len(features) == 0:
        return features
    width_px = np.clip(features.size_px / np.sqrt(2.0), 0.5, s.radius_px)
    raw, reach = checked(image, s.invert), s.radius_px + 1
    slope = slopes(raw, features.position_px, float(reach)) if rules.sloped else np.zeros((len(features), 2))
    refined = fits(raw, features.position_px, width_px, reach, slope)
    return guarded(features, refined, s) if rules.bounded else sharpened(features, refined)


@njit(cache=True, nogil=True)
def fits(raw: Image, position: Floats, width_px: Floats, reach: int, slope: Floats) -> Floats:
    """[N, 3] x, y and standard error of the best Gaussian about x, y [N, 2]; nan where there is none.

    Levenberg (Quart. Appl. Math. 2, 164, 1944) and Marquardt (J. SIAM 11, 431, 1963) with amplitude, position, width
    and level free, on the (2 reach + 1)^2 pixels about the position, from a first guess of the width [N]. The `slope`
    [N, 2] of the background along x and y, grey levels per px, is subtracted first.
    """
    result = np.full((position.shape[0], 3), np.nan)
    side = 2 * reach + 1
    patch = np.empty((side, side))
    for n in range(position.shape[0]):
        column, row = int(np.rint(position[n, 0])), int(np.rint(position[n, 1]))
        if not (reach <= row < raw.shape[0] - reach and reach <= column < raw.shape[1] - reach):
            continue
        low, high = np.inf, -np.inf
        for r in range(side):
            for c in range(side):
                ground = slope[n, 0] * (c - reach) + slope[n, 1] * (r - reach)
                value = float(raw[row - reach + r, column - reach + c]) - ground
                patch[r, c] = value
                low, high = min(low, value), max(high, value)
        guess = np.array([high - low, position[n, 0] - column + reach, position[n, 1] - row + reach, width_px[n], low])
        if high > low and _fit(patch, guess, result[n]):
            result[n, 0] += column - reach
            result[n, 1] += row - reach
    return result


@njit(cache=True, nogil=True)
def _fit(patch: Floats, guess: Floats, result: Floats) -> bool:
    """Write x, y and standard error to `result`. Returns False, without writing, if the fit leaves the patch."""
    side = patch.shape[0]
    damping = 1e-3
    matrix = np.empty((5, 6))
    square_sum = _normal(patch, guess, matrix)
    trial = np.empty((5, 6))
    for _ in range(ITERATIONS):
        step = _solve(matrix, damping)
        new = guess + step
        inside = 0 < new[X] < side - 1 and 0 < new[Y] < side - 1 and 0.3 < new[WIDTH] < side and new[AMPLITUDE] > 0
        new_square_sum = _normal(patch, new, trial) if inside else np.inf
        if new_square_sum <= square_sum:
            guess, square_sum = new, new_square_sum
            matrix, trial = trial, matrix
            damping *= 0.1
            if abs(step[X]) < CLOSE_PX and abs(step[Y]) < CLOSE_PX:
                result[0], result[1] = guess[X], guess[Y]
                information = 0.5 * (matrix[X, X] + matrix[Y, Y])
                if information == 0.0:
                    return False
                result[2] = np.sqrt(square_sum / (patch.size - 5) / information)
                return True
        else:
            damping *= 10.0
            if damping > 1e8:
                return False
    return False


@njit(cache=True, nogil=True)
def _normal(patch: Floats, parameters: Floats, matrix: Floats) -> float:
    """Sum of squared residuals. Writes the normal equations [5, 5] and their right-hand side (column 5) to `matrix`."""
    side = patch.shape[0]
    matrix[:] = 0.0
    square_sum = 0.0
    x_factor = np.empty(side)
    for c in range(side):
        x_factor[c] = np.exp(-((c - parameters[X]) ** 2) / (2 * parameters[WIDTH] ** 2))
    slope = np.empty(5)
    per_square = 1 / parameters[WIDTH] ** 2
    for r in range(side):
        y = r - parameters[Y]
        y_factor = np.exp(-(y**2) / (2 * parameters[WIDTH] ** 2))
        for c in range(side):
            x = c - parameters[X]
            shape = y_factor * x_factor[c]
            bright = parameters[AMPLITUDE] * shape
            difference = patch[r, c] - bright - parameters[LEVEL]
            slope[AMPLITUDE] = shape
            slope[X] = bright * x * per_square
            slope[Y] = bright * y * per_square
            slope[WIDTH] = bright * (x * x + y * y) * per_square / parameters[WIDTH]
            slope[LEVEL] = 1.0
            for i in range(5):
                for j in range(i, 5):
                    matrix[i, j] += slope[i] * slope[j]
                matrix[i, 5] += slope[i] * difference
            square_sum += difference * difference
    for i in range(5):
        for j in range(i):
            matrix[i, j] = matrix[j, i]
    return square_sum


@njit(cache=True, nogil=True)
def _solve(matrix: Floats, damping: float) -> Floats:
    """Solve the damped normal equations by elimination; with damping the matrix is positive definite.

    All nan if a pivot is 0, which rounding of extreme brightness may cause.
    """
    work = matrix.copy()
    for i in range(5):
        work[i, i] *= 1 + damping
        work[i, i] += 1e-12
    for i in range(5):
        if work[i, i] == 0.0:
            return np.full(5, np.nan)
        for j in range(i + 1, 5):
            factor = work[j, i] / work[i, i]
            for k in range(i, 6):
                work[j, k] -= factor * work[i, k]
    step = np.empty(5)
    for i in range(4, -1, -1):
        total = work[i, 5]
        for k in range(i + 1, 5):
            total -= work[i, k] * step[k]
        step[i] = total / work[i, i]
    return step

"""A Gaussian spot on a sloping background, fitted by least squares: the best there is for in-focus fluorescent spots.

For white pixel noise it reaches the Cramer-Rao bound sigma_x = sqrt(2 / pi) sigma / amplitude, whatever the width.
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
CLOSE_PX = 1e-4  # the fit is done when it moves less
AMPLITUDE, X, Y, WIDTH, LEVEL = range(5)


@dataclass(frozen=True, slots=True)
class GaussianLocator:
    """The full-frame locator of spots: centroid finds them, a fit places them."""

    settings: Tracking
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any]) -> Features:
        return sharpen(image, Centroid(self.settings, rules=self.rules)(image), self.settings, self.rules)


def sharpen(image: NDArray[Any], found: Features, s: Tracking, rules: Rules = NEWEST) -> Features:
    """The same features where a Gaussian fits best, within bounds; where it does not, where they were."""
    if len(found) == 0:
        return found
    width_px = np.clip(found.size_px / np.sqrt(2.0), 0.5, s.radius_px)
    raw, reach = checked(image, s.invert), s.radius_px + 1
    slope = slopes(raw, found.position_px, float(reach)) if rules.sloped else np.zeros((len(found), 2))
    better = fits(raw, found.position_px, width_px, reach, slope)
    return guarded(found, better, s) if rules.bounded else sharpened(found, better)


@njit(cache=True, nogil=True)
def fits(raw: Image, position: Floats, width_px: Floats, reach: int, slope: Floats) -> Floats:
    """[N, 3] x, y and standard error of the best Gaussian about x, y [N, 2]; nan where there is none.

    Levenberg (Quart. Appl. Math. 2, 164, 1944) and Marquardt (J. SIAM 11, 431, 1963) with amplitude, place, width and
    level free, on the (2 reach + 1)^2 pixels about the place, from a first guess of the width [N]; the `slope` [N, 2]
    of the background along x and y is taken off before.
    """
    made = np.full((position.shape[0], 3), np.nan)
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
        if high > low and _fit(patch, guess, made[n]):
            made[n, 0] += column - reach
            made[n, 1] += row - reach
    return made


@njit(cache=True, nogil=True)
def _fit(patch: Floats, guess: Floats, made: Floats) -> bool:
    """x, y and standard error into `made`; False, and nothing there, if the fit leaves the patch."""
    side = patch.shape[0]
    damping = 1e-3
    matrix = np.empty((5, 6))
    rest = _normal(patch, guess, matrix)
    trial = np.empty((5, 6))
    for _ in range(ITERATIONS):
        step = _solve(matrix, damping)
        new = guess + step
        inside = 0 < new[X] < side - 1 and 0 < new[Y] < side - 1 and 0.3 < new[WIDTH] < side and new[AMPLITUDE] > 0
        new_rest = _normal(patch, new, trial) if inside else np.inf
        if new_rest <= rest:
            guess, rest = new, new_rest
            matrix, trial = trial, matrix
            damping *= 0.1
            if abs(step[X]) < CLOSE_PX and abs(step[Y]) < CLOSE_PX:
                made[0], made[1] = guess[X], guess[Y]
                information = 0.5 * (matrix[X, X] + matrix[Y, Y])
                made[2] = np.sqrt(rest / (patch.size - 5) / information)
                return True
        else:
            damping *= 10.0
            if damping > 1e8:
                return False
    return False


@njit(cache=True, nogil=True)
def _normal(patch: Floats, at: Floats, matrix: Floats) -> float:
    """Sum of squared differences; the normal equations [5, 5] with their right-hand side as column 5."""
    side = patch.shape[0]
    matrix[:] = 0.0
    rest = 0.0
    across = np.empty(side)
    for c in range(side):
        across[c] = np.exp(-((c - at[X]) ** 2) / (2 * at[WIDTH] ** 2))
    slope = np.empty(5)
    per_square = 1 / at[WIDTH] ** 2
    for r in range(side):
        y = r - at[Y]
        down = np.exp(-(y**2) / (2 * at[WIDTH] ** 2))
        for c in range(side):
            x = c - at[X]
            shape = down * across[c]
            bright = at[AMPLITUDE] * shape
            difference = patch[r, c] - bright - at[LEVEL]
            slope[AMPLITUDE] = shape
            slope[X] = bright * x * per_square
            slope[Y] = bright * y * per_square
            slope[WIDTH] = bright * (x * x + y * y) * per_square / at[WIDTH]
            slope[LEVEL] = 1.0
            for i in range(5):
                for j in range(i, 5):
                    matrix[i, j] += slope[i] * slope[j]
                matrix[i, 5] += slope[i] * difference
            rest += difference * difference
    for i in range(5):
        for j in range(i):
            matrix[i, j] = matrix[j, i]
    return rest


@njit(cache=True, nogil=True)
def _solve(matrix: Floats, damping: float) -> Floats:
    """The step of damped normal equations, by elimination; the matrix is positive definite with its damping."""
    work = matrix.copy()
    for i in range(5):
        work[i, i] *= 1 + damping
        work[i, i] += 1e-12
    for i in range(5):
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

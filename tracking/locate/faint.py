"""Peaks that can't become bright enough, left out before they are refined: in a dark field nearly all are noise.

A mask moves by at most one pixel an iteration, so every place that it can reach is known, and so is a bound of the
brightness under it there: the sum of the tiles that a mask touches. Whoever stays below the least mass in all of them
would be dropped after the refinement; the rest go on as they are, so that no feature is lost or moved by this.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import Image

Ints = NDArray[np.int64]

TILE = 4  # px; small against a mask, so that the tiles which it touches are little more than it

MOST = 2.0**62  # no sum of pixels is larger


def hopeful(image: Image, peak: Ints, radius: int, max_iterations: int, factor: float, minmass: float) -> Ints:
    """Those of the peaks [N, 2] y, x of an integer image which may get a mass over `minmass`, in their order.

    `factor` is what the image was multiplied by before it was rounded. All stay where `minmass` is not above 0.
    """
    if len(peak) == 0 or not minmass > 0:
        return peak
    stay = np.zeros(len(peak), np.bool_)
    least = math.floor(min(minmass * factor, MOST))  # what is as bright is let through: refinement decides
    _hope(image, peak, radius, max_iterations - 1, least, stay)
    return peak[stay]


@njit(cache=True, nogil=True)
def _hope(image: Image, peak: Ints, radius: int, reach: int, least: int, stay: NDArray[np.bool_]) -> None:
    height, width = image.shape
    rows, columns = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
    over = (2 * radius - 1) // TILE + 2  # tiles that a mask can touch along an axis
    line = np.empty(columns * TILE, np.int32)
    # sums of `over` tiles to the right of each, and of `over` such rows of tiles downwards; beyond the image all is 0
    across = np.zeros((rows + over, columns), np.int64)
    tiles = np.zeros(columns + over, np.int64)
    for row in range(rows):
        line[:] = 0
        for y in range(row * TILE, min((row + 1) * TILE, height)):
            for x in range(width):
                line[x] += np.int32(image[y, x])
        for column in range(columns):
            tile = np.int64(0)
            for x in range(column * TILE, (column + 1) * TILE):
                tile += line[x]
            tiles[column] = tile
        sliding = tiles[:over].sum()
        for column in range(columns):
            across[row, column] = sliding
            sliding += tiles[column + over] - tiles[column]
    for row in range(rows):
        for more in range(row + 1, row + over):
            across[row] += across[more]
    for n in range(peak.shape[0]):
        # the mask's first row and column, wherever it may come to rest
        top, left = peak[n, 0] - radius, peak[n, 1] - radius
        for row in range(max(top - reach, 0) // TILE, min((top + reach) // TILE + 1, rows)):
            for column in range(max(left - reach, 0) // TILE, min((left + reach) // TILE + 1, columns)):
                if across[row, column] >= least:
                    stay[n] = True
                    break
            if stay[n]:
                break

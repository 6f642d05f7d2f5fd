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

from tracking.locate.bandpass import TOP, Image

Ints = NDArray[np.int64]

TILE = 4  # px; small against a mask, so that the tiles which it touches are little more than it

MOST = 2.0**62  # no sum of pixels is larger


def hopeful(image: Image, peak: Ints, radius: int, max_iterations: int, factor: float, minmass: float) -> Ints:
    """Those of the peaks [N, 2] y, x of an integer image which may get a mass over `minmass`, in their order.

    `factor` is what the image was multiplied by before it was rounded. All stay where `minmass` is not above 0.
    """
    if len(peak) == 0 or not minmass > 0:
        return peak
    least = math.floor(min(minmass * factor, MOST))  # what is as bright is let through: refinement decides
    line = np.zeros(-(-image.shape[1] // TILE) * TILE, np.uint16 if image.dtype == np.uint8 else np.uint32)
    narrow = TOP[image.dtype] * (2 * radius + 2 * TILE) ** 2 < 2**32  # the sums are as narrow as is exact
    sums = np.empty(0, np.uint32 if narrow else np.int64)
    stay = np.empty_like(peak)
    return stay[: _hope(image, peak, radius, max_iterations - 1, least, line, sums, stay)]


@njit(cache=True, nogil=True)
def _hope(image: Image, peak: Ints, radius: int, reach: int, least: int, line: Image, sums: Image, stay: Ints) -> int:
    """How many peaks stay; they go into `stay`. `line` [4 columns of tiles]: room for sums down a row of tiles.

    `sums` [0] is of the type of the sums of tiles.
    """
    rows, columns = (image.shape[0] + TILE - 1) // TILE, line.size // TILE
    over = (2 * radius - 1) // TILE + 2  # tiles that a mask can touch along an axis
    moves = (2 * reach + TILE - 1) // TILE + 1  # tiles in which its first row can lie
    beyond = over + moves - 2  # tiles beyond the image are black
    stride = columns + beyond
    tiles = np.zeros((rows + beyond) * stride, sums.dtype)
    _fill(tiles, stride, image, line)
    other = np.empty_like(tiles)
    for step in (1, stride):
        _copy(other, tiles)
        for k in range(step, over * step, step):
            _add(other, tiles[k:])
        tiles, other = other, tiles
    hope = np.empty(tiles.size, np.uint8)
    wider = np.empty(tiles.size, np.uint8)
    _reaches(hope, tiles, least)
    for step in (1, stride):
        _copy(wider, hope)
        for k in range(step, moves * step, step):
            _join(wider, hope[k:])
        hope, wider = wider, hope
    count = 0
    for n in range(peak.shape[0]):
        # the tile of the mask's first row and column, as far up and left as it may come to rest
        row, column = max(peak[n, 0] - radius - reach, 0) // TILE, max(peak[n, 1] - radius - reach, 0) // TILE
        if hope[row * stride + column]:
            stay[count, 0] = peak[n, 0]
            stay[count, 1] = peak[n, 1]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _fill(tiles: Image, stride: int, image: Image, line: Image) -> None:
    """The sums of the image's tiles; a row of tiles takes `stride`."""
    height = image.shape[0]
    for top in range(0, height, TILE):
        line[:] = 0
        for y in range(top, min(top + TILE, height)):
            _add(line, image[y])
        _gather(tiles[top // TILE * stride :][: line.size // TILE], line)


@njit(cache=True, nogil=True)
def _gather(tiles: Image, line: Image) -> None:
    for column in range(tiles.size):
        tile = np.int64(0)
        for x in range(TILE):
            tile += np.int64(line[column * TILE + x])
        tiles[column] = tile


@njit(cache=True, nogil=True)
def _copy(total: Image, row: Image) -> None:
    for x in range(row.size):
        total[x] = row[x]


@njit(cache=True, nogil=True)
def _add(total: Image, row: Image) -> None:
    for x in range(row.size):
        total[x] += row[x]


@njit(cache=True, nogil=True)
def _reaches(hope: Image, total: Image, least: int) -> None:
    for x in range(total.size):
        hope[x] = total[x] >= least


@njit(cache=True, nogil=True)
def _join(wider: Image, hope: Image) -> None:
    for x in range(hope.size):
        wider[x] |= hope[x]

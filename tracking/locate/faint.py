"""Drops peaks that can't reach the least mass, before refinement: in a dark field nearly all peaks are noise.

A mask moves by at most one pixel per iteration, so its possible positions are limited. At each of them the mass is at
most the sum of the tiles that the mask touches. A peak whose bound is below the least mass at all of them would be
dropped after refinement anyway. So no feature is lost or moved by this step.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import TOP, Image

Ints = NDArray[np.int64]

TILE = 4  # px; small compared to a mask, so that the tiles it touches are little larger

MOST = 2.0**62  # no sum of pixels is larger


def possible_peaks(image: Image, peak: Ints, radius: int, max_iterations: int, factor: float, minmass: float) -> Ints:
    """The peaks (of [N, 2] y, x in an integer image) that may reach a mass above `minmass`, in the same order.

    `factor` is the scale of the image before rounding. All peaks stay if `minmass` is not above 0.
    """
    if len(peak) == 0 or not minmass > 0:
        return peak
    least = math.floor(min(minmass * factor, MOST))  # equally bright peaks stay: the refinement decides
    line = np.zeros(-(-image.shape[1] // TILE) * TILE, np.uint16 if image.dtype == np.uint8 else np.uint32)
    narrow = TOP[image.dtype] * (2 * radius + 2 * TILE) ** 2 < 2**32  # narrowest exact dtype
    sums = np.empty(0, np.uint32 if narrow else np.int64)
    result = np.empty_like(peak)
    return result[: _select(image, peak, radius, max_iterations - 1, least, line, sums, result)]


@njit(cache=True, nogil=True)
def _select(
    image: Image, peak: Ints, radius: int, reach: int, least: int, line: Image, sums: Image, result: Ints
) -> int:
    """Write the peaks that stay to `result` and return their number. `line` [4 columns of tiles] is scratch memory.

    `sums` [0] only passes the dtype of the sums.
    """
    rows, columns = (image.shape[0] + TILE - 1) // TILE, line.size // TILE
    mask_tiles = (2 * radius - 1) // TILE + 2  # tiles that a mask can touch along one axis
    moves = (2 * reach + TILE - 1) // TILE + 1  # tiles that can contain its first row
    margin_tiles = mask_tiles + moves - 2  # tiles beyond the image are black
    stride = columns + margin_tiles
    tiles = np.zeros((rows + margin_tiles) * stride, sums.dtype)
    _fill(tiles, stride, image, line)
    spare = np.empty_like(tiles)
    for step in (1, stride):
        _copy(spare, tiles)
        for k in range(step, mask_tiles * step, step):
            _add(spare, tiles[k:])
        tiles, spare = spare, tiles
    possible = np.empty(tiles.size, np.uint8)
    wider = np.empty(tiles.size, np.uint8)
    _mark_bright(possible, tiles, least)
    for step in (1, stride):
        _copy(wider, possible)
        for k in range(step, moves * step, step):
            _join(wider, possible[k:])
        possible, wider = wider, possible
    count = 0
    for n in range(peak.shape[0]):
        # the topmost, leftmost tile that the mask's first row and column can lie in
        row, column = max(peak[n, 0] - radius - reach, 0) // TILE, max(peak[n, 1] - radius - reach, 0) // TILE
        if possible[row * stride + column]:
            result[count, 0] = peak[n, 0]
            result[count, 1] = peak[n, 1]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _fill(tiles: Image, stride: int, image: Image, line: Image) -> None:
    """Write the sum of each tile of the image to `tiles`, with row length `stride`."""
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
def _mark_bright(possible: Image, total: Image, least: int) -> None:
    for x in range(total.size):
        possible[x] = total[x] >= least


@njit(cache=True, nogil=True)
def _join(wider: Image, possible: Image) -> None:
    for x in range(possible.size):
        wider[x] |= possible[x]

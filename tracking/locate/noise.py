"""The dark of a frame: mean and spread of the raw pixels that are far from all light.

Savin and Doyle, Biophys. J. 88, 623 (2005), as trackpy 0.7 measures it: a pixel is dark if the band-pass left nothing
within the radius of a particle.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import Image
from tracking.locate.refine import Ints, disc


def dark(image: Image, raw: Image, radius: int) -> tuple[float, float]:
    """(mean, standard deviation) of `raw` where `image` has no light within `radius`; nan where nothing is dark."""
    count, total, square = _dark_sums(image, raw, disc(radius).half)
    if count == 0:
        return np.nan, np.nan
    mean = total / count
    return mean, (np.sqrt(max(square / count - mean**2, 0.0)) if count > 1 else np.nan)


@njit(cache=True, nogil=True)
def _dark_sums(image: Image, raw: Image, half: Ints) -> tuple[int, float, float]:
    """(count, sum, sum of squares) of the dark pixels."""
    height, width = image.shape
    radius = half.size // 2
    # ring[row % size, reach]: light within `reach` to either side, for the rows about the present one
    size = 2 * radius + 1
    ring = np.zeros((size, radius + 1, width), np.uint8)
    lit = np.empty(width, np.uint8)
    count = 0
    total = 0.0
    square = 0.0
    for y in range(-radius, height):
        come = y + radius
        slot = ring[come % size]
        if come < height:
            _spread(slot, image[come])
        else:
            slot[:] = 0
        if y < 0:
            continue
        lit[:] = 0
        for row in range(size):
            _join(lit, ring[(y - radius + row) % size, half[row]])
        n, s, q = _sums(lit, raw[y])
        count += n
        total += s
        square += q
    return count, total, square


@njit(cache=True, nogil=True)
def _spread(slot: NDArray[np.uint8], row: Image) -> None:
    """slot[reach] = whether there is light in `row` within `reach`."""
    width = row.size
    for x in range(width):
        slot[0, x] = row[x] != 0
    for reach in range(1, slot.shape[0]):
        inner, outer = slot[reach - 1], slot[reach]
        for x in range(width):
            outer[x] = inner[x]
        if width > 1:
            _join(outer[: width - 1], inner[1:])
            _join(outer[1:], inner[: width - 1])


@njit(cache=True, nogil=True)
def _join(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    for x in range(one.size):
        one[x] |= other[x]


@njit(cache=True, nogil=True)
def _sums(lit: NDArray[np.uint8], raw: Image) -> tuple[int, float, float]:
    count = 0
    total = 0.0
    square = 0.0
    for x in range(lit.size):
        if not lit[x]:
            value = float(raw[x])
            count += 1
            total += value
            square += value * value
    return count, total, square

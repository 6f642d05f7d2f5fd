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

Words = NDArray[np.uint64]

ALL = np.uint64(2**64 - 1)


def dark(image: Image, raw: Image, radius: int) -> tuple[float, float]:
    """(mean, standard deviation) of `raw` where `image` has no light within `radius`; nan where nothing is dark."""
    height, width = image.shape
    words = -(-width // 64)
    lit = np.zeros((height, 8 * words), np.uint8)
    lit[:, : -(-width // 8)] = np.packbits(image != 0, axis=1, bitorder="little")
    count, total, square = _dark_sums(lit.view(np.uint64), raw, disc(radius).half)
    if count == 0:
        return np.nan, np.nan
    mean = total / count
    return mean, (np.sqrt(max(square / count - mean**2, 0.0)) if count > 1 else np.nan)


@njit(cache=True, nogil=True)
def _dark_sums(lit: Words, raw: Image, half: Ints) -> tuple[int, float, float]:
    """(count, sum, sum of squares) of the dark pixels; `lit` [height, words] has one bit a pixel."""
    height, words = lit.shape
    radius = half.size // 2
    size = 2 * radius + 1
    # ring[row % size, reach]: light within `reach` to either side, for the rows about the present one
    ring = np.zeros((size, radius + 1, words), np.uint64)
    near = np.empty(words, np.uint64)
    count = 0
    total = 0.0
    square = 0.0
    for y in range(-radius, height):
        come = y + radius
        if come < height:
            _spread(ring[come % size], lit[come])
        else:
            ring[come % size] = 0
        if y < 0:
            continue
        near[:] = 0
        for row in range(size):
            _join(near, ring[(y - radius + row) % size, half[row]])
        n, s, q = _sums(near, raw[y])
        count += n
        total += s
        square += q
    return count, total, square


@njit(cache=True, nogil=True)
def _spread(slot: Words, row: Words) -> None:
    """slot[reach] = whether there is light in `row` within `reach`."""
    one, top = np.uint64(1), np.uint64(63)
    words = row.size
    for w in range(words):
        slot[0, w] = row[w]
    for reach in range(1, slot.shape[0]):
        inner, outer = slot[reach - 1], slot[reach]
        for w in range(words):
            here = inner[w]
            spread = here | (here << one) | (here >> one)
            if w > 0:
                spread |= inner[w - 1] >> top
            if w + 1 < words:
                spread |= inner[w + 1] << top
            outer[w] = spread


@njit(cache=True, nogil=True)
def _join(one: Words, other: Words) -> None:
    for w in range(one.size):
        one[w] |= other[w]


@njit(cache=True, nogil=True)
def _sums(near: Words, raw: Image) -> tuple[int, float, float]:
    """Of the pixels whose bit is not set; whole words of dark or of light at once."""
    count = 0
    total = 0.0
    square = 0.0
    for w in range(near.size):
        if near[w] == ALL:
            continue
        start = 64 * w
        line = raw[start : min(start + 64, raw.size)]
        if near[w] == 0:
            for x in range(line.size):
                value = float(line[x])
                total += value
                square += value * value
            count += line.size
            continue
        for x in range(line.size):
            if not (near[w] >> np.uint64(x)) & np.uint64(1):
                value = float(line[x])
                count += 1
                total += value
                square += value * value
    return count, total, square

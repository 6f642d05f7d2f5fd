"""Dark level and noise of a frame: mean and standard deviation of the raw pixels far from all particles.

Savin and Doyle, Biophys. J. 88, 623 (2005), as in trackpy 0.7: a pixel is dark if the band-passed frame is 0
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
    """(mean, standard deviation) of `raw` where `image` is 0 within `radius` px; nan if there is no such pixel."""
    height, width = image.shape
    stride = -(-width // 64) + radius // 64 + 1  # words per row; the dark ones at its end separate the rows
    lit = np.zeros((height + 2 * radius, 8 * stride), np.uint8)
    _pack(lit[radius:], image)
    count, total, square = _dark_sums(lit.view(np.uint64), raw, disc(radius).half)
    if count == 0:
        return np.nan, np.nan
    mean = total / count
    return mean, (np.sqrt(max(square / count - mean * mean, 0.0)) if count > 1 else np.nan)


@njit(cache=True, nogil=True)
def _pack(lit: Image, image: Image) -> None:
    """Write one bit per pixel to `lit`, set where the image is not 0."""
    height, width = image.shape
    full_bytes = width // 8
    for y in range(height):
        _pack_row(lit[y][:full_bytes], image[y])
        for x in range(8 * full_bytes, width):
            lit[y, full_bytes] |= np.uint8(image[y, x] != 0) << np.uint8(x - 8 * full_bytes)


@njit(cache=True, nogil=True)
def _pack_row(lit: Image, row: Image) -> None:
    for byte in range(lit.size):
        bits = np.uint8(0)
        for x in range(8):
            bits |= np.uint8(row[8 * byte + x] != 0) << np.uint8(x)
        lit[byte] = bits


@njit(cache=True, nogil=True)
def _dark_sums(lit: Words, raw: Image, half: Ints) -> tuple[int, float, float]:
    """(count, sum, sum of squares) of the dark pixels.

    `lit` [radius + height + radius, words] has one bit per pixel; bits around the image and after each row are 0.
    """
    height, width = raw.shape
    stride = lit.shape[1]
    near = np.zeros(height * stride, np.uint64)
    inner = lit.reshape(-1)  # light within `reach` px to either side, all rows as one long row
    outer = np.zeros_like(inner)
    for reach in range(half.size // 2 + 1):
        for row in range(half.size):
            if half[row] == reach:
                _join(near, inner[row * stride : row * stride + near.size])
        _spread(outer, inner)
        inner, outer = outer, inner
    count = 0
    total = 0.0
    square = 0.0
    for y in range(height):
        n, s, q = _sums(near[y * stride : y * stride + (width + 63) // 64], raw[y])
        count += n
        total += s
        square += q
    return count, total, square


@njit(cache=True, nogil=True)
def _spread(outer: Words, inner: Words) -> None:
    """Extend light by one pixel to either side; the first and the last word are dark."""
    one, top = np.uint64(1), np.uint64(63)
    for w in range(1, inner.size - 1):
        word = inner[w]
        outer[w] = word | (word << one) | (word >> one) | (inner[w - 1] >> top) | (inner[w + 1] << top)


@njit(cache=True, nogil=True)
def _join(target: Words, source: Words) -> None:
    for w in range(target.size):
        target[w] |= source[w]


@njit(cache=True, nogil=True)
def _sums(near: Words, raw: Image) -> tuple[int, float, float]:
    """(count, sum, sum of squares) of the pixels whose bit is 0."""
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

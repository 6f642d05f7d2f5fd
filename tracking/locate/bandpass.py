"""trackpy's band-pass: a Gaussian against pixel noise minus a running mean against uneven light.

Crocker and Grier, J. Colloid Interface Sci. 179, 298 (1996), as trackpy 0.7 computes it: beyond the edge of the frame
the Gaussian uses 0 and the mean the edge pixels. In integer frames the mean is rounded down after each axis.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[Any]

TOP = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}  # largest grey levels; np.iinfo takes 30 us
TRUNCATE = 4.0  # the Gaussian is cut off at this many widths
TILE = 8192  # running sums computed at once, so that they stay in the level-1 cache
FAST = {"contract", "nnan", "ninf", "nsz"}


@functools.cache
def gaussian(width_px: float) -> NDArray[np.float64]:
    """[2 n + 1] weights of sum 1."""
    reach = int(TRUNCATE * width_px + 0.5)
    x = np.arange(-reach, reach + 1)
    weights = np.exp(x**2 / (-2.0 * width_px**2)) if width_px > 0 else np.ones(1)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def bandpass(raw: Image, noise_px: float, box_px: int, threshold: float, wide: bool = False) -> tuple[Image, float]:
    """(the band-passed frame [height, width], its brightest pixel); pixels below `threshold` are 0.

    Args:
        raw: [height, width] uint8, uint16 or float64, C-contiguous.
        noise_px: width of the Gaussian.
        box_px: odd side of the running mean, 3 or more.
        wide: compute in float64 for integer frames too.
    """
    is_integer = raw.dtype != np.float64
    narrow = is_integer and not wide
    real: Any = np.float32 if narrow else np.float64
    weights = gaussian(noise_px).astype(real)
    depth = cv2.CV_32F if narrow else cv2.CV_64F
    smooth: Image = cv2.sepFilter2D(raw, depth, weights, weights, borderType=cv2.BORDER_CONSTANT)
    sums, exact = _arithmetic(raw.dtype, box_px)
    stride = raw.shape[1] + box_px - 1
    lines = np.empty((4, max(TILE // stride, 1) * stride), sums)
    half = 0.5 if is_integer else 0.0  # keeps integer means exact when they are rounded down
    ratio = np.array([half / box_px, 1.0 / box_px], exact)
    bits = smooth.view(np.int32 if narrow else np.int64)  # non-negative floats and their bits have the same order
    largest = _subtract_mean(raw, smooth, bits, lines, box_px, ratio, real(threshold))
    return smooth, float(bits.dtype.type(largest).view(real))


def _arithmetic(dtype: Any, box_px: int) -> tuple[Any, Any]:
    """(dtype of the running sums, dtype of their division): the narrowest exact ones."""
    if dtype == np.uint8:
        return (np.uint16 if box_px <= 257 else np.uint32), np.float32
    return (np.uint32 if dtype == np.uint16 else np.float64), np.float64


@njit(cache=True, nogil=True, fastmath=FAST)
def _subtract_mean(
    raw: Image, smooth: Image, bits: Image, lines: Image, box_px: int, ratio: Image, threshold: Any
) -> int:
    """Subtract the mean of `raw` in a box from `smooth`, in place, a few rows at a time so that the sums stay in cache.

    Returns the largest of `bits`, a view of `smooth` as integers.
    """
    height, width = raw.shape
    reach = box_px // 2
    stride = width + 2 * reach
    rows = lines.shape[1] // stride
    column = np.zeros(width, lines.dtype)  # sums of box_px rows
    for k in range(-reach - 1, reach):
        _add(column, raw[min(max(k, 0), height - 1)])
    means = lines[0]
    largest = 0
    for top in range(0, height, rows):
        count = min(rows, height - top)
        for row in range(count):
            y = top + row
            line = means[row * stride : (row + 1) * stride]
            entering, leaving = raw[min(y + reach, height - 1)], raw[max(y - reach - 1, 0)]
            _roll(line[reach : reach + width], column, entering, leaving, ratio)
            for x in range(reach):
                line[x] = line[reach]
                line[reach + width + x] = line[reach + width - 1]
        total = _run(means[: count * stride], lines[1], lines[2], lines[3], box_px)
        for row in range(count):
            _clip(smooth[top + row], total[row * stride : row * stride + width], ratio, threshold)
            largest = max(largest, _largest(bits[top + row]))
    return largest


@njit(cache=True, nogil=True, fastmath=FAST)
def _add(total: Image, row: Image) -> None:
    for x in range(total.size):
        total[x] += row[x]


@njit(cache=True, nogil=True, fastmath=FAST)
def _roll(mean: Image, total: Image, entering: Image, leaving: Image, ratio: Image) -> None:
    """Move the column sums down by one row and store their means. An integer `mean` rounds down."""
    half, inverse = ratio[0], ratio[1]
    for x in range(total.size):
        total[x] += entering[x] - leaving[x]
        mean[x] = ratio.dtype.type(total[x]) * inverse + half


@njit(cache=True, nogil=True, fastmath=FAST)
def _run(row: Image, power: Image, spare: Image, total: Image, count: int) -> Image:
    """Sums of `count` (odd, 3 or more) successive pixels, from partial sums of 2, 4, 8, ... pixels."""
    size = row.size
    total = total[: size - count + 1]
    summed = 1
    step = 1
    source = row
    while 2 * step <= count:
        size -= step
        _pair(power[:size], source[:size], source[step : step + size])
        step *= 2
        source, power, spare = power, spare, power
        if count & step:
            if summed == 1:
                _pair(total, row[: total.size], source[1 : 1 + total.size])
            else:
                _add(total, source[summed : summed + total.size])
            summed += step
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _pair(total: Image, first: Image, second: Image) -> None:
    for x in range(total.size):
        total[x] = first[x] + second[x]


@njit(cache=True, nogil=True, fastmath=FAST - {"contract"})
def _clip(row: Image, total: Image, ratio: Image, threshold: Any) -> None:
    """row - mean in place, or 0 below the threshold. Storing a mean into an integer type rounds it down."""
    half, inverse = ratio[0], ratio[1]
    for x in range(row.size):
        mean = total.dtype.type(ratio.dtype.type(total[x]) * inverse + half)
        value = row[x] - row.dtype.type(mean)
        row[x] = value if value >= threshold else row.dtype.type(0)


@njit(cache=True, nogil=True, fastmath=False)
def _largest(row: Image) -> Any:
    largest = row.dtype.type(0)
    for x in range(row.size):
        largest = max(largest, row[x])
    return largest

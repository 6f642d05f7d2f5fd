"""trackpy's band-pass: a Gaussian against pixel noise minus a running mean against uneven light.

Crocker and Grier, J. Colloid Interface Sci. 179, 298 (1996), as trackpy 0.7 computes it: the Gaussian sees black beyond
the edge; the mean sees the edge repeated and, in whole-number frames, is rounded down after each axis.
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
TRUNCATE = 4.0  # the Gaussian ends at this many widths
TILE = 8192  # running sums that are worked on at once: they stay in the nearest cache
FAST = {"contract", "nnan", "ninf", "nsz"}


@functools.cache
def gaussian(width_px: float) -> NDArray[np.float64]:
    """[2 n + 1] weights of sum 1."""
    reach = int(TRUNCATE * width_px + 0.5)
    x = np.arange(-reach, reach + 1)
    weights = np.exp(x**2 / (-2.0 * width_px**2)) if width_px > 0 else np.ones(1)
    made: NDArray[np.float64] = weights / weights.sum()
    return made


def bandpass(raw: Image, noise_px: float, box_px: int, threshold: float, wide: bool = False) -> tuple[Image, float]:
    """(the band-passed frame [height, width], its brightest pixel); pixels below `threshold` are 0.

    Args:
        raw: [height, width] uint8, uint16 or float64, C-contiguous.
        noise_px: width of the Gaussian.
        box_px: odd side of the running mean, 3 or more.
        wide: float64 for whole-number frames too.
    """
    whole = raw.dtype != np.float64
    narrow = whole and not wide
    real: Any = np.float32 if narrow else np.float64
    weights = gaussian(noise_px).astype(real)
    depth = cv2.CV_32F if narrow else cv2.CV_64F
    smooth: Image = cv2.sepFilter2D(raw, depth, weights, weights, borderType=cv2.BORDER_CONSTANT)
    sums, exact = _arithmetic(raw.dtype, box_px)
    stride = raw.shape[1] + box_px - 1
    lines = np.empty((4, max(TILE // stride, 1) * stride), sums)
    half = 0.5 if whole else 0.0  # keeps whole means whole before they are rounded down
    ratio = np.array([half / box_px, 1.0 / box_px], exact)
    bits = smooth.view(np.int32 if narrow else np.int64)  # of floats that are not negative: in the order of the floats
    largest = _subtract_mean(raw, smooth, bits, lines, box_px, ratio, real(threshold))
    return smooth, float(bits.dtype.type(largest).view(real))


def _arithmetic(dtype: Any, box_px: int) -> tuple[Any, Any]:
    """(type of the running sums, type of their division): as narrow as is exact."""
    if dtype == np.uint8:
        return (np.uint16 if box_px <= 257 else np.uint32), np.float32
    return (np.uint32 if dtype == np.uint16 else np.float64), np.float64


@njit(cache=True, nogil=True, fastmath=FAST)
def _subtract_mean(
    raw: Image, smooth: Image, bits: Image, lines: Image, box_px: int, ratio: Image, threshold: Any
) -> int:
    """smooth - mean of `raw` in a box, in place, a few rows at a time so that the sums stay in cache.

    Returns the largest of its `bits`, which are the same memory as whole numbers.
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
            come, gone = raw[min(y + reach, height - 1)], raw[max(y - reach - 1, 0)]
            _roll(line[reach : reach + width], column, come, gone, ratio)
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
def _roll(mean: Image, total: Image, come: Image, gone: Image, ratio: Image) -> None:
    """The sums move on by a row. Storing their means into whole numbers rounds down."""
    half, inverse = ratio[0], ratio[1]
    for x in range(total.size):
        total[x] += come[x] - gone[x]
        mean[x] = ratio.dtype.type(total[x]) * inverse + half


@njit(cache=True, nogil=True, fastmath=FAST)
def _run(row: Image, power: Image, other: Image, total: Image, count: int) -> Image:
    """Sums of `count` (odd, 3 or more) neighbours, each from its first on, by sums of 2, 4, 8, ... of them."""
    size = row.size
    total = total[: size - count + 1]
    done = 1
    step = 1
    source = row
    while 2 * step <= count:
        size -= step
        _pair(power[:size], source[:size], source[step : step + size])
        step *= 2
        source, power, other = power, other, power
        if count & step:
            if done == 1:
                _pair(total, row[: total.size], source[1 : 1 + total.size])
            else:
                _add(total, source[done : done + total.size])
            done += step
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _pair(total: Image, one: Image, other: Image) -> None:
    for x in range(total.size):
        total[x] = one[x] + other[x]


@njit(cache=True, nogil=True, fastmath=FAST - {"contract"})
def _clip(row: Image, total: Image, ratio: Image, threshold: Any) -> None:
    """row - mean, or 0 if it is below the threshold. A mean of whole numbers is rounded down, any other once."""
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

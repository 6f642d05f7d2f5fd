"""Integer grey levels of a band-passed frame, equal to trackpy 0.7's in every bit, but mostly in float32 arithmetic.

trackpy computes in float64. Rounding down to integer levels turns a difference in the last digit into one level, which
may move a local maximum (about one feature in 50 of a bright-field video). So a pixel whose value is within the
rounding error of the threshold, of the maximum or of an integer level is computed again, in float64 and in the order of
additions of scipy.ndimage.correlate1d.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import FAST, TOP, Image, bandpass, gaussian

Floats = NDArray[np.float64]

# Bounds on errors in grey levels. The band-pass errs by up to 0.7e-4 if its Gaussian has up to 21 weights, else 2.2e-4
# (float32, 8 bit), and by up to 1.2e-10 (float64, 16 bit).
DOUBT, DOUBT_OF_WIDE, DOUBT_OF_16_BIT, NARROW = 1e-4, 3e-4, 1e-9, 21
ROUNDING = {4: 4e-5, 8: 1e-9}  # error of the product with the factor, in integer levels, by bytes of the float
LEAST = 1e-30  # value of a pixel that is not black, at least
FEW = 16  # up to this many doubtful pixels of a row are computed one by one; for more, the whole row


def levels(raw: Image, noise_px: float, box_px: int, threshold: float) -> tuple[Image, float]:
    """(band-passed frame in the integer type of `raw`, scaled to its largest value; the scale factor).

    Args:
        raw: [height, width] uint8 or uint16, C-contiguous.
        noise_px: width of the Gaussian.
        box_px: odd side of the running mean, 3 or more.
        threshold: band-passed pixels below it are black.
    """
    weights = gaussian(noise_px)
    doubt = DOUBT_OF_16_BIT if raw.dtype == np.uint16 else DOUBT if weights.size <= NARROW else DOUBT_OF_WIDE
    smooth, largest = bandpass(raw, noise_px, box_px, max(threshold - doubt, LEAST), wide=raw.dtype == np.uint16)
    brightest = _brightest(smooth, raw, weights, largest - 2.0 * doubt, threshold) if largest > 0 else 0.0
    factor = TOP[raw.dtype] / brightest if brightest > 0 else 1.0
    image = np.empty_like(raw)
    margin = doubt * factor + ROUNDING[smooth.itemsize]
    _levels(image, smooth, raw, weights, factor, margin, threshold, threshold + doubt)
    return image, factor


@njit(cache=True, nogil=True)
def _brightest(smooth: Image, raw: Image, weights: Floats, least: float, threshold: float) -> float:
    """The largest band-passed pixel, or 0 if all are below the threshold."""
    width = raw.shape[1]
    brightest = 0.0
    sums, value = np.empty(width), np.empty(width)
    flag, place = np.zeros((width + 7) // 8 * 8, np.uint8), np.empty(width, np.int64)
    for y in range(raw.shape[0]):
        if not _any(smooth[y], smooth.dtype.type(least)):
            continue
        _bright(flag, smooth[y], smooth.dtype.type(least))
        count = _places(place, flag.view(np.uint64), flag)
        _settle(value, sums, place[:count], smooth[y], raw, y, weights)
        for n in range(count):
            if value[n] >= threshold:
                brightest = max(brightest, value[n])
    return brightest


@njit(cache=True, nogil=True, fastmath=FAST)
def _any(row: Image, least: Any) -> bool:
    count = np.int32(0)
    for x in range(row.size):
        count += np.int32(row[x] >= least)
    return bool(count > 0)


@njit(cache=True, nogil=True, fastmath=FAST)
def _bright(flag: Image, row: Image, least: Any) -> None:
    for x in range(row.size):
        flag[x] = (row[x] > 0) & (row[x] >= least)


@njit(cache=True, nogil=True)
def _levels(
    image: Image, smooth: Image, raw: Image, weights: Floats, factor: float, margin: float, threshold: float,
    certain: float,
) -> None:  # fmt: skip
    """Write `smooth` * factor, rounded down, to `image`. Pixels within `margin` of an integer level or below `certain`
    are computed again in float64."""
    width = raw.shape[1]
    real = smooth.dtype
    sums, value = np.empty(width), np.empty(width)
    flag, place = np.zeros((width + 7) // 8 * 8, np.uint8), np.empty(width, np.int64)
    for y in range(raw.shape[0]):
        _scale(image[y], flag, smooth[y], real.type(factor), real.type(margin), real.type(certain))
        count = _places(place, flag.view(np.uint64), flag)
        _settle(value, sums, place[:count], smooth[y], raw, y, weights)
        for n in range(count):
            image[y, place[n]] = np.int64(factor * value[n]) if value[n] >= threshold else 0


@njit(cache=True, nogil=True, fastmath=FAST)
def _scale(image: Image, flag: Image, row: Image, factor: Any, margin: Any, certain: Any) -> None:
    one = row.dtype.type(1)
    for x in range(row.size):
        value = row[x] * factor
        level = np.int32(value)
        part = value - row.dtype.type(level)
        image[x] = level
        flag[x] = (row[x] > 0) & ((part < margin) | (part > one - margin) | (row[x] < certain))


@njit(cache=True, nogil=True)
def _places(place: Image, words: Image, flag: Image) -> int:
    """Write the columns of set flags to `place` and return their number. Tests eight flags at once: few are set."""
    count = 0
    for word in range(words.size):
        if words[word] != 0:
            for x in range(8 * word, 8 * word + 8):
                if flag[x]:
                    place[count] = x
                    count += 1
    return count


@njit(cache=True, nogil=True)
def _settle(value: Floats, sums: Floats, place: Image, row: Image, raw: Image, y: int, weights: Floats) -> None:
    """Write the band-passed pixels at columns `place` of row y, in float64, to `value`. `sums` [width]: scratch."""
    width, tail = raw.shape[1], weights.size // 2
    if place.size > FEW:
        _columns(sums, raw, y, 0, weights)
    for n in range(place.size):
        x = place[n]
        if place.size <= FEW:
            left = max(x - tail, 0)
            _columns(sums[left : min(x + tail + 1, width)], raw, y, left, weights)
        smoothed = _across(sums, x, weights)
        value[n] = smoothed - np.rint(smoothed - row[x])  # the running mean is an integer


@njit(cache=True, nogil=True)
def _columns(sums: Floats, raw: Image, y: int, left: int, weights: Floats) -> None:
    """Weighted sums along the columns from `left` on, about row y; 0 beyond the frame."""
    height, tail = raw.shape[0], weights.size // 2
    for x in range(sums.size):
        sums[x] = raw[y, left + x] * weights[tail]
    for k in range(tail):
        above, below = y + k - tail, y + tail - k
        if above >= 0 and below < height:
            for x in range(sums.size):
                sums[x] += (float(raw[above, left + x]) + float(raw[below, left + x])) * weights[k]
        elif above >= 0:
            for x in range(sums.size):
                sums[x] += raw[above, left + x] * weights[k]
        elif below < height:
            for x in range(sums.size):
                sums[x] += raw[below, left + x] * weights[k]


@njit(cache=True, nogil=True)
def _across(sums: Floats, x: int, weights: Floats) -> float:
    """Weighted sum of the column sums about x; 0 beyond the frame."""
    tail = weights.size // 2
    total = float(sums[x] * weights[tail])
    for k in range(tail):
        left, right = x + k - tail, x + tail - k
        before = sums[left] if left >= 0 else 0.0
        behind = sums[right] if right < sums.size else 0.0
        total += (before + behind) * weights[k]
    return total

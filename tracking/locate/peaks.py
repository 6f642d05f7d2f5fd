"""Local maxima, as trackpy 0.7 finds them: pixels that equal the grey dilation and exceed a percentile of the frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import FAST, TOP, Image

Ints = NDArray[np.int64]

BLOCK = 128  # pixels per count; fits into uint8 counters, of which many fit into one register


def whole(smooth: Image, brightest: float, dtype: Any) -> tuple[Image, float]:
    """(frame in integers of `dtype`, scaled to its largest value and rounded down; the scale factor)."""
    factor = TOP[np.dtype(dtype)] / brightest if brightest > 0 else 1.0
    image = np.empty(smooth.shape, dtype)
    _scale(image, smooth, smooth.dtype.type(factor))
    return image, factor


@njit(cache=True, nogil=True, fastmath=FAST)
def _scale(image: Image, smooth: Image, factor: Any) -> None:
    for y in range(image.shape[0]):
        _scale_row(image[y], smooth[y], factor)


@njit(cache=True, nogil=True, fastmath=FAST)
def _scale_row(image: Image, smooth: Image, factor: Any) -> None:
    for x in range(image.size):
        image[x] = np.int32(smooth[x] * factor)


def above(image: Image, percentile: float) -> int | None:
    """The grey level at this percentile of the pixels that are not black; None if all are black.

    A peak exceeds numpy's interpolated percentile if and only if it exceeds the level below it in rank.
    """
    if image.dtype != np.uint8:
        return _sorted(image, percentile)
    # a guess from a few rows, then corrected: counting a frame once or twice is faster than a histogram
    level = _guess(image, percentile)
    lit, reach, exceed = _count(image.reshape(-1), level)
    if lit == 0:
        return None
    rank = _rank_from_top(lit, percentile)
    while level > 1 and reach < rank:
        level -= 1
        _, reach, exceed = _count(image.reshape(-1), level)
    while exceed >= rank:
        level += 1
        _, reach, exceed = _count(image.reshape(-1), level)
    return level


def _sorted(image: Image, percentile: float) -> int | None:
    """The same as `above`, from the histogram of all pixels."""
    counts = np.bincount(image.ravel())
    lit = image.size - int(counts[0])
    if lit == 0:
        return None
    counts[0] = 0
    return int(np.flatnonzero(np.cumsum(counts[::-1]) >= _rank_from_top(lit, percentile))[0] * -1 + counts.size - 1)


@njit(cache=True, nogil=True)
def _rank_from_top(lit: int, percentile: float) -> int:
    """Number of `lit` pixels whose rank is that of the percentile or higher."""
    return lit - int((lit - 1) * (percentile / 100.0))


@njit(cache=True, nogil=True)
def _guess(image: Image, percentile: float) -> int:
    """The level from every 16th row only."""
    counts = np.zeros((4, 256), np.int64)  # four histograms in turn, so that no count waits for the last one
    for y in range(0, image.shape[0], 16):
        for x in range(image.shape[1]):
            counts[x & 3, image[y, x]] += 1
    rank = _rank_from_top(counts[:, 1:].sum(), percentile)
    reached = 0
    for level in range(255, 1, -1):
        reached += counts[:, level].sum()
        if reached >= rank:
            return level
    return 1


@njit(cache=True, nogil=True)
def _count(image: Image, level: int) -> tuple[int, int, int]:
    """Number of pixels that are not black, that reach the level (1 or more), and that exceed it."""
    lit = reach = exceed = 0
    padded = np.zeros(BLOCK, np.uint8)  # the last pixels, padded with 0
    padded[: image.size % BLOCK] = image[image.size // BLOCK * BLOCK :]
    for start in range(0, image.size, BLOCK):
        block = image[start : start + BLOCK] if start + BLOCK <= image.size else padded
        block_counts = _count_block(block, np.uint8(level))
        lit += block_counts[0]
        reach += block_counts[1]
        exceed += block_counts[2]
    return lit, reach, exceed


@njit(cache=True, nogil=True)
def _count_block(block: Image, level: Any) -> tuple[Any, Any, Any]:
    lit = reach = exceed = np.uint8(0)
    for x in range(BLOCK):
        lit = np.uint8(lit + (block[x] > 0))
        reach = np.uint8(reach + (block[x] >= level))
        exceed = np.uint8(exceed + (block[x] > level))
    return lit, reach, exceed


def peaks(image: Image, separation_px: float, least: int, margin_px: int) -> Ints:
    """[N, 2] y, x of pixels above `least` that are the maximum of a box inside the circle of radius separation_px."""
    side = int(2 * separation_px / np.sqrt(2))
    height, width = image.shape
    if min(height, width) <= 2 * margin_px or side < 1:
        return np.empty((0, 2), np.int64)
    anchor = (side - 1) // 2  # of an even box, the centre is the pixel left of and above the middle
    box = np.ones((side, side), np.uint8)
    largest = cv2.dilate(image, box, anchor=(anchor, anchor), borderType=cv2.BORDER_CONSTANT, borderValue=0.0)
    peak = np.empty((image.size // 64 + 64, 2), np.int64)
    count = _peaks(image, largest, image.dtype.type(least), margin_px, peak)
    if count > len(peak):  # flat frames have very many
        peak = np.empty((count, 2), np.int64)
        _peaks(image, largest, image.dtype.type(least), margin_px, peak)
    return peak[:count]


@njit(cache=True, nogil=True)
def _peaks(image: Image, largest: Image, level: Any, margin: int, peak: Ints) -> int:
    """Write y, x of pixels inside the margin that equal `largest` and exceed `level` to `peak`; return their number."""
    height, width = image.shape
    flag = np.zeros((width - 2 * margin + 7) // 8 * 8, np.uint8)
    words = flag.view(np.uint64)
    count = 0
    for y in range(margin, height - margin):
        _mark(flag, image[y][margin : width - margin], largest[y][margin : width - margin], level)
        count = _places(words, flag, y, margin, peak, count)
    return count


@njit(cache=True, nogil=True)
def _mark(flag: Image, image: Image, largest: Image, level: Any) -> None:
    for x in range(image.size):
        flag[x] = (image[x] == largest[x]) & (image[x] > level)


@njit(cache=True, nogil=True)
def _places(words: Image, flag: Image, y: int, left: int, peak: Ints, count: int) -> int:
    """Append the set flags of a row to `peak`, as far as there is room. Tests eight flags at once: few are set."""
    for word in range(words.size):
        if words[word] != 0:
            for x in range(8 * word, 8 * word + 8):
                if flag[x]:
                    if count < len(peak):
                        peak[count, 0] = y
                        peak[count, 1] = left + x
                    count += 1
    return count

"""Local maxima, as trackpy 0.7 finds them: pixels that equal the grey dilation and exceed a percentile of the frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import FAST, TOP, Image

Ints = NDArray[np.int64]


def whole(smooth: Image, brightest: float, dtype: Any) -> tuple[Image, float]:
    """(the frame in whole numbers of `dtype` up to its largest, rounded down; the factor between them)."""
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
    """The grey level that `percentile` of the pixels that are not black do not exceed; None if all are black.

    A peak exceeds numpy's interpolated percentile if and only if it exceeds the level below it in rank.
    """
    count = np.count_nonzero(image)
    if count == 0:
        return None
    above_it = int(count) - int((count - 1) * (percentile / 100.0))  # the level's pixel itself and those beyond
    if image.dtype != np.uint8:
        counts = np.bincount(image.ravel())
        return int(np.flatnonzero(np.cumsum(counts[::-1]) >= above_it)[0] * -1 + counts.size - 1)
    # guessed from every 16th row; counting a whole frame once is much faster than sorting its pixels into levels
    level = _guess(image[::16], above_it / image.size)
    while level > 1 and np.count_nonzero(image >= level) < above_it:
        level -= 1
    while np.count_nonzero(image > level) >= above_it:
        level += 1
    return level


@njit(cache=True, nogil=True)
def _guess(sample: Image, share: float) -> int:
    """The level that this share of the sample reaches."""
    counts = np.zeros((4, 256), np.int64)  # by turns, so that no count waits for the one before
    for y in range(sample.shape[0]):
        for x in range(sample.shape[1]):
            counts[x & 3, sample[y, x]] += 1
    reached = 0
    for level in range(255, 0, -1):
        for turn in range(4):
            reached += counts[turn, level]
        if reached >= share * sample.size:
            return level
    return 0


def peaks(image: Image, separation_px: float, least: int, margin_px: int) -> Ints:
    """[N, 2] y, x of the pixels above `least` that nothing in a box within the circle of separation_px exceeds."""
    side = int(2 * separation_px / np.sqrt(2))
    height, width = image.shape
    if min(height, width) <= 2 * margin_px or side < 1:
        return np.empty((0, 2), np.int64)
    anchor = (side - 1) // 2  # of an even box, the centre is the pixel left of and above the middle
    box = np.ones((side, side), np.uint8)
    largest = cv2.dilate(image, box, anchor=(anchor, anchor), borderType=cv2.BORDER_CONSTANT, borderValue=0.0)
    flag = np.empty(-(-image.size // 8) * 8, np.uint8)
    flag[image.size :] = 0
    _mark(flag[: image.size], image.reshape(-1), largest.reshape(-1), image.dtype.type(least))
    found = np.empty((int(np.count_nonzero(flag)), 2), np.int64)
    return found[: _places(flag.view(np.uint64), flag, margin_px, height, width, found)]


@njit(cache=True, nogil=True)
def _mark(flag: Image, image: Image, largest: Image, level: Any) -> None:
    for x in range(flag.size):
        flag[x] = (image[x] == largest[x]) & (image[x] > level)


@njit(cache=True, nogil=True)
def _places(words: Image, flag: Image, margin: int, height: int, width: int, found: Ints) -> int:
    """How many flags are set off the margin; y, x of each into `found`. Eight are looked at at once: few are set."""
    count = 0
    for word in range(words.size):
        if words[word] != 0:
            for at in range(8 * word, 8 * word + 8):
                if flag[at]:
                    y = at // width
                    x = at - y * width
                    if margin <= x < width - margin and margin <= y < height - margin:
                        found[count, 0] = y
                        found[count, 1] = x
                        count += 1
    return count

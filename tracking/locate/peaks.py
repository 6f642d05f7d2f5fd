"""Local maxima, as trackpy 0.7 finds them: pixels that equal the grey dilation and exceed a percentile of the frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import FAST, Image

Ints = NDArray[np.int64]


def whole(smooth: Image, brightest: float, dtype: Any) -> tuple[Image, float]:
    """(the frame in whole numbers of `dtype` up to its largest, rounded down; the factor between them)."""
    factor = np.iinfo(dtype).max / brightest if brightest > 0 else 1.0
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
    levels = np.iinfo(image.dtype).max + 1
    counts = cv2.calcHist([image], [0], None, [levels], [0, levels]).ravel()[1:]
    upto = np.cumsum(counts, dtype=np.float64)
    count = int(upto[-1])
    if count == 0:
        return None
    rank = int((count - 1) * (percentile / 100.0))
    return 1 + int(np.searchsorted(upto, rank, side="right"))


def peaks(image: Image, separation_px: float, least: int, margin_px: int) -> Ints:
    """[N, 2] y, x of the pixels above `least` that nothing in a box within the circle of separation_px exceeds."""
    side = int(2 * separation_px / np.sqrt(2))
    height, width = image.shape
    if min(height, width) <= 2 * margin_px or side < 1:
        return np.empty((0, 2), np.int64)
    anchor = (side - 1) // 2  # of an even box, the centre is the pixel left of and above the middle
    box = np.ones((side, side), np.uint8)
    largest = cv2.dilate(image, box, anchor=(anchor, anchor), borderType=cv2.BORDER_CONSTANT, borderValue=0.0)
    found = np.empty((image.size // 16 + 64, 2), np.int64)
    while True:
        count = _equal(image, largest, least, margin_px, found)
        if count <= len(found):
            return found[:count]
        found = np.empty((count, 2), np.int64)


@njit(cache=True, nogil=True)
def _equal(image: Image, largest: Image, least: int, margin: int, found: Ints) -> int:
    """How many peaks there are; as many as fit are in `found`."""
    height, width = image.shape
    block = 64
    flag = np.zeros(-(-width // block) * block, np.uint8)
    words = flag.view(np.uint64)
    level = image.dtype.type(least)
    count = 0
    for y in range(margin, height - margin):
        _mark(flag[:width], image[y], largest[y], level)
        for word in range(words.size):
            if words[word] == 0:
                continue
            for x in range(max(8 * word, margin), min(8 * word + 8, width - margin)):
                if flag[x]:
                    if count < found.shape[0]:
                        found[count, 0] = y
                        found[count, 1] = x
                    count += 1
    return count


@njit(cache=True, nogil=True)
def _mark(flag: Image, image: Image, largest: Image, level: Any) -> None:
    for x in range(flag.size):
        flag[x] = (image[x] == largest[x]) & (image[x] > level)

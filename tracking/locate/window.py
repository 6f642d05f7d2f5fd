"""Location in a small window around each expected particle: band-pass, nearest maximum, centroid.

A window stays in cache. The rule is trackpy's (tracking.locate.bandpass, refine) but for two points: brightness is not
rounded to integer grey levels, and only the maximum nearest the expected position is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAST = {"contract", "nnan", "ninf", "nsz"}
CREST_PX = 3  # a maximum is the brightest pixel within this distance
SHIFT_PX, EMPTY = 0.6, 1e-6  # as in refine
X, Y, MASS, SIZE, ECC, SIGNAL, RAW_MASS, FOUND = range(8)  # columns of the result


def scratch(reach: int, weights: Image, box: int) -> Image:
    """Scratch memory for one window of `look`."""
    side = 2 * (reach + max(box // 2, weights.size // 2)) + 1
    return np.empty((7, side * side), weights.dtype)


@njit(cache=True, nogil=True, fastmath=FAST)
def look(
    raw: Image, expected: Floats, reach: int, weights: Image, box: int, is_integer: bool, threshold: float, top: float,
    half: Ints, cosine: Floats, sine: Floats, least_signal: Floats, search_px: float, iterations: int, work: Image,
) -> Floats:  # fmt: skip
    """[M, 8] x, y, mass, size, ecc, signal, raw_mass, found (0 or 1) of the particle expected at each x, y [M, 2].

    Args:
        raw: [height, width].
        reach: half side of the band-passed window.
        is_integer: round the running mean down, as for integer frames.
        top: 0, or for dark particles the level from which grey levels are subtracted.
        half, cosine, sine: the mask (tracking.locate.refine.disc).
        least_signal: [M] a maximum below it is noise.
        work: `scratch`.
    """
    result = np.zeros((expected.shape[0], 8))
    trial = np.zeros(8)
    height, width = raw.shape
    pad = max(box // 2, weights.size // 2)
    side = 2 * (reach + pad) + 1
    radius = half.size // 2
    for n in range(expected.shape[0]):
        x, y = int(np.rint(expected[n, 0])) - reach, int(np.rint(expected[n, 1])) - reach
        if not (-reach <= x < width - reach and -reach <= y < height - reach):
            continue
        _cut(raw, y - pad, x - pad, side, top, work[0], work[1])
        band = _band(work, side, pad, reach, weights, box, is_integer, threshold)
        # where the mask still fits into the frame and the window: low y, high y, low x, high x
        fits = (
            max(radius, radius - y), min(2 * reach - radius, height - 1 - radius - y),
            max(radius, radius - x), min(2 * reach - radius, width - 1 - radius - x),
        )  # fmt: skip
        at = (expected[n, 1] - y, expected[n, 0] - x)
        row, column = _nearest(band, side, fits, at, search_px, least_signal[n], half, iterations, result[n], trial)
        if row >= 0:
            _describe(band, work[1][pad * side + pad :], side, row, column, half, cosine, sine, result[n])
            result[n, X] += x
            result[n, Y] += y
    return result


@njit(cache=True, nogil=True, fastmath=FAST)
def _cut(raw: Image, above: int, left: int, side: int, top: float, dark: Image, edge: Image) -> None:
    """Write the window, flat, to `dark` (0 beyond the frame) and to `edge` (edge pixels repeated)."""
    height, width = raw.shape
    if left >= 0 and above >= 0 and left + side <= width and above + side <= height:
        for r in range(side):
            _copy(edge[r * side : (r + 1) * side], raw[above + r, left : left + side])
    else:
        for r in range(side):
            row = min(max(above + r, 0), height - 1)
            for c in range(side):
                edge[r * side + c] = raw[row, min(max(left + c, 0), width - 1)]
    if top > 0:
        _flip(edge, edge.dtype.type(top))
    _copy(dark, edge)
    for r in range(max(-above, 0)):
        dark[r * side : (r + 1) * side] = 0
    for r in range(max(height - above, 0), side):
        dark[r * side : (r + 1) * side] = 0
    for r in range(side):
        for c in range(max(-left, 0)):
            dark[r * side + c] = 0
        for c in range(max(width - left, 0), side):
            dark[r * side + c] = 0


@njit(cache=True, nogil=True, fastmath=FAST)
def _band(
    work: Image, side: int, pad: int, reach: int, weights: Image, box: int, is_integer: bool, threshold: float
) -> Image:
    """The band-passed window, flat with rows of `side`; its pixel 0, 0 is `pad` into the window."""
    tail, half_box = weights.size // 2, box // 2
    smooth = _smooth(_smooth(work[0], work[2], weights, side), work[3], weights, 1)
    mean = _mean(work[1], work[4], work[5], work[2], box, side, is_integer)
    mean = _mean(mean, work[4], work[5], work[6], box, 1, is_integer)
    band: Image = work[4][: (2 * reach + 1) * side - 2 * pad]
    start_smooth, start_mean = (pad - tail) * (side + 1), (pad - half_box) * (side + 1)
    _subtract(
        band, smooth[start_smooth : start_smooth + band.size], mean[start_mean : start_mean + band.size],
        band.dtype.type(threshold),
    )  # fmt: skip
    return band


@njit(cache=True, nogil=True, fastmath=FAST)
def _smooth(line: Image, out: Image, weights: Image, step: int) -> Image:
    """Weighted sums of pixels `step` apart; the sum that starts at pixel k is out[k]."""
    tail = weights.size // 2
    size = line.size - 2 * tail * step
    out = out[:size]
    _scale(out, line[tail * step : tail * step + size], weights[tail])
    for k in range(tail):
        mirror = (2 * tail - k) * step
        _add_pair(out, line[k * step : k * step + size], line[mirror : mirror + size], weights[k])
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def _mean(line: Image, power: Image, spare: Image, out: Image, count: int, step: int, is_integer: bool) -> Image:
    """Means of `count` (odd) pixels `step` apart, from partial sums of 2, 4, 8, ... pixels."""
    size = line.size
    out = out[: size - (count - 1) * step]
    _copy(out, line)
    summed = 1
    reach = 1
    source = line
    while 2 * reach <= count:
        size -= reach * step
        _pair(power[:size], source[:size], source[reach * step : reach * step + size])
        reach *= 2
        source, power, spare = power, spare, power
        if count & reach:
            _add(out, source[summed * step : summed * step + out.size])
            summed += reach
    _divide(out, out.dtype.type(0.5 if is_integer else 0.0), out.dtype.type(1.0 / count), is_integer)
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def _copy(out: Image, line: Image) -> None:
    for x in range(out.size):
        out[x] = line[x]


@njit(cache=True, nogil=True, fastmath=FAST)
def _flip(line: Image, top: Any) -> None:
    for x in range(line.size):
        line[x] = top - line[x]


@njit(cache=True, nogil=True, fastmath=FAST)
def _scale(out: Image, line: Image, weight: Any) -> None:
    for x in range(out.size):
        out[x] = line[x] * weight


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_pair(out: Image, first: Image, second: Image, weight: Any) -> None:
    for x in range(out.size):
        out[x] += (first[x] + second[x]) * weight


@njit(cache=True, nogil=True, fastmath=FAST)
def _pair(out: Image, first: Image, second: Image) -> None:
    for x in range(out.size):
        out[x] = first[x] + second[x]


@njit(cache=True, nogil=True, fastmath=FAST)
def _add(out: Image, line: Image) -> None:
    for x in range(out.size):
        out[x] += line[x]


@njit(cache=True, nogil=True, fastmath=FAST)
def _divide(line: Image, half: Any, inverse: Any, is_integer: bool) -> None:
    if is_integer:
        for x in range(line.size):
            line[x] = np.int32((line[x] + half) * inverse)
    else:
        for x in range(line.size):
            line[x] = line[x] * inverse


@njit(cache=True, nogil=True, fastmath=FAST)
def _subtract(band: Image, smooth: Image, mean: Image, threshold: Any) -> None:
    for x in range(band.size):
        value = smooth[x] - mean[x]
        band[x] = value if value >= threshold else band.dtype.type(0)


@njit(cache=True, nogil=True, fastmath=False)
def _nearest(
    band: Image, side: int, fits: tuple[int, int, int, int], at: tuple[float, float], search_px: float, least: float,
    half: Ints, iterations: int, best: Floats, result: Floats,
) -> tuple[int, int]:  # fmt: skip
    """(row, column) of the mask on the feature nearest `at` (y, x); (-1, -1) without a maximum within search_px.

    The mask starts at every maximum. Of starts that end on one feature the one with the largest mass counts, as in
    trackpy: a mask may end on the rim of a ring. Writes position and mass of the feature to `best`.
    """
    y, x = at
    low_y, high_y, low_x, high_x = fits
    middle = (-1, -1)
    for row in range(max(low_y, int(np.ceil(y - search_px))), min(high_y, int(y + search_px)) + 1):
        for column in range(max(low_x, int(np.ceil(x - search_px))), min(high_x, int(x + search_px)) + 1):
            value = band[row * side + column]
            if value < least or value <= 0 or (row - y) ** 2 + (column - x) ** 2 > search_px**2:
                continue
            if not _tops(band, side, row, column, value):
                continue
            trial_middle = _centre(band, side, row, column, half, iterations, fits, result)
            distance_px2 = (result[Y] - best[Y]) ** 2 + (result[X] - best[X]) ** 2
            nearer = (result[Y] - y) ** 2 + (result[X] - x) ** 2 < (best[Y] - y) ** 2 + (best[X] - x) ** 2
            is_same = distance_px2 < (half.size // 2) ** 2
            if middle[0] < 0 or (is_same and result[MASS] > best[MASS]) or (not is_same and nearer):
                best[:] = result
                middle = trial_middle
    return middle


@njit(cache=True, nogil=True, fastmath=False)
def _tops(band: Image, side: int, row: int, column: int, value: Any) -> bool:
    """Whether no pixel within CREST_PX is brighter. The window is always larger than that."""
    for r in range(max(row - CREST_PX, 0), row + CREST_PX + 1):
        for c in range(max(column - CREST_PX, 0), column + CREST_PX + 1):
            if r * side + c < band.size and band[r * side + c] > value:
                return False
    return True


@njit(cache=True, nogil=True, fastmath=FAST)
def _centre(
    band: Image, side: int, row: int, column: int, half: Ints, iterations: int, fits: tuple[int, int, int, int],
    result: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Move the mask until its centre of brightness is in its middle pixel, and return that pixel. Writes `result`."""
    low_y, high_y, low_x, high_x = fits
    radius = half.size // 2
    for _ in range(iterations):
        total = in_y = in_x = 0.0
        for r in range(-radius, radius + 1):
            reach = half[r + radius]
            line = band[(row + r) * side + column - reach : (row + r) * side + column + reach + 1]
            row_sum = 0.0
            for c in range(line.size):
                row_sum += line[c]
                in_x += line[c] * (c - reach)
            total += row_sum
            in_y += row_sum * r
        in_y /= total
        in_x /= total
        middle = (row, column)
        if abs(in_y) < SHIFT_PX and abs(in_x) < SHIFT_PX:
            break
        row = min(max(row + (in_y > SHIFT_PX) - (in_y < -SHIFT_PX), low_y), high_y)
        column = min(max(column + (in_x > SHIFT_PX) - (in_x < -SHIFT_PX), low_x), high_x)
    result[Y] = middle[0] + in_y
    result[X] = middle[1] + in_x
    result[MASS] = total
    result[FOUND] = 1.0
    return middle


@njit(cache=True, nogil=True, fastmath=FAST | {"reassoc"})
def _describe(
    band: Image, raw: Image, side: int, row: int, column: int, half: Ints, cosine: Floats, sine: Floats, result: Floats
) -> None:
    """Write size, ecc, signal and raw_mass of the mask about a pixel."""
    radius = half.size // 2
    second_moment = cos2 = sin2 = raw_mass = 0.0
    signal = band[row * side + column]
    for r in range(2 * radius + 1):
        reach = half[r]
        start = (row + r - radius) * side + column - reach
        for c in range(2 * reach + 1):
            value = band[start + c]
            offset = c - reach
            second_moment += ((r - radius) * (r - radius) + offset * offset) * value
            cos2 += cosine[r, radius - reach + c] * value
            sin2 += sine[r, radius - reach + c] * value
            raw_mass += raw[start + c]
            signal = value if value > signal else signal
    result[SIZE] = np.sqrt(second_moment / result[MASS])
    result[ECC] = _length(cos2, sin2) / (result[MASS] - band[row * side + column] + EMPTY)
    result[SIGNAL] = signal
    result[RAW_MASS] = raw_mass


@njit(cache=True, nogil=True, fastmath=False)
def _length(x: float, y: float) -> float:
    """As in refine; a copy, because numba's cache does not notice a change in another file."""
    return float(np.sqrt(x * x + y * y))

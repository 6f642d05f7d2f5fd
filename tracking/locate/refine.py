"""Centroids: a mask is moved until the centre of brightness lies in its middle pixel.

Crocker and Grier, J. Colloid Interface Sci. 179, 298 (1996), section 2.4, as in trackpy 0.7: steps of one pixel
while the centroid is more than 0.6 px off, and the columns mass, size, ecc, signal, raw_mass of the last mask.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.locate.bandpass import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHIFT_PX = 0.6  # a centroid farther from the middle moves the mask
EMPTY = 1e-6  # trackpy's guard against a division by 0


@dataclass(frozen=True)
class Disc:
    """The pixels within `radius` of a centre pixel."""

    radius: int
    half: Ints  # [2 radius + 1] half width of each row
    cosine: Floats  # [2 radius + 1, 2 radius + 1] cos(2 theta), 0 outside
    sine: Floats
    pixels: int
    moment: float  # root of the sum of x^2


@functools.cache
def disc(radius: int) -> Disc:
    """The mask of this radius, as in trackpy."""
    line = np.arange(-radius, radius + 1)
    y, x = np.meshgrid(line, line, indexing="ij")
    inside = (y / radius) ** 2 + (x / radius) ** 2 <= 1
    theta = np.arctan2(y, x)
    half = inside.sum(axis=1) // 2
    moment = float(np.sqrt((inside * x**2).sum()))
    return Disc(radius, half, np.cos(2 * theta) * inside, np.sin(2 * theta) * inside, int(inside.sum()), moment)


def refine(image: Image, peak: Ints, radius: int, max_iterations: int) -> tuple[Floats, Ints, Floats]:
    """(position [N, 2] y, x; last middle pixel of the mask [N, 2]; mass [N]) from peaks [N, 2] y, x."""
    position = np.empty((len(peak), 2))
    middle = np.empty((len(peak), 2), np.int64)
    mass = np.empty(len(peak))
    _refine(image, peak, disc(radius).half, max_iterations, position, middle, mass)
    return position, middle, mass


@njit(cache=True, nogil=True)
def _refine(
    image: Image, peak: Ints, half: Ints, iterations: int, position: Floats, middle: Ints, mass: Floats
) -> None:
    height, width = image.shape
    radius = half.size // 2
    for n in range(peak.shape[0]):
        y, x = peak[n]
        for _ in range(iterations):
            total, dy, dx = _moments(image, y, x, half)
            dy = dy / total
            dx = dx / total
            middle[n, 0] = y
            middle[n, 1] = x
            if abs(dy) < SHIFT_PX and abs(dx) < SHIFT_PX:
                break
            y = min(max(y + (dy > SHIFT_PX) - (dy < -SHIFT_PX), radius), height - radius - 1)
            x = min(max(x + (dx > SHIFT_PX) - (dx < -SHIFT_PX), radius), width - radius - 1)
        position[n, 0] = middle[n, 0] + dy
        position[n, 1] = middle[n, 1] + dx
        mass[n] = total


@njit(cache=True, nogil=True)
def _moments(image: Image, y: int, x: int, half: Ints) -> tuple[float, float, float]:
    """(sum of brightness, brightness * y, brightness * x) with y, x from the middle of the disc."""
    radius = half.size // 2
    total = np.int64(0)
    in_y = np.int64(0)
    in_x = np.int64(0)
    for row in range(half.size):
        reach = half[row]
        line = image[y - radius + row, x - reach : x + reach + 1]
        row_sum = np.int64(0)
        for column in range(line.size):
            value = np.int64(line[column])
            row_sum += value
            in_x += value * (column - reach)
        total += row_sum
        in_y += row_sum * (row - radius)
    return float(total), float(in_y), float(in_x)


def describe(image: Image, raw: Image, middle: Ints, mass: Floats, radius: int) -> Floats:
    """[N, 4] size, ecc, signal, raw_mass of the discs about the pixels `middle` [N, 2] y, x."""
    columns = np.empty((len(middle), 4))
    mask = disc(radius)
    _describe(image, raw, middle, mass, mask.half, mask.cosine, mask.sine, columns)
    return columns


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _describe(
    image: Image, raw: Image, middle: Ints, mass: Floats, half: Ints, cosine: Floats, sine: Floats, columns: Floats
) -> None:
    radius = half.size // 2
    for n in range(middle.shape[0]):
        y, x = middle[n]
        second_moment = 0
        cos2 = sin2 = raw_mass = 0.0
        signal = image[y, x]
        for row in range(half.size):
            reach = half[row]
            line = image[y - radius + row, x - reach : x + reach + 1]
            raw_line = raw[y - radius + row, x - reach : x + reach + 1]
            cosines = cosine[row, radius - reach : radius + reach + 1]
            sines = sine[row, radius - reach : radius + reach + 1]
            for column in range(line.size):
                value = np.int64(line[column])
                second_moment += ((row - radius) * (row - radius) + (column - reach) * (column - reach)) * value
                cos2 += cosines[column] * float(value)
                sin2 += sines[column] * float(value)
                raw_mass += raw_line[column]
                signal = max(signal, line[column])
        columns[n, 0] = np.sqrt(second_moment / mass[n])
        columns[n, 1] = _length(cos2, sin2) / (mass[n] - image[y, x] + EMPTY)
        columns[n, 2] = signal
        columns[n, 3] = raw_mass


@njit(cache=True, nogil=True, fastmath=False)
def _length(x: float, y: float) -> float:
    """Root of x^2 + y^2, each square rounded. Products, no power: "Fast arithmetic" in docs/architecture.md."""
    return float(np.sqrt(x * x + y * y))

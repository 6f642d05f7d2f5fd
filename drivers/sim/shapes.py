"""Images of particles with sheared, stretched, tilted and defocused optics: radial profiles, blurred and distorted.

A particle is a radial profile in the sample's plane. Defocus blurs it with a Gaussian, a first-order approximation;
the camera's map then shears and stretches the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ive

from drivers.sim.render import PROFILE, RING_REACH, Floats, Singles, ring_profile

Look = Literal["own", "bead", "shell", "corona", "halo"]
Ints = NDArray[np.int64]

LEVELS = 24  # of blur, from none to the largest in the field
POINTS = 240  # of a profile in the blur integral
SHARP = 0.02  # in lengths of the particle; less blur is neglected
BLUR_REACH = 3.5  # standard deviations of the blur by which an image grows


def _bead(u: Floats) -> Floats:
    """Bright in the centre."""
    return np.asarray(np.exp(-0.5 * (u / 0.55) ** 2))


def _shell(u: Floats) -> Floats:
    """Bright rim, half as bright in the centre."""
    return np.asarray(np.exp(-0.5 * ((u - 0.65) / 0.25) ** 2) + 0.5 * np.exp(-0.5 * (u / 0.35) ** 2))


def _corona(u: Floats) -> Floats:
    """A narrow core with a faint ring close to it."""
    return np.asarray(np.exp(-0.5 * (u / 0.3) ** 2) + 0.4 * np.exp(-0.5 * ((u - 0.8) / 0.17) ** 2))


def _halo(u: Floats) -> Floats:
    """A narrow core with a faint ring farther away."""
    return np.asarray(np.exp(-0.5 * (u / 0.3) ** 2) + 0.4 * np.exp(-0.5 * ((u - 1.05) / 0.17) ** 2))


def _spot(u: Floats) -> Floats:
    """A Gaussian of standard deviation 1."""
    return np.asarray(np.exp(-0.5 * u**2))


def _ring(u: Floats) -> Floats:
    """The bright-field ring of drivers.sim.render."""
    table = ring_profile()
    return np.interp((u / RING_REACH) ** 2 * PROFILE, np.arange(len(table)), table, right=0.0)


PROFILES: dict[str, tuple[Callable[[Floats], Floats], float]] = {  # name -> (profile, its end in lengths)
    "bead": (_bead, 2.4), "shell": (_shell, 2.0), "corona": (_corona, 1.8), "halo": (_halo, 2.2),
    "spot": (_spot, 5.0), "ring": (_ring, 1.8),
}  # fmt: skip


@dataclass(frozen=True)
class Shapes:
    """Images of kinds of particles at levels of blur, in units of each particle's length."""

    table: Singles  # [K, LEVELS, PROFILE + 2] over squared distance up to reach
    reach: Floats  # [K, LEVELS] in lengths
    kind: Ints  # [N] row of the table, the kind
    length_um: Floats  # [N]
    blur_um: Floats  # [3] blur at x, y: |b0 x + b1 y + b2|
    step: float  # difference of blur between levels, in lengths


def shapes(names: list[str], length_um: Floats, blur_um: Floats, most_um: float) -> Shapes:
    """Shapes of particles with these profiles [N] and lengths [N], for blur up to `most_um`."""
    step = max(most_um / length_um.min(initial=np.inf), 1e-9) / (LEVELS - 1)
    kinds = sorted(set(names))
    kind = np.array([kinds.index(name) for name in names], np.int64)
    table, reach = np.zeros((len(kinds), LEVELS, PROFILE + 2), np.float32), np.zeros((len(kinds), LEVELS))
    for row, name in enumerate(kinds):
        for level in range(LEVELS):
            table[row, level], reach[row, level] = blurred(name, step * level)
    return Shapes(table, reach, kind, length_um, blur_um, step)


@cache
def blurred(name: str, blur: float) -> tuple[Singles, float]:
    """(profile [PROFILE + 2] after a Gaussian blur, over squared distance; its end in lengths).

    The blur of f(r) is int f(q) q / s^2 exp(-(r^2 + q^2) / 2 s^2) I_0(r q / s^2) dq; the total light is kept.
    """
    profile, end = PROFILES[name]
    reach = end + BLUR_REACH * blur
    radii = reach * np.sqrt(np.arange(PROFILE + 2) / PROFILE)
    if blur < SHARP:
        return np.asarray(np.where(radii <= end, profile(radii), 0.0), np.float32), reach
    q = (np.arange(POINTS) + 0.5) * end / POINTS
    r = np.linspace(0.0, reach * 1.01, POINTS)
    spread = np.exp(-0.5 * ((r[:, None] - q) / blur) ** 2) * ive(0, r[:, None] * q / blur**2)
    soft = spread @ (profile(q) * q) * (end / POINTS) / blur**2
    return np.asarray(np.interp(radii, r, soft), np.float32), reach


@njit(cache=True, nogil=True)
def stamp_shapes(
    light: Singles, place: Floats, peak: Floats, to_px: Floats, table: Singles, reach: Floats, kind: Ints,
    length: Floats, blur: Floats, step: float,
) -> None:  # fmt: skip
    """Add images to light [H, W]; place [S, N, 2] um, peak [N] counts, to_px [2, 3] map from um to px; rest: Shapes."""
    height, width = light.shape
    a, b, c, d = to_px[0, 0], to_px[0, 1], to_px[1, 0], to_px[1, 1]
    det = a * d - b * c
    x_scale, y_scale = math.sqrt(a * a + b * b), math.sqrt(c * c + d * d)
    for n in range(place.shape[1]):
        share = np.float32(peak[n] / place.shape[0])
        for s in range(place.shape[0]):
            x_um, y_um = place[s, n, 0], place[s, n, 1]
            local_blur = abs(blur[0] * x_um + blur[1] * y_um + blur[2])
            level = min(int(local_blur / (step * length[n]) + 0.5), table.shape[1] - 1)
            profile, radius = table[kind[n], level], reach[kind[n], level] * length[n]
            x = a * x_um + b * y_um + to_px[0, 2]
            y = c * x_um + d * y_um + to_px[1, 2]
            half_width, half_height = radius * x_scale, radius * y_scale
            if not (-half_width < x < width - 1 + half_width and -half_height < y < height - 1 + half_height):
                continue
            scale = PROFILE / (radius * radius)
            for row in range(max(math.ceil(y - half_height), 0), min(math.floor(y + half_height), height - 1) + 1):
                for column in range(max(math.ceil(x - half_width), 0), min(math.floor(x + half_width), width - 1) + 1):
                    u = (d * (column - x) - b * (row - y)) / det
                    v = (a * (row - y) - c * (column - x)) / det
                    coordinate = scale * (u * u + v * v)
                    if coordinate < PROFILE:
                        low = int(coordinate)
                        part = np.float32(coordinate - low)
                        light[row, column] += share * (profile[low] + part * (profile[low + 1] - profile[low]))

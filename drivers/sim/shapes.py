"""What particles look like through optics that shear, stretch, tilt and defocus: radial profiles, blurred, then bent.

A particle is drawn by a radial profile in the sample's plane. Out of focus it is blurred there by a Gaussian, which is
what defocus does to first order; the camera's map then shears and stretches the picture.
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

LEVELS = 24  # of blur, from none to the field's most
POINTS = 240  # of a profile, where it is blurred
SHARP = 0.02  # lengths; less blur is none
BLUR_REACH = 3.5  # standard deviations of the blur that a picture grows by


def _bead(u: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * (u / 0.55) ** 2))


def _shell(u: Floats) -> Floats:
    """Bright at its rim, half as bright in its middle."""
    return np.asarray(np.exp(-0.5 * ((u - 0.65) / 0.25) ** 2) + 0.5 * np.exp(-0.5 * (u / 0.35) ** 2))


def _corona(u: Floats) -> Floats:
    """A narrow core, and a faint ring close about it."""
    return np.asarray(np.exp(-0.5 * (u / 0.3) ** 2) + 0.4 * np.exp(-0.5 * ((u - 0.8) / 0.17) ** 2))


def _halo(u: Floats) -> Floats:
    """A narrow core, and a faint ring farther out."""
    return np.asarray(np.exp(-0.5 * (u / 0.3) ** 2) + 0.4 * np.exp(-0.5 * ((u - 1.05) / 0.17) ** 2))


def _spot(u: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * u**2))


def _ring(u: Floats) -> Floats:
    table = ring_profile()
    return np.interp((u / RING_REACH) ** 2 * PROFILE, np.arange(len(table)), table, right=0.0)


PROFILES: dict[str, tuple[Callable[[Floats], Floats], float]] = {  # and where each ends, in its own lengths
    "bead": (_bead, 2.4), "shell": (_shell, 2.0), "corona": (_corona, 1.8), "halo": (_halo, 2.2),
    "spot": (_spot, 5.0), "ring": (_ring, 1.8),
}  # fmt: skip


@dataclass(frozen=True)
class Shapes:
    """Pictures of kinds of particles at levels of blur, in units of each particle's own length."""

    table: Singles  # [K, LEVELS, PROFILE + 2] over the square of the distance, which ends at reach
    reach: Floats  # [K, LEVELS]
    kind: Ints  # [N] row of the table
    length_um: Floats  # [N]
    blur_um: Floats  # [3] of a place: blur = |b0 x + b1 y + b2|
    step: float  # of blur, from level to level


def shapes(names: list[str], length_um: Floats, blur_um: Floats, most_um: float) -> Shapes:
    """Shapes for particles that are drawn by these profiles [N], with these lengths [N]; no blur above `most_um`."""
    step = max(most_um / length_um.min(initial=np.inf), 1e-9) / (LEVELS - 1)
    known = sorted(set(names))
    kind = np.array([known.index(name) for name in names], np.int64)
    table, reach = np.zeros((len(known), LEVELS, PROFILE + 2), np.float32), np.zeros((len(known), LEVELS))
    for row, name in enumerate(known):
        for level in range(LEVELS):
            table[row, level], reach[row, level] = blurred(name, step * level)
    return Shapes(table, reach, kind, length_um, blur_um, step)


@cache
def blurred(name: str, blur: float) -> tuple[Singles, float]:
    """A profile [PROFILE + 2] after a Gaussian blur, over the square of the distance, and where it ends.

    The blur of f(r) is int f(q) q / s^2 exp(-(r^2 + q^2) / 2 s^2) I_0(r q / s^2) dq; the light stays the same.
    """
    profile, own = PROFILES[name]
    reach = own + BLUR_REACH * blur
    at = reach * np.sqrt(np.arange(PROFILE + 2) / PROFILE)
    if blur < SHARP:
        return np.asarray(np.where(at <= own, profile(at), 0.0), np.float32), reach
    q = (np.arange(POINTS) + 0.5) * own / POINTS
    r = np.linspace(0.0, reach * 1.01, POINTS)
    spread = np.exp(-0.5 * ((r[:, None] - q) / blur) ** 2) * ive(0, r[:, None] * q / blur**2)
    soft = spread @ (profile(q) * q) * (own / POINTS) / blur**2
    return np.asarray(np.interp(at, r, soft), np.float32), reach


@njit(cache=True, nogil=True)
def stamp_shapes(
    light: Singles, place: Floats, peak: Floats, to_px: Floats, table: Singles, reach: Floats, kind: Ints,
    length: Floats, blur: Floats, step: float,
) -> None:  # fmt: skip
    """Add pictures to light [H, W]; place [S, N, 2] um, peak [N] counts, to_px [2, 3] from um to px; then a Shapes."""
    height, width = light.shape
    a, b, c, d = to_px[0, 0], to_px[0, 1], to_px[1, 0], to_px[1, 1]
    det = a * d - b * c
    wide, high = math.sqrt(a * a + b * b), math.sqrt(c * c + d * d)
    for n in range(place.shape[1]):
        share = np.float32(peak[n] / place.shape[0])
        for s in range(place.shape[0]):
            x_um, y_um = place[s, n, 0], place[s, n, 1]
            soft = abs(blur[0] * x_um + blur[1] * y_um + blur[2])
            level = min(int(soft / (step * length[n]) + 0.5), table.shape[1] - 1)
            profile, ends = table[kind[n], level], reach[kind[n], level] * length[n]
            x = a * x_um + b * y_um + to_px[0, 2]
            y = c * x_um + d * y_um + to_px[1, 2]
            across, down = ends * wide, ends * high
            if not (-across < x < width - 1 + across and -down < y < height - 1 + down):
                continue
            scale = PROFILE / (ends * ends)
            for row in range(max(math.ceil(y - down), 0), min(math.floor(y + down), height - 1) + 1):
                for column in range(max(math.ceil(x - across), 0), min(math.floor(x + across), width - 1) + 1):
                    u = (d * (column - x) - b * (row - y)) / det
                    v = (a * (row - y) - c * (column - x)) / det
                    at = scale * (u * u + v * v)
                    if at < PROFILE:
                        low = int(at)
                        part = np.float32(at - low)
                        light[row, column] += share * (profile[low] + part * (profile[low + 1] - profile[low]))

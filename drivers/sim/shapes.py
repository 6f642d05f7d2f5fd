"""What particles look like through optics that shear, stretch, tilt and defocus: radial profiles, blurred, then bent.

A particle is drawn by a radial profile in the sample's plane. Out of focus it is blurred there by a Gaussian, which is
what defocus does to first order; the camera's map then shears and stretches the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ive

from drivers.sim.render import PROFILE, RING_REACH, Floats, Singles, ring_profile

Look = Literal["own", "bead", "shell", "halo"]
Ints = NDArray[np.int64]

LEVELS = 24  # of blur, from none to the field's most
POINTS = 400  # of a profile, where it is blurred
BLUR_REACH = 3.5  # standard deviations of the blur that a picture grows by


def _bead(u: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * (u / 0.55) ** 2))


def _shell(u: Floats) -> Floats:
    """Bright at its rim, half as bright in its middle."""
    return np.asarray(np.exp(-0.5 * ((u - 0.65) / 0.25) ** 2) + 0.5 * np.exp(-0.5 * (u / 0.35) ** 2))


def _halo(u: Floats) -> Floats:
    """A narrow core, and a faint ring apart from it."""
    return np.asarray(np.exp(-0.5 * (u / 0.35) ** 2) + 0.35 * np.exp(-0.5 * ((u - 1.05) / 0.2) ** 2))


def _spot(u: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * u**2))


def _ring(u: Floats) -> Floats:
    table = ring_profile()
    return np.interp((u / RING_REACH) ** 2 * PROFILE, np.arange(len(table)), table, right=0.0)


PROFILES: dict[str, tuple[Callable[[Floats], Floats], float]] = {  # and where each ends, in its own lengths
    "bead": (_bead, 2.4), "shell": (_shell, 2.0), "halo": (_halo, 2.2), "spot": (_spot, 5.0), "ring": (_ring, 1.8),
}  # fmt: skip


@dataclass(frozen=True)
class Shapes:
    """Pictures of kinds of particles at levels of blur, and who is of which kind."""

    table: Singles  # [K, LEVELS, PROFILE + 2] over the square of the distance, which ends at reach_um
    reach_um: Floats  # [K, LEVELS]
    kind: Ints  # [N] row of the table
    blur_um: Floats  # [3] of a place: blur = |b0 x + b1 y + b2|
    step_um: float  # of blur, from level to level


def shapes(names: list[str], length_um: Floats, blur_um: Floats, most_um: float) -> Shapes:
    """Shapes for particles that are drawn by these profiles [N], with these lengths [N]; no blur above `most_um`."""
    step_um = max(most_um, 1e-9) / (LEVELS - 1)
    known: dict[tuple[str, float], int] = {}
    kind = np.array(
        [known.setdefault(one, len(known)) for one in zip(names, length_um.tolist(), strict=True)], np.int64
    )
    rows = [[blurred(name, length, step_um * level) for level in range(LEVELS)] for name, length in known]
    table = np.array([[picture for picture, _ in row] for row in rows], np.float32)
    reach_um = np.array([[reach for _, reach in row] for row in rows], np.float64)
    empty = not len(known)
    return Shapes(
        np.zeros((0, LEVELS, PROFILE + 2), np.float32) if empty else table,
        np.zeros((0, LEVELS)) if empty else reach_um, kind, blur_um, step_um,
    )  # fmt: skip


def blurred(name: str, length_um: float, blur_um: float) -> tuple[Singles, float]:
    """A profile [PROFILE + 2] after a Gaussian blur, over the square of the distance, and where it ends in um.

    The blur of f(r) is int f(q) q / s^2 exp(-(r^2 + q^2) / 2 s^2) I_0(r q / s^2) dq; the light stays the same.
    """
    profile, ends = PROFILES[name]
    own_um = ends * length_um
    reach_um = own_um + BLUR_REACH * blur_um
    at_um = reach_um * np.sqrt(np.arange(PROFILE + 2) / PROFILE)
    if blur_um < 0.02 * length_um:
        return np.asarray(np.where(at_um <= own_um, profile(at_um / length_um), 0.0), np.float32), reach_um
    q_um = (np.arange(POINTS) + 0.5) * own_um / POINTS
    r_um = np.linspace(0.0, reach_um * 1.01, POINTS)
    spread = np.exp(-0.5 * ((r_um[:, None] - q_um) / blur_um) ** 2) * ive(0, r_um[:, None] * q_um / blur_um**2)
    soft = spread @ (profile(q_um / length_um) * q_um) * (own_um / POINTS) / blur_um**2
    return np.asarray(np.interp(at_um, r_um, soft), np.float32), reach_um


@njit(cache=True, nogil=True)
def stamp_shapes(
    light: Singles, place: Floats, peak: Floats, to_px: Floats, table: Singles, reach: Floats, kind: Ints,
    blur: Floats, step: float,
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
            level = min(int(soft / step + 0.5), table.shape[1] - 1)
            profile, ends = table[kind[n], level], reach[kind[n], level]
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

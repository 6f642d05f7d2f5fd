"""Images of particles: sub-pixel profiles added up, then the sensor's noise, gain and clipping.

Noise is counter-based (Philox), so that a frame is a pure function of seed, frame number and positions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from drivers.sim.philox import CAMERA, philox

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

REACH_SIGMAS = 5.0  # a Gaussian spot ends at 4e-6 of its peak
PROFILE = 1024  # entries of a ring's profile
RING_REACH = 1.8  # radii; the bright-field profile is 0 beyond


def normal_table() -> Singles:
    """[65536] standard normals of equal probability: the mean of each 2^-16 of the distribution, variance 1."""
    edge = ndtri(np.arange(65537) / 65536.0)
    density = np.exp(-0.5 * edge**2) / math.sqrt(2.0 * math.pi)
    mean = 65536.0 * (density[:-1] - density[1:])
    return np.asarray(mean / mean.std(), np.float32)


def ring_profile() -> Singles:
    """[PROFILE + 2] bright-field profile of a bead over r^2 in units of (RING_REACH radius)^2: bright core, dark rim.

    The profile is invented, with features of real ones; it falls to zero with zero slope at the edge of its window.
    """
    u = RING_REACH * np.sqrt(np.arange(PROFILE + 2) / PROFILE)
    taper = np.where(u < RING_REACH, np.cos(0.5 * np.pi * np.minimum(u / RING_REACH, 1.0)) ** 2, 0.0)
    profile = taper * (np.exp(-((u / 0.45) ** 2)) - 0.6 * np.exp(-(((u - 1.0) / 0.28) ** 2)))
    return np.asarray(profile / profile[0], np.float32)


@njit(cache=True, nogil=True)
def stamp_spots(light: Singles, place: Floats, sigma: Floats, peak: Floats, to_px: Floats) -> None:
    """Add Gaussian spots to light [H, W].

    place [S, N, 2] um; sigma [N] px; peak [N] counts; to_px [2, 3] map from um to px.
    Each of the S sub-exposures adds 1 / S of the peak, which gives motion blur.
    """
    height, width = light.shape
    for n in range(place.shape[1]):
        reach = REACH_SIGMAS * sigma[n]
        narrow = 0.5 / (sigma[n] * sigma[n])
        row_factor = np.empty(2 * math.ceil(reach) + 3)
        for s in range(place.shape[0]):
            x = to_px[0, 0] * place[s, n, 0] + to_px[0, 1] * place[s, n, 1] + to_px[0, 2]
            y = to_px[1, 0] * place[s, n, 0] + to_px[1, 1] * place[s, n, 1] + to_px[1, 2]
            if not (-reach < x < width - 1 + reach and -reach < y < height - 1 + reach):
                continue
            left, right = max(math.ceil(x - reach), 0), min(math.floor(x + reach), width - 1)
            top, bottom = max(math.ceil(y - reach), 0), min(math.floor(y + reach), height - 1)
            for column in range(left, right + 1):
                row_factor[column - left] = math.exp(-narrow * (column - x) ** 2)
            for row in range(top, bottom + 1):
                share = peak[n] / place.shape[0] * math.exp(-narrow * (row - y) ** 2)
                for column in range(left, right + 1):
                    light[row, column] += np.float32(share * row_factor[column - left])


@njit(cache=True, nogil=True)
def stamp_rings(light: Singles, place: Floats, radius: Floats, peak: Floats, to_px: Floats, profile: Singles) -> None:
    """Add radial profiles to light [H, W]; radius [N] px, the rest as in stamp_spots."""
    height, width = light.shape
    for n in range(place.shape[1]):
        reach = RING_REACH * radius[n]
        scale = np.float32(PROFILE / (reach * reach))
        share = np.float32(peak[n] / place.shape[0])
        for s in range(place.shape[0]):
            x = to_px[0, 0] * place[s, n, 0] + to_px[0, 1] * place[s, n, 1] + to_px[0, 2]
            y = to_px[1, 0] * place[s, n, 0] + to_px[1, 1] * place[s, n, 1] + to_px[1, 2]
            if not (-reach < x < width - 1 + reach and -reach < y < height - 1 + reach):
                continue
            left, right = max(math.ceil(x - reach), 0), min(math.floor(x + reach), width - 1)
            top, bottom = max(math.ceil(y - reach), 0), min(math.floor(y + reach), height - 1)
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    coordinate = scale * np.float32((column - x) ** 2 + (row - y) ** 2)
                    if coordinate < PROFILE:
                        low = int(coordinate)
                        part = coordinate - np.float32(low)
                        light[row, column] += share * (profile[low] + part * (profile[low + 1] - profile[low]))


@njit(cache=True, nogil=True)
def expose(
    light: Singles, shot: float, read_noise: float, largest: int, seed: int, replica: int, number: int, table: Singles,
    out: NDArray[np.uint16],
) -> None:  # fmt: skip
    """Sensor model: out [H, W] = light + noise of variance shot * light + read_noise^2 (counts^2), rounded and clipped.

    Shot noise is Gaussian, close to Poisson's above about 20 electrons. One Philox block gives the noise of 8 pixels.
    """
    flat, result = light.reshape(-1), out.reshape(-1)
    low = np.uint64(0xFFFF)
    per_count, floor = np.float32(shot), np.float32(read_noise * read_noise)
    top = np.float32(largest)
    noise = np.empty(8, np.float32)
    for block in range((len(flat) + 7) // 8):
        words = philox(np.uint64(block), np.uint64(number) & np.uint64(0xFFFFFFFF), np.uint64(number) >> np.uint64(32),
                       np.uint64(CAMERA), seed, replica)  # fmt: skip
        for word in range(4):
            noise[2 * word] = table[words[word] & low]
            noise[2 * word + 1] = table[words[word] >> np.uint64(16)]
        for at in range(8 * block, min(8 * block + 8, len(flat))):
            mean = max(flat[at], np.float32(0.0))
            value = mean + math.sqrt(per_count * mean + floor) * noise[at - 8 * block] + np.float32(0.5)
            result[at] = int(min(max(value, np.float32(0.0)), top))

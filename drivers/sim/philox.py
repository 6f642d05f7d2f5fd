"""Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11, "Parallel random numbers: as easy as 1, 2, 3").

A random number is a pure function of key = (seed, replica) and counter = (id, step low, step high, stream). It does
not depend on the order or number of other draws.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Word = Any  # 32 bits: an int outside of the kernels, a uint64 inside

MOTION, CAMERA, LASER, GALVO, START = range(5)  # streams

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_HALF = np.uint64(11)
_TO_UNIT = 2.0**-53


@njit(cache=True, nogil=True, inline="always")
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Four random 32-bit words (held in uint64) of a counter (c0..c3) and a key (k0, k1), all 32-bit."""
    a, b, c, d = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    key_0, key_1 = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * a
        product_1 = _MULTIPLIER_1 * c
        a = (product_1 >> _WORD) ^ b ^ key_0
        c = (product_0 >> _WORD) ^ d ^ key_1
        b = product_1 & _LOW
        d = product_0 & _LOW
        key_0 = (key_0 + _WEYL_0) & _LOW
        key_1 = (key_1 + _WEYL_1) & _LOW
    return a, b, c, d


@njit(cache=True, nogil=True, inline="always")
def normals(seed: int, replica: int, stream: int, index: int, step: int) -> tuple[float, float]:
    """Two standard normals of particle (or other) `index` at `step`, by Box and Muller from 53-bit uniforms."""
    count = np.uint64(step)
    a, b, c, d = philox(np.uint64(index), count & _LOW, count >> _WORD, np.uint64(stream), seed, replica)
    radius_of = (((a << _WORD) | b) >> _HALF) + np.uint64(1)  # 1 .. 2^53: its logarithm is finite
    angle_of = ((c << _WORD) | d) >> _HALF
    radius = math.sqrt(-2.0 * math.log(float(radius_of) * _TO_UNIT))
    angle_rad = 2.0 * math.pi * float(angle_of) * _TO_UNIT
    return radius * math.cos(angle_rad), radius * math.sin(angle_rad)


@njit(cache=True, nogil=True)
def uniform(seed: int, replica: int, stream: int, index: int, step: int) -> float:
    """One number in [0, 1)."""
    count = np.uint64(step)
    a, b, _, _ = philox(np.uint64(index), count & _LOW, count >> _WORD, np.uint64(stream), seed, replica)
    return float(((a << _WORD) | b) >> _HALF) * _TO_UNIT


@njit(cache=True, nogil=True)
def words(counter: tuple[Word, ...], key: tuple[Word, ...]) -> tuple[Word, Word, Word, Word]:
    """The four words of one counter and key, for the known-answer test."""
    return philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


@njit(cache=True, nogil=True)
def fill_normals(out: Floats, seed: int, replica: int, stream: int, step: int) -> None:
    """Write the normals of index 0 to N - 1 at one step to out [N, 2]."""
    for index in range(len(out)):
        out[index, 0], out[index, 1] = normals(seed, replica, stream, index, step)

"""Synthetic camera data of particles with known parameters: free, trapped, shaken. The reference for calibrations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]


def trapped_um(
    seed: int, *, frames: int, fps: float, variance_um2: float, rate_hz: float, exposure_s: float = 0.0,
    error_um: float = 0.0, traces: int = 1, fine: int = 40,
) -> Floats:  # fmt: skip
    """[frames, traces] of an Ornstein-Uhlenbeck process, from equilibrium on, blurred over the exposure, with noise.

    Exact transitions between `fine` instants a frame; the exposure is the mean of those in it (trapezoidal rule).
    """
    chance = np.random.default_rng(seed)
    steps = frames * fine if exposure_s > 0 else frames
    dt_s = 1.0 / fps / (fine if exposure_s > 0 else 1)
    keep = math.exp(-rate_hz * dt_s)
    kicks = chance.normal(0.0, math.sqrt(variance_um2 * (1.0 - keep**2)), (steps + 1, traces))
    kicks[0] = chance.normal(0.0, math.sqrt(variance_um2), traces)
    place = lfilter([1.0], [1.0, -keep], kicks, axis=0)
    return _seen(place, frames, fine, fps, exposure_s, error_um, chance)


def free_um(
    seed: int, *, frames: int, fps: float, diffusion_um2_per_s: float, exposure_s: float = 0.0, error_um: float = 0.0,
    traces: int = 1, fine: int = 20,
) -> Floats:  # fmt: skip
    """[frames, traces] of free particles, blurred over the exposure, with noise."""
    chance = np.random.default_rng(seed)
    steps, dt_s = (frames * fine, 1.0 / fps / fine) if exposure_s > 0 else (frames, 1.0 / fps)
    kicks = chance.normal(0.0, math.sqrt(2.0 * diffusion_um2_per_s * dt_s), (steps + 1, traces))
    return _seen(np.cumsum(kicks, axis=0), frames, fine, fps, exposure_s, error_um, chance)


def _seen(
    place: Floats, frames: int, fine: int, fps: float, exposure_s: float, error_um: float, chance: np.random.Generator
) -> Floats:
    if exposure_s > 0:
        within = round(exposure_s * fps * fine)  # steps of the exposure
        weight = np.full(within + 1, 1.0 / within)
        weight[[0, -1]] /= 2.0
        start = fine * np.arange(frames)
        seen = sum(weight[k] * place[start + k] for k in range(within + 1))
    else:
        seen = place[:frames]
    return np.asarray(seen + chance.normal(0.0, error_um, seen.shape) if error_um > 0 else seen)

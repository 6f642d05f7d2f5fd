"""A first map of the beam without prior knowledge: a spot visits a grid and pulls particles near it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from config.geometry import Affine
from control.calibrate.plane import biweight, consensus, fit_affine

Floats = NDArray[np.float64]


def scattered(number: int) -> NDArray[np.int64]:
    """0 ... number - 1, each once, in an order with distant successors (golden section)."""
    stride = round(number * (math.sqrt(5.0) - 1.0) / 2.0)
    while math.gcd(stride, number) != 1:
        stride += 1
    return np.arange(number, dtype=np.int64) * stride % number


def pulled(kick: Floats, *, threshold: float = 3.5) -> NDArray[np.bool_]:
    """[K] True for displacements [K, 2] longer than `threshold` times their scatter (from the median)."""
    length = np.hypot(kick[:, 0], kick[:, 1])
    scale = float(np.nanmedian(length)) / 1.1774
    return np.asarray(length > threshold * scale)


def where_light_lands(
    spot: Floats, place: Floats, kick: Floats, *, reach: float, seed: int = 0, threshold: float = 3.5
) -> tuple[Affine, int]:
    """The map from commanded to actual spot positions, from particles that were pulled.

    Args:
        spot: [K, 2] commanded position of the spot during each displacement, um of the assumed map.
        place: [K, 2] initial position of the particle, um.
        kick: [K, 2] displacement of the particle, um.
        reach: largest distance of a spot from a particle that it pulls, um.

    Returns:
        (map from the commanded to the actual position, "um" to "um"; number of pulls used)

    Raises:
        ValueError: too few pulls, or no map that explains them.
    """
    chosen = pulled(kick, threshold=threshold)
    spot_um, start_um, shift_um = spot[chosen], place[chosen], kick[chosen]
    if len(spot_um) < 6:
        number = len(spot_um)
        raise ValueError(f"{number} particles were pulled, and 6 are needed: more particles, more power or more time")
    inside = consensus(spot_um, start_um, within=reach, seed=seed)
    if inside.sum() < 6 or inside.mean() < 0.25:
        raise ValueError(f"only {inside.sum()} of {len(spot_um)} pulls fit one map: is anything moving by itself?")
    # a particle moves towards the light: the spot is nearer to its end than to its start
    target = start_um[inside] + shift_um[inside]
    affine = fit_affine(spot_um[inside], target, np.ones(inside.sum()), "um", "um")
    for _ in range(20):
        weight = biweight(np.hypot(*(affine(spot_um[inside]) - target).T), 6)
        affine = fit_affine(spot_um[inside], target, np.maximum(weight, 1e-9), "um", "um")
    return affine, int(inside.sum())

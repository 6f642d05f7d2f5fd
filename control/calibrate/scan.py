"""Where the light lands, knowing nothing: a spot visits a grid in scattered order and pulls on who is near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from config.geometry import Affine
from control.calibrate.plane import biweight, consensus, fit_affine

Floats = NDArray[np.float64]


def scattered(number: int) -> NDArray[np.int64]:
    """0 ... number - 1 in an order in which successive ones are far apart (golden section), each once."""
    stride = round(number * (math.sqrt(5.0) - 1.0) / 2.0)
    while math.gcd(stride, number) != 1:
        stride += 1
    return np.arange(number, dtype=np.int64) * stride % number


def pulled(kick: Floats, *, threshold: float = 3.5) -> NDArray[np.bool_]:
    """[K] which displacements [K, 2] are no chance: beyond `threshold` times their own scatter (from the median)."""
    length = np.hypot(kick[:, 0], kick[:, 1])
    scale = float(np.nanmedian(length)) / 1.1774
    return np.asarray(length > threshold * scale)


def where_light_lands(
    spot: Floats, place: Floats, kick: Floats, *, reach: float, seed: int = 0, threshold: float = 3.5
) -> tuple[Affine, int]:
    """The map from where spots were commanded to where they act, from particles that were pulled.

    Args:
        spot: [K, 2] where the one spot was commanded (um of the believed map) during each displacement.
        place: [K, 2] where the particle was (um) when it began.
        kick: [K, 2] its displacement, um.
        reach: how far from a particle a spot may be that pulled it, um.

    Returns:
        (map from the command "um" to the place of light "um", how many pulls it rests on)

    Raises:
        ValueError: too few pulls, or no map that explains them.
    """
    chosen = pulled(kick, threshold=threshold)
    at, here, moved = spot[chosen], place[chosen], kick[chosen]
    if len(at) < 6:
        raise ValueError(f"{len(at)} particles were pulled, and 6 are needed: more particles, more power or more time")
    inside = consensus(at, here, within=reach, seed=seed)
    if inside.sum() < 6 or inside.mean() < 0.25:
        raise ValueError(f"only {inside.sum()} of {len(at)} pulls fit one map: is anything moving by itself?")
    # a particle goes towards the light: it lies beyond where the particle arrived rather than where it was
    target = here[inside] + moved[inside]
    found = fit_affine(at[inside], target, np.ones(inside.sum()), "um", "um")
    for _ in range(20):
        weight = biweight(np.hypot(*(found(at[inside]) - target).T), 6)
        found = fit_affine(at[inside], target, np.maximum(weight, 1e-9), "um", "um")
    return found, int(inside.sum())

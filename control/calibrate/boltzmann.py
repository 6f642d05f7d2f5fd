"""A trap's potential from the distribution of positions, U = -kT ln p (P4), and its stiffness at the centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Inverted:
    """A radial potential by Boltzmann inversion."""

    stiffness_pn_per_um: Estimate  # at the centre
    r_um: Floats  # [B] distances
    energy_kt: Floats  # [B] relative to the centre
    softening_per_um2: float  # U = k r^2 (1 - softening r^2) / 2: 1 / w^2 for a Gaussian spot


def invert(
    offset_um: Floats, *, kt_pn_um: float, sharpen: float = 1.0, bins: int = 24, independent: float = 1.0
) -> Inverted:
    """The potential of a round trap from offsets [M, 2] about its centre. Raises ValueError for too few offsets.

    In s = r^2 all bins have the same area, so that ln(counts) is -U / kT directly; -U / kT = c - a s + b s^2 is fitted
    with Poisson weights up to where 98 % of the offsets lie, and k = 2 kT a.

    Args:
        offset_um: [M, 2], M at least some hundred.
        kt_pn_um: thermal energy.
        sharpen: scale factor of the offsets, true over measured rms: blur and localisation error (P6).
        bins: largest number of bins; each gets 20 positions on average.
        independent: share of the offsets that is independent, for the standard error.
    """
    square_um2 = (np.asarray(offset_um, np.float64) ** 2).sum(axis=1) * sharpen**2
    square_um2 = square_um2[np.isfinite(square_um2)]
    bins = min(bins, len(square_um2) // 20)
    if bins < 6:
        raise ValueError(f"{len(square_um2)} positions are too few for a potential")
    edges = np.linspace(0.0, float(np.quantile(square_um2, 0.98)), bins + 1)
    count = np.histogram(square_um2, edges)[0].astype(np.float64)
    middle = (edges[1:] + edges[:-1]) / 2.0
    scale = edges[-1]
    design = np.stack([np.ones(bins), -middle / scale, (middle / scale) ** 2], axis=1)
    coefficient, covariance = _poisson(design, count)
    slope = coefficient[1] / scale
    error = float(np.sqrt(covariance[1, 1] / independent)) / scale
    stiffness = Estimate(2.0 * kt_pn_um * slope, 2.0 * kt_pn_um * error)
    occupied = count > 0
    energy = coefficient[0] - np.log(count[occupied])
    return Inverted(stiffness, np.sqrt(middle[occupied]), energy, float(coefficient[2] / scale**2 / slope))


def _poisson(design: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood coefficients of ln(mean count) = design @ c, and their covariance (iterated least squares)."""
    expected = count + 0.5
    for _ in range(100):
        previous = expected
        target = np.log(expected) + (count - expected) / expected
        weighted = design * expected[:, None]
        covariance = np.linalg.inv(design.T @ weighted)
        coefficient = covariance @ (weighted.T @ target)
        expected = np.exp(np.clip(design @ coefficient, -20.0, 50.0))
        if np.allclose(previous, expected, rtol=1e-10):
            break
    return np.asarray(coefficient, np.float64), np.asarray(covariance, np.float64)

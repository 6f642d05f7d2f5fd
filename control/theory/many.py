"""Particles bound to each other's past positions (P21, P22), and bond order (P25)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ive, j0

Floats = NDArray[np.float64]


def bond_variance_um2(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P21: variance of the distance of two particles with springs to each other's past, (D / kappa) (1 + z)."""
    return diffusion_um2_per_s / rate_hz * (1.0 + rate_hz * delay_s)


def dimer_diffusion_um2_per_s(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P21: late D of the middle of such a pair, (D / 2) / (1 + z)^2."""
    return diffusion_um2_per_s / 2.0 / (1.0 + rate_hz * delay_s) ** 2


def dimer_speed_um_per_s(rate_hz: float, first_um: float, second_um: float, delay_s: float) -> float:
    """P22: speed of a pair with the preferred distances R_a and R_b, kappa (R_b - R_a) / (2 (1 + z)).

    Positive: from the first towards the second.
    """
    return rate_hz * (second_um - first_um) / (2.0 * (1.0 + rate_hz * delay_s))


def bond_order(neighbours: int, wobble: float) -> float:
    """P25: <psi_n> of a lattice site with n = 6 or 4 neighbours, per-axis site rms u over lattice constant a, exact.

    A bond between two fluctuating sites is a plane vector of length a with a Gaussian variance of 2 u^2 per axis. Its
    angle has <cos n theta> = sqrt(pi / 8) rho e^(-q) [I_((n-1)/2)(q) + I_((n+1)/2)(q)], q = rho^2 / 4 = a^2 / (8 u^2).
    Small u: exp(-n^2 (u / a)^2).
    """
    if wobble == 0.0:
        return 1.0
    q = 1.0 / (8.0 * wobble**2)
    bessel = ive((neighbours - 1) / 2.0, q) + ive((neighbours + 1) / 2.0, q)  # includes e^(-q)
    return float(math.sqrt(math.pi * q / 2.0) * bessel)


def random_bond_order(neighbours: int) -> float:
    """Mean |psi_n| of n bonds with random directions: the baseline, which is not 0 (Kluyver 1906, on random walks).

    E |sum of n unit vectors| / n = (1 / n) integral of (1 - J0(t)^n) / t^2 over t > 0. Measured for the n nearest
    neighbours in a random gas (P25): .366 for 6, .453 for 4.
    """
    far = 200.0
    near = quad(lambda t: (1.0 - j0(t) ** neighbours) / t**2, 0.0, far, limit=1000)[0]
    return float((near + 1.0 / far) / neighbours)

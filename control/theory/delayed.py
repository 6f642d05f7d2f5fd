"""A trap centred at the past position of the particle: x'(t) = -kappa (x(t) - x(t - tau)) + noise (P7 to P13)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import lambertw

Floats = NDArray[np.float64]

LARGEST_KAPPA_TAU = 500.0  # up to which e^(kappa tau) does not overflow, and the modes can be computed
FORGOTTEN = 40.0  # decay times of the slowest echo after which only the straight line remains


def msd_um2(diffusion_um2_per_s: float, rate_hz: float, delay_s: float, lag_s: Floats) -> Floats:
    """P7: mean square displacement [...] per axis, exact.

    2 D t [1 - kappa t / (1 + z)] up to t = tau; beyond, M'(t) = 2 D - kappa [M(t) + M(tau) - M(t - tau)], solved delay
    by delay with Chebyshev collocation.
    """
    lag_s = np.asarray(lag_s, dtype=np.float64)
    z = rate_hz * delay_s
    scale = diffusion_um2_per_s * delay_s
    steps = math.ceil(FORGOTTEN * slowest_decay_s(rate_hz, delay_s) / delay_s) + 2
    last = min(steps, max(math.ceil(float(np.max(lag_s, initial=0.0)) / delay_s), 1))
    pieces = _pieces(z, last)  # [last, nodes]
    index = np.clip(np.floor(lag_s / delay_s).astype(np.int64), 0, last - 1)
    within = 2.0 * (lag_s / delay_s - index) - 1.0  # [...] -1 to 1
    early = np.empty_like(lag_s)
    for piece in np.unique(index):
        early[index == piece] = chebyshev.chebval(within[index == piece], pieces[piece])
    late = late_msd_um2(1.0, z, 1.0, lag_s / delay_s)
    return scale * np.where(lag_s > steps * delay_s, late, early)


@lru_cache(maxsize=32)
def _pieces(z: float, number: int) -> Floats:
    """Chebyshev coefficients [number, nodes] of M / (D tau) for each successive delay."""
    nodes = 24 + int(2.0 * z**0.5 * 4.0)
    place = np.cos(np.pi * np.arange(nodes) / (nodes - 1))  # [nodes] 1 to -1; time in delays is (place + 1) / 2
    values = chebyshev.chebvander(place, nodes - 1)  # [nodes, nodes]
    slopes = np.stack(
        [chebyshev.chebval(place, chebyshev.chebder(row)) for row in np.eye(nodes)], axis=1
    )  # of every polynomial, along place
    system = 2.0 * slopes + z * values
    system[-1] = values[-1]  # the last node is the beginning: M is continuous there
    time = (place + 1.0) / 2.0
    now = 2.0 * time * (1.0 - z * time / (1.0 + z))
    at_delay = 2.0 / (1.0 + z)
    pieces = [np.linalg.solve(values, now)]
    solved = np.linalg.inv(system)
    for _ in range(number - 1):
        right = 2.0 - z * (at_delay - values @ pieces[-1])
        right[-1] = values[0] @ pieces[-1]
        pieces.append(solved @ right)
    return np.array(pieces)


def peak(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> tuple[float, float] | None:
    """P8: (lag s, MSD um^2) of the maximum of the MSD, after which the particle returns; None unless z > 1."""
    z = rate_hz * delay_s
    if z <= 1.0:
        return None
    return delay_s / 2.0 + 1.0 / (2.0 * rate_hz), diffusion_um2_per_s * (1.0 + z) / (2.0 * rate_hz)


def long_diffusion_um2_per_s(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P9: D_eff = D / (1 + z)^2."""
    return diffusion_um2_per_s / (1.0 + rate_hz * delay_s) ** 2


def held_long_diffusion_um2_per_s(
    diffusion_um2_per_s: float, rate_hz: float, delay_s: float, *, hold_s: float, after_s: float = 0.0
) -> float:
    """P9 for a trap that moves once a hold, to the position of the particle one delay before the middle of the hold.

        D (1 - a^2) / (2 kappa hold) / [e^(-kappa s) + (1 - a) (tau - hold / 2 + s) / hold]^2,  a = e^(-kappa hold).

    One over the bracket is the final displacement per unit kick, since a weighted sum of the position and the pending
    sightings is conserved. Positions between two sightings are interpolated.

    Args:
        after_s: s, from the beginning of a hold to the sighting in it.
    """
    keep = math.exp(-rate_hz * hold_s)
    delay_holds = (delay_s - hold_s / 2.0 + after_s) / hold_s
    thermal_um2_per_s = diffusion_um2_per_s * (1.0 - keep**2) / (2.0 * rate_hz * hold_s)
    return thermal_um2_per_s / (math.exp(-rate_hz * after_s) + (1.0 - keep) * delay_holds) ** 2


def late_msd_um2(diffusion_um2_per_s: float, rate_hz: float, delay_s: float, lag_s: Floats) -> Floats:
    """P10: MSD [...] per axis after the decay of the echoes, 2 D_eff t + B."""
    slope_um2_per_s = 2.0 * long_diffusion_um2_per_s(diffusion_um2_per_s, rate_hz, delay_s)
    return np.asarray(slope_um2_per_s * lag_s + late_offset_um2(diffusion_um2_per_s, rate_hz, delay_s))


def late_offset_um2(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P10: B = D tau z [1 - 2 z / (3 (1 + z)) + 1 / (1 + z)^2] / (1 + z) (D tau / 3 at large z)."""
    z = rate_hz * delay_s
    shape = z * (1.0 - 2.0 * z / (3.0 * (1.0 + z)) + 1.0 / (1.0 + z) ** 2) / (1.0 + z)
    return diffusion_um2_per_s * delay_s * shape


def modes_per_s(rate_hz: float, delay_s: float, number: int) -> NDArray[np.complex128]:
    """P11: the first `number` relaxation modes, lambda_n = -kappa + W_n(z e^z) / tau (Corless et al. 1996, on W).

    n = 0 is 0 (free drift); n = 1 is the echo; all others decay faster. Each has its complex conjugate at -n.
    """
    z = rate_hz * delay_s
    if z < LARGEST_KAPPA_TAU:
        branches = np.array([complex(lambertw(z * math.exp(z), n)) for n in range(number)])
        return np.asarray(-rate_hz + branches / delay_s)
    raise ValueError(f"kappa tau is {z:g}; the modes are known below {LARGEST_KAPPA_TAU:g}")


def echo(rate_hz: float, delay_s: float) -> tuple[float, float]:
    """P11: (period s, decay time s) of the slowest echo, from its exact mode."""
    mode = modes_per_s(rate_hz, delay_s, 2)[1]
    return 2.0 * math.pi / mode.imag, -1.0 / mode.real


def echo_estimate(rate_hz: float, delay_s: float) -> tuple[float, float]:
    """P11 for z >> 1: period tau + 1/kappa, decay (1 + 1/z)^3 z^2 tau / (2 pi^2)."""
    z = rate_hz * delay_s
    return delay_s + 1.0 / rate_hz, (1.0 + 1.0 / z) ** 3 * z**2 * delay_s / (2.0 * math.pi**2)


def slowest_decay_s(rate_hz: float, delay_s: float) -> float:
    """Decay time of the slowest mode that is not the drift."""
    return echo(rate_hz, delay_s)[1]


def heat_kt_per_s(rate_hz: float, delay_s: float) -> float:
    """P12: heat rate to the bath per axis, kappa (z - 1) / (z + 1): the trap cools for z < 1 and heats for z > 1."""
    z = rate_hz * delay_s
    return rate_hz * (z - 1.0) / (z + 1.0)


def sampled_diffusion_um2_per_s(
    diffusion_um2_per_s: float, rate_hz: float, *, frame_s: float, frames_late: int, error_um: float = 0.0
) -> float:
    """P13: long-time D for a trap that moves once a frame to the position of the particle `frames_late` frames ago."""
    keep = math.exp(-rate_hz * frame_s)
    thermal = diffusion_um2_per_s * (1.0 - keep**2) / (2.0 * rate_hz * frame_s)
    from_error = (1.0 - keep) ** 2 * error_um**2 / (2.0 * frame_s)
    return (thermal + from_error) / (1.0 + (1.0 - keep) * frames_late) ** 2

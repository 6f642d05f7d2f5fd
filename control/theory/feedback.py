"""Delayed feedback towards a fixed target (P14 to P16)."""

from __future__ import annotations

import cmath
import math

from control.theory.delayed import late_offset_um2

STEADY = 1.0 / math.e  # kappa tau up to which a delayed force returns the particle without overshoot
STABLE = math.pi / 2.0  # kappa tau from which the motion is unstable


def late_force_variance_um2(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P14: x' = -kappa x(t - tau) + noise has <x^2> = (D / kappa) (1 + sin z) / cos z; inf from z = pi / 2 on.

    (Kuechler and Mensch, Stoch. Stoch. Rep. 40, 23 (1992)). At the onset it oscillates with the period 4 tau.
    """
    z = rate_hz * delay_s
    if z >= STABLE:
        return math.inf
    return diffusion_um2_per_s / rate_hz * (1.0 + math.sin(z)) / math.cos(z)


def virtual_spring_variance_um2(
    diffusion_um2_per_s: float, rate_hz: float, virtual_hz: float, latency_s: float
) -> float:
    """P15: <x^2> in a virtual spring of rate kappa_v, made with a steered trap of rate kappa with a latency.

    x' = -kappa x(t) + b x(t - tau) + noise, b = kappa - kappa_v (Kuechler and Mensch 1992); inf where unstable.
    """
    if latency_s >= virtual_spring_limit_s(rate_hz, virtual_hz):
        return math.inf
    b_hz = rate_hz - virtual_hz
    l_hz = cmath.sqrt(rate_hz**2 - b_hz**2)
    reach = l_hz * latency_s
    # sinh(x) / l, with the limit tau for l = 0
    late_s = latency_s if abs(reach) < 1e-9 else cmath.sinh(reach) / l_hz
    return float((diffusion_um2_per_s * (1.0 - b_hz * late_s) / (rate_hz - b_hz * cmath.cosh(reach))).real)


def virtual_spring_estimate_um2(
    diffusion_um2_per_s: float, rate_hz: float, virtual_hz: float, latency_s: float
) -> float:
    """P15 to leading order, kappa_v << kappa: (D / kappa_v) / (1 + z) + B / 2, B as in P10."""
    z = rate_hz * latency_s
    offset_um2 = late_offset_um2(diffusion_um2_per_s, rate_hz, latency_s)
    return diffusion_um2_per_s / virtual_hz / (1.0 + z) + offset_um2 / 2.0


def virtual_spring_limit_s(rate_hz: float, virtual_hz: float) -> float:
    """P15: the latency from which a virtual spring is unstable; inf if kappa_v <= 2 kappa.

    arccos(-kappa / beta) / sqrt(beta^2 - kappa^2), beta = kappa_v - kappa.
    """
    beta_hz = virtual_hz - rate_hz
    if beta_hz <= rate_hz:
        return math.inf
    return math.acos(-rate_hz / beta_hz) / math.sqrt(beta_hz**2 - rate_hz**2)


def stepped_force_variance_um2(
    diffusion_um2_per_s: float, *, gain: float, frame_s: float, frames_late: float = 0.0
) -> float:
    """P16: <x^2> under a force -gain gamma x / dt, held for a frame, from `frames_late` (0 to 1) after the sighting on.

    2 D dt (1 + a d) / [a (1 - a d) (2 - a + 2 a d)]; inf where unstable (Jun and Bechhoefer, PRE 86, 061106 (2012)).
    """
    late = gain * frames_late
    if late >= 1.0 or gain * (1.0 - 2.0 * frames_late) >= 2.0:
        return math.inf
    return 2.0 * diffusion_um2_per_s * frame_s * (1.0 + late) / (gain * (1.0 - late) * (2.0 - gain + 2.0 * late))


def stepped_force_seen_variance_um2(
    diffusion_um2_per_s: float, *, gain: float, frame_s: float, error_um: float
) -> float:
    """P16 without delay, with a localisation error: (2 D dt + a^2 sigma^2) / (a (2 - a)); inf from a = 2 on."""
    if gain >= 2.0:
        return math.inf
    return (2.0 * diffusion_um2_per_s * frame_s + (gain * error_um) ** 2) / (gain * (2.0 - gain))


def stepped_lead_s(rate_hz: float, hold_s: float, after_s: float, exposure_s: float = 0.0) -> float:
    """Time by which the sightings of a particle are ahead of its mean motion behind a trap that moves once a hold.

    A trap that moves at a mean speed v in steps of v hold pulls most just after a step: at a time s after a step,
    x - X = -v hold e^(-kappa s) / (1 - e^(-kappa hold)), and -v / kappa on average over the hold. Sightings always at
    the same s are ahead of (negative: behind) the line of the mean motion by v times

        1 / kappa - (s - hold / 2) - hold e^(-kappa s) sinhc(kappa t_E / 2) / (1 - e^(-kappa hold)).

    The effective delay of a law that uses these sightings is shorter by this time.

    Args:
        after_s: s at mid-exposure; the exposure must not begin before the step.
        exposure_s: t_E.
    """
    half = rate_hz * exposure_s / 2.0
    blur = math.sinh(half) / half if half > 0.0 else 1.0
    pulled_s = hold_s * math.exp(-rate_hz * after_s) * blur / -math.expm1(-rate_hz * hold_s)
    return 1.0 / rate_hz - (after_s - hold_s / 2.0) - pulled_s

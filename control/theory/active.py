"""A particle that runs from its own past (P17 to P20), in the plane."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]

SETTLED = 40  # delays after which the response of a runner to a kick is a straight line


def ring_speed_um_per_s(rate_hz: float, radius_um: float, delay_s: float) -> float:
    """P17: speed of a particle with a harmonic ring about its own past, v = kappa R / (1 + z)."""
    return rate_hz * radius_um / (1.0 + rate_hz * delay_s)


def seen_ring_speed_um_per_s(
    diffusion_um2_per_s: float,
    rate_hz: float,
    radius_um: float,
    *,
    hold_s: float,
    frames_late: int,
    frames_apart: int,
) -> float:
    """P17 as measured: <|r(t) - r(t - lag)|> / lag of a harmonic ring whose force is held, with thermal noise.

    x_(n+1) = x_n + kappa dt (R - rho) a + w, rho a = x_n - x_(n-m). To first order in D, with v0 = kappa R / (1 + z),
    tau = m dt and z = kappa tau,

        v = v0 [1 + G D tau / ((1 + z) (v0 tau)^2)].

    Across the motion y_(n+1) = y_n + (y_n - y_(n-m)) / m + w. Each sum of steps is projected on its own direction. G
    therefore follows from the response of this equation to one kick: from the angle between the force and the measured
    displacement, and from the contribution of a kick along the direction that it has turned. G = 2 / (1 + 1/m) if the
    lag is tau, and 2 without a hold.

    Args:
        frames_late: m, frames between the positions from which the force is computed.
        frames_apart: the lag in frames.
    """
    m, lag_frames = frames_late, frames_apart
    tau_s, z = m * hold_s, rate_hz * m * hold_s
    v_um_per_s = ring_speed_um_per_s(rate_hz, radius_um, tau_s)
    kick = across(m, SETTLED * m + lag_frames)  # [T] y after a kick of 1, by frame
    step_direction, lag_direction = (_displacement_direction(kick, lag) for lag in (m, lag_frames))
    longer = _surplus(step_direction, step_direction, m) / (1.0 + z)  # of rho
    increase = (_surplus(lag_direction, step_direction, lag_frames) - lag_frames * (z / m) * longer) / lag_frames
    return v_um_per_s * (1.0 + increase * 2.0 * diffusion_um2_per_s / (v_um_per_s**2 * hold_s))


def ring_long_diffusion_um2_per_s(
    diffusion_um2_per_s: float, rate_hz: float, radius_um: float, *, hold_s: float, frames_late: int,
    near_s: float = 0.0, far_s: float = math.inf,
) -> float:  # fmt: skip
    """P19 for a harmonic ring whose force is held, with the next order in D: the late D in the plane.

        D_L = v0^2 / (2 D_phi) [1 + C D / (v0^2 (tau + hold))] + D / (2 (1 + z)^2),  D_phi = 4 D / (v0 (tau + hold))^2.

    The path is the sum of the displacements over tau, of length rho, whose directions theta fluctuate about a heading
    Theta. Theta changes only by diffusion. So D_L = <rho cos(theta - Theta)>^2 e^(-cov) / (2 tau^2 D_phi): C contains
    the lengthening of a displacement by noise (as in P17), the variance of theta - Theta, and its covariance with the
    preceding changes of Theta. D_phi itself is not corrected: in this order it increases with (kappa hold)^2.

    Args:
        frames_late: m, frames between the positions from which the force is computed.
        near_s, far_s: lags between which the slope is taken, if the persistent walk has not yet reached its late slope.
    """
    m = frames_late
    tau_s, z = m * hold_s, rate_hz * m * hold_s
    v_um_per_s = ring_speed_um_per_s(rate_hz, radius_um, tau_s)
    step_direction = _displacement_direction(across(m, SETTLED * m + m), m)
    final = 2.0 / (m + 1.0)  # of a kick
    deviation = step_direction[1:] - final
    correction = (
        2.0 * _surplus(step_direction, step_direction, m) / (m * (1.0 + z))
        - float((deviation**2).sum())
        - final * float(deviation.sum())
    )
    kick = 2.0 * diffusion_um2_per_s / (v_um_per_s**2 * hold_s)
    turn_hz = heading_diffusion_rad2_per_s(diffusion_um2_per_s, v_um_per_s, tau_s + hold_s)
    run = v_um_per_s**2 / (2.0 * turn_hz) * (1.0 + correction * kick)
    if math.isfinite(far_s):
        run *= 1.0 + (math.exp(-turn_hz * far_s) - math.exp(-turn_hz * near_s)) / (turn_hz * (far_s - near_s))
    return run + diffusion_um2_per_s / (2.0 * (1.0 + z) ** 2)


def _displacement_direction(kick: Floats, lag: int) -> Floats:
    """[T] direction of the displacement over `lag` frames, by frames after a kick, for a run with v0 dt = 1."""
    return np.asarray((kick - np.concatenate([np.zeros(lag), kick[:-lag]])) / lag)


def _surplus(direction: Floats, directions: Floats, lag: int) -> float:
    """Increase in length of `lag` steps in these `directions`, along the `direction` of their sum, over 2 D / v0."""
    turned = [
        float(((direction - np.concatenate([np.zeros(step), directions[: len(directions) - step]])) ** 2).sum())
        for step in range(1, lag + 1)
    ]
    return float(direction[1 : lag + 1].sum()) - 0.5 * sum(turned)


def across(frames_late: int, frames: int) -> Floats:
    """[frames] transverse displacement of a runner after a kick of 1: y_(n+1) = y_n + (y_n - y_(n-m)) / m.

    The final change of direction is 2 / (m + 1) of a kick: D_phi = 4 D / (v (m + 1) dt)^2 (P18).
    """
    y = np.zeros(frames)
    y[1] = 1.0
    for n in range(1, frames - 1):
        y[n + 1] = y[n] + (y[n] - (y[n - frames_late] if n >= frames_late else 0.0)) / frames_late
    return y


def run_speed_um_per_s(
    outward_pn: Callable[[Floats], Floats], *, drag_pn_s_per_um: float, delay_s: float, reach_um: float
) -> float:
    """P20: the largest steady speed in a self-potential, gamma v = F(v tau); 0 if there is none.

    Args:
        outward_pn: radial force [...] at distances [...], positive outward.
        drag_pn_s_per_um: gamma.
        delay_s: tau.
        reach_um: largest v tau in the search. Raises ValueError if the force still drives the particle there.
    """

    def surplus_pn(r_um: float) -> float:
        return float(outward_pn(np.array([r_um]))[0]) - drag_pn_s_per_um * r_um / delay_s

    r_um = np.linspace(0.0, reach_um, 4001)[1:]
    carries = np.flatnonzero(outward_pn(r_um) > drag_pn_s_per_um * r_um / delay_s)
    if len(carries) == 0:
        return 0.0
    inner_um = float(r_um[carries[-1]])
    if carries[-1] == len(r_um) - 1:
        raise ValueError(f"the force still carries at {reach_um:g} um; look further out")
    return float(brentq(surplus_pn, inner_um, float(r_um[carries[-1] + 1]), xtol=1e-12)) / delay_s


def hill_speed_um_per_s(height_pn_um: float, width_um: float, delay_s: float, drag_pn_s_per_um: float) -> float:
    """P20 for a repulsive Gaussian A exp(-r^2 / (2 b^2)): (b / tau) sqrt(2 ln(A tau / (gamma b^2))); 0 below its onset.

    (Kopp and Klapp, PRE 107, 024611 (2023)).
    """
    drive = height_pn_um * delay_s / (drag_pn_s_per_um * width_um**2)
    return width_um / delay_s * math.sqrt(2.0 * math.log(drive)) if drive > 1.0 else 0.0


def narrow_ring_onset_s(depth_pn_um: float, width_um: float, radius_um: float, drag_pn_s_per_um: float) -> float:
    """P20 for a Gaussian ring, R >> w: the saddle-node delay, about gamma (R - w) w / (.607 depth)."""
    return drag_pn_s_per_um * (radius_um - width_um) * width_um / (math.exp(-0.5) * depth_pn_um)


def heading_diffusion_rad2_per_s(diffusion_um2_per_s: float, speed_um_per_s: float, delay_s: float) -> float:
    """P18: rotational diffusion of the direction of a runner, 4 D / (v tau)^2, for any shape of its ring."""
    return 4.0 * diffusion_um2_per_s / (speed_um_per_s * delay_s) ** 2


def persistence(diffusion_um2_per_s: float, speed_um_per_s: float, delay_s: float) -> tuple[float, float]:
    """P18: (persistence time s, persistence length um) of a runner."""
    time_s = 1.0 / heading_diffusion_rad2_per_s(diffusion_um2_per_s, speed_um_per_s, delay_s)
    return time_s, speed_um_per_s * time_s


def long_diffusion_um2_per_s(
    diffusion_um2_per_s: float, rate_hz: float, speed_um_per_s: float, delay_s: float
) -> float:
    """P19: late D in the plane, v^4 tau^2 / (8 D) + D / (2 (1 + z)^2)."""
    run = speed_um_per_s**4 * delay_s**2 / (8.0 * diffusion_um2_per_s)
    return run + diffusion_um2_per_s / (2.0 * (1.0 + rate_hz * delay_s) ** 2)


def crossover_radius_um(diffusion_um2_per_s: float, rate_hz: float, delay_s: float) -> float:
    """P19: radius above which a delayed ring enhances diffusion, as measured: 1.5 (1 + 1/z) sqrt(D tau).

    The formula of P19 alone has 8^(1/4) = 1.68 in place of 1.5.
    """
    return 1.5 * (1.0 + 1.0 / (rate_hz * delay_s)) * math.sqrt(diffusion_um2_per_s * delay_s)

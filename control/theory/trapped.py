"""A particle in a trap that does not depend on its past (P4 to P6, P26 to P34)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

Floats = NDArray[np.float64]


def variance_um2(kt_pn_um: float, stiffness_pn_per_um: float) -> float:
    """P4: equipartition, <x^2> = kT / k."""
    return kt_pn_um / stiffness_pn_per_um


def spot_variance_um2(depth_kt: float, waist_um: float, within_um: float) -> float:
    """P4 for a Gaussian spot: <x^2> of the Boltzmann density in U = -depth exp(-2 r^2 / w^2), r < within_um.

    2D, by quadrature. A particle can leave a spot: the density is that of a particle that has not left yet.
    """

    def weight(r_um: float) -> float:
        return math.exp(depth_kt * math.expm1(-2.0 * (r_um / waist_um) ** 2))

    # the depth is subtracted in the exponent, so that nothing overflows
    square = quad(lambda r: r**3 * weight(r), 0.0, within_um, epsrel=1e-10)[0]
    return float(square / quad(lambda r: r * weight(r), 0.0, within_um, epsrel=1e-10)[0] / 2.0)


def spectrum_um2_per_hz(diffusion_um2_per_s: float, rate_hz: float, frequency_hz: Floats) -> Floats:
    """P5: one-sided power spectrum [...], D / (pi^2 (f_c^2 + f^2)).

    (Berg-Sorensen and Flyvbjerg, Rev. Sci. Instrum. 75, 594 (2004)).
    """
    corner_hz = rate_hz / (2.0 * math.pi)
    return np.asarray(diffusion_um2_per_s / (math.pi**2 * (corner_hz**2 + frequency_hz**2)))


def sampled_spectrum_um2_per_hz(
    diffusion_um2_per_s: float, rate_hz: float, frequency_hz: Floats, *, sampling_hz: float
) -> Floats:
    """P5: one-sided power spectrum [...] of instantaneous samples, with aliasing (same source, section on aliasing)."""
    keep = math.exp(-rate_hz / sampling_hz)
    turn = np.cos(2.0 * math.pi * frequency_hz / sampling_hz)
    variance = diffusion_um2_per_s / rate_hz
    return np.asarray(2.0 / sampling_hz * variance * (1.0 - keep**2) / (1.0 + keep**2 - 2.0 * keep * turn))


def blur_ratio(rate_hz: float, exposure_s: float) -> float:
    """P6: measured over true variance, S(a) = 2/a - 2 (1 - e^-a) / a^2, a = kappa t_E (Wong and Halvorsen 2006)."""
    a = rate_hz * exposure_s
    return 1.0 - a / 3.0 if a < 1e-4 else 2.0 / a + 2.0 * math.expm1(-a) / a**2


def shared_variance_um2(diffusion_um2_per_s: float, rate_hz: float, *, share: float, cycle_s: float) -> float:
    """P26: <x^2> in a trap of rate kappa that is lit for a fraction f of each cycle T; to second order in kappa f T.

    (D / (kappa f)) [1 + (1 - f)^2 (kappa f T)^2 / 3] (docs/predictions.md P26).
    """
    mean_rate_hz = rate_hz * share
    return diffusion_um2_per_s / mean_rate_hz * (1.0 + ((1.0 - share) * mean_rate_hz * cycle_s) ** 2 / 3.0)


def ring_ripple(waist_um: float, spacing_um: float) -> float:
    """P27: half the peak-to-peak variation in depth of a ring of spots, over its mean, 2 exp(-pi^2 w^2 / (2 s^2))."""
    return 2.0 * math.exp(-((math.pi * waist_um / spacing_um) ** 2) / 2.0)


def ring_depth(waist_um: float, radius_um: float) -> float:
    """P27: depth of a painted ring, R >> w, over that of one spot with the same power, w / (R sqrt(8 pi))."""
    return waist_um / (radius_um * math.sqrt(8.0 * math.pi))


def harvest_kt(rate_hz: float, frame_s: float) -> float:
    """P28: energy taken from the bath by one re-centring of the trap on the particle, (1 - e^(-2 kappa dt)) / 2."""
    return -math.expm1(-2.0 * rate_hz * frame_s) / 2.0


def jarzynski_mean(start_pn_per_um: float, end_pn_per_um: float) -> float:
    """P29: <exp(-W / kT)> of a ramp of stiffness, at any speed: sqrt(k1 / k2) (Jarzynski, PRL 78, 2690 (1997))."""
    return math.sqrt(start_pn_per_um / end_pn_per_um)


def free_energy_kt(start_pn_per_um: float, end_pn_per_um: float) -> float:
    """P29: free energy difference of a stiffness ramp, ln(k2 / k1) / 2."""
    return math.log(end_pn_per_um / start_pn_per_um) / 2.0


def drag_lag_um(drag_pn_s_per_um: float, speed_um_per_s: float, stiffness_pn_per_um: float) -> float:
    """P30: lag of a particle behind its moving trap, gamma u / k."""
    return drag_pn_s_per_um * speed_um_per_s / stiffness_pn_per_um


def escape_speed_um_per_s(largest_force_pn: float, drag_pn_s_per_um: float) -> float:
    """P30: the speed at which a moving trap loses its particle, F_max / gamma."""
    return largest_force_pn / drag_pn_s_per_um


def wall_mobility(height_over_radius: float) -> float:
    """P31: D near a wall over D in bulk, centre at h / a > 1 (Faxen 1922; Happel and Brenner 1983, eq. 7-4.28)."""
    q = 1.0 / height_over_radius
    return 1.0 - 9.0 / 16.0 * q + q**3 / 8.0 - 45.0 / 256.0 * q**4 - q**5 / 16.0


def dither_phase_rad(frequency_hz: float, rate_hz: float, latency_s: float) -> float:
    """P32: phase of a particle relative to the command of its shaken trap, -atan(omega / kappa) - omega latency."""
    turn_hz = 2.0 * math.pi * frequency_hz
    return -math.atan(turn_hz / rate_hz) - turn_hz * latency_s


def dither_latency_s(phase_rad: float, frequency_hz: float, rate_hz: float) -> float:
    """P32 inverted: latency from a phase, unique within one period of the dither."""
    turn_hz = 2.0 * math.pi * frequency_hz
    return ((-phase_rad - math.atan(turn_hz / rate_hz)) % (2.0 * math.pi)) / turn_hz


def propulsion_heat_kt_per_s(drag_pn_s_per_um: float, speed_um_per_s: float, kt_pn_um: float) -> float:
    """P33: heat rate of a particle dragged at a steady speed, gamma v^2 / kT."""
    return drag_pn_s_per_um * speed_um_per_s**2 / kt_pn_um


def landauer_pn_um(kt_pn_um: float) -> float:
    """P34: least work to erase a bit, kT ln 2 (Landauer 1961)."""
    return kt_pn_um * math.log(2.0)

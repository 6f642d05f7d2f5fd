"""Painting a potential with light: rings of Gaussian spots, which can only attract (docs/predictions.md 2.3 L, 2.5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls
from scipy.special import i0e, i1e

from config.refused import Refused
from control.potentials.shape import Central, Shape, is_central

Floats = NDArray[np.float64]

FEEBLE = 1e-3  # rings with less than this share of the deepest one are left out of a fit
MOST_SPOTS = 2000  # spots of one landscape about one centre
MOST_RINGS = 400  # candidate rings of a fit
REPULSIVE = 0.02  # allowed rise of a painted potential above its far value, as a share of its depth


@dataclass(frozen=True)
class Rings:
    """Light about one centre. A ring of radius 0 is a spot.

    `total_kt` is the depth of a ring's light if all of it were in one spot. `residual_kt` is the largest difference
    between the wanted and the painted potential within its reach; nan for an infinite reach.
    """

    radius_um: Floats  # [M]
    total_kt: Floats  # [M]
    residual_kt: float = math.nan


def paint(shape: Shape | None, *, waist_um: float, kt_pn_um: float) -> Rings:
    """The rings of light of this waist that paint the potential. Raises Refused if light can't paint it."""
    if not is_central(shape):
        raise Refused("a painted landscape needs a potential of the distance r alone; use mode: steered for this one")
    if not shape.steady:
        raise Refused("a painted landscape can't change with time t; use mode: steered for this potential")
    lines = shape.lines(waist_um=waist_um, kt_pn_um=kt_pn_um)
    if lines is None:
        return _fitted(shape, waist_um, kt_pn_um)
    radius_um, depth_kt = (np.array(column) for column in lines)
    _require_few(radius_um, waist_um)
    peak_um = np.array([_peak_um(float(radius), waist_um) for radius in radius_um])
    total_kt, _ = nnls(_depth(peak_um[:, None], radius_um[None], waist_um), depth_kt)
    return _with_residual(shape, radius_um, total_kt, waist_um, kt_pn_um)


def painted_energy_pn_um(rings: Rings, r_um: Floats, *, waist_um: float, kt_pn_um: float) -> Floats:
    """[...] the painted potential, at distances [...] from the centre of the rings."""
    return -kt_pn_um * (_depth(r_um[..., None], rings.radius_um, waist_um) @ rings.total_kt)


def painted_force_pn(rings: Rings, r_um: Floats, *, waist_um: float, kt_pn_um: float) -> Floats:
    """[...] the radial force of the painted potential; positive is outward."""
    r_um, ring_um = r_um[..., None], rings.radius_um
    pull = 4.0 / waist_um**2 * np.exp(-2.0 * ((r_um - ring_um) / waist_um) ** 2)  # [..., M]
    overlap = 4.0 * r_um * ring_um / waist_um**2
    outward: Floats = (pull * (ring_um * i1e(overlap) - r_um * i0e(overlap))) @ rings.total_kt
    return kt_pn_um * outward


def spots_on_ring(radius_um: float, waist_um: float) -> int:
    """Number of spots of a ring, at most one waist apart: 1.5 % ripple (docs/predictions.md 2.5, P27)."""
    return 1 if radius_um == 0.0 else max(3, math.ceil(2.0 * math.pi * radius_um / waist_um))


def saddle_node_delay_s(outward_pn: Callable[[Floats], Floats], *, drag_pn_s_per_um: float, reach_um: float) -> float:
    """The delay beyond which a particle can run from its own past: min of r gamma / F(r) over r (P20).

    Args:
        outward_pn: radial force [...] at distances [...], positive outward.
        drag_pn_s_per_um: gamma.
        reach_um: largest distance that is searched.

    Returns:
        Seconds; inf if the force is outward nowhere. A cusp at the centre (a harmonic ring) gives almost 0.
    """
    r_um = np.linspace(0.0, reach_um, 4001)[1:]
    rate = outward_pn(r_um) / r_um  # [4000] F / r; its maximum gives the least delay
    best = int(np.argmax(rate))
    if rate[best] <= 0.0:
        return math.inf
    bracket_um = (r_um[max(best - 1, 0)], r_um[min(best + 1, len(r_um) - 1)])
    finer = minimize_scalar(lambda r: -outward_pn(np.array([r]))[0] / r, bounds=bracket_um, method="bounded")
    return drag_pn_s_per_um / max(float(rate[best]), -float(finer.fun))


def _depth(r_um: Floats, ring_um: Floats, waist_um: float) -> Floats:
    """Depth at r of a ring of light whose depth in one spot is 1: the mean of the spot over the circle.

    exp(-2 (r - R)^2 / w^2) I0e(4 r R / w^2), exact for a continuous ring; at r = R >> w it is w / (R sqrt(8 pi)).
    """
    gap = np.exp(-2.0 * ((r_um - ring_um) / waist_um) ** 2)
    return np.asarray(gap * i0e(4.0 * r_um * ring_um / waist_um**2))


def _peak_um(ring_um: float, waist_um: float) -> float:
    """Distance at which a painted ring is deepest: slightly below its radius; 0 if it is smaller than the spot."""
    if ring_um <= waist_um / math.sqrt(2.0):
        return 0.0
    within = (max(0.0, ring_um - waist_um), ring_um)
    ring = np.array(ring_um)
    optimum = minimize_scalar(lambda r: -float(_depth(np.array(r), ring, waist_um)), bounds=within, method="bounded")
    return float(optimum.x)


def _fitted(shape: Central, waist_um: float, kt_pn_um: float) -> Rings:
    """Rings by non-negative least squares on a radial grid; the far value of the potential is that without light."""
    if not math.isfinite(shape.reach_um):
        raise Refused("a painted landscape needs a potential that ends somewhere; this one never does")
    if shape.reach_um > MOST_RINGS * waist_um / 2.0:
        raise Refused(
            f"a painted landscape may reach {MOST_RINGS / 2:g} waists, {MOST_RINGS * waist_um / 2.0:.4g} um, "
            f"and this potential reaches {shape.reach_um:.4g} um"
        )
    ring_um = np.arange(0.0, shape.reach_um + waist_um / 4.0, waist_um / 2.0)  # [M]
    r_um, target_kt = _target(shape, 4 * len(ring_um), kt_pn_um)
    highest = int(np.argmin(target_kt))
    if -target_kt[highest] > REPULSIVE * max(float(target_kt.max()), 0.0):
        raise Refused(
            f"a painted landscape can't repel, and this potential is {-target_kt[highest]:.3g} kT above its far value "
            f"at r = {r_um[highest]:.3g} um; use mode: steered for it"
        )
    depth = _depth(r_um[:, None], ring_um[None], waist_um)  # [K, M]
    total_kt, _ = nnls(depth, np.maximum(target_kt, 0.0), maxiter=100 * len(ring_um))
    keep = total_kt > FEEBLE * total_kt.max()
    _require_few(ring_um[keep], waist_um)
    return _with_residual(shape, ring_um[keep], total_kt[keep], waist_um, kt_pn_um)


def _require_few(radius_um: Floats, waist_um: float) -> None:
    """Raises Refused for rings of more than MOST_SPOTS spots, before the spots are computed."""
    number = float(np.maximum(np.where(radius_um == 0.0, 1.0, 3.0), 2.0 * math.pi / waist_um * radius_um).sum())
    if not number <= MOST_SPOTS:
        raise Refused(
            f"its rings, up to {radius_um.max():.4g} um, are {number:.3g} spots of {waist_um:g} um about each centre "
            f"(allowed: {MOST_SPOTS}); use a smaller radius, or mode: steered"
        )


def _target(shape: Central, number: int, kt_pn_um: float) -> tuple[Floats, Floats]:
    """(distances [number + 1] up to the reach, depth of the potential below its far value there, kT)."""
    r_um = np.linspace(0.0, shape.reach_um, number + 1)
    energy_kt = shape.radial_energy_pn_um(r_um, kt_pn_um=kt_pn_um) / kt_pn_um
    return r_um, energy_kt[-1] - energy_kt


def _with_residual(shape: Central, ring_um: Floats, total_kt: Floats, waist_um: float, kt_pn_um: float) -> Rings:
    """These rings, with their residual."""
    if not math.isfinite(shape.reach_um):
        return Rings(ring_um, total_kt)
    r_um, target_kt = _target(shape, 400, kt_pn_um)
    painted_kt = _depth(r_um[:, None], ring_um, waist_um) @ total_kt
    return Rings(ring_um, total_kt, float(np.abs(painted_kt - target_kt).max()))

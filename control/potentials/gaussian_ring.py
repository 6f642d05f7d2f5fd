"""A circular valley around the centre."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.potentials.shape import Central, Floats, Lines

BEAM = 1.05  # largest width of a valley, over that of the light (waist / 2), that one ring can paint


@settings
class GaussianRing(Central):
    """V = -depth exp(-(r - R)^2 / (2 width^2)): smooth, of finite range (docs/predictions.md 2.4)."""

    kind: Literal["gaussian_ring"] = "gaussian_ring"
    radius_um: Annotated[float, Gt(0), Doc("radius of the ring")] = 2.5
    width_um: Annotated[float, Gt(0), Doc("standard deviation of the valley across the ring")] = 0.3
    depth_kt: Annotated[float, Gt(0), Doc("depth of the valley; in landscape mode after painting")] = 10.0

    @property
    def reach_um(self) -> float:
        return self.radius_um + 6.0 * self.width_um

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return valley(r_um - self.radius_um, self.width_um, self.depth_kt * kt_pn_um)

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return valley_force(r_um - self.radius_um, self.width_um, self.depth_kt * kt_pn_um)

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """One ring, if the valley is not wider than the beam; else None."""
        return ((self.radius_um,), (self.depth_kt,)) if self.width_um <= BEAM * waist_um / 2.0 else None


def valley(distance_um: Floats, width_um: float, depth_pn_um: float) -> Floats:
    """Energy [...] of a Gaussian valley, at distances [...] from its minimum."""
    return -depth_pn_um * np.exp(-0.5 * (distance_um / width_um) ** 2)


def valley_force(distance_um: Floats, width_um: float, depth_pn_um: float) -> Floats:
    """Force [...] along the distance from the minimum."""
    return valley(distance_um, width_um, depth_pn_um) * distance_um / width_um**2

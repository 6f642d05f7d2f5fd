"""Two circular valleys; with the ratio sqrt(2) they give the neighbours of a square lattice."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from config.fields import Doc, Gt, settings
from control.potentials.gaussian_ring import BEAM, valley, valley_force
from control.potentials.shape import Central, Floats, Lines


@settings
class DoubleRing(Central):
    """Two Gaussian rings of equal depth, at R and ratio R (docs/predictions.md P24: a square crystal needs both)."""

    kind: Literal["double_ring"] = "double_ring"
    radius_um: Annotated[float, Gt(0), Doc("radius of the inner ring")] = 2.5
    ratio: Annotated[float, Gt(1), Doc("outer over inner radius; sqrt(2) for square lattices")] = math.sqrt(2.0)
    width_um: Annotated[float, Gt(0), Doc("standard deviation of either valley across its ring")] = 0.3
    depth_kt: Annotated[float, Gt(0), Doc("depth of either valley; in landscape mode after painting")] = 10.0

    @property
    def radii_um(self) -> tuple[float, float]:
        return self.radius_um, self.ratio * self.radius_um

    @property
    def reach_um(self) -> float:
        return self.radii_um[1] + 6.0 * self.width_um

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        inner, outer = (valley(r_um - ring, self.width_um, self.depth_kt * kt_pn_um) for ring in self.radii_um)
        return inner + outer

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        inner, outer = (valley_force(r_um - ring, self.width_um, self.depth_kt * kt_pn_um) for ring in self.radii_um)
        return inner + outer

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """Two rings, if the valleys are not wider than the beam; else None."""
        return (self.radii_um, (self.depth_kt,) * 2) if self.width_um <= BEAM * waist_um / 2.0 else None

"""A Gaussian well or hill at the centre."""

from __future__ import annotations

from typing import Annotated, Literal

from config.fields import Doc, Gt, settings
from control.potentials.gaussian_ring import BEAM, valley, valley_force
from control.potentials.shape import Central, Floats, Lines


@settings
class Gaussian(Central):
    """V = -depth exp(-r^2 / (2 width^2)); a negative depth repels (Tarama, Egelhaaf and Loewen, arXiv 1904.08373)."""

    kind: Literal["gaussian"] = "gaussian"
    depth_kt: Annotated[float, Doc("depth at the centre; negative is a hill, which repels")] = 10.0
    width_um: Annotated[float, Gt(0), Doc("standard deviation")] = 0.3

    @property
    def reach_um(self) -> float:
        return 6.0 * self.width_um

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return valley(r_um, self.width_um, self.depth_kt * kt_pn_um)

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return valley_force(r_um, self.width_um, self.depth_kt * kt_pn_um)

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """One spot, if the well is not wider than the beam; else None."""
        narrow = self.depth_kt >= 0.0 and self.width_um <= BEAM * waist_um / 2.0
        return ((0.0,), (self.depth_kt,)) if narrow else None

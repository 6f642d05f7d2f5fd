"""A spring to a circle around the centre."""

from __future__ import annotations

from typing import Annotated, Literal

from config.fields import Doc, Gt, settings
from control.potentials.shape import Central, Floats, Lines


@settings
class Annular(Central):
    """V = k (r - R)^2 / 2, the annular potential (docs/predictions.md 2.4; Saha et al., Soft Matter 2024)."""

    kind: Literal["annular"] = "annular"
    radius_um: Annotated[float, Gt(0), Doc("radius of the ring")] = 1.0
    stiffness_pn_per_um: Annotated[float, Gt(0), Doc("stiffness towards the ring")] = 0.9

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return 0.5 * self.stiffness_pn_per_um * (r_um - self.radius_um) ** 2

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return self.stiffness_pn_per_um * (self.radius_um - r_um)

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """One ring of depth k waist^2 / 4 after painting, which gives this stiffness across it."""
        return (self.radius_um,), (self.stiffness_pn_per_um * waist_um**2 / 4.0 / kt_pn_um,)

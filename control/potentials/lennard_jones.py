"""Attraction with a hard core."""

from __future__ import annotations

from typing import Annotated, Literal

from config.fields import Doc, Ge, Gt, Interval, settings
from control.potentials.capped import Capped
from control.potentials.shape import Floats


@settings
class LennardJones(Capped):
    """V = 4 depth ((s / r)^12 - (s / r)^6), s the diameter (Lennard-Jones 1924); constant force within the core."""

    kind: Literal["lennard_jones"] = "lennard_jones"
    depth_kt: Annotated[float, Ge(0), Doc("depth of the minimum, at 1.12 diameters")] = 5.0
    diameter_um: Annotated[float, Gt(0), Doc("distance where the energy is 0")] = 2.0
    core: Annotated[float, Interval(gt=0, le=1), Doc("share of the diameter within which the force is constant")] = 0.9

    @property
    def core_um(self) -> float:
        return self.core * self.diameter_um

    @property
    def reach_um(self) -> float:
        return 5.0 * self.diameter_um

    def bare_energy_kt(self, r_um: Floats) -> Floats:
        return lennard_jones(self.diameter_um / r_um, self.depth_kt)

    def bare_force_kt_per_um(self, r_um: Floats) -> Floats:
        return lennard_jones_force(self.diameter_um / r_um, self.depth_kt) / self.diameter_um


def lennard_jones(inverse: Floats, depth: float) -> Floats:
    """Energy [...] at diameter / r [...]."""
    sixth = inverse**6
    return 4.0 * depth * sixth * (sixth - 1.0)


def lennard_jones_force(inverse: Floats, depth: float) -> Floats:
    """Outward force times the diameter [...], at diameter / r [...]."""
    sixth = inverse**6
    return 24.0 * depth * inverse * sixth * (2.0 * sixth - 1.0)

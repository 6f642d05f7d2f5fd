"""A soft repulsive wall around a particle, without attraction."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Ge, Gt, Interval, settings
from control.potentials.capped import Capped
from control.potentials.lennard_jones import lennard_jones, lennard_jones_force
from control.potentials.shape import Floats


@settings
class WCA(Capped):
    """The repulsive part of Lennard-Jones, cut at its minimum (Weeks, Chandler and Andersen 1971)."""

    kind: Literal["wca"] = "wca"
    strength_kt: Annotated[float, Ge(0), Doc("energy at one diameter")] = 10.0
    diameter_um: Annotated[float, Gt(0), Doc("effective diameter of a particle")] = 2.0
    core: Annotated[float, Interval(gt=0, le=1), Doc("share of the diameter within which the force is constant")] = 0.9

    @property
    def core_um(self) -> float:
        return self.core * self.diameter_um

    @property
    def reach_um(self) -> float:
        return float(2.0 ** (1.0 / 6.0) * self.diameter_um)

    def bare_energy_kt(self, r_um: Floats) -> Floats:
        inside = lennard_jones(self.diameter_um / r_um, self.strength_kt) + self.strength_kt
        return np.where(r_um > self.reach_um, 0.0, inside)

    def bare_force_kt_per_um(self, r_um: Floats) -> Floats:
        inside = lennard_jones_force(self.diameter_um / r_um, self.strength_kt) / self.diameter_um
        return np.where(r_um > self.reach_um, 0.0, inside)

"""A spring to the centre."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.potentials.shape import Central, Floats, Lines


@settings
class Harmonic(Central):
    """V = k r^2 / 2 (docs/predictions.md 2.4; Saha et al., Soft Matter 2024)."""

    kind: Literal["harmonic"] = "harmonic"
    stiffness_pn_per_um: Annotated[float, Gt(0), Doc("stiffness of the spring")] = 0.9
    cutoff_um: Annotated[float | None, Gt(0), Doc("no force beyond this distance; left out: no cutoff")] = None

    @property
    def reach_um(self) -> float:
        return math.inf if self.cutoff_um is None else self.cutoff_um

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return 0.5 * self.stiffness_pn_per_um * np.minimum(r_um, self.reach_um) ** 2

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return np.where(r_um > self.reach_um, 0.0, -self.stiffness_pn_per_um * r_um)

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """One spot of depth k waist^2 / 4, which gives this stiffness at its centre (docs/predictions.md 2.2).

        None if the spring reaches farther than a spot: then painting fits rings.
        """
        if self.cutoff_um is not None and self.cutoff_um > waist_um / 2.0:
            return None
        return (0.0,), (self.stiffness_pn_per_um * waist_um**2 / 4.0 / kt_pn_um,)

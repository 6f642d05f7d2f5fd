"""A shape as painted by light of a given waist, with its own minimum: it acts in mode landscape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from control.potentials.painting import Rings, paint, painted_energy_pn_um, painted_force_pn
from control.potentials.shape import Central

Floats = NDArray[np.float64]

OUT = 2.0  # waists beyond the outermost ring, where the light is negligible


@dataclass(frozen=True, eq=False)
class Painted(Central):
    """Rings of light of one waist, as a potential."""

    rings: Rings
    waist_um: float
    kt_pn_um: float

    @property
    def reach_um(self) -> float:
        return float(self.rings.radius_um.max(initial=0.0)) + OUT * self.waist_um

    @property
    def depth_kt(self) -> float:
        """Depth of the deepest point, relative to no light."""
        r_um = np.linspace(0.0, self.reach_um, 2001)
        return -float(self.radial_energy_pn_um(r_um, kt_pn_um=self.kt_pn_um).min()) / self.kt_pn_um

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return painted_energy_pn_um(self.rings, np.asarray(r_um), waist_um=self.waist_um, kt_pn_um=kt_pn_um)

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return painted_force_pn(self.rings, np.asarray(r_um), waist_um=self.waist_um, kt_pn_um=kt_pn_um)

    def widened(self, widening: float) -> Painted:
        """The mean over a Gaussian scatter: w^2 of each spot grows by the factor `widening`, its depth falls by it.

        The mean of U exp(-2 r^2 / w^2) over a scatter of variance s^2 per axis is (U / q) exp(-2 r^2 / (w^2 q)),
        q = 1 + 4 s^2 / w^2.
        """
        if widening == 1.0:
            return self
        rings = Rings(self.rings.radius_um, self.rings.total_kt / widening)
        return Painted(rings, self.waist_um * widening**0.5, self.kt_pn_um)


def painted(shape: Any, waist_um: float, kt_pn_um: float) -> Painted | None:
    """The shape as painted by this light; None if it can't be painted."""
    try:
        return Painted(paint(shape, waist_um=waist_um, kt_pn_um=kt_pn_um), waist_um, kt_pn_um)
    except Refused:
        return None

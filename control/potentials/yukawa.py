"""Interaction of screened charges."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Gt, settings
from control.potentials.capped import Capped
from control.potentials.shape import Floats


@settings
class Yukawa(Capped):
    """V = strength (c / r) exp(-(r - c) / screening), c the contact (DLVO, far field); constant force within it."""

    kind: Literal["yukawa"] = "yukawa"
    strength_kt: Annotated[float, Doc("energy at contact; negative attracts")] = 10.0
    screening_um: Annotated[float, Gt(0), Doc("screening length")] = 0.5
    contact_um: Annotated[float, Gt(0), Doc("distance of the centres at contact")] = 2.0

    @property
    def core_um(self) -> float:
        return self.contact_um

    @property
    def reach_um(self) -> float:
        return self.contact_um + 10.0 * self.screening_um

    def bare_energy_kt(self, r_um: Floats) -> Floats:
        return self.strength_kt * self.contact_um / r_um * np.exp(-(r_um - self.contact_um) / self.screening_um)

    def bare_force_kt_per_um(self, r_um: Floats) -> Floats:
        return self.bare_energy_kt(r_um) * (1.0 / r_um + 1.0 / self.screening_um)

"""A uniform force: a directional bias."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from config.fields import Doc, Ge, settings
from control.potentials.shape import Floats


@settings
class Constant:
    """V = -F . offset. About a particle's own position it is a directional drive."""

    kind: Literal["constant"] = "constant"
    magnitude_pn: Annotated[float, Ge(0), Doc("strength of the force")] = 0.05
    direction_deg: Annotated[float, Doc("0 is right, 90 is down, as in the image")] = 0.0

    @property
    def central(self) -> bool:
        return False

    @property
    def reach_um(self) -> float:
        return math.inf

    @property
    def components_pn(self) -> Floats:
        """[2] force along x and y, pN."""
        angle_rad = math.radians(self.direction_deg)
        return self.magnitude_pn * np.array([math.cos(angle_rad), math.sin(angle_rad)])

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return -(offset_um @ self.components_pn)

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        # a nan offset gives a nan force, so that a particle without a past gets no light
        return np.where(np.isnan(offset_um).any(axis=-1, keepdims=True), np.nan, self.components_pn)

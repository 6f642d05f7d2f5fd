"""A potential drawn by the user: a monotone cubic through points."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from config.fields import Doc, settings
from control.potentials.shape import Central, Floats

CLOSEST_UM = 1e-3  # least distance of two points


@settings
class Drawn(Central):
    """Energy at distances from the centre, by monotone cubic interpolation (Fritsch and Carlson 1980, as in PCHIP).

    Beyond the last point the energy is constant, and the slope there is 0. The slope is also 0 at a first point at
    r = 0; below a first point at r > 0 the force is constant.
    """

    kind: Literal["drawn"] = "drawn"
    radius_um: Annotated[tuple[float, ...], Doc("distances of the points, rising")] = (0.0, 1.0, 2.0, 3.0)
    energy_kt: Annotated[tuple[float, ...], Doc("energies of the points")] = (0.0, -1.0, -10.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.radius_um) != len(self.energy_kt):
            raise ValueError(
                f"a drawn curve has {len(self.radius_um)} radii and {len(self.energy_kt)} energies; they must be equal"
            )
        if len(self.radius_um) < 2:
            raise ValueError(f"a drawn curve has {len(self.radius_um)} point (allowed: two or more)")
        if self.radius_um[0] < 0.0 or np.diff(self.radius_um).min() < CLOSEST_UM:
            raise ValueError(f"the radii of a drawn curve rise from 0 or more, by {CLOSEST_UM:g} um or more each")

    @property
    def reach_um(self) -> float:
        return self.radius_um[-1]

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        first_um = self.radius_um[0]
        curve = _curve(self.radius_um, self.energy_kt)
        within_kt = float(curve(first_um, 1)) * np.minimum(r_um - first_um, 0.0)
        energy_kt: Floats = curve(np.clip(r_um, first_um, self.reach_um)) + within_kt
        return kt_pn_um * energy_kt

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        slope: Floats = _curve(self.radius_um, self.energy_kt)(np.clip(r_um, self.radius_um[0], self.reach_um), 1)
        return -kt_pn_um * slope  # 0 at the last point


@lru_cache(maxsize=64)
def _curve(radius_um: tuple[float, ...], energy_kt: tuple[float, ...]) -> Any:
    slope = PchipInterpolator(radius_um, energy_kt)(radius_um, 1)
    slope[-1] = 0.0
    if radius_um[0] == 0.0:
        slope[0] = 0.0
    return CubicHermiteSpline(radius_um, energy_kt, slope)

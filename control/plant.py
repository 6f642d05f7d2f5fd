"""Physics of a bead in a fluid in one Gaussian spot: units, drag, stiffness (docs/predictions.md 2.1, 2.2)."""

from __future__ import annotations

import math
from typing import Annotated

from config.fields import Doc, Gt, settings

BOLTZMANN_PN_UM_PER_K = 1.380649e-5


@settings
class Plant:
    """The particle model that the instrument uses; all defaults are estimates until calibration."""

    temperature_k: Annotated[float, Gt(0), Doc("temperature of the sample")] = 295.0
    drag_pn_s_per_um: Annotated[float, Gt(0), Doc("Stokes drag of a particle, wall included (estimate)")] = 0.036
    diameter_um: Annotated[float, Gt(0), Doc("diameter of a particle (estimate)")] = 2.0

    @property
    def kt_pn_um(self) -> float:
        """Thermal energy, pN um."""
        return BOLTZMANN_PN_UM_PER_K * self.temperature_k

    @property
    def diffusion_um2_per_s(self) -> float:
        """D = kT / gamma (Einstein 1905)."""
        return self.kt_pn_um / self.drag_pn_s_per_um

    def rate_hz(self, stiffness_pn_per_um: float) -> float:
        """kappa = k / gamma, 1/s."""
        return stiffness_pn_per_um / self.drag_pn_s_per_um


def spot_stiffness(depth_pn_um: float, waist_um: float) -> float:
    """Stiffness pN/um at the centre of U = -depth exp(-2 rho^2 / waist^2) (docs/predictions.md 2.2)."""
    return 4.0 * depth_pn_um / waist_um**2


def spot_largest_force(depth_pn_um: float, waist_um: float) -> float:
    """Largest force pN of a Gaussian spot, at rho = waist / 2 (docs/predictions.md 2.2)."""
    return 2.0 * depth_pn_um * math.exp(-0.5) / waist_um

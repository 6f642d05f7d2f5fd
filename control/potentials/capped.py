"""Potentials that diverge at the centre, made finite: within a core the force is constant and the energy linear."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from control.potentials.shape import Central, Floats


class Capped(Central):
    """A shape given by its bare energy and force in kT; its feedback force is finite everywhere."""

    @property
    @abstractmethod
    def core_um(self) -> float:
        """Distance below which the force is constant."""

    @abstractmethod
    def bare_energy_kt(self, r_um: Floats) -> Floats:
        """Energy [...] in kT at distances [...] of core_um or more."""

    @abstractmethod
    def bare_force_kt_per_um(self, r_um: Floats) -> Floats:
        """Force [...] in kT/um, positive outward, at distances [...] of core_um or more."""

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        clamped_um = np.maximum(r_um, self.core_um)
        return kt_pn_um * (
            self.bare_energy_kt(clamped_um) + self.bare_force_kt_per_um(clamped_um) * (clamped_um - r_um)
        )

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return kt_pn_um * self.bare_force_kt_per_um(np.maximum(r_um, self.core_um))

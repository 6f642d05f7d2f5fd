"""What diverges at the centre, made finite: within a core the force is held, and the energy goes on linearly."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from control.potentials.shape import Central, Floats


class Capped(Central):
    """A shape that says its bare energy and force, in kT; a feedback force from it is always finite."""

    @property
    @abstractmethod
    def core_um(self) -> float:
        """Distance below which the force is held."""

    @abstractmethod
    def bare_energy_kt(self, r_um: Floats) -> Floats:
        """[...] kT at distances [...] from core_um on."""

    @abstractmethod
    def bare_force_kt_per_um(self, r_um: Floats) -> Floats:
        """[...] kT/um, positive outward, at distances [...] from core_um on."""

    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        held_um = np.maximum(r_um, self.core_um)
        return kt_pn_um * (self.bare_energy_kt(held_um) + self.bare_force_kt_per_um(held_um) * (held_um - r_um))

    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return kt_pn_um * self.bare_force_kt_per_um(np.maximum(r_um, self.core_um))

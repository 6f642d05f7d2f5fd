"""The interface of all potentials: energy and force as a function of the offset from a centre."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Lines = tuple[tuple[float, ...], tuple[float, ...]]  # radii um, depths after painting kT


class Shape(Protocol):
    """A potential of the offset (particle minus centre, um). Its force is minus the gradient of its energy.

    A nan offset (unknown centre) gives a nan force; every finite offset gives a finite force.
    """

    @property
    def kind(self) -> str: ...

    @property
    def central(self) -> bool:
        """Whether it depends on the distance only."""
        ...

    @property
    def reach_um(self) -> float:
        """Distance beyond which the force is zero or negligible; may be inf."""
        ...

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """Energy [...] in pN um at offsets [..., 2] um."""
        ...

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """Force [..., 2] in pN at offsets [..., 2] um."""
        ...


class Central(ABC):
    """A potential of the distance only, given by its radial energy and force."""

    kind: str

    @property
    def central(self) -> bool:
        return True

    @property
    def reach_um(self) -> float:
        return math.inf

    @property
    def steady(self) -> bool:
        """Whether it is independent of time."""
        return True

    @abstractmethod
    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """Energy [...] in pN um at distances [...] um."""

    @abstractmethod
    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """Force [...] in pN at distances [...] um; positive outward."""

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """The rings of light of this waist that form the potential exactly (a spot is a ring of radius 0).

        None: no such rings; painting fits some.
        """
        return None

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return self.radial_energy_pn_um(_distance(offset_um), kt_pn_um=kt_pn_um, time_s=time_s)

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        r_um = _distance(offset_um)  # [...]
        outward_pn = self.radial_force_pn(r_um, kt_pn_um=kt_pn_um, time_s=time_s)
        # the force at the centre is 0, since it has no direction
        with np.errstate(all="ignore"):  # a force that is not finite trips the interlock; no warning
            return np.asarray(outward_pn[..., None] * (offset_um / np.where(r_um == 0.0, 1.0, r_um)[..., None]))


def is_central(shape: Shape | None) -> TypeGuard[Central]:
    """Whether a shape depends on the distance alone."""
    return isinstance(shape, Central) and shape.central


def _distance(offset_um: Floats) -> Floats:
    return np.asarray(np.hypot(offset_um[..., 0], offset_um[..., 1]))

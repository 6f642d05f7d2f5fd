"""What every potential answers: its energy and its force, between a centre and a particle."""

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

    A centre that is not known (nan) gives a force that is nan; every finite offset gives a finite force.
    """

    @property
    def kind(self) -> str: ...

    @property
    def central(self) -> bool:
        """Whether it depends on the distance alone."""
        ...

    @property
    def reach_um(self) -> float:
        """Distance beyond which the force is zero or of no account; inf where it never ends."""
        ...

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """[...] pN um at offsets [..., 2]."""
        ...

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """[..., 2] pN at offsets [..., 2]."""
        ...


class Central(ABC):
    """A shape of the distance alone: it says its radial energy and force, and the rest follows."""

    kind: str

    @property
    def central(self) -> bool:
        return True

    @property
    def reach_um(self) -> float:
        return math.inf

    @property
    def steady(self) -> bool:
        """Whether it is the same at all times."""
        return True

    @abstractmethod
    def radial_energy_pn_um(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """[...] pN um at distances [...]."""

    @abstractmethod
    def radial_force_pn(self, r_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        """[...] pN at distances [...]; positive is outward."""

    def lines(self, *, waist_um: float, kt_pn_um: float) -> Lines | None:
        """The rings of light of this waist that are the shape itself (a spot is a ring of radius 0).

        None: there are none, and painting has to fit some.
        """
        return None

    def energy_pn_um(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        return self.radial_energy_pn_um(_distance(offset_um), kt_pn_um=kt_pn_um, time_s=time_s)

    def force_pn(self, offset_um: Floats, *, kt_pn_um: float, time_s: float = 0.0) -> Floats:
        r_um = _distance(offset_um)  # [...]
        outward_pn = self.radial_force_pn(r_um, kt_pn_um=kt_pn_um, time_s=time_s)
        # at the centre there is no direction, and no force
        with np.errstate(all="ignore"):  # a force that is not finite ends in a trip, not in a warning
            return np.asarray(outward_pn[..., None] * (offset_um / np.where(r_um == 0.0, 1.0, r_um)[..., None]))


def is_central(shape: Shape | None) -> TypeGuard[Central]:
    """Whether a shape depends on the distance alone."""
    return isinstance(shape, Central) and shape.central


def _distance(offset_um: Floats) -> Floats:
    return np.asarray(np.hypot(offset_um[..., 0], offset_um[..., 1]))

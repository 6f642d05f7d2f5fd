"""The conditions of an experiment and the minimum of a shape: what predictions begin from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from control.allocate import LightModel
from control.plant import Plant

Floats = NDArray[np.float64]

ALIKE = 0.01  # share of their depth by which two minima may differ and count as equally deep


@dataclass(frozen=True)
class Conditions:
    """The medium, the light and the times that a law acts with."""

    plant: Plant
    light: LightModel
    latency_s: float  # from mid-exposure to when a command acts
    hold_s: float
    particles: int = 1
    steered: bool = True  # one trap a particle; else light is painted about the centres
    aims_ahead: bool = False  # trap.predict: traps are aimed at where particles will be
    compensates: bool = False  # trap.compensate_latency

    @property
    def age_s(self) -> float:
        """Mean age of what a steered trap was aimed at."""
        return self.latency_s + 0.5 * self.hold_s

    @property
    def lag_s(self) -> float:
        """Age of the position that a trap is put from; 0 where light is painted, or traps are aimed ahead."""
        return self.age_s if self.steered and not self.aims_ahead else 0.0

    @property
    def lag_z(self) -> float:
        """z = kappa a of a trap that is put from a position of age a."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um) * self.lag_s

    def wanted_pn(self, force_pn: Floats) -> Floats:
        """[...] the force that traps are put for: of trap.compensate_latency 1/(1 + z) of the law's."""
        return np.asarray(force_pn / (1.0 + self.lag_z) if self.compensates else force_pn)

    def acting_pn(self, force_pn: Floats, lag_um: Floats | float = 0.0) -> Floats:
        """[...] the force that acts where the law asks for `force_pn`.

        A steered trap is put at F/k, at most half its waist w, from where the particle was, and pulls with
        k u exp(-2 u^2 / w^2) over the distance u that is left of it. Painted light is the potential itself.

        Args:
            lag_um: how far the particle has come towards the trap since it was seen.
        """
        if not self.steered:
            return np.asarray(force_pn)
        waist_um, stiffness = self.light.waist_um, self.light.stiffness_pn_per_um
        if self.aims_ahead:  # the mean force of a hold is that of the law, as far as a trap reaches
            return np.clip(force_pn, -self.light.largest_force_pn, self.light.largest_force_pn)
        offset_um = np.clip(self.wanted_pn(force_pn) / stiffness, -0.5 * waist_um, 0.5 * waist_um) - lag_um
        return np.asarray(stiffness * offset_um * np.exp(-2.0 * (offset_um / waist_um) ** 2))

    def speed_under_um_per_s(self, force_pn: float) -> float:
        """The speed of a particle under a constant force: drag v = the force that acts at a lag of v a."""
        drag = self.plant.drag_pn_s_per_um
        free = abs(float(self.acting_pn(np.asarray(abs(force_pn))))) / drag
        if self.lag_s == 0.0 or free == 0.0:
            return free

        def surplus_pn(v: float) -> float:
            return float(self.acting_pn(np.asarray(abs(force_pn)), v * self.lag_s)) - drag * v

        return float(brentq(surplus_pn, 0.0, free))

    @property
    def trap_terms(self) -> tuple[tuple[float, float], ...]:
        """(rate, delay) of a trap that is put from where the particle was (control/theory/linear.py); () without."""
        trap_hz = self.plant.rate_hz(self.light.stiffness_pn_per_um)
        return ((trap_hz, 0.0), (-trap_hz, self.lag_s)) if self.lag_s > 0.0 else ()

    def softened_hz(self, rate_hz: float) -> float:
        """The rate of a potential with trap.compensate_latency."""
        return rate_hz / (1.0 + self.lag_z) if self.compensates else rate_hz

    @property
    def largest_force_pn(self) -> float:
        """That a law can give: of one trap at half its waist, where it is steered."""
        return self.light.largest_force_pn if self.steered else math.inf


def span_um(shape: Any) -> float:
    """How far out a plot of it should go."""
    numbers = {**vars(shape), **{f"{name}_um": value for name, value in getattr(shape, "parameters", {}).items()}}
    lengths = [
        value
        for name, value in numbers.items()
        if name.endswith("_um") and not name.endswith("_per_um") and isinstance(value, float)
    ]
    if not lengths:
        return float(shape.reach_um) if math.isfinite(shape.reach_um) else 2.0
    span = 2.0 * max([*lengths, 0.5])
    return min(span, shape.reach_um) if math.isfinite(shape.reach_um) else span


def minimum(shape: Any, plant: Plant) -> tuple[float, float]:
    """(distance of the deepest point um, stiffness there pN/um) of a central shape; of minima alike, the innermost.

    (inf, 0) where the energy falls to the end of the plot: there is no minimum.
    """
    r_um = np.linspace(0.0, span_um(shape), 4001)
    energy = np.asarray(shape.radial_energy_pn_um(r_um, kt_pn_um=plant.kt_pn_um))
    deepest = innermost(energy)
    if deepest == len(r_um) - 1:
        return math.inf, 0.0
    at_um = float(r_um[deepest])
    step_um = 1e-4
    beyond, before = (
        float(shape.radial_force_pn(np.array([max(at_um + side, 1e-9)]), kt_pn_um=plant.kt_pn_um)[0])
        for side in (step_um, -step_um if at_um > step_um else 0.0)
    )
    return at_um, (before - beyond) / (2.0 * step_um if at_um > step_um else step_um)


def innermost(energy: NDArray[np.float64]) -> int:
    """The first row that is a minimum and, within ALIKE of what it rises to further out, as deep as the deepest."""
    deepest = int(np.nanargmin(energy))
    beyond = energy[deepest:]
    rise = float(np.nanmax(beyond)) - float(energy[deepest])
    padded = np.concatenate([[np.inf], np.where(np.isnan(energy), np.inf, energy), [np.inf]])
    valley = (energy <= padded[:-2]) & (energy <= padded[2:])
    alike = valley & (energy <= energy[deepest] + ALIKE * (rise if math.isfinite(rise) else 0.0))
    return int(np.argmax(alike))


@dataclass(frozen=True)
class Foreseen:
    """One predicted quantity: its name, its value in words, and the source of its formula."""

    name: str
    value: str
    source: str
    warning: bool = False

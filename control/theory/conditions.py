"""The conditions of an experiment and the minimum of a shape: what predictions begin from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.allocate import LightModel
from control.plant import Plant

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
    def largest_force_pn(self) -> float:
        """That a law can give: of one trap at half its waist, where it is steered."""
        return self.light.largest_force_pn if self.steered else math.inf


def span_um(shape: Any) -> float:
    """How far out a plot of it should go."""
    numbers = {**vars(shape), **{f"{name}_um": value for name, value in getattr(shape, "parameters", {}).items()}}
    lengths = [value for name, value in numbers.items() if name.endswith("_um") and isinstance(value, float)]
    if not lengths:
        return float(shape.reach_um) if math.isfinite(shape.reach_um) else 2.0
    span = 2.0 * max([*lengths, 0.5])
    return min(span, shape.reach_um) if math.isfinite(shape.reach_um) else span


def minimum(shape: Any, plant: Plant) -> tuple[float, float]:
    """(distance of the deepest point um, stiffness there pN/um) of a central shape; of minima alike, the innermost."""
    r_um = np.linspace(0.0, span_um(shape), 4001)
    energy = shape.radial_energy_pn_um(r_um, kt_pn_um=plant.kt_pn_um)
    at_um = float(r_um[innermost(np.asarray(energy))])
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

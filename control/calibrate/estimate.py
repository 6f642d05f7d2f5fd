"""A measured number with its standard error, and whether several of them agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its standard error, in the unit that its name says."""

    value: float
    error: float

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, abs(self.error * factor))


def mean_of(values: Floats) -> Estimate:
    """The mean of independent values [K], and its standard error from their scatter; nan values are left out.

    Raises ValueError for less than two values.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        raise ValueError(f"there are {len(known)} values, and a scatter needs two")
    return Estimate(float(known.mean()), float(known.std(ddof=1) / math.sqrt(len(known))))


def disagreement(found: Mapping[str, Estimate], *, tolerance: float = 0.05, least: float = 0.0) -> str:
    """Which two methods disagree most, in words; empty where all agree.

    Two disagree if they differ by more than `tolerance` of their mean and three standard errors together, and by more
    than `least`, which is in their unit.
    """
    worst, said = 0.0, ""
    names = sorted(found)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            a, b = found[one], found[other]
            apart = abs(a.value - b.value)
            allowed = max(tolerance * abs(a.value + b.value) / 2.0 + 3.0 * math.hypot(a.error, b.error), least)
            if not apart <= allowed and not apart / allowed <= worst:
                worst = apart / allowed
                said = f"{one} ({a.value:.4g} ± {a.error:.2g}) and {other} ({b.value:.4g} ± {b.error:.2g}) disagree"
    return said

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
    """A value and its standard error, in the unit at the end of its name."""

    value: float
    error: float

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, abs(self.error * factor))


def mean_of(values: Floats) -> Estimate:
    """The mean of independent values [K], and its standard error from their scatter; nan is ignored.

    Raises ValueError for less than two values.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        raise ValueError(f"{len(finite)} values have no scatter (allowed: two or more)")
    return Estimate(float(finite.mean()), float(finite.std(ddof=1) / math.sqrt(len(finite))))


def disagreement(estimates: Mapping[str, Estimate], *, tolerance: float = 0.05, least: float = 0.0) -> str:
    """Sentence on the two methods that disagree most; empty if all agree.

    Two estimates disagree if they differ by more than `tolerance` of their mean plus three standard errors, and by more
    than `least`, in their unit.
    """
    worst, sentence = 0.0, ""
    names = sorted(estimates)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            a, b = estimates[first], estimates[second]
            difference = abs(a.value - b.value)
            limit = max(tolerance * abs(a.value + b.value) / 2.0 + 3.0 * math.hypot(a.error, b.error), least)
            if not difference <= limit and not difference / limit <= worst:
                worst = difference / limit
                values = f"{first} ({a.value:.4g} ± {a.error:.2g}) and {second} ({b.value:.4g} ± {b.error:.2g})"
                sentence = f"{values} disagree"
    return sentence

"""Types of the measures of families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.trajectory import Trajectory

Options = Mapping[str, float]


class MeasuredRun(Protocol):
    """A run of a family: the values of its swept numbers, its settings and its trajectory."""

    @property
    def value(self) -> float: ...

    @property
    def across(self) -> float: ...

    @property
    def facts(self) -> ExperimentFacts: ...

    @property
    def trajectory(self) -> Trajectory: ...


Flights = Sequence[MeasuredRun]


@dataclass(frozen=True)
class FamilyMeasure:
    """A measure of a family: its numbers by name, and its figure."""

    measure: Callable[[Flights, Options], dict[str, float]]
    draw: Callable[[Any, Flights, Options], None]

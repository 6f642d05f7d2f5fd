"""How the runs of a family are told: what a measure is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.trajectory import Trajectory

Options = Mapping[str, float]


class MeasuredRun(Protocol):
    """One run: the values that were swept, what is known of it, and what was seen."""

    @property
    def value(self) -> float: ...

    @property
    def across(self) -> float: ...

    @property
    def known(self) -> ExperimentFacts: ...

    @property
    def seen(self) -> Trajectory: ...


Flights = Sequence[MeasuredRun]


@dataclass(frozen=True)
class Way:
    """Numbers by name, and one picture."""

    measure: Callable[[Flights, Options], dict[str, float]]
    draw: Callable[[Any, Flights, Options], None]

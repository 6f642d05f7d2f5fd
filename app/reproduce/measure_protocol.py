"""Types for the measurements of families: their runs, options and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.trajectory import Trajectory

Options = Mapping[str, float]


class MeasuredRun(Protocol):
    """One run: values of the sweeps, facts of the experiment, and tracks."""

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
    """One kind of measurement: a function for numbers by name, and one for the picture."""

    measure: Callable[[Flights, Options], dict[str, float]]
    draw: Callable[[Any, Flights, Options], None]

"""How the runs of a family are told: what a measure is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.reproduce.rows.row import Known
from app.reproduce.trajectory import Seen

Options = Mapping[str, float]


class Flight(Protocol):
    """One run: the values that were swept, what is known of it, and what was seen."""

    @property
    def value(self) -> float: ...

    @property
    def across(self) -> float: ...

    @property
    def known(self) -> Known: ...

    @property
    def seen(self) -> Seen: ...


Flights = Sequence[Flight]


@dataclass(frozen=True)
class Way:
    """Numbers by name, and one picture."""

    measure: Callable[[Flights, Options], dict[str, float]]
    draw: Callable[[Any, Flights, Options], None]

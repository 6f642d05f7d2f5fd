"""Checks the edited experiment with the strict reader; for a formula, finds the character of the error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.reader import Document, build
from config.refused import Refused
from control.experiment import Experiment
from control.potentials.expression import FormulaError
from control.potentials.formula import Formula


@dataclass(frozen=True)
class FormulaFault:
    """An error in a formula, and the index of its character, from 0."""

    sentence: str
    column: int | None = None


@dataclass(frozen=True)
class Checked:
    """The experiment made from `data`, or None and the error; and the fault of each invalid formula."""

    data: dict[str, Any]
    experiment: Experiment | None
    trouble: str = ""
    faults: tuple[tuple[dict[str, Any], FormulaFault], ...] = ()


def check(data: dict[str, Any]) -> Checked:
    """Check the data. With formulas this may take a second (their whole range): then not in the window's thread."""
    try:
        return Checked(data, build(Document("the experiment panel", data, {}), Experiment))
    except Refused as refused:
        faults = ((formula, fault_of(formula)) for formula in formulas_in(data))
        return Checked(data, None, str(refused), tuple((formula, fault) for formula, fault in faults if fault))


def formulas_in(data: Any) -> Iterator[dict[str, Any]]:
    """The settings of each formula in plain data."""
    if isinstance(data, dict):
        if data.get("kind") == "formula":
            yield data
        for part in data.values():
            yield from formulas_in(part)
    elif isinstance(data, list):
        for part in data:
            yield from formulas_in(part)


def fault_of(formula: dict[str, Any]) -> FormulaFault | None:
    """The error in the settings of a formula; None if there is none."""
    settings = dict(formula)
    try:
        if settings["range_um"] is not None:
            settings["range_um"] = tuple(float(number) for number in settings["range_um"])
        Formula(**settings)
    except FormulaError as error:
        return FormulaFault(error.sentence, error.column)
    except (ValueError, TypeError) as error:
        return FormulaFault(str(error).splitlines()[0])
    return None

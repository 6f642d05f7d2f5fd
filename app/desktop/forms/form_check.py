"""What the strict reader says of an experiment as it stands in the form; of a formula, at which character."""

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
    """What is wrong with a formula, and at which character, counted from 0."""

    sentence: str
    column: int | None = None


@dataclass(frozen=True)
class Checked:
    """The experiment that `data` are, or None and what is wrong with them; of each bad formula its fault."""

    data: dict[str, Any]
    experiment: Experiment | None
    trouble: str = ""
    faults: tuple[tuple[dict[str, Any], FormulaFault], ...] = ()


def check(data: dict[str, Any]) -> Checked:
    """Formulas over their whole range, which may take a second: not for the thread of a window where there are any."""
    try:
        return Checked(data, build(Document("the experiment panel", data, {}), Experiment))
    except Refused as refused:
        found = ((formula, fault_of(formula)) for formula in formulas_in(data))
        return Checked(data, None, str(refused), tuple((formula, fault) for formula, fault in found if fault))


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
    """What is wrong with the settings of a formula."""
    whole = dict(formula)
    try:
        if whole["range_um"] is not None:
            whole["range_um"] = tuple(float(number) for number in whole["range_um"])
        Formula(**whole)
    except FormulaError as error:
        return FormulaFault(error.sentence, error.column)
    except (ValueError, TypeError) as error:
        return FormulaFault(str(error).splitlines()[0])
    return None

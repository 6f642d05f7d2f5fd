"""A family of experiments: one law with a swept parameter, and the measured behaviour of the particles."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from app.assembly.plan import plan_inside
from app.assembly.rig import EXPERIMENTS
from app.console.figure import figure
from app.reproduce.families import FAMILIES
from app.reproduce.fly import fly
from app.reproduce.rows.row import ExperimentFacts
from app.reproduce.trajectory import Trajectory
from config.fields import Doc, Ge, Gt, settings
from config.reader import Document, build, read
from config.refused import Refused

FOLDER = EXPERIMENTS / "families"


@settings
class Sweep:
    """A swept number of the experiment or of the rig, and its values."""

    keys: Annotated[tuple[str, ...], Doc("dotted keys, which take the value together")]
    values: Annotated[tuple[float, ...], Doc("what it is set to")]


@settings
class Family:
    """The contents of a family's file."""

    id: Annotated[str, Doc("name of the family")]
    title: Annotated[str, Doc("in a few words")]
    about: Annotated[str, Doc("what to look for, and what is predicted")]
    measure: Annotated[str, Doc("how its runs are measured: an entry of app/reproduce/families")]
    sweep: Sweep | None = None
    across: Annotated[Sweep | None, Doc("a second number; every value of the first is flown with every one of it")] = (
        None
    )
    settle_s: Annotated[float, Ge(0), Doc("how long after the start nothing counts")] = 0.0
    rest_s: Annotated[float, Ge(0), Doc("how long a particle does not count after it was carried back")] = 0.0
    trap_pn_per_um: Annotated[float | None, Gt(0), Doc("stiffness of the steered trap; left out: its depth")] = None
    alone: Annotated[bool, Doc("every particle is a replica, far from the others")] = False
    options: Annotated[dict[str, float], Doc("numbers that the measurement needs")] = field(default_factory=dict)
    want: Annotated[dict[str, tuple[float, float]], Doc("least and largest of what is found, where that is known")] = (
        field(default_factory=dict)
    )
    experiment: Annotated[dict[str, Any], Doc("the experiment, as in an experiment file")]


@dataclass(frozen=True)
class FamilyRun:
    """One run of a family."""

    value: float  # of the swept number; nan without a sweep
    across: float  # of the second one; nan without one
    known: ExperimentFacts
    seen: Trajectory


@dataclass(frozen=True)
class Found:
    """The results of a family's runs."""

    numbers: dict[str, float]
    missed: tuple[str, ...]  # results outside of the expected range, in words
    figure: str  # PNG in base64
    turns: int
    spent_s: float


def load_families(folder: Path = FOLDER) -> dict[str, tuple[Family, Document]]:
    """Every family of a folder, by name. Raises Refused."""
    documents = [read(path) for path in sorted(folder.glob("*.yaml"))]
    families: list[tuple[Family, Document]] = [(build(document, Family), document) for document in documents]
    return {family.id: (family, document) for family, document in families}


def explore(family: Family, document: Document) -> Found:
    """Run the experiment for every value of the sweep, and measure. Raises Refused, Fault."""
    if family.measure not in FAMILIES:
        raise Refused(f"{document.source}: there is no measure '{family.measure}' (known: {', '.join(FAMILIES)})")
    began_s, measurement = time.process_time(), FAMILIES[family.measure]
    flights = [_flight(family, document, *values) for values in product(*map(values_of, (family.sweep, family.across)))]
    numbers = measurement.measure(flights, family.options)
    missed = missed_of(numbers, family.want)
    turns = sum(len(flight.seen.time_s) for flight in flights)
    picture = figure(lambda axes: measurement.draw(axes, flights, family.options), "png", (6.0, 4.0))
    return Found(numbers, missed, picture, turns, time.process_time() - began_s)


def missed_of(numbers: Mapping[str, float], want: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Results outside of their expected ranges, in words; a result that could not be measured is also missed."""
    results = [(name, numbers.get(name, math.nan), low, high) for name, (low, high) in want.items()]
    return tuple(
        f"{name} could not be measured" if math.isnan(value) else f"{name} is {value:.4g}, not {low:g} to {high:g}"
        for name, value, low, high in results
        if not low <= value <= high
    )


def values_of(sweep: Sweep | None) -> tuple[float, ...]:
    """The values of a sweep; one nan without a sweep."""
    return sweep.values if sweep is not None else (math.nan,)


def _flight(family: Family, document: Document, value: float, across: float) -> FamilyRun:
    swept = ((family.sweep, value), (family.across, across))
    plan = plan_inside(document, None, [f"{key}={number!r}" for sweep, number in swept if sweep for key in sweep.keys])
    trajectory = fly(plan, armed=True).counted(family.settle_s, replicas=family.alone, rest_s=family.rest_s)
    return FamilyRun(value, across, ExperimentFacts(plan), trajectory)

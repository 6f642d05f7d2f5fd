"""A family of experiments: one law, one of its numbers swept, and what it makes of the particles, as it is found."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from app.plan import planned
from app.reproduce.check import experiment_of
from app.reproduce.families import FAMILIES
from app.reproduce.fly import fly
from app.reproduce.rows.row import Known
from app.reproduce.seen import Seen
from app.rig_file import EXPERIMENTS
from config.fields import Doc, Ge, Gt, settings
from config.reader import Document, build, read
from config.refused import Refused
from control.plant import spot_stiffness

FOLDER = EXPERIMENTS / "families"


@settings
class Sweep:
    """One number of the experiment, or of the rig, and the values that it takes in turn."""

    key: Annotated[str, Doc("dotted key")]
    values: Annotated[tuple[float, ...], Doc("what it is set to")]


@settings
class Family:
    """What a family's file says."""

    id: Annotated[str, Doc("name of the family")]
    title: Annotated[str, Doc("in a few words")]
    about: Annotated[str, Doc("what to look for, and what is predicted")]
    measure: Annotated[str, Doc("how its runs are measured: an entry of app/reproduce/families")]
    sweep: Sweep | None = None
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
class Flight:
    """One run of a family."""

    value: float  # of the number that is swept; nan where none is
    known: Known
    seen: Seen


@dataclass(frozen=True)
class Found:
    """What a family's runs showed."""

    numbers: dict[str, float]
    missed: tuple[str, ...]  # what was wanted otherwise, in words
    figure: str  # SVG in base64
    turns: int
    spent_s: float


def load_families(folder: Path = FOLDER) -> dict[str, tuple[Family, Document]]:
    """Every family of a folder, by name. Raises Refused."""
    documents = [read(path) for path in sorted(folder.glob("*.yaml"))]
    families: list[tuple[Family, Document]] = [(build(document, Family), document) for document in documents]
    return {family.id: (family, document) for family, document in families}


def explore(family: Family, document: Document) -> Found:
    """Fly every value of the sweep and measure. Raises Refused, Fault."""
    if family.measure not in FAMILIES:
        raise Refused(f"{document.source}: there is no measure '{family.measure}' (known: {', '.join(FAMILIES)})")
    began_s, way = time.process_time(), FAMILIES[family.measure]
    values = family.sweep.values if family.sweep is not None else (float("nan"),)
    flights = [_flight(family, document, value) for value in values]
    numbers = way.measure(flights, family.options)
    missed = tuple(
        f"{name} is {numbers[name]:.4g}, not {low:g} to {high:g}"
        for name, (low, high) in family.want.items()
        if not low <= numbers[name] <= high
    )
    turns = sum(len(flight.seen.time_s) for flight in flights)
    return Found(numbers, missed, _figure(way, flights, family), turns, time.process_time() - began_s)


def _flight(family: Family, document: Document, value: float) -> Flight:
    inner, folder = experiment_of(document), Path(document.source).parent
    sets = [f"{family.sweep.key}={value!r}"] if family.sweep is not None else []
    made = planned(inner, None, sets, folder)
    if family.trap_pn_per_um is not None:
        one_kt = spot_stiffness(made.rig.plant.kt_pn_um, made.rig.optics.waist_um)
        made = planned(inner, None, [*sets, f"trap.depth_kt={family.trap_pn_per_um / one_kt!r}"], folder)
    seen = fly(made, armed=True).after(family.settle_s)
    seen = seen.replicas() if family.alone else seen
    return Flight(value, Known(made), seen.rested(family.rest_s) if seen.carried.any() else seen)


def _figure(way: Any, flights: list[Flight], family: Family) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.0, 4.0), layout="constrained")
    picture.set_canvas(FigureCanvasSVG(picture))
    way.draw(picture.subplots(), flights, family.options)
    written = io.BytesIO()
    picture.savefig(written, format="svg")
    return base64.b64encode(written.getvalue()).decode()

"""Measurement of a check, from its settings to its verdict."""

from __future__ import annotations

import base64
import io
import math
import time
from dataclasses import dataclass, replace

import numpy as np

from app.reproduce.check import Check, Effort, plan_of
from app.reproduce.fly import fly
from app.reproduce.rows import ROWS
from app.reproduce.rows.row import CheckRow, ExperimentFacts
from app.reproduce.trajectory import Trajectory
from app.reproduce.verdict import CheckVerdict, judge
from config.reader import Document
from config.refused import Refused

STATED = 1e-4  # largest relative deviation of a prediction from the number stated in its file, which has five digits


@dataclass(frozen=True)
class Outcome:
    """The result of a check."""

    verdict: CheckVerdict
    turns: int
    spent_s: float  # processor time
    figure: str  # SVG in base64


def row_of(check: Check) -> CheckRow:
    """The row of a check's prediction. Raises Refused."""
    if check.id not in ROWS:
        raise Refused(f"found the prediction '{check.id}' (allowed: {', '.join(sorted(ROWS))})")
    return ROWS[check.id]


def measure(
    check: Check, document: Document, effort: Effort, *, sabotaged: bool = False, drawn: bool = True
) -> Outcome:
    """Make the runs of a check and compare them with the number stated in its file. Raises Refused, Fault.

    An error common to simulator and prediction changes both, but not that number.

    Args:
        sabotaged: run the experiment with the wrong parameter, against the prediction for the right one; precision,
            `within` and demands are not checked.
        drawn: draw the figure.
    """
    row, began_s = row_of(check), time.process_time()
    facts = ExperimentFacts(plan_of(check, document, effort))
    runs = [_fly(check, document, effort, run, row, sabotaged) for run in range(effort.runs)]
    parts = [part for trajectory in runs for part in trajectory.stretches(check.stretches)]
    values = np.concatenate([row.measure(facts, check.options, part) for part in parts])
    verdict = judge(
        values, check.stated, exact=check.verdict == "exact", tolerance=check.tolerance, level=check.level,
        precision=math.inf if sabotaged else check.precision,
        within=check.within if effort == check.full and not sabotaged else math.inf,
    )  # fmt: skip
    predicted = float(row.predict(facts, check.options))
    if abs(predicted - check.stated) > STATED * abs(check.stated):
        failure = f"the program predicts {predicted:.6g}, and {check.stated:.6g} is stated"
        verdict = replace(verdict, passed=False, why=failure)
    if row.demand is not None and not sabotaged and (failure := row.demand(facts, check.options, runs[0])):
        verdict = replace(verdict, passed=False, why=failure)
    turns = sum(len(trajectory.time_s) for trajectory in runs)
    return Outcome(verdict, turns, time.process_time() - began_s, figure(row, facts, check, runs[0]) if drawn else "")


def _fly(check: Check, document: Document, effort: Effort, run: int, row: CheckRow, sabotaged: bool) -> Trajectory:
    plan = plan_of(check, document, effort, run, sabotaged=sabotaged)
    trajectory = fly(plan, armed=check.armed, centres=row.centres).after(check.settle_s)
    trajectory = trajectory.replicas() if check.alone else trajectory
    return trajectory.rested(check.rest_s) if trajectory.carried.any() else trajectory


def figure(row: CheckRow, facts: ExperimentFacts, check: Check, trajectory: Trajectory) -> str:
    """The check's figure, SVG in base64."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    picture = Figure(figsize=(5.0, 3.4), layout="constrained")
    row.draw(picture.subplots(), facts, check.options, trajectory)
    written = io.BytesIO()
    picture.set_canvas(FigureCanvasSVG(picture))
    picture.savefig(written, format="svg")
    return base64.b64encode(written.getvalue()).decode()

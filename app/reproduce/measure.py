"""Measurement of one check: from its file to its verdict."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from app.console.figure import figure
from app.reproduce.check import Check, Effort, plan_of
from app.reproduce.fly import fly
from app.reproduce.rows import ROWS
from app.reproduce.rows.row import CheckRow, ExperimentFacts
from app.reproduce.trajectory import Trajectory
from app.reproduce.verdict import CheckVerdict, judge
from config.reader import Document
from config.refused import Refused

STATED = 1e-4  # allowed relative deviation of the computed prediction from the number in the file (five digits)


@dataclass(frozen=True)
class Outcome:
    """The result of a check."""

    verdict: CheckVerdict
    turns: int
    spent_s: float  # CPU time
    figure: str  # SVG in base64


def row_of(check: Check) -> CheckRow:
    """The row of a check. Raises Refused."""
    if check.id not in ROWS:
        raise Refused(f"there is no prediction '{check.id}' (known: {', '.join(sorted(ROWS))})")
    return ROWS[check.id]


def measure(
    check: Check, document: Document, effort: Effort, *, sabotaged: bool = False, drawn: bool = True
) -> Outcome:
    """Run the experiment of a check and judge it by the number stated in its file. Raises Refused, Fault.

    An error common to the simulator and the prediction changes both, but not that number.

    Args:
        sabotaged: run the experiment with its wrong parameter, and compare it with the right prediction; only the value
            is judged then, not its precision or further demands.
        drawn: whether to make a picture.
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
    spent_s = time.process_time() - began_s
    picture = figure(lambda axes: row.draw(axes, facts, check.options, runs[0]), "svg", (5.0, 3.4)) if drawn else ""
    return Outcome(verdict, turns, spent_s, picture)


def _fly(check: Check, document: Document, effort: Effort, run: int, row: CheckRow, sabotaged: bool) -> Trajectory:
    plan = plan_of(check, document, effort, run, sabotaged=sabotaged)
    trajectory = fly(plan, armed=check.armed, centres=row.centres)
    return trajectory.counted(check.settle_s, replicas=check.alone, rest_s=check.rest_s)

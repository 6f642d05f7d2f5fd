"""Runs the experiment of a check with the ordinary loop."""

from __future__ import annotations

from app.assembly.open import open_instrument
from app.assembly.rig import Plan
from app.reproduce.trajectory import Keeper, Trajectory
from app.running.headless import Until
from control.contract import Fault, Level, Order, Turn
from control.loop import run


def fly(plan: Plan, *, armed: bool = True, centres: bool = False) -> Trajectory:
    """Run a plan for its own duration. Return the tracks, and with `centres` also the positions of the light.

    Raises Refused, and Fault, also if the interlock tripped.
    """
    instrument = open_instrument(plan)
    keeper = Keeper(centres)
    orders = [(Order(plan.arming),)] if armed else []
    until = Until(instrument.camera, plan.experiment.seconds)
    trips: list[str] = []

    def watch(turn: Turn) -> None:
        if turn.level is Level.TRIPPED:
            trips.append(turn.reason)
            until.stopped = True

    try:
        run(
            instrument.machine, until, instrument.beam, instrument.clock, keeper,
            lambda: orders.pop() if orders else (), watch,
        )  # fmt: skip
    finally:
        instrument.close()
    if trips:
        raise Fault(f"{plan.experiment.title}: the interlock tripped: {trips[0]}")
    return keeper.seen()

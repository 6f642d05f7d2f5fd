"""A check's run, through the ordinary loop."""

from __future__ import annotations

from app.assembly.open import open_instrument
from app.assembly.rig import Plan
from app.reproduce.trajectory import Keeper, Trajectory
from app.running.headless import Until
from control.contract import Fault, Level, Order, OrderKind, Turn
from control.loop import run


def fly(made: Plan, *, armed: bool = True, centres: bool = False) -> Trajectory:
    """Fly a plan for its own seconds: what was seen, and where the light was. Raises Fault if the interlock tripped."""
    instrument = open_instrument(made)
    keeper = Keeper(centres)
    orders = [(Order(OrderKind.ARM),)] if armed else []
    until = Until(instrument.camera, made.experiment.seconds)
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
        raise Fault(f"{made.experiment.title}: the interlock tripped: {trips[0]}")
    return keeper.seen()

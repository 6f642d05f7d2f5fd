"""A rehearsal: what has to be compiled is, before particles move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.live import NoRecord
from app.rig_file import Plan
from control.contract import Order, OrderKind, Turn
from control.loop import run


def rehearse(opening: Callable[[Plan], Any], plan: Plan, turns: int = 4) -> None:
    """A few turns of a throwaway simulated instrument."""
    opened = opening(replace(plan, rig=replace(plan.rig, rate="lockstep")))
    told = iter([(Order(OrderKind.ARM),)])
    seen: list[Turn] = []

    def watch(turn: Turn) -> None:
        seen.append(turn)
        if len(seen) >= turns:
            opened.camera.close()

    try:
        run(opened.machine, opened.camera, opened.beam, opened.clock, NoRecord(), lambda: next(told, ()), watch)
    finally:
        opened.beam.close()

"""A run through the same machine again: equal, or the first turn that differs and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.answer import write_json
from app.machine import build_machine
from app.plan import plan_of
from app.progress import progress
from app.rig import plan_after
from app.rig_file import Plan
from app.say import say
from control.contract import NOBODY, Expected, Frame, Order, OrderKind, Tracker, Tracks, Turn
from control.loop import applied, turn
from drivers.journal import Run, check, compare, read_run


@dataclass
class RecordedTracks:
    """A Tracker that answers what was tracked, for a run that kept no frames."""

    tracks: Tracks = Tracks(0.0)

    def start(self) -> None:
        return None

    def step(self, memory: None, frame: Frame, expected: Expected = NOBODY) -> tuple[None, Tracks]:
        return None, self.tracks


def verify_run(path: Path, *, json: Path | None) -> int:
    """The verb `verify`. 0 if equal, 1 if not."""
    with read_run(path) as run:
        damage = check(run)
        with progress("verify", len(run), "turns") as step:
            difference = damage or first_difference(run, step)
        kept = run.image_count > 0
        said = f"{path}: " + ("equal" if difference is None else "differs") + f", {len(run)} turns"
        if not kept:
            said += ", from the recorded tracks (the run kept no frames)"
        if not run.ended_cleanly:
            said += "; the run ended unfinished"
    say(said if difference is None else f"{said}\n  {difference}")
    if json is not None:
        answer = {"run": str(path), "equal": difference is None, "difference": difference, "turns": len(run),
                  "from": "frames" if kept else "tracks"}  # fmt: skip
        write_json(json, answer)
    return 0 if difference is None else 1


def first_difference(run: Run, step: Any = lambda done: None) -> str | None:
    """The first turn that the machine now makes otherwise than it was recorded, in words; None if there is none."""
    for done, (recorded, again) in enumerate(again_turns(run), 1):
        if difference := compare(recorded, again):
            return difference
        step(done)
    return None


def again_turns(run: Run) -> Iterator[tuple[Turn, Turn]]:
    """Each recorded turn, and what the same machine makes of the same frame, time and orders."""
    made = plan_of(run.header)
    machine = build_machine(made)
    recorded_tracks = RecordedTracks()
    from_tracks = run.image_count == 0
    if from_tracks:
        machine = replace(machine, tracker=recorded_tracks)
    memory = machine.start()
    for recorded in run.turns():
        recorded_tracks.tracks = recorded.tracks
        made, orders = told_again(made, recorded.orders, machine.tracker if from_tracks else None)
        machine, memory = applied(machine, memory, orders)
        memory, again = turn(machine, memory, recorded.frame, recorded.now_s, orders)
        yield recorded, replace(again, sent=recorded.sent, sent_s=recorded.sent_s)


def told_again(made: Plan, recorded: tuple[Order, ...], tracker: Tracker | None) -> tuple[Plan, tuple[Order, ...]]:
    """The orders as they were given, and the plan after them: an APPLY gets its machine back from its text."""
    orders = []
    for order in recorded:
        if order.kind is OrderKind.APPLY:
            made = plan_after(made, order.text)
            machine = build_machine(made)
            order = replace(order, machine=replace(machine, tracker=tracker) if tracker is not None else machine)
        orders.append(order)
    return made, tuple(orders)

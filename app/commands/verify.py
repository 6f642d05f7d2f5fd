"""The verb `verify`: computes a run again with the same machine; equal, or the first turn that differs and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.assembly.machine import build_machine
from app.assembly.open import plan_after
from app.assembly.plan import plan_of
from app.assembly.recording import is_run
from app.assembly.rig import Plan
from app.assembly.stored_memory import Absent, from_first_turn, recalled
from app.console.json_file import write_json
from app.console.progress import Bar, progress
from app.console.terminal import say
from config.refused import Refused
from control.contract import (
    Ended,
    Fault,
    Forces,
    Frame,
    Order,
    OrderKind,
    Policy,
    Seen,
    Tracker,
    Turn,
)
from control.loop import LoopMemory, Machine, applied, turn
from drivers.journal import Run, check, compare, read_run
from drivers.journal.header import KERNELS
from drivers.tape import RecordedTracker, Tape, TapeCamera

ROUNDING = 4 * 2.0**-52  # relative; of the squares of two numbers and the root of their sum
# errors in a turn that begins from the stored memory of another record
NOT_OF_THIS_LOOP = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
BAR = partial(progress, unit="turns")


@dataclass
class RecordedForces:
    """A Policy that returns the recorded forces, for a record begun in flight without the memory of its law."""

    wanted: Forces = Forces()
    longest_delay_s: float = 0.0

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        return None, self.wanted


@dataclass(frozen=True)
class Beginning:
    """Start of a verification, and the parts that it takes from the record."""

    first: Turn | None  # for a record that began in flight
    memory: LoopMemory | None = None  # the stored memory
    tracks: RecordedTracker | None = None
    forces: RecordedForces | None = None
    unknown_light: str = ""  # why the light on the particles of a replay is unknown

    @classmethod
    def of(cls, run: Run) -> Beginning:
        """Raises Refused for a stored memory that can't be read."""
        memory = recalled(run)
        first = run.turn(0) if run.first_turn > 0 else None
        lacks_memory = first is not None and memory is None
        tracks = lacks_memory or not run.kept_frames or (memory is not None and isinstance(memory.tracker, Absent))
        forces = lacks_memory or (memory is not None and isinstance(memory.policy, Absent))
        reason = "" if tracks else unknown_light(run)
        tracks = tracks or bool(reason)
        tracker = RecordedTracker(str(run.path)) if tracks else None
        return cls(first, memory, tracker, RecordedForces() if forces else None, reason)

    @property
    def words(self) -> str:
        """The sources of the first turn."""
        stored = "a new memory" if self.first is None else "the stored memory"
        recorded = "the recorded tracks" if self.tracks is not None else ""
        recorded = " and ".join(filter(None, [recorded, "the recorded forces" if self.forces is not None else ""]))
        if self.first is not None and self.memory is None:
            return f"{recorded} (no memory is stored)"
        return f"{stored} and {recorded}" if recorded else stored

    def memory_of(self, machine: Machine) -> LoopMemory:
        """The memory at the start of the first turn."""
        if self.memory is not None:
            return self.memory
        return machine.start() if self.first is None else from_first_turn(machine, self.first)

    def take(self, recorded: Turn) -> None:
        """Set the recorded tracks and forces of this turn."""
        if self.tracks is not None:
            self.tracks.turn = recorded
        if self.forces is not None:
            self.forces.wanted = recorded.wanted

    def into(self, machine: Machine) -> Machine:
        """The machine with the recorded tracks and forces, where they are used, in place of tracker and policy."""
        tracker: Tracker = self.tracks or machine.tracker
        policy: Policy = self.forces or machine.policy
        return replace(machine, tracker=tracker, policy=policy)


@dataclass(frozen=True)
class Verification:
    """Result of a verification. It is true if the run is equal.

    Attributes:
        run: the run file.
        difference: the first turn that differs, and how; None if the run is equal.
        turns, first_turn: number of turns, and number of the first turn.
        start: sources of the first turn; None if the file is damaged.
        source: "frames" or "tracks", from which the turns were computed.
        sentence: all of this in words.
    """

    run: Path
    difference: str | None
    turns: int
    first_turn: int
    start: str | None
    source: str
    sentence: str

    def __bool__(self) -> bool:
        return self.difference is None


def verify_run(path: Path, *, json: Path | None) -> int:
    """The verb `verify`. Returns 0 if equal, 1 if not."""
    result = verified(path)
    say(result.sentence if result else f"{result.sentence}\n  {result.difference}")
    if json is not None:
        answer = {"run": str(path), "equal": bool(result), "difference": result.difference, "turns": result.turns,
                  "first_turn": result.first_turn, "start": result.start, "from": result.source}  # fmt: skip
        write_json(json, answer)
    return 0 if result else 1


def verified(path: Path, bar: Bar = BAR) -> Verification:
    """Compute the run again with the same machine. Raises Refused."""
    with read_run(path) as run:
        damage = check(run)
        if damage is None:
            run.require_turns()
        begin = Beginning.of(run) if damage is None else None
        with bar("verify", len(run)) as step:
            difference = damage or first_difference(run, step)
        kept = run.kept_frames
        text = f"{path}: " + ("equal" if difference is None else "differs") + f", {len(run)} turns"
        if run.first_turn > 0:
            text += f", begun in flight at turn {run.first_turn}"
            text += f", from {begin.words}" if begin is not None else ""
        if not kept and run.first_turn == 0:
            text += ", from the recorded tracks (the run kept no frames)"
        elif begin is not None and begin.unknown_light:
            text += f", from the recorded tracks (the run that it replayed can't be read: {begin.unknown_light})"
        if not run.ended_cleanly:
            text += "; the run ended unfinished"
        frames = kept if begin is None else begin.tracks is None
        start = begin.words if begin is not None else None
        source = "frames" if frames else "tracks"
        return Verification(path, difference, len(run), run.first_turn, start, source, text)


def first_difference(run: Run, step: Any = lambda done: None) -> str | None:
    """The first turn that differs from the record, and how, in words; None: all are equal.

    Raises Refused for a stored memory that does not belong to the record.
    """
    rounded_alike = KERNELS in run.header.versions
    for done, (recorded, recomputed) in enumerate(again_turns(run), 1):
        if difference := compare(
            recorded, recomputed if rounded_alike else with_recorded_rounding(recorded, recomputed)
        ):
            return difference
        step(done)
    return None


def with_recorded_rounding(recorded: Turn, recomputed: Turn) -> Turn:
    """`recomputed` with the recorded eccentricities if they differ in rounding only.

    Before KERNELS was in the header, the last digits of `ecc` depended on earlier compilations.
    """
    recorded_ecc, recomputed_ecc = recorded.tracks.ecc, recomputed.tracks.ecc
    if recorded_ecc.shape != recomputed_ecc.shape or not np.allclose(
        recorded_ecc, recomputed_ecc, rtol=ROUNDING, atol=0.0, equal_nan=True
    ):
        return recomputed
    return replace(recomputed, tracks=replace(recomputed.tracks, ecc=recorded_ecc))


def again_turns(run: Run) -> Iterator[tuple[Turn, Turn]]:
    """(recorded turn, turn that the same machine computes from the same frame, time and orders), for each turn."""
    plan = plan_of(run.header, f"{run.path}: ")
    machine = build_machine(plan)
    begin = Beginning.of(run)
    machine = begin.into(machine)
    memory = begin.memory_of(machine)
    for recorded, frame in with_light(run, plan, begin):
        begin.take(recorded)
        plan, orders = told_again(plan, recorded.orders, begin, f"{run.path}: ")
        try:
            machine, memory = applied(machine, memory, orders)
            memory, recomputed = turn(machine, memory, frame, recorded.now_s, orders)
        except NOT_OF_THIS_LOOP as error:
            if not run.memory:
                raise
            raise Refused(
                f"{run.path}: the memory that the record begins with does not belong to it "
                f"(turn {recorded.number}: {' '.join(str(error).split())[:200]})"
            ) from None
        yield recorded, replace(recomputed, frame=recorded.frame, sent=recorded.sent, sent_s=recorded.sent_s)


def replayed_run(plan: Plan) -> Path | None:
    """The run whose recorded light acted on the particles of a replay; None: there was no light."""
    camera = plan.rig.camera
    has_light = plan.rig.tracking.trapped == "recorded" and camera.images == "recorded" and is_run(camera.address)
    return Path(camera.address) if has_light else None


def unknown_light(run: Run) -> str:
    """Why the source run of a replay can't be used; empty if it can, or if no such run is needed."""
    source = replayed_run(plan_of(run.header, f"{run.path}: "))
    if source is None:
        return ""
    try:
        with read_run(source) as source_run:
            if len(source_run) < len(run):
                return f"{source}: it has {len(source_run)} turns, and its replay {len(run)}"
            source_run.require_turns()
    except Refused as refused:
        return str(refused)
    return ""


def with_light(run: Run, plan: Plan, begin: Beginning) -> Iterator[tuple[Turn, Frame | None]]:
    """(recorded turn, its frame), for each turn. In the replay of a run, the frame has the light on its particles."""
    source = replayed_run(plan)
    if source is None or begin.tracks is not None:
        yield from ((recorded, recorded.frame) for recorded in run.turns())
        return
    camera = TapeCamera(Tape(read_run(source)), plan.rig.optics.um_per_px)
    try:
        for recorded in run.turns():
            source_frame = camera.read()
            frame = recorded.frame
            if source_frame is None or frame is None:
                yield recorded, frame
                continue
            if (source_frame.number, source_frame.time_s) != (frame.number, frame.time_s):
                raise Refused(f"{source}: this is not the run that {run.path} replayed: turn {recorded.number} differs")
            yield recorded, replace(frame, felt=source_frame.felt)
    except (Ended, Fault) as error:
        raise Refused(str(error)) from None
    finally:
        camera.close()


def told_again(
    plan: Plan, recorded: tuple[Order, ...], begin: Beginning, source: str = ""
) -> tuple[Plan, tuple[Order, ...]]:
    """(plan after the orders, the orders as they were given). The machine of an APPLY is built again from its text."""
    orders = []
    for order in recorded:
        if order.kind is OrderKind.APPLY:
            plan = plan_after(plan, order.text, source)
            order = replace(order, machine=begin.into(build_machine(plan)))
        orders.append(order)
    return plan, tuple(orders)

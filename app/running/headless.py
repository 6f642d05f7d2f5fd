"""Runs an experiment without a window and reports the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.assembly.darken import put_out
from app.assembly.garbage_collection import frozen
from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument, open_recorder
from app.assembly.rig import Plan
from app.assembly.stated_by_recording import contradictions
from app.assembly.warnings import warnings_of
from app.console.json_file import write_json
from app.console.output_files import require_apart
from app.console.progress import Bar, progress
from app.console.terminal import say
from app.running import stop_signals as signals
from app.running.stop_signals import Stopped
from app.running.stopwatch import Stopwatch, TimedBeam, TimedCamera, TimedPolicy, TimedRecorder, TimedTracker
from app.running.thread import NoRecord
from config.atomic import refuse_what_was_read
from config.refused import Refused
from control.contract import (
    STILL_LIT,
    Beam,
    Camera,
    CrashRecorder,
    Ended,
    Fault,
    Frame,
    Level,
    Order,
    OrderKind,
    Recorder,
    Turn,
)
from control.loop import UNCONFIRMED, run
from drivers.closing import close_all, closed_after, in_words, of_light

RUNS = Path("runs")
TRIPPED = "the interlock tripped: "
NO_RECORD = "no record, no beam: "  # the loop puts this before the recorder's message


@dataclass
class Until:
    """A camera that has no more frames after `last_s`, or after `stop`."""

    camera: Camera
    last_s: float
    stopped: bool = False

    def read(self) -> Frame | None:
        if self.stopped:
            raise Ended
        frame = self.camera.read()
        if frame is not None and frame.time_s > self.last_s:
            raise Ended
        return frame

    def close(self) -> None:
        self.camera.close()

    def stop(self) -> None:
        """No more frames from now on."""
        self.stopped = True


@dataclass
class Tally:
    """Sums over the turns of a run. It also stops a run that trips, since no operator is there to reset it."""

    stop: Callable[[], None]
    step: Callable[[int], None]
    turns: int = 0
    dark_turns: int = 0
    last: Turn | None = None
    trips: list[str] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    carried: int = 0

    def watch(self, turn: Turn) -> None:
        self.turns += 1
        self.dark_turns += len(turn.allowed) == 0
        self.carried += bool(turn.wanted.carried.any())
        if turn.frame is not None:
            self.latency_s.append(turn.sent.effect_s - turn.frame.time_s)
        if turn.level is Level.TRIPPED and (self.last is None or self.last.level is not Level.TRIPPED):
            self.trips.append(turn.reason)
            self.stop()
        self.last = turn
        self.step(self.turns)


class NoFrame(Refused):
    """A run ended before its first turn; its file is deleted."""


def fly(
    plan: Plan, seconds: float | None, out: Path | None, frames: bool, title: str, source: str = "", armed: bool = True,
    bar: Bar = progress,
) -> dict[str, Any]:  # fmt: skip
    """Make one run, and return its summary. The laser is switched off afterwards, however the run ends.

    `bar` shows the progress.

    Raises Refused, Fault (with STILL_LIT in it if the laser could not be switched off), Stopped if a signal came.
    """
    refuse_unconfirmed(plan, armed)
    instruments: list[Instrument] = []
    closed: list[Path] = []
    try:
        result = _open_and_run(plan, instruments, closed, seconds, out, frames, title, source, armed, bar)
        signals.raise_if_stopped()  # by a signal that came during the closing
        return result
    except Stopped as stopped:
        with signals.held():
            light = "the laser is dark" if instruments else put_out(plan) or "the laser is dark"
        notes = "".join(f"; {note}" for note in getattr(stopped, "__notes__", ()))  # devices that were not closed
        stopped.outcome = f"{light}{_record_note(closed, stopped.midway)}{notes}"
        raise
    except BaseException as error:
        if not signals.came():
            raise
        message = in_words(error)
        with signals.held():
            light = (
                light_after(message) if instruments or STILL_LIT in message else put_out(plan) or light_after(message)
            )
        raise signals.stopped(f"{message}; {light}{_record_note(closed)}") from error


def _record_note(closed: Sequence[Path], midway: bool = False) -> str:
    ending = "ends before the turn that was cut short" if midway else "is closed"
    return "".join(f"; the record {ending}: {path}" for path in closed)


def close_instrument(instrument: Instrument) -> None:
    """Darken, then close the camera; a second signal ends the wait for a camera that hangs. Raises Fault."""

    def close_camera() -> None:
        with signals.after_light("the camera"):
            instrument.camera.close()

    with signals.held(), closed_after(close_camera, "the camera"):
        of_light(instrument.beam.close)()


def leave_unfinished(recorder: Recorder) -> None:
    """Mark the record as not ended cleanly: it may lack the row of a turn whose command was sent."""
    if isinstance(recorder, CrashRecorder):
        recorder.leave_unfinished()


def _open_and_run(
    plan: Plan,
    instruments: list[Instrument],
    closed: list[Path],
    seconds: float | None,
    out: Path | None,
    frames: bool,
    title: str,
    source: str,
    armed: bool,
    bar: Bar,
) -> dict[str, Any]:
    instrument = open_instrument(plan)
    instruments.append(instrument)

    with closed_after(partial(close_instrument, instrument), "the rig"):
        with signals.held():  # a file, once created, must be closed
            recorder = open_recorder(instrument, out, frames=frames, source=source) if out else NoRecord()
        trips: list[str] = []
        without_a_turn = False
        try:
            signals.raise_if_stopped()
            result = _fly(instrument, recorder, seconds, out, title, armed, bar)
            trips = result["trips"]
        except NoFrame:
            without_a_turn = True
            raise
        except (Fault, Refused, Stopped):
            raise
        except BaseException:  # any other error may have come in the middle of a turn
            leave_unfinished(recorder)
            raise
        finally:
            with signals.held():
                close_dark(instrument.beam, recorder, trips, [] if out is None else [out], closed)
                if without_a_turn and out is not None:
                    out.unlink(missing_ok=True)
                    closed.clear()
        return result


def close_dark(
    beam: Beam,
    recorder: Recorder,
    trips: Sequence[str],
    records: Sequence[Path],
    closed: list[Path],
    row_due: Callable[[], bool] = lambda: False,
) -> None:
    """Darken, then close the record and add `records` to `closed`. Call it within `signals.held`.

    Args:
        row_due: returns whether the record may lack the row of a command; called when no more light can be sent.

    Raises Fault, with STILL_LIT in it if the laser could not be switched off.
    """

    def end_record() -> None:
        if row_due():
            leave_unfinished(recorder)
        with signals.after_light(" ".join(("the record", *map(str, records)))):
            close_record(recorder, trips)
        closed.extend(records)

    try:
        close_all(of_light(beam.close), end_record)
    except Fault as fault:
        if not trips or TRIPPED in str(fault) or str(fault) in trips[0]:
            raise
        raise Fault(f"{TRIPPED}{trips[0]}; {fault}") from fault


def close_record(recorder: Recorder, trips: Sequence[str]) -> None:
    """Close the record. Raises Fault if it is incomplete; the text contains the first trip of the run, if any."""
    try:
        recorder.close()
    except Fault as fault:
        if not trips:
            raise
        reason = trips[0].removeprefix(NO_RECORD)
        message = f"{NO_RECORD}{fault}" if str(fault).startswith(reason) else f"{trips[0]}; {fault}"
        raise Fault(f"{TRIPPED}{message}") from None


def refuse_unconfirmed(plan: Plan, armed: bool) -> None:
    """Raises Refused if ARM would be refused: without a window no operator can read why the run stays dark."""
    if armed and plan.arming is OrderKind.ARM and not plan.rig.confirmed:
        raise Refused(f"{plan.rig.title}: {UNCONFIRMED} ({plan.rig.why_unconfirmed}), or run it with --dark")


def refuse_unheard(plan: Plan, caught: bool) -> None:
    """Raises Refused for a real laser if a signal would leave it on: handlers can be set in the main thread only.

    Args:
        caught: whether signals are caught for this run or rig.
    """
    if not plan.rig.simulated and (name := signals.ends_at_once(caught)):
        raise Refused(
            f"{plan.rig.title}: {name} would end this program and leave the laser on; run or open the rig in the main "
            f"thread, where {name} is caught, or set a handler of it first"
        )


def _fly(
    instrument: Instrument,
    recorder: Recorder,
    seconds: float | None,
    out: Path | None,
    title: str,
    armed: bool,
    bar: Bar,
) -> dict[str, Any]:
    watch = Stopwatch()
    last_s = float("inf") if seconds is None else instrument.clock.now_s() + seconds  # a rig may take seconds to open
    until = Until(TimedCamera(watch, instrument.camera), last_s)
    machine = replace(
        instrument.machine,
        tracker=TimedTracker(watch, instrument.machine.tracker),
        policy=TimedPolicy(watch, instrument.machine.policy),
    )
    total = instrument.frames or (round(seconds * instrument.plan.rig.camera.fps) if seconds else None)
    first = [(Order(instrument.plan.arming),)] if armed else []

    def orders() -> tuple[Order, ...]:
        return first.pop() if first else ()

    with bar(title, total) as step:
        first_s = instrument.clock.now_s()
        tally = Tally(until.stop, step)
        began_s = time.perf_counter()
        beam, timed_recorder = TimedBeam(watch, instrument.beam), TimedRecorder(watch, recorder)
        with signals.ending(until.stop), frozen():
            try:
                run(machine, until, beam, instrument.clock, timed_recorder, orders, tally.watch)
            except Stopped as stopped:  # by a second signal, in the middle of a turn, which may lack its row
                stopped.midway = True
                leave_unfinished(recorder)
                raise
        signals.raise_if_stopped()
        wall_s = time.perf_counter() - began_s
    if tally.last is None:
        raise NoFrame(no_frame(seconds, instrument.plan.rig.camera.fps))
    expected = expected_turns(instrument.plan, seconds, instrument.clock.now_s() - first_s)
    return summary(tally, watch, wall_s, instrument, out, expected)


def no_frame(seconds: float | None, fps: float) -> str:
    """Why there was no frame, in one sentence."""
    if seconds is None:
        return "there was not one frame: the camera ended before its first"
    return f"there was not one frame in {seconds:g} s (--seconds): at camera.fps {fps:g} one comes every {1 / fps:g} s"


def expected_turns(plan: Plan, seconds: float | None, lasted_s: float) -> int | None:
    """Number of turns that the run should have made; None in lockstep, where the camera waits for every turn.

    Args:
        seconds: requested duration.
        lasted_s: duration of the run by its own clock: a film may be shorter than requested.
    """
    if plan.rig.rate != "real time":
        return None
    return round(min(lasted_s if seconds is None else seconds, lasted_s) * plan.rig.camera.fps)


def too_few(summary: dict[str, Any]) -> str:
    """One sentence if a run made fewer than half of its turns, else empty."""
    turns, expected = summary["turns"], summary["turns_expected"]
    if expected is None or 2 * turns >= expected:
        return ""
    return f"the run made only {turns} of {expected} turns: the computer or the camera was too slow"


def summary(
    tally: Tally, watch: Stopwatch, wall_s: float, instrument: Instrument, out: Path | None, expected: int | None
) -> dict[str, Any]:
    """Summary of a run, for people and programs."""
    last = tally.last
    assert last is not None
    run_s = tally.turns / instrument.plan.rig.camera.fps
    latency_s = np.percentile(tally.latency_s, [50, 99]) if tally.latency_s else np.full(2, np.nan)
    stages_ms = {stage: round(spent_ms, 4) for stage, spent_ms in watch.ms_a_call().items()}
    return {
        "experiment": instrument.plan.experiment.title,
        "kind": str(instrument.plan.kind),
        "turns": tally.turns,
        "turns_expected": expected,
        "seconds": run_s,
        "dark_turns": tally.dark_turns,
        "carried_turns": tally.carried,
        "dropped_frames": last.dropped,
        "trips": tally.trips,
        "level": str(last.level),
        "reason": last.reason,
        "latency_p50_ms": 1e3 * float(latency_s[0]),
        "latency_p99_ms": 1e3 * float(latency_s[1]),
        "wall_seconds": wall_s,
        "times_real_time": run_s / wall_s,
        "stages_ms_a_frame": {**stages_ms, "all": round(1e3 * wall_s / tally.turns, 4)},
        "out": str(out) if out else None,
    }


def tell(summary: dict[str, Any]) -> None:
    """Print the summary on the console."""
    stages = ", ".join(f"{stage} {spent_ms:.2f}" for stage, spent_ms in summary["stages_ms_a_frame"].items())
    say(f"{summary['experiment']} ({summary['kind']}): {summary['turns']} turns, {summary['seconds']:.1f} s, "
          f"{summary['times_real_time']:.2f} times real time")  # fmt: skip
    say(f"  ended {summary['level']}: {summary['reason']}; {summary['dark_turns']} dark turns, "
          f"{summary['dropped_frames']} frames dropped")  # fmt: skip
    say(f"  ms a frame: {stages}")
    if summary["out"]:
        say(f"  recorded in {summary['out']}")


def flown(
    plan: Plan, seconds: float | None, out: Path, frames: bool, json: Path | None, source: str = "", armed: bool = True
) -> int:
    """Make a run and print its summary. Returns 1, with one sentence, if it tripped, failed or was too slow, else 0."""
    require_apart({}, {"the run": out, **({"--json": json} if json else {})})
    if json is not None:
        refuse_what_was_read(json, "--json")
    for warning in (*warnings_of(plan), *contradictions(plan)):
        say(f"note: {warning}", error=True)
    try:
        result = fly(plan, seconds, out, frames, plan.experiment.title, source, armed)
    except Fault as fault:
        say(f"cybloids: {fault}; {light_after(str(fault))}", error=True)
        return 1
    try:
        return ended(result)
    finally:  # even if the console is gone
        if json is not None:
            write_json(json, result)


def ended(result: dict[str, Any]) -> int:
    """Print the summary of a run and how it ended; returns the exit code."""
    tell(result)
    if result["trips"]:
        say(f"cybloids: the interlock tripped: {result['trips'][0]}; {light_after(result['reason'])}", error=True)
        return 1
    if shortfall := too_few(result):
        say(f"cybloids: {shortfall}", error=True)
        return 1
    return 0


def light_after(reason: str) -> str:
    """Part of a sentence: the laser after a run that ended for this reason."""
    return "switch the laser off by hand" if STILL_LIT in reason else "the laser is dark"


def new_run(name: str) -> Path:
    """A file name in runs/ that is not in use yet."""
    taken = {path.name for path in RUNS.glob(f"{name}-*.h5")}
    return next(RUNS / f"{name}-{index:03d}.h5" for index in range(1, 10**6) if f"{name}-{index:03d}.h5" not in taken)

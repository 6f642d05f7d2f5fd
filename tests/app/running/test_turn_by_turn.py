"""A rig opened by a user's program: no event during a turn or during closing leaves the laser on, or is ignored."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import cybloids as cy
from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.running import stop_signals as signals
from app.running import turn_by_turn
from app.running.stop_signals import Stopped
from app.running.turn_by_turn import LiveRig
from control.contract import STILL_LIT, Command, Ended, Fault, Forces, Level, OrderKind, Policy, Seen
from control.loop import act
from drivers.emulate.child import ROOT
from drivers.journal import read_run
from tests.app.unpickling import signal_while_unpickling
from tests.patience import PATIENCE_S, until

SMALL = {
    "camera.width_px": 160, "camera.height_px": 160, "sample.number": 7, "sample.arrangement": "hexagonal",
    "sample.spacing_um": 2.5,
}  # fmt: skip
RING = cy.EXPERIMENTS / "ring_crystal.yaml"


@dataclass(frozen=True)
class Doing:
    """A policy that first calls `what`."""

    policy: Policy
    what: Callable[[], object]

    @property
    def longest_delay_s(self) -> float:
        return self.policy.longest_delay_s

    def start(self) -> Any:
        return self.policy.start()

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
        self.what()
        return self.policy.step(memory, seen)


@pytest.fixture(scope="module")
def plan() -> cy.Plan:
    return cy.load(RING, sets=SMALL)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Instrument]:
    """The instruments opened since; a test may replace their parts."""
    found: list[Instrument] = []

    def open_one(made: cy.Plan) -> Instrument:
        found.append(open_instrument(made))
        return found[-1]

    monkeypatch.setattr(turn_by_turn, "open_instrument", open_one)
    return found


@pytest.fixture(autouse=True)
def _interrupts_are_not_ignored() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signals.obey_waiting()  # the next call restores the handlers of a rig closed by its thread
    signal.signal(signal.SIGINT, before)


def lit(rig: LiveRig) -> LiveRig:
    rig.arm()
    assert len(list(rig.turns(5))[-1].sent)
    return rig


def during(rig: LiveRig, what: Callable[[], object]) -> cy.Turn:
    """One turn, with a call of `what` in the middle."""
    machine = rig._machine
    rig._machine = replace(machine, policy=Doing(machine.policy, what))
    try:
        return rig.step()
    finally:
        rig._machine = replace(rig._machine, policy=machine.policy)


def raises(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_a_stop_during_a_turn_darkens_it_and_is_not_lost(plan: cy.Plan, tmp_path: Path) -> None:
    with cy.open(plan, out=tmp_path / "a.h5") as rig:
        lit(rig)
        assert not len(during(rig, rig.stop).sent)
        after = rig.step()
        assert (after.level, len(after.sent)) == (Level.SAFE, 0)
        assert [order.kind for order in after.orders] == [OrderKind.STOP]
        list(rig.turns(5))
    assert cy.verify(tmp_path / "a.h5")


def test_orders_of_another_thread_keep_their_sequence(plan: cy.Plan) -> None:
    with cy.open(plan) as rig:

        def orders() -> None:
            rig.mark("one")
            rig.arm()

        def in_another_thread() -> None:
            other = threading.Thread(target=orders)
            other.start()
            other.join()

        during(rig, in_another_thread)
        assert [order.kind for order in rig.step().orders] == [OrderKind.MARK, OrderKind.ARM]


def test_settings_applied_during_a_turn_take_effect_in_the_next(plan: cy.Plan) -> None:
    other = cy.load(RING, sets={**SMALL, "policy.forces.0.shape.depth_kt": 3})
    with cy.open(plan) as rig:
        during(rig, lambda: rig.apply(other))
        assert rig.plan.experiment == plan.experiment  # not yet in force
        assert [order.kind for order in rig.step().orders] == [OrderKind.APPLY]
        assert rig.plan.experiment == other.experiment


def test_a_reopened_rig_has_no_orders_of_the_earlier_opening(plan: cy.Plan) -> None:
    rig = cy.open(plan)
    with rig:
        lit(rig)
        with pytest.raises(ZeroDivisionError):
            during(rig, raises(ZeroDivisionError()))
        rig.reset()
        rig.arm()
    with rig:
        turn = rig.step()
        assert (turn.level, turn.orders) == (Level.SAFE, ())
        assert all(not len(turn.sent) for turn in rig.turns(4))


def test_after_failed_settings_light_needs_another_apply(plan: cy.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        longest_delay_s = 0.0

        def start(self) -> None:
            raise Fault("no memory")

    with cy.open(plan) as rig:
        lit(rig)
        with monkeypatch.context() as patched:
            machine = replace(rig._machine, policy=Broken())  # type: ignore[arg-type]
            patched.setattr(turn_by_turn, "build_machine", lambda _: machine)
            patched.setattr(turn_by_turn, "warm_up", lambda *_: None)
            rig.apply(cy.load(RING, sets={**SMALL, "policy.forces.0.shape.depth_kt": 3}))
        rig.mark("kept")
        with pytest.raises(Fault, match="no memory"):
            rig.step()
        after = rig.step()
        assert after.level is Level.TRIPPED
        assert [order.kind for order in after.orders] == [OrderKind.TRIP, OrderKind.MARK]
        assert rig.plan.experiment == plan.experiment
        rig.reset()
        with pytest.raises(cy.Refused, match="the new settings are not in force: no memory; apply settings first"):
            rig.arm()
        rig.apply(plan)
        lit(rig)


def test_an_interrupt_during_darkening_is_raised_afterwards(plan: cy.Plan, opened: list[Instrument]) -> None:
    with cy.open(plan) as rig:
        lit(rig)
        beam: Any = opened[0].beam
        real = beam.dark
        darkened: list[str] = []

        def dark(reason: str) -> Command:
            signal.raise_signal(signal.SIGINT)
            darkened.append(reason)
            found: Command = real(reason)
            return found

        beam.dark = dark
        with pytest.raises(KeyboardInterrupt):
            during(rig, raises(ZeroDivisionError()))
        beam.dark = real
        assert darkened == ["the program failed"]
        after = rig.step()
        assert (after.level, len(after.sent)) == (Level.TRIPPED, 0)


def test_a_turn_ended_by_an_error_is_followed_by_a_trip(plan: cy.Plan, opened: list[Instrument]) -> None:
    with cy.open(plan) as rig:
        lit(rig)
        beam: Any = opened[0].beam
        real = beam.dark
        beam.dark = lambda reason: raises(KeyboardInterrupt())()
        with pytest.raises(Fault, match=f"^{STILL_LIT}: KeyboardInterrupt"):  # regression: it was lost
            during(rig, raises(KeyboardInterrupt()))
        beam.dark = real
        assert rig.step().level is Level.TRIPPED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_rehearsal_closes_the_rig(
    plan: cy.Plan, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Regression: its handler called itself without end."""

    def rehearsal(*_: Any) -> list[cy.Turn]:
        signal.raise_signal(number)
        raise AssertionError("it went on")

    def applies() -> None:
        with cy.open(plan) as rig:
            monkeypatch.setattr("app.assembly.warm_up.rehearsed", rehearsal)
            rig.apply(plan)

    def opens() -> None:
        monkeypatch.setattr("app.assembly.warm_up._WARM", set())
        cy.open(plan).__enter__()

    before = signal.getsignal(number)
    for stops in (applies, opens):
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Stopped):
            stops()
        assert signal.getsignal(number) is before


def test_a_signal_during_unpickling_ends_the_program(plan: cy.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: its error became a SystemError."""
    with cy.open(plan) as rig:
        before = lit(rig).newest
        with pytest.raises(Stopped), signal_while_unpickling():
            rig.step()
        assert before is not None
        assert rig.newest is not None
        assert (rig.newest.number, rig.newest.level) == (before.number + 1, Level.ARMED)
        assert rig.step().level is Level.ARMED
    monkeypatch.setattr("app.assembly.warm_up._WARM", set())
    with pytest.raises(Stopped), signal_while_unpickling():
        cy.open(plan).__enter__()


def by_a_handler(rig: LiveRig) -> None:
    before = signal.signal(signal.SIGTERM, lambda number, frame: rig.step())
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("step", [LiveRig.step, by_a_handler])
def test_a_turn_inside_another_turn_is_refused(
    plan: cy.Plan, tmp_path: Path, step: Callable[[LiveRig], object]
) -> None:
    """Regression: both turns had the same number, so that the record was invalid."""
    with cy.open(plan, out=tmp_path / "a.h5") as rig:
        with pytest.raises(cy.Refused, match=r"^a turn can't be made in the middle of another one"):
            during(lit(rig), lambda: step(rig))
        assert rig.step().level is Level.TRIPPED
        rig.reset()
        lit(rig)
    assert cy.verify(tmp_path / "a.h5")


def test_an_interrupt_of_the_laser_rescue_keeps_the_laser_warning(
    plan: cy.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_by_turn, "open_instrument", lambda made: raises(KeyboardInterrupt())())
    monkeypatch.setattr(turn_by_turn, "put_out", lambda made: raises(KeyboardInterrupt())())
    with pytest.raises((Fault, KeyboardInterrupt)) as ended:
        cy.open(plan).__enter__()
    assert str(ended.value).startswith(f"{STILL_LIT}: KeyboardInterrupt")


class Mute(Exception):
    """An error of a plug-in whose message cannot be read."""

    def __str__(self) -> str:
        raise ValueError("mute")


@pytest.mark.parametrize("error", [Fault("the law failed"), KeyboardInterrupt(), ZeroDivisionError(), Ended(), Mute()])
def test_a_laser_that_may_be_on_after_a_turn_is_reported(
    plan: cy.Plan, opened: list[Instrument], error: BaseException
) -> None:
    with cy.open(plan) as rig:
        lit(rig)
        beam, camera = opened[0].beam, opened[0].camera
        real = beam.dark
        hung: Any = lambda reason: replace(real(reason), may_be_lit=True, reason=f"{reason}; {STILL_LIT}: hung")  # noqa: E731
        beam.dark = hung  # type: ignore[method-assign]
        if isinstance(error, Ended | Mute):
            camera.read = raises(error)  # type: ignore[method-assign]
        with pytest.raises(Fault, match=f"; {STILL_LIT}: hung"):
            during(rig, raises(error))


def test_a_camera_error_at_closing_keeps_the_laser_warning(plan: cy.Plan, opened: list[Instrument]) -> None:
    def closes() -> None:
        with cy.open(plan):
            opened[0].beam.close = raises(Fault(f"{STILL_LIT}: hung"))  # type: ignore[method-assign]
            opened[0].camera.close = raises(OSError("it was unplugged"))  # type: ignore[method-assign]

    with pytest.raises(Fault, match=rf"^{STILL_LIT}: hung; the camera was not closed \(OSError: it was unplugged\)$"):
        closes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_closing_is_obeyed_afterwards(
    plan: cy.Plan, opened: list[Instrument], tmp_path: Path, number: signal.Signals
) -> None:
    closed: list[str] = []
    inside: list[Any] = []

    def closes() -> None:
        with cy.open(plan, out=tmp_path / "a.h5") as rig:
            inside.append(signal.getsignal(number))
            rig.step()
            beam: Any = opened[0].beam
            camera: Any = opened[0].camera
            dark, shut = beam.close, camera.close

            def close() -> None:
                assert signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler)
                signal.raise_signal(number)
                dark()
                closed.append("beam")

            beam.close = close

            def close_camera() -> None:
                shut()
                closed.append("camera")

            camera.close = close_camera

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Stopped):
        closes()
    assert closed == ["beam", "camera"]
    assert inside != [before]
    assert signal.getsignal(number) is before
    with read_run(tmp_path / "a.h5") as run:
        assert run.ended_cleanly


def test_a_signal_during_closing_keeps_the_laser_warning(plan: cy.Plan, opened: list[Instrument]) -> None:
    def close() -> None:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        signal.raise_signal(signal.SIGINT)
        raise Fault(f"{STILL_LIT}: hung")

    def closes() -> None:
        with cy.open(plan):
            opened[0].beam.close = close  # type: ignore[method-assign]

    with pytest.raises(Fault, match=f"^{STILL_LIT}: hung$"):
        closes()
    with cy.open(plan) as rig:  # the earlier signal does not end a later rig
        rig.step()


def test_a_signal_that_would_end_the_program_closes_the_rig(plan: cy.Plan, opened: list[Instrument]) -> None:
    dark: list[int] = []

    def stopped() -> None:
        with cy.open(plan) as rig:
            lit(rig)
            beam: Any = opened[0].beam
            real = beam.close

            def close() -> None:
                real()
                dark.append(1)

            beam.close = close
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        stopped()
    assert ended.value.code == 128 + signal.SIGTERM
    assert dark == [1]


def test_a_user_handler_acts_and_is_restored(plan: cy.Plan) -> None:
    came: list[int] = []
    mine: Any = lambda number, frame: came.append(number)  # noqa: E731
    before = signal.signal(signal.SIGTERM, mine)
    try:
        with cy.open(plan), cy.open(plan):
            signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_rig_closed_by_another_thread_ends_its_turn_dark(plan: cy.Plan, tmp_path: Path) -> None:
    rig = cy.open(plan, out=tmp_path / "a.h5")
    with rig:
        lit(rig)
        closer = threading.Thread(target=rig.close)

        def close() -> None:
            closer.start()
            while not rig._closing:
                time.sleep(0.001)

        turn = during(rig, close)
        closer.join()
        assert not len(turn.sent)
    with read_run(tmp_path / "a.h5") as run:
        assert run.ended_cleanly
        assert len(run) == turn.number + 1


def test_an_unreferenced_rig_is_closed(plan: cy.Plan, opened: list[Instrument], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    rig = cy.open(plan, out=tmp_path / "a.h5").__enter__()
    lit(rig)
    ender = ender_of(rig)
    ends: list[threading.Thread] = []
    camera: Any = opened[0].camera
    camera.close = lambda: ends.append(threading.current_thread())
    del rig
    gc.collect()
    ender.join()
    with pytest.raises(Fault, match="the beam is closed"):
        opened[0].beam.send(Command())
    assert ends == [ender]  # slow closing stops no other rig during a garbage collection
    signals.obey_waiting()  # as the next call in the main thread does
    assert signal.getsignal(signal.SIGTERM) is before
    with read_run(tmp_path / "a.h5") as run:
        assert run.ended_cleanly


def ender_of(rig: LiveRig) -> threading.Thread:
    assert rig._open is not None
    return rig._open._ender


def test_garbage_collection_of_a_lost_rig_starts_no_thread(
    plan: cy.Plan, opened: list[Instrument], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: it waited for itself if it came while `threading` started another thread."""
    rig = lit(cy.open(plan).__enter__())
    ender = ender_of(rig)
    closed: list[str] = []
    camera: Any = opened[0].camera
    camera.close = lambda: closed.append("camera")
    ring: list[Any] = [rig]
    ring.append(ring)
    del rig, ring
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", raises(AssertionError("a thread was started")))
        gc.collect()
    ender.join()
    assert closed == ["camera"]


def test_the_thread_of_a_rig_ends_with_it(plan: cy.Plan) -> None:
    with cy.open(plan) as rig:
        ender = ender_of(rig)
        assert ender.is_alive()
    ender.join(PATIENCE_S)
    assert not ender.is_alive()


def test_a_signal_while_a_lost_rig_closes_does_not_stop_the_closing(plan: cy.Plan, opened: list[Instrument]) -> None:
    closed: list[str] = []
    lost, obeyed = threading.Event(), threading.Event()
    rig = lit(cy.open(plan).__enter__())
    beam, camera = cast("Any", opened[0].beam), cast("Any", opened[0].camera)
    ender, real = ender_of(rig), beam.close

    def close() -> None:
        lost.wait(PATIENCE_S)  # an error raised within the finalizer of the rig would be ignored
        signal.raise_signal(signal.SIGTERM)
        obeyed.wait(PATIENCE_S)
        real()

    beam.close = close
    camera.close = lambda: closed.append("camera")
    rigs = [rig]
    del rig

    def lose() -> None:
        rigs.clear()
        lost.set()
        until(lambda: not ender.is_alive())  # the signal comes in the other thread, and would not wake a join

    gc.disable()  # a collection calls functions of hypothesis, and errors raised there are ignored
    try:
        with pytest.raises(Stopped):
            lose()
    finally:
        gc.enable()
    obeyed.set()
    until(lambda: closed == ["camera"])
    signals.obey_waiting()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("late", [False, True])
def test_a_signal_in_the_finalizer_of_a_lost_rig_stops_the_program(
    plan: cy.Plan, opened: list[Instrument], late: bool
) -> None:
    """Regression: Python ignores an error raised in a finalizer, and the signal was forgotten."""
    rigs = [lit(cy.open(plan).__enter__())]
    camera: Any = opened[0].camera
    closed = threading.Event()
    camera.close = closed.set
    ender, open_rig = ender_of(rigs[0]), rigs[0]._open
    assert open_rig is not None
    over: Any = open_rig._over
    returned: list[int] = []

    def put(lost: bool) -> None:
        if not lost:  # the other thread has closed the rig
            return
        if late:
            over.put(lost)
            closed.wait(PATIENCE_S)  # the other thread has closed the rig meanwhile
            time.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)
        returned.append(1)
        if not late:
            over.put(lost)

    open_rig._over = cast("Any", SimpleNamespace(put=put))
    del open_rig

    def lose() -> None:
        rigs.clear()
        until(lambda: False, 20.0)

    gc.disable()
    try:
        with pytest.raises(Stopped):
            lose()
    finally:
        gc.enable()
    assert returned == [1]
    ender.join(PATIENCE_S)
    assert not ender.is_alive()
    signals.obey_waiting()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


AT_EXIT = """
import sys, threading, time
import cybloids as cy

plan = cy.load(cy.EXPERIMENTS / "ring_crystal.yaml", sets={"sample.number": 3})


def lit(out, slow_s):
    rig = cy.open(plan, out=out).__enter__()
    rig.arm()
    list(rig.turns(4))
    close = rig._open.recorder.close
    rig._open.recorder.close = lambda: (time.sleep(slow_s), close())  # a disk
    return rig


kept = lit(sys.argv[2], 0.0)
loses = threading.Thread(target=lit, args=(sys.argv[1], 0.7), daemon=True)
loses.start()
loses.join()
"""


def test_a_program_that_ends_closes_lost_and_open_rigs(tmp_path: Path) -> None:
    outs = [tmp_path / "lost.h5", tmp_path / "kept.h5"]
    command = [sys.executable, "-c", AT_EXIT, *map(str, outs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for out in outs:
        with read_run(out) as run:
            assert (len(run), run.ended_cleanly) == (4, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closing", "code"),
    [
        ("raise cybloids.Fault('the laser could not be put out')", 1),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1)", 128 + signal.SIGTERM),
    ],
)
def test_the_exit_code_reports_a_failed_closing_at_exit(closing: str, code: int) -> None:
    """The program ends with its rig open: the laser may be on, or a signal comes meanwhile."""
    rig = f"cybloids.open(cybloids.load({str(RING)!r}, sets={SMALL!r})).__enter__()"
    program = f"import os, signal, time, cybloids\nrig = {rig}\nrig.step()\n"
    program += f"def close():\n    {closing}\nrig._open.instrument.camera.close = close\n"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == code, done.stderr


def test_an_exit_during_a_turn_of_a_daemon_marks_the_record_unfinished(
    plan: cy.Plan, opened: list[Instrument], tmp_path: Path
) -> None:
    rig = lit(cy.open(plan, out=tmp_path / "a.h5").__enter__())
    assert rig._open is not None
    beam: Any = opened[0].beam
    real, at_exit = beam.send, rig._open._at_exit

    def send(command: Command) -> Command:
        sent: Command = real(command)
        at_exit()
        return sent

    beam.send = send
    assert len(rig.step().sent)
    rig._open = None
    with read_run(tmp_path / "a.h5") as run:
        assert (len(run), run.ended_cleanly) == (5, False)


def test_a_handler_that_closes_the_rig_marks_the_record_unfinished(
    plan: cy.Plan, opened: list[Instrument], tmp_path: Path
) -> None:
    """The signal comes after the command is sent and before its turn is recorded."""

    def ends(number: int, frame: Any) -> None:
        rig.close()
        raise SystemExit(3)

    def send(command: Command) -> Command:
        sent: Command = real(command)
        signal.raise_signal(signal.SIGTERM)
        return sent

    before = signal.signal(signal.SIGTERM, ends)
    rig = lit(cy.open(plan, out=tmp_path / "a.h5").__enter__())
    beam: Any = opened[0].beam
    real, beam.send = beam.send, send
    try:
        with pytest.raises(SystemExit):
            rig.step()
        assert signal.getsignal(signal.SIGTERM) is ends
    finally:
        signal.signal(signal.SIGTERM, before)
    with read_run(tmp_path / "a.h5") as run:
        assert (len(run), run.ended_cleanly) == (5, False)


def test_a_turn_that_outlasts_closing_marks_the_record_unfinished(
    plan: cy.Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, over = threading.Event(), threading.Event()
    rig = lit(cy.open(plan, out=tmp_path / "a.h5").__enter__())
    assert rig._open is not None
    recorder: Any = rig._open.recorder
    real = recorder.write

    def write(turn: cy.Turn) -> None:
        begun.set()
        over.wait(PATIENCE_S)
        real(turn)

    recorder.write = write
    monkeypatch.setattr(turn_by_turn, "PATIENCE_S", 0.01)
    other = threading.Thread(target=rig.step)
    other.start()
    begun.wait(PATIENCE_S)
    rig.close()
    over.set()
    other.join()
    with read_run(tmp_path / "a.h5") as run:
        assert (len(run), run.ended_cleanly) == (5, False)


def fails_last(rig: LiveRig, opened: list[Instrument], said: str) -> None:
    """The command of the last turn fails, and the beam is dark."""
    lit(rig)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opened[-1].beam, "send", lambda command: raises(Fault(said))())
        assert rig.step().level is Level.ARMED


def test_a_fault_of_the_last_turn_is_raised(plan: cy.Plan, opened: list[Instrument]) -> None:
    """Regression: the program ended with exit code 0."""

    def ends(rig: LiveRig, after: Callable[[], object], said: str = "it is hot") -> None:
        with rig:
            fails_last(rig, opened, said)
            after()

    rig = cy.open(plan)
    with pytest.raises(Fault, match=r"^beam: it is hot$"):
        ends(rig, lambda: None)
    with pytest.raises(Fault, match=r"^beam: it is hot$"):
        ends(rig, rig.close)
    ends(rig, rig.step)  # this turn shows the fault: the level is TRIPPED
    assert rig.newest is not None
    assert (rig.newest.level, rig.newest.reason) == (Level.TRIPPED, "beam: it is hot")
    with pytest.raises(ZeroDivisionError):
        ends(rig, raises(ZeroDivisionError()))
    with pytest.raises(Fault, match=f"^beam: {STILL_LIT}: it is hot$"):
        ends(rig, raises(ZeroDivisionError()), f"{STILL_LIT}: it is hot")


def test_a_fault_of_the_last_turn_is_reported_with_those_of_closing(
    plan: cy.Plan, opened: list[Instrument], tmp_path: Path
) -> None:
    def ends() -> None:
        with cy.open(plan) as rig:
            fails_last(rig, opened, "it is hot")
            opened[-1].camera.close = raises(Fault("unplugged"))  # type: ignore[method-assign]

    def ends_without_record() -> None:
        with cy.open(plan, out=tmp_path / "a.h5") as rig:
            lit(rig)
            assert rig._open is not None
            journal: Any = rig._open.recorder
            journal.write = lambda turn: raises(journal._refused("the disk is slow"))()
            rig.step()

    with pytest.raises(Fault, match=r"^beam: it is hot; unplugged$"):
        ends()
    with pytest.raises(Fault, match=r"^[^;]*the disk is slow[^;]*; its 5 turns before that can be read$"):
        ends_without_record()


@pytest.mark.parametrize("at", ["rig_opened", "_open_devices"])
def test_a_signal_during_opening_leaves_nothing_open(
    plan: cy.Plan, opened: list[Instrument], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    place: Any = signals if at == "rig_opened" else LiveRig
    real = getattr(place, at)

    def interrupted(*given: Any) -> Any:
        found = real(*given)
        signal.raise_signal(signal.SIGINT)
        return found

    before = signal.getsignal(signal.SIGTERM)
    rig = cy.open(plan)
    with monkeypatch.context() as patched:
        patched.setattr(place, at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            rig.__enter__()
    assert signals._program.rigs == 0
    assert signal.getsignal(signal.SIGTERM) is before
    for instrument in opened:
        with pytest.raises(Fault, match="the beam is closed"):
            instrument.beam.send(Command())
    with rig:
        rig.step()


class Interrupts(deque[Any]):
    """A queue of orders with an interrupt before the second one is taken."""

    taken = 0

    def popleft(self) -> Any:
        self.taken += 1
        if self.taken == 2:
            raise KeyboardInterrupt
        return super().popleft()


def test_an_interrupt_while_orders_are_taken_loses_none(plan: cy.Plan) -> None:
    """Regression: the settings were lost, and `arm` armed the previous law."""
    with cy.open(plan) as rig:
        rig.apply(cy.load(RING, sets={**SMALL, "policy.forces.0.shape.depth_kt": 3}))
        rig.mark("kept")
        rig._orders = Interrupts(rig._orders)
        with pytest.raises(KeyboardInterrupt):
            rig.step()
        with pytest.raises(cy.Refused, match="the new settings are not in force"):
            rig.arm()
        assert [order.kind for order in rig.step().orders] == [OrderKind.TRIP, OrderKind.MARK]


@pytest.mark.parametrize("sent", [False, True])
def test_a_record_is_unfinished_only_where_a_row_is_missing(
    plan: cy.Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: bool
) -> None:
    def ends() -> None:
        with cy.open(plan, out=tmp_path / "a.h5") as rig:
            lit(rig)
            if sent:
                monkeypatch.setattr(turn_by_turn, "act", lambda *_: raises(KeyboardInterrupt())())
            during(rig, (lambda: None) if sent else raises(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        ends()
    with read_run(tmp_path / "a.h5") as run:
        assert run.ended_cleanly is not sent
        assert len(run) == 5


class InterruptsLater(list[str]):
    def append(self, reason: str) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_after_the_command_is_followed_by_a_trip(plan: cy.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[cy.Turn] = []

    def acts(*given: Any) -> Any:
        done, faults = act(*given)
        found.append(done)
        return replace(done, level=Level.TRIPPED), faults

    with cy.open(plan) as rig:
        lit(rig)
        assert rig._open is not None
        rig._open.trips = InterruptsLater()
        with monkeypatch.context() as patched:
            patched.setattr(turn_by_turn, "act", acts)
            with pytest.raises(KeyboardInterrupt):
                rig.step()
        rig._open.trips = []
        assert len(found[0].sent)
        assert rig.step().level is Level.TRIPPED


def test_a_signal_while_a_closing_fails_is_obeyed(plan: cy.Plan, opened: list[Instrument]) -> None:
    def unplugged() -> None:
        signal.raise_signal(signal.SIGTERM)
        raise OSError("it was unplugged")

    def closes() -> None:
        with cy.open(plan):
            opened[0].camera.close = unplugged  # type: ignore[method-assign]

    with pytest.raises(Stopped):
        closes()


def test_a_signal_while_an_opening_fails_is_obeyed(
    plan: cy.Plan, opened: list[Instrument], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise Fault("the disk is full")

    monkeypatch.setattr(turn_by_turn, "open_recorder", full)
    with pytest.raises(Stopped), cy.open(plan, out=tmp_path / "a.h5"):
        pass
    assert not isinstance(signal.getsignal(signal.SIGTERM), signals._Handler)


def test_a_late_signal_ends_the_wait_for_a_device_that_does_not_close(
    plan: cy.Plan, opened: list[Instrument], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the program ignored signals until the device answered."""
    closed: list[str] = []

    def hangs() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it was waited for")

    def closes() -> None:
        with cy.open(plan):
            opened[0].beam.close = hangs  # type: ignore[method-assign]
            opened[0].camera.close = lambda: closed.append("camera")  # type: ignore[method-assign]

    monkeypatch.setattr(signals, "PATIENCE_S", 0.0)
    with pytest.raises(Fault, match=f"^{STILL_LIT}: KeyboardInterrupt: "):
        closes()
    assert closed == ["camera"]


def test_a_late_signal_while_another_thread_has_the_turn_closes_the_rig(
    plan: cy.Plan, opened: list[Instrument], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_turn, over = threading.Event(), threading.Event()

    def turns(rig: LiveRig) -> None:
        with rig._turning:
            has_turn.set()
            over.wait()

    def hangs(reason: str) -> Command:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it was waited for")

    monkeypatch.setattr(signals, "PATIENCE_S", 0.0)
    rig = cy.open(plan).__enter__()
    other = threading.Thread(target=turns, args=(rig,))
    other.start()
    has_turn.wait()
    beam: Any = opened[0].beam
    real, beam.dark = beam.dark, hangs
    try:
        with monkeypatch.context() as patched:
            patched.setattr(beam, "close", lambda: setattr(beam, "dark", real))
            with pytest.raises(KeyboardInterrupt):
                rig.close()
        assert beam.dark == real  # it was closed
    finally:
        over.set()
        other.join()
        beam.close()
    assert rig._open is None

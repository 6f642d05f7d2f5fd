"""The loop's thread: no late light, no error without a message, and no error that hides another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from app.running import thread
from app.running.thread import HANGS, LoopThread, beam_is_on
from control.contract import STILL_LIT, Command, Fault, Forces, Level, OrderKind, Seen, dark
from tests.app.desktop.toy import Recorder, Toy, planned
from tests.patience import PATIENCE_S, until


@dataclass(frozen=True)
class Waits:
    """A law that pushes all particles along x. After `asked` is set, its next step waits for `go`."""

    asked: threading.Event = field(default_factory=threading.Event)  # whether the next step waits
    waits: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    longest_delay_s: float = 0.0

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        if self.asked.is_set():
            self.asked.clear()
            self.waits.set()
            assert self.go.wait(PATIENCE_S)
        number = len(seen.tracks)
        force_pn = np.tile([0.01, 0.0], (number, 1))
        return None, Forces(seen.tracks.particle, force_pn, np.full(number, np.nan), np.zeros(number, np.bool_))


def waiting() -> tuple[Toy, LoopThread, Waits, list[Command]]:
    """A loop with a dark beam, whose ARM is in a turn in which the law waits; and the list of its commands."""
    toy = Toy(planned())
    law = Waits()
    live = LoopThread(replace(toy.machine, policy=law), toy.camera, toy.beam, toy.clock)
    sent: list[Command] = []
    sends = toy.beam.send

    def send(command: Command) -> Command:
        sent.append(command)
        return sends(command)

    toy.beam.send = send  # type: ignore[method-assign]
    live.order(OrderKind.ARM)
    law.asked.set()
    live.start()
    assert law.waits.wait(PATIENCE_S)
    return toy, live, law, sent


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.TRIP])
def test_a_turn_in_progress_gives_no_light_after_a_dark_order(kind: OrderKind) -> None:
    _, live, law, sent = waiting()
    live.order(kind)
    law.go.set()
    until(lambda: live.newest is not None and live.newest.number > 2)
    live.close()
    first, second = (turn for _, turn in live.recent()[:2])
    assert (first.level, len(first.allowed), len(first.sent)) == (Level.ARMED, 6, 0)
    assert first.sent.reason == "an order to be dark came during this turn"
    assert kind in [order.kind for order in second.orders]
    assert not any(len(command) for command in sent)


def test_an_arm_after_a_stop_gives_light() -> None:
    _, live, law, _ = waiting()
    live.order(OrderKind.STOP)
    live.order(OrderKind.ARM)
    law.go.set()
    until(lambda: beam_is_on(live.newest))
    live.close()


def test_a_loop_ordered_to_end_gives_no_light() -> None:
    toy, live, law, sent = waiting()
    with pytest.raises(Fault, match="did not end within"):
        live.darken(patience_s=0.01)
    law.go.set()
    live.close()
    assert not any(len(command) for command in sent)
    assert toy.beam.closed
    assert live.trouble == ""


class Cancelled(BaseException):
    """A BaseException that is no Exception, like asyncio.CancelledError, SystemExit or an exception of a plug-in."""


class Keeps(Recorder):
    finished = True

    def leave_unfinished(self) -> None:
        self.finished = False


def test_any_exception_of_a_law_leaves_the_record_unfinished() -> None:
    toy, recorder = Toy(planned()), Keeps()

    class Broken:
        longest_delay_s = 0.0

        def start(self) -> None:
            return None

        def step(self, memory: None, seen: object) -> None:
            raise Cancelled("no more")

    live = LoopThread(replace(toy.machine, policy=Broken()), toy.camera, toy.beam, toy.clock)  # type: ignore[arg-type]
    live.record(recorder)
    with live:
        until(lambda: not live.running)
    assert live.trouble == "Cancelled: no more"
    assert "step" in live.details
    assert not recorder.finished
    assert toy.beam.closed


def fails(words: str) -> Callable[[], None]:
    def close() -> None:
        raise RuntimeError(words)

    return close


def test_a_camera_error_at_closing_still_closes_beam_and_record() -> None:
    toy, recorder = Toy(planned()), Keeps()
    closes = toy.camera.close

    def close() -> None:
        closes()
        raise RuntimeError("the camera hangs")

    toy.camera.close = close  # type: ignore[method-assign]
    toy.beam.close = fails("no answer")  # type: ignore[method-assign]
    live = LoopThread(toy.machine, toy.camera, toy.beam, toy.clock)
    live.record(recorder)
    live.start()
    with pytest.raises(Fault, match=r"^RuntimeError: the camera hangs$"):
        live.close()
    assert live.trouble == f"{STILL_LIT}: RuntimeError: no answer"
    assert recorder.closed


def test_a_loop_that_never_began_reports_the_laser_first() -> None:
    toy = Toy(planned())
    toy.camera.close, toy.beam.close = fails("the camera hangs"), fails("no answer")  # type: ignore[method-assign]
    with pytest.raises(Fault, match=f"^{STILL_LIT}: RuntimeError: no answer; RuntimeError: the camera hangs$"):
        LoopThread(toy.machine, toy.camera, toy.beam, toy.clock).close()


@dataclass
class Hangs:
    """A beam like a guard: one lock for all calls. `send` does not return until `go` is set."""

    lock: Any = field(default_factory=threading.RLock)
    hangs: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def send(self, command: Command) -> Command:
        with self.lock:
            self.hangs.set()
            self.go.wait(PATIENCE_S)
            return command

    def dark(self, reason: str) -> Command:
        with self.lock:
            return dark(reason)

    def close(self) -> None:
        self.dark("closed")


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hangs]:
    monkeypatch.setattr(thread, "DARK_S", 0.05)
    beam = Hangs()
    yield beam
    beam.go.set()


def test_a_hanging_beam_is_abandoned_and_may_be_on(hangs: Hangs) -> None:
    """Regression: the end of the loop waited for it without limit."""
    toy = Toy(planned())
    live = LoopThread(toy.machine, toy.camera, hangs, toy.clock)
    live.start()
    assert hangs.hangs.wait(PATIENCE_S)
    said: list[BaseException] = []

    def close() -> None:
        try:
            live.close(patience_s=0.05)
        except Fault as fault:
            said.append(fault)

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert [str(fault) for fault in said] == [f"the loop did not end within 0.05 s; {STILL_LIT}: {HANGS}"]


def test_a_camera_that_hangs_at_closing_keeps_no_light_on(hangs: Hangs) -> None:
    toy = Toy(planned())
    closes = toy.camera.close

    def close() -> None:
        closes()
        hangs.go.wait(PATIENCE_S)

    toy.camera.close = close  # type: ignore[method-assign]
    live = LoopThread(toy.machine, toy.camera, toy.beam, toy.clock)
    live.start()
    with pytest.raises(Fault, match=f"^the camera was not closed: {HANGS}$"):
        live.close(patience_s=0.2)
    assert toy.beam.closed


def test_the_beam_closes_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy(planned())
    live = LoopThread(toy.machine, toy.camera, toy.beam, toy.clock)
    live.start()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        live.close()
    assert toy.beam.closed
    assert not live.running


def test_darkening_twice_closes_the_camera_once() -> None:
    toy, closed = Toy(planned()), list[int]()
    close = toy.camera.close
    toy.camera.close = lambda: (closed.append(1), close())[1]  # type: ignore[method-assign,func-returns-value]
    live = LoopThread(toy.machine, toy.camera, toy.beam, toy.clock)
    live.start()
    for _ in range(2):
        live.darken()
    assert closed == [1]

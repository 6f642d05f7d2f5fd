"""The loop in a thread of its own, and what a window may ask of it. No Qt here, and no device is called."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.console.error_words import sentence
from app.running.stopwatch import Stopwatch, TimedBeam, TimedCamera, TimedPolicy, TimedTracker
from app.running.turn_buffer import Pace as Pace
from app.running.turn_buffer import TurnBuffer
from config.refused import Refused
from control.contract import (
    STILL_LIT,
    Beam,
    Camera,
    Clock,
    Command,
    CrashRecorder,
    Ended,
    Fault,
    Frame,
    InFlightRecorder,
    Level,
    Order,
    OrderKind,
    Recorder,
    Turn,
)
from control.loop import LoopMemory, Machine, run
from drivers.closing import close_all, of_light

DARKENS = (OrderKind.STOP, OrderKind.TRIP)
HANGS = "a call of a device does not return"
DARK_S = 2.0  # for a beam to be dark whose loop has not ended in time
T = TypeVar("T")
RECORD_S = 250.0  # for the records: a journal gives its disk 120 s, and the one before it is closed first


class NoRecord:
    """A recorder that keeps nothing: the operator has not asked for a record."""

    def write(self, turn: Turn) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class _Exchange:
    """In the inbox, between the orders: from the turn that takes it on, another recorder keeps the turns."""

    recorder: Recorder


class _Gate:
    """The camera, with a door: once it is shut, the camera has no more frames, and the run ends."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.shut = threading.Event()

    def read(self) -> Frame | None:
        if self.shut.is_set():
            raise Ended
        return self.camera.read()

    def close(self) -> None:
        self.camera.close()


class _Lid:
    """The beam, under a lid: nothing lit goes out while `why_dark` gives a reason, whenever its turn began."""

    def __init__(self, beam: Beam, why_dark: Callable[[], str]) -> None:
        self._beam, self._why_dark = beam, why_dark

    def send(self, command: Command) -> Command:
        if len(command) > 0 and (reason := self._why_dark()):
            return self._beam.dark(reason)
        return self._beam.send(command)

    def dark(self, reason: str) -> Command:
        return self._beam.dark(reason)

    def close(self) -> None:
        self._beam.close()


class Live:
    """One running of an instrument.

    The window writes orders into the inbox, which the loop drains once a turn, and polls `newest`. A turn whose command
    is not yet sent when a STOP or a TRIP comes, or when the loop is to end, sends no light. A record may begin
    and end at any time: between two turns the recorder is exchanged, and nothing else. Identities, level, law and
    history go on. A record that begins in flight keeps the memory that its first turn began from, if its recorder is
    an InFlightRecorder. A recorder is closed in a thread of its own, so that the loop does not wait for a disk; one
    that can't be closed trips the interlock: no record, no beam.

    Args:
        also: called with every turn in the loop's thread, when its command was sent; it must be quick.
    """

    def __init__(
        self, machine: Machine, camera: Camera, beam: Beam, clock: Clock, also: Callable[[Turn], None] | None = None
    ) -> None:
        self.machine = machine
        self.trouble = ""  # why the loop stopped, in words
        self.details = ""  # the traceback of what stopped it
        self.recorder_trouble = ""
        self._gate, self._beam, self._clock = _Gate(camera), beam, clock
        self._inbox: deque[Order | _Exchange] = deque()
        self._darkens = threading.Event()  # an order in the inbox does
        self._recorder: Recorder = NoRecord()
        self.stopwatch = Stopwatch()  # where the time of the turns goes
        self._exchanges: list[Recorder] = []  # of this turn
        self._closers: list[threading.Thread] = []
        self._failed: Recorder | None = None
        self._ended, self._dark = False, threading.Event()
        self._lock = threading.Lock()  # of what ends: after that no recorder is taken any more
        self._camera_closing: Future[None] | None = None  # the camera is closed once
        self._seen, self._also = TurnBuffer(), also or nobody
        self._thread = threading.Thread(target=self._live, name="loop", daemon=True)

    def __enter__(self) -> Live:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # what the window asks -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    @property
    def newest(self) -> Turn | None:
        """The newest turn, with its image."""
        return self._seen.newest

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def order(self, kind: OrderKind, text: str = "", machine: Machine | None = None) -> None:
        """Into the inbox; it is obeyed in the next turn. A turn that has not sent its command sends no light then."""
        self._inbox.append(Order(kind, text, machine))
        if kind in DARKENS:
            self._darkens.set()  # after the order is there: what clears this takes the order

    def apply(self, machine: Machine, text: str) -> None:
        """Another machine from the next turn on. `text`: the settings it was made from, for the journal."""
        self.order(OrderKind.APPLY, text, machine)

    def record(self, recorder: Recorder | None) -> None:
        """Keep every turn from the next one on; None ends the record. The recorder of before is closed.

        It has its place among the orders: what was ordered before it is obeyed at the latest in the record's first
        turn. A loop that has ended closes the recorder at once.
        """
        with self._lock:
            if not self._ended:
                self._inbox.append(_Exchange(recorder or NoRecord()))
                return
        self._close_record(recorder or NoRecord())

    @property
    def recording(self) -> bool:
        """Whether a recorder is open: it keeps turns, or is being closed."""
        return not isinstance(self._recorder, NoRecord) or any(closer.is_alive() for closer in self._closers)

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """The turns after the one that was counted `after`, oldest first, with their counts, without images."""
        return self._seen.recent(after)

    def pace(self) -> Pace:
        return self._seen.pace()

    def latencies_s(self) -> NDArray[np.float64]:
        """From the middle of the exposure to the command's sending, of the last turns [K]."""
        return self._seen.latencies_s()

    @property
    def dark(self) -> bool:
        """Whether the loop has ended and the beam is closed; its record may still be open. `trouble` is known then."""
        return self._dark.is_set()

    @property
    def lit(self) -> bool:
        """Whether the loop has ended, and its laser is not known to be off."""
        return STILL_LIT in self.trouble

    def darken(self, patience_s: float = 5.0) -> None:
        """End the loop: the camera is closed, the beam dark and its devices let go. The record is closed after it.

        It takes at most `patience_s` + DARK_S. Raises Fault where that was late, or where a device could not be closed;
        with STILL_LIT, where the beam's device hangs.
        """
        self._gate.shut.set()
        until_s = time.monotonic() + patience_s + DARK_S
        with self._lock:
            closing = self._camera_closing or begun(self._gate.close)  # its end ends the loop's wait for it
            self._camera_closing = closing

        def wait_for_camera() -> None:
            answer_until(until_s, closing, "the camera was not closed")

        close_all(partial(self._wait_until_dark, patience_s), wait_for_camera)

    def _wait_until_dark(self, patience_s: float) -> None:
        if self._thread.ident is None:
            close_all(of_light(self._beam.close), self._end_record)
        elif not self._dark.wait(patience_s):
            late = f"the loop did not end within {patience_s:g} s"
            dark = begun(lambda: self._beam.dark("the loop did not end in time"))
            told = answer_until(time.monotonic() + DARK_S, dark, f"{late}; {STILL_LIT}")
            lit = f"; {told.reason}" if told.may_be_lit else ""
            raise Fault(f"{late}; the command to go dark was sent{lit}")

    def ended(self, patience_s: float) -> bool:
        """Whether the loop and its records end within this time."""
        if self._thread.ident is not None:
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def close(self, patience_s: float = 5.0, record_s: float = RECORD_S) -> None:
        """`darken`, and then wait for the record, whose disk may be slow. Raises Fault where either was late."""
        close_all(partial(self.darken, patience_s), partial(self.require_record_closed, record_s))

    def require_record_closed(self, record_s: float) -> None:
        """Raises Fault where that takes longer than this. The record of a loop that hangs is not waited for."""
        if self.dark and not self.ended(record_s):
            raise Fault(f"the record was not closed within {record_s:g} s")

    # the loop's own thread ------------------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            camera = TimedCamera(self.stopwatch, self._gate)
            beam = TimedBeam(self.stopwatch, _Lid(self._beam, self._why_dark))
            machine = self._timed(self.machine)
            run(machine, camera, beam, self._clock, self, self._told, self._watch, self._before)
        except BaseException as error:  # noqa: BLE001  whatever it is, the operator reads it and the beam is dark
            self.trouble, self.details = sentence(error), traceback.format_exc()
            if not isinstance(error, (Fault, Refused)) and isinstance(self._recorder, CrashRecorder):
                self._recorder.leave_unfinished()
        finally:
            try:
                self._close_beam()  # dark before the loop waits for a disk
            finally:
                self._dark.set()
                self._end_record()

    def _close_beam(self) -> None:
        """Dark, and its devices let go; a laser that could not be put out is named in `trouble`."""
        try:
            of_light(self._beam.close)()
        except Fault as lit:
            self.trouble = f"{self.trouble}; {lit}" if self.trouble else str(lit)

    def _why_dark(self) -> str:
        """Why a command that is being sent may not have light any more; "" where it may."""
        if self._gate.shut.is_set():
            return "the loop is to end"
        return "an order to be dark came during this turn" if self._darkens.is_set() else ""

    def write(self, turn: Turn) -> None:
        """The loop's recorder is the one that is in use. Raises Fault as that does."""
        try:
            self.stopwatch.of("recorder", self._recorder.write, turn)
        except Fault:
            self._failed = self._recorder
            raise

    def _told(self) -> tuple[Order, ...]:
        """The orders of this turn; exchanges of the recorder among them are done in `_before`."""
        orders: list[Order] = []
        self._darkens.clear()
        while self._inbox:
            taken = self._inbox.popleft()
            if isinstance(taken, _Exchange):
                self._exchanges.append(taken.recorder)
                continue
            if taken.kind is OrderKind.APPLY and taken.machine is not None:
                self.machine = taken.machine
                taken = replace(taken, machine=self._timed(self.machine))
            orders.append(taken)
        return tuple(orders)

    def _timed(self, machine: Machine) -> Machine:
        """The machine, with its parts' time measured."""
        tracker, policy = TimedTracker(self.stopwatch, machine.tracker), TimedPolicy(self.stopwatch, machine.policy)
        return replace(machine, tracker=tracker, policy=policy)

    def _before(self, memory: LoopMemory) -> None:
        """The recorder is exchanged; a new one is given the memory that its first turn begins from."""
        for recorder in self._exchanges:
            if memory.number > 0 and isinstance(recorder, InFlightRecorder):
                recorder.begin(memory)
            if not isinstance(self._recorder, NoRecord):
                closer = threading.Thread(target=self._close_record, args=(self._recorder,), name="close", daemon=True)
                closer.start()
                self._closers = [*(other for other in self._closers if other.is_alive()), closer]
            self._recorder = recorder
        self._exchanges = []

    def _close_record(self, recorder: Recorder) -> None:
        """A record that could not be closed may lack its end: the light of it was not recorded."""
        try:
            recorder.close()
        except Exception as error:  # noqa: BLE001  whatever it is, the operator reads it and the beam is dark
            self.recorder_trouble = f"the record was not closed: {sentence(error)}"
            if recorder is not self._failed:  # its turns have not tripped the interlock yet
                self.order(OrderKind.TRIP, f"no record, no beam: {self.recorder_trouble}")

    def _end_record(self) -> None:
        """The loop has ended: every recorder is closed, also those that never began."""
        with self._lock:
            self._ended = True
            waiting = [*self._exchanges, *(one.recorder for one in self._inbox if isinstance(one, _Exchange))]
            self._exchanges = []
            self._inbox.clear()
        for closer in self._closers:
            closer.join()
        for recorder in (self._recorder, *waiting):
            self._close_record(recorder)
        self._recorder = NoRecord()

    def _watch(self, turn: Turn) -> None:
        self._seen.add(turn)
        self._also(turn)


def begun(call: Callable[[], T]) -> Future[T]:
    """A call of a device, in a thread of its own: it may never return, and keeps no process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  raised where the answer is waited for
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="device", daemon=True).start()
    except RuntimeError:  # no thread can be started: then here
        run()
    return future


def answer_until(until_s: float, call: Future[T], what: str) -> T:
    """What the call answers, or raises. Raises Fault, which says `what`, where it has not returned by then."""
    try:
        return call.result(max(until_s - time.monotonic(), 0.0))
    except TimeoutError:
        if call.done():  # by now; or it is the device's own
            return call.result()
        raise Fault(f"{what}: {HANGS}") from None


def let_go(beam: Beam, camera: Camera) -> None:
    """Dark first, then the camera. Raises Fault, with STILL_LIT where the laser could not be put out."""
    close_all(of_light(beam.close), camera.close)


def nobody(turn: Turn) -> None:
    """Nobody else watches."""


def beam_is_on(turn: Turn | None) -> bool:
    """Whether light left the instrument in this turn."""
    return (
        turn is not None
        and turn.level in (Level.ARMED, Level.PROBING)
        and not turn.sent.reason
        and bool(len(turn.sent))
    )


def mean_power_mw(turn: Turn) -> Any:
    """[M] mean power of each spot that was sent, over one cycle of visits without the jumps."""
    sent = turn.sent
    total_s = sent.dwell_s.sum()
    return sent.power_mw * sent.dwell_s / total_s if total_s > 0 else sent.power_mw

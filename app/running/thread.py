"""The loop in a thread of its own, with its interface for a window. No Qt here."""

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
DARK_S = 2.0  # to darken the beam of a loop that has not ended in time
T = TypeVar("T")
RECORD_S = 250.0  # to close the records: a journal gives its disk 120 s, and the previous one is closed first


class NoRecord:
    """A recorder that records nothing, for a run without a record."""

    def write(self, turn: Turn) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class _Exchange:
    """Entry of the inbox, between the orders: from the turn that takes it on, another recorder is used."""

    recorder: Recorder


class _Gate:
    """The camera with a gate: once it is shut, the camera has no more frames, and the run ends."""

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
    """The beam with a lid: no light is sent while `why_dark` returns a reason, whenever the turn began."""

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


class LoopThread:
    """One run of an instrument.

    The window puts orders into the inbox, which the loop empties once per turn, and polls `newest`. A turn sends no
    light if a STOP or a TRIP comes, or the loop is to end, before its command is sent. A record may begin and end at
    any time: only the recorder is exchanged, between two turns. Identities, level, law and history continue. A record
    that begins in flight contains the memory at the start of its first turn, if its recorder is an InFlightRecorder.
    A recorder is closed in a thread of its own, so that the loop does not wait for a disk; one that can't be closed
    trips the interlock: no record, no beam.

    Args:
        also: called with every turn in the loop's thread after its command was sent; must return quickly.
    """

    def __init__(
        self, machine: Machine, camera: Camera, beam: Beam, clock: Clock, also: Callable[[Turn], None] | None = None
    ) -> None:
        self.machine = machine
        self.trouble = ""  # why the loop stopped, in words
        self.details = ""  # traceback of the error that stopped it
        self.recorder_trouble = ""
        self._gate, self._beam, self._clock = _Gate(camera), beam, clock
        self._inbox: deque[Order | _Exchange] = deque()
        self._darkens = threading.Event()  # set: the inbox contains an order that darkens
        self._recorder: Recorder = NoRecord()
        self.stopwatch = Stopwatch()  # wall time of each stage of the turns
        self._exchanges: list[Recorder] = []  # recorders that begin with this turn
        self._closers: list[threading.Thread] = []
        self._failed: Recorder | None = None
        self._ended, self._dark = False, threading.Event()
        self._lock = threading.Lock()  # of _ended, after which no recorder is accepted, and of _camera_closing
        self._camera_closing: Future[None] | None = None  # the camera is closed once
        self._buffer, self._on_turn = TurnBuffer(), also or no_listener
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def __enter__(self) -> LoopThread:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # interface for the window ----------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    @property
    def newest(self) -> Turn | None:
        """The newest turn, with its image."""
        return self._buffer.newest

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def order(self, kind: OrderKind, text: str = "", machine: Machine | None = None) -> None:
        """Put an order into the inbox; it acts in the next turn. STOP and TRIP also darken a command not yet sent."""
        self._inbox.append(Order(kind, text, machine))
        if kind in DARKENS:
            self._darkens.set()  # after the append: `_take_orders`, which clears it, then takes the order

    def apply(self, machine: Machine, text: str) -> None:
        """Use another machine from the next turn on. `text`: its settings, for the journal."""
        self.order(OrderKind.APPLY, text, machine)

    def record(self, recorder: Recorder | None) -> None:
        """Record every turn from the next one on; None ends the record. The previous recorder is closed.

        The exchange has its place among the orders: earlier orders act in the record's first turn at the latest. If the
        loop has ended, the recorder is closed at once.
        """
        with self._lock:
            if not self._ended:
                self._inbox.append(_Exchange(recorder or NoRecord()))
                return
        self._close_record(recorder or NoRecord())

    @property
    def recording(self) -> bool:
        """Whether a recorder is open or is being closed."""
        return not isinstance(self._recorder, NoRecord) or any(closer.is_alive() for closer in self._closers)

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """(count, turn) of all turns whose count is above `after`, oldest first, without images."""
        return self._buffer.recent(after)

    def pace(self) -> Pace:
        return self._buffer.pace()

    def latencies_s(self) -> NDArray[np.float64]:
        """[K] times from mid-exposure to the sending of the command, of the last turns."""
        return self._buffer.latencies_s()

    @property
    def dark(self) -> bool:
        """Whether the loop has ended and the beam is closed; its record may still be open. `trouble` is then known."""
        return self._dark.is_set()

    @property
    def lit(self) -> bool:
        """Whether the loop has ended and its laser may be on."""
        return STILL_LIT in self.trouble

    def darken(self, patience_s: float = 5.0) -> None:
        """End the loop: the camera is closed, the beam is dark and its devices are released. Then the record is closed.

        It takes at most `patience_s` + DARK_S. Raises Fault if it took too long or if a device could not be closed;
        with STILL_LIT if the beam's device hangs.
        """
        self._gate.shut.set()
        until_s = time.monotonic() + patience_s + DARK_S
        with self._lock:
            closing = self._camera_closing or begun(self._gate.close)  # this ends the loop's wait for a frame
            self._camera_closing = closing

        def wait_for_camera() -> None:
            answer_until(until_s, closing, "the camera was not closed")

        close_all(partial(self._wait_until_dark, patience_s), wait_for_camera)

    def _wait_until_dark(self, patience_s: float) -> None:
        if self._thread.ident is None:
            close_all(of_light(self._beam.close), self._end_record)
        elif not self._dark.wait(patience_s):
            message = f"the loop did not end within {patience_s:g} s"
            dark = begun(lambda: self._beam.dark("the loop did not end in time"))
            sent = answer_until(time.monotonic() + DARK_S, dark, f"{message}; {STILL_LIT}")
            lit = f"; {sent.reason}" if sent.may_be_lit else ""
            raise Fault(f"{message}; the command to go dark was sent{lit}")

    def ended(self, patience_s: float) -> bool:
        """Whether the loop and its records end within this time."""
        if self._thread.ident is not None:
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def close(self, patience_s: float = 5.0, record_s: float = RECORD_S) -> None:
        """`darken`, and then wait for the record, whose disk may be slow. Raises Fault if either takes too long."""
        close_all(partial(self.darken, patience_s), partial(self.require_record_closed, record_s))

    def require_record_closed(self, record_s: float) -> None:
        """Raises Fault if the record is not closed within `record_s`. Does not wait if the loop hangs."""
        if self.dark and not self.ended(record_s):
            raise Fault(f"the record was not closed within {record_s:g} s")

    # the loop's own thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            camera = TimedCamera(self.stopwatch, self._gate)
            beam = TimedBeam(self.stopwatch, _Lid(self._beam, self._why_dark))
            machine = self._timed(self.machine)
            run(machine, camera, beam, self._clock, self, self._take_orders, self._watch, self._exchange_recorders)
        except BaseException as error:  # noqa: BLE001  any error: the operator reads it and the beam is dark
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
        """Darken the beam and release its devices; `trouble` states if the laser could not be switched off."""
        try:
            of_light(self._beam.close)()
        except Fault as fault:
            self.trouble = f"{self.trouble}; {fault}" if self.trouble else str(fault)

    def _why_dark(self) -> str:
        """Why a command that is being sent may no longer contain light; "" if it may."""
        if self._gate.shut.is_set():
            return "the loop is to end"
        return "an order to be dark came during this turn" if self._darkens.is_set() else ""

    def write(self, turn: Turn) -> None:
        """Record the turn with the present recorder. Raises Fault."""
        try:
            self.stopwatch.of("recorder", self._recorder.write, turn)
        except Fault:
            self._failed = self._recorder
            raise

    def _take_orders(self) -> tuple[Order, ...]:
        """The orders of this turn; exchanges of the recorder among them happen in `_exchange_recorders`."""
        orders: list[Order] = []
        self._darkens.clear()
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, _Exchange):
                self._exchanges.append(entry.recorder)
                continue
            if entry.kind is OrderKind.APPLY and entry.machine is not None:
                self.machine = entry.machine
                entry = replace(entry, machine=self._timed(self.machine))
            orders.append(entry)
        return tuple(orders)

    def _timed(self, machine: Machine) -> Machine:
        """The machine with timed tracker and policy."""
        tracker, policy = TimedTracker(self.stopwatch, machine.tracker), TimedPolicy(self.stopwatch, machine.policy)
        return replace(machine, tracker=tracker, policy=policy)

    def _exchange_recorders(self, memory: LoopMemory) -> None:
        """Exchange the recorder; a new one receives the memory at the start of its first turn."""
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
        """Close a record. If this fails, the end of the record may be missing, with the light of the last turns."""
        try:
            recorder.close()
        except Exception as error:  # noqa: BLE001  any error: the operator reads it and the beam is dark
            self.recorder_trouble = f"the record was not closed: {sentence(error)}"
            if recorder is not self._failed:  # else a failed write has tripped the interlock already
                self.order(OrderKind.TRIP, f"no record, no beam: {self.recorder_trouble}")

    def _end_record(self) -> None:
        """After the end of the loop: close every recorder, also those that never began."""
        with self._lock:
            self._ended = True
            waiting = [*self._exchanges, *(entry.recorder for entry in self._inbox if isinstance(entry, _Exchange))]
            self._exchanges = []
            self._inbox.clear()
        for closer in self._closers:
            closer.join()
        for recorder in (self._recorder, *waiting):
            self._close_record(recorder)
        self._recorder = NoRecord()

    def _watch(self, turn: Turn) -> None:
        self._buffer.add(turn)
        self._on_turn(turn)


def begun(call: Callable[[], T]) -> Future[T]:
    """Call a device in a thread of its own. The call may never return; it does not keep the process alive."""
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
    """Result or error of the call. Raises Fault, with `what` in its text, if the call has not returned by `until_s`."""
    try:
        return call.result(max(until_s - time.monotonic(), 0.0))
    except TimeoutError:
        if call.done():  # it has returned by now, or the TimeoutError is the device's own
            return call.result()
        raise Fault(f"{what}: {HANGS}") from None


def let_go(beam: Beam, camera: Camera) -> None:
    """Darken, then close the camera. Raises Fault, with STILL_LIT if the laser could not be switched off."""
    close_all(of_light(beam.close), camera.close)


def no_listener(turn: Turn) -> None:
    """Default of `also`: does nothing."""


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

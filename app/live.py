"""The loop in a thread of its own, and what a window may ask of it. No Qt here, and no device is called."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.remembered import Pace as Pace
from app.remembered import Remembered
from config.refused import Refused
from control.contract import (
    Beam,
    Camera,
    Clock,
    Ended,
    Fault,
    Frame,
    Level,
    Order,
    OrderKind,
    Recorder,
    Turn,
)
from control.loop import Machine, run


class NoRecord:
    """A recorder that keeps nothing: the operator has not asked for a record."""

    def write(self, turn: Turn) -> None:
        pass

    def close(self) -> None:
        pass


class _Gate:
    """The camera, with a door: while it is shut, the camera has no more frames, and the run ends."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.shut = threading.Event()

    def read(self) -> Frame | None:
        if self.shut.is_set():
            raise Ended
        return self.camera.read()

    def close(self) -> None:
        self.camera.close()


class Live:
    """One running of an instrument.

    The window writes orders into the inbox, which the loop drains once a turn, and polls `newest`. A recording begins
    with a fresh memory, so that a record is whole and can be verified; level and identities begin anew with it, and
    an armed or tripped instrument is so again from the first turn of the record.

    Args:
        also: called with every turn in the loop's thread, when its command was sent; it must be quick.
    """

    def __init__(
        self, machine: Machine, camera: Camera, beam: Beam, clock: Clock, also: Callable[[Turn], None] | None = None
    ) -> None:
        self.machine = machine
        self.trouble = ""  # why the loop stopped, in words
        self.details = ""  # the traceback of what stopped it
        self.recording = False
        self.recorder_trouble = ""
        self._gate, self._beam, self._clock = _Gate(camera), beam, clock
        self._inbox: deque[Order] = deque()
        self._next: Recorder | None = None
        self._again = self._closing = False
        self._lock = threading.Lock()
        self._seen, self._also = Remembered(), also or nobody
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
        """Into the inbox; it is obeyed in the next turn."""
        self._inbox.append(Order(kind, text, machine))

    def apply(self, machine: Machine, text: str) -> None:
        """Another machine from the next turn on. `text`: the settings it was made from, for the journal."""
        self.order(OrderKind.APPLY, text, machine)

    def record(self, recorder: Recorder | None) -> None:
        """Keep every turn from now on; None ends the record."""
        with self._lock:
            self._next, self._again = recorder, True
            self._gate.shut.set()

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        """The turns after the one that was counted `after`, oldest first, with their counts, without images."""
        return self._seen.recent(after)

    def pace(self) -> Pace:
        return self._seen.pace()

    def latencies_s(self) -> NDArray[np.float64]:
        """From the middle of the exposure to the command's sending, of the last turns [K]."""
        return self._seen.latencies_s()

    def close(self, patience_s: float = 5.0) -> None:
        """End the loop: the camera is closed, the beam dark and its devices let go."""
        self._closing = True
        self._gate.shut.set()
        self._gate.close()
        if self._thread.ident is None:
            self._beam.close()
            return
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._beam.dark("the loop did not end in time")
            raise Fault(f"the loop did not end within {patience_s:g} s; the beam was told to be dark")

    # the loop's own thread ------------------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            while self._runs():
                pass
        except Exception as error:  # noqa: BLE001  whatever it is, the operator reads it and the beam is dark
            self.trouble, self.details = sentence(error), traceback.format_exc()
        finally:
            self._close_beam()

    def _close_beam(self) -> None:
        """Dark, and its devices let go; a laser that could not be put out is named in `trouble`."""
        try:
            self._beam.close()
        except Fault as fault:
            self.trouble = f"{self.trouble}; {fault}" if self.trouble else str(fault)

    def _runs(self) -> bool:
        """One run, with one recorder; whether there is to be another."""
        with self._lock:
            recorder: Recorder = self._next or NoRecord()
            self.recording, self._next, self._again = self._next is not None, None, False
            if not self._closing:
                self._gate.shut.clear()
        try:
            run(self.machine, self._gate, self._beam, self._clock, recorder, self._told, self._watch)
        finally:
            self.recording = False
            self._close_record(recorder)
        self._keep_level()
        return self._again and not self._closing

    def _close_record(self, recorder: Recorder) -> None:
        try:
            recorder.close()
        except Fault as fault:
            self.recorder_trouble = f"the record was not closed: {fault}"

    def _keep_level(self) -> None:
        """An armed instrument stays armed, and a tripped one tripped, when its record begins or ends."""
        if self.newest is None:
            return
        if self.newest.level is Level.ARMED:
            self._inbox.appendleft(Order(OrderKind.ARM, "armed before the record began or ended"))
        elif self.newest.level is Level.PROBING:
            self._inbox.appendleft(Order(OrderKind.PROBE, "probing before the record began or ended"))
        elif self.newest.level is Level.TRIPPED:
            self._inbox.appendleft(Order(OrderKind.TRIP, self.newest.reason))

    def _told(self) -> tuple[Order, ...]:
        orders = []
        while self._inbox:
            orders.append(self._inbox.popleft())
        for order in orders:
            if order.kind is OrderKind.APPLY and order.machine is not None:
                self.machine = order.machine
        return tuple(orders)

    def _watch(self, turn: Turn) -> None:
        self._seen.add(turn)
        self._also(turn)


def nobody(turn: Turn) -> None:
    """Nobody else watches."""


def sentence(error: BaseException) -> str:
    """What went wrong, in words for the operator."""
    if isinstance(error, (Fault, Refused)):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


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

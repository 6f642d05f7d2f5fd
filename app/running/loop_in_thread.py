"""A loop in this process: one thread opens the instrument, another one runs the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.rig import Plan
from app.console.error_words import sentence
from app.running.heartbeat import Heartbeat, Watcher
from app.running.light_wording import Light
from app.running.settings_in_force import InForce
from app.running.stopwatch import Stopwatch
from app.running.thread import LoopThread, begun, let_go
from app.running.turn_buffer import Pace
from config.reader import write
from config.words import text_of
from control.contract import STILL_LIT, Fault, OrderKind, Recorder, Turn
from control.loop import Machine
from drivers.readback import Returned

NO_TURNS = Pace(float("nan"), float("nan"), float("nan"), 0, 0)


class LoopInThread:
    """One run of an instrument in this process. It fills `RunningLoop`, which explains each of its many methods.

    Args:
        open_instrument: opens the instrument of a plan.
        open_recorder: opens the record of an instrument in a new file.
    """

    note = silence = ""
    handle = None

    def __init__(
        self, plan: Plan, open_instrument: Callable[[Plan], Any], open_recorder: Callable[[Any, Path], Recorder]
    ) -> None:
        self._plan, self._open_instrument, self._open_recorder = plan, open_instrument, open_recorder
        self._opening = threading.Thread(target=self._open, name="opening", daemon=True)
        self._instrument: Any = None
        self._error: BaseException | None = None  # of the opening
        self._live: LoopThread | None = None
        self._watcher: Watcher | None = None
        self._record: Future[None] | None = None  # an order to record that has no answer yet
        self._beats = 0
        self.applies, self.in_force = 0, InForce()

    def begin(self) -> None:
        self._opening.start()

    def opened(self) -> bool:
        if self._live is not None:
            return True
        if self._opening.is_alive():
            return False
        if self._error is not None:
            raise for_the_window(self._error)
        instrument = self._instrument
        self._live = live = LoopThread(instrument.machine, instrument.camera, instrument.beam, instrument.clock)
        live.start()
        heart = Heartbeat(
            self._plan.rig.loop.window_timeout_s,
            lambda: self._beats,
            lambda: live.newest,
            lambda reason: live.order(OrderKind.TRIP, reason),
        )
        self._watcher = Watcher(heart.look)
        return True

    def _open(self) -> None:
        try:
            self._instrument = self._open_instrument(self._plan)
        except BaseException as error:  # noqa: BLE001  raised again in the window's thread
            self._error = error

    def beat(self) -> None:
        self._beats += 1

    @property
    def running(self) -> bool:
        return self._live is not None and self._live.running

    @property
    def newest(self) -> Turn | None:
        return self._live.newest if self._live is not None else None

    @property
    def recording(self) -> bool:
        return self._live is not None and self._live.recording

    @property
    def trouble(self) -> str:
        return self._live.trouble if self._live is not None else ""

    @property
    def details(self) -> str:
        return self._live.details if self._live is not None else ""

    @property
    def recorder_trouble(self) -> str:
        return self._live.recorder_trouble if self._live is not None else ""

    @property
    def stopwatch(self) -> Stopwatch:
        return self._live.stopwatch if self._live is not None else Stopwatch()

    @property
    def dark(self) -> bool:
        return self._live is not None and self._live.dark

    @property
    def lit(self) -> bool:
        return self._live is not None and self._live.lit

    @property
    def light(self) -> Light:
        if self._plan.rig.laser.simulated:
            return "dark"
        if self._live is not None and not self._live.dark:
            return "unknown"
        lit = self.lit or (self._error is not None and STILL_LIT in text_of(self._error))
        return "may be on" if lit else "dark"

    def order(self, kind: OrderKind, text: str = "", machine: Machine | None = None) -> None:
        if self._live is not None:
            self._live.order(kind, text, machine)

    def apply(self, plan: Plan, machine: Machine | None) -> None:
        if self._live is not None and machine is not None:
            self._plan = plan
            self._live.apply(machine, write(plan.experiment))
            self.applies, self.in_force = self.applies + 1, self.in_force.succeeded()

    def ask_record(self, path: Path | None) -> None:
        if self._record is not None:
            raise Fault("the last order to record has no answer yet")
        instrument = replace(self._instrument, plan=self._plan)
        self._record = begun(lambda: self._exchange_recorder(instrument, path))  # the disk may be slow

    def _exchange_recorder(self, instrument: Any, path: Path | None) -> None:
        recorder = None if path is None else self._open_recorder(instrument, path)
        if self._live is not None:
            self._live.record(recorder)

    def answered(self) -> bool:
        if self._record is None or not self._record.done():
            return self._record is None
        answer, self._record = self._record, None
        error = answer.exception()
        if error is not None:
            raise for_the_window(error)
        return True

    def returned(self) -> tuple[Returned, ...]:
        return tuple(self._instrument.returned())

    def recent(self, after: int = 0) -> list[tuple[int, Turn]]:
        return self._live.recent(after) if self._live is not None else []

    def pace(self) -> Pace:
        return self._live.pace() if self._live is not None else NO_TURNS

    def latencies_s(self) -> NDArray[np.float64]:
        return self._live.latencies_s() if self._live is not None else np.empty(0)

    def close(self) -> None:
        if self._opening.ident is not None:
            self._opening.join()
        if self._watcher is not None:
            self._watcher.close()
        if self._live is not None:
            self._live.close()
        elif self._instrument is not None:
            let_go(self._instrument.beam, self._instrument.camera)


def for_the_window(error: BaseException) -> Exception:
    """An error of a worker thread, to raise in the window's thread. A SystemExit of a law must not end the window."""
    return error if isinstance(error, Exception) else Fault(sentence(error))

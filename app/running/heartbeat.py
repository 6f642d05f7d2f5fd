"""The heartbeat of the window: if the rig requires it, light needs a window that responds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from control.contract import Turn
from control.interlock import LIT

LOOK_S = 0.05  # time between two checks
BEAT_S = 0.2  # time between two heartbeats of a window


class Heartbeat:
    """Trips a run with light if its window has sent no heartbeat for `timeout_s`, by this process's own clock.

    It starts with the first heartbeat: a run without a window has none. `timeout_s` None: no check.

    Args:
        beats: returns the number of heartbeats so far.
        newest: returns the newest turn of the run.
        trip: called with the reason, once per silence.
    """

    def __init__(
        self,
        timeout_s: float | None,
        beats: Callable[[], int],
        newest: Callable[[], Turn | None],
        trip: Callable[[str], None],
    ) -> None:
        self._timeout_s, self._beats, self._newest, self._trip = timeout_s, beats, newest, trip
        self._count, self._since_s, self._tripped = 0, 0.0, False

    def look(self) -> None:
        """Check once; call this every LOOK_S."""
        now_s, count = time.monotonic(), self._beats()
        if count != self._count:
            self._count, self._since_s, self._tripped = count, now_s, False
        if self._timeout_s is None or not self._count or self._tripped or now_s - self._since_s <= self._timeout_s:
            return
        turn = self._newest()
        if turn is not None and turn.level in LIT:
            self._tripped = True
            self._trip(f"the window did not answer for {self._timeout_s:.1f} s")


class Watcher:
    """Calls `look` every LOOK_S in a thread of its own, until it is closed."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._closed = look, threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not threading.current_thread():
            with suppress(RuntimeError):
                self._thread.join(2.0)

    def _run(self) -> None:
        while not self._closed.wait(LOOK_S):
            self._look()

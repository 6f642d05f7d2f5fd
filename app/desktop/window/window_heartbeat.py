"""The heartbeat of the window's thread, and a check whether that thread was busy until just now."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, QTimer

from app.running.heartbeat import BEAT_S

STALL_S = 1.5  # after a longer pause, outdated clicks may be in the queue
AFTER_S = 0.5  # time until such clicks have been processed


class WindowHeartbeat(QObject):
    """Calls `beat` every BEAT_S while the event loop of the window's thread runs."""

    def __init__(self, beat: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._beat = beat
        self._last_s = time.monotonic()
        self._stalled_s = -AFTER_S  # when the last long pause ended
        self.longest_s = 0.0  # the longest pause between two beats
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(round(1e3 * BEAT_S))

    @property
    def stalled(self) -> bool:
        """Whether the present event may have waited in the queue while the window was busy."""
        now_s = time.monotonic()
        return now_s - self._last_s > STALL_S or now_s - self._stalled_s < AFTER_S

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now_s = time.monotonic()
        pause_s = now_s - self._last_s
        self.longest_s = max(self.longest_s, pause_s)
        if pause_s > STALL_S:
            self._stalled_s = now_s
        self._last_s = now_s
        self._beat()

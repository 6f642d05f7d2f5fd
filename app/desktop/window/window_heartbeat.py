"""The window's heartbeat, from its own thread; and whether that thread was busy just now."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, QTimer

from app.running.heartbeat import BEAT_S

STALL_S = 1.5  # a window that was busy for so long may have clicks waiting that were not meant for now
AFTER_S = 0.5  # and they are worked off by then


class Heart(QObject):
    """Calls `beat` every BEAT_S, as long as the window's thread turns its event loop."""

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
        """Whether what is being handled now may have waited while the window was busy."""
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

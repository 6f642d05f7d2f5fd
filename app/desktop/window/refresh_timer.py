"""Timing of polling and painting: often enough for smooth display, and right after a turn, while the loop is idle.

A loop in its own process shares caches and cores with the window. It is idle from the end of a turn to the next frame,
so the window waits for the message of a turn and paints then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6 import sip
from PyQt6.QtCore import QObject, QSocketNotifier, QTimer, pyqtSignal

PAINT_S = 1.0 / 34.0  # mean interval between beats
SILENT_MS = 50  # longest wait for a message; without messages the window polls 12 times a second


class RefreshTimer(QObject):
    """Emits `beat` every PAINT_S on average; with a handle, at the first message after that.

    Args:
        next_handle: returns the file descriptor for the message of the next turn, after all earlier messages were read;
            None: there is none.
    """

    beat = pyqtSignal()

    def __init__(self, next_handle: Callable[[], int | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._next_handle = next_handle
        self._due_s = 0.0
        self._notifier: QSocketNotifier | None = None
        self._interval_timer, self._timeout_timer = QTimer(self), QTimer(self)
        for timer, slot in ((self._interval_timer, self._wait_for_turn), (self._timeout_timer, self._beat)):
            timer.setSingleShot(True)
            timer.timeout.connect(slot)
        self.active = False

    def start(self) -> None:
        self.active = True
        self._beat()

    def resume(self) -> None:
        """Restart after `stop`; the first beat comes after this call."""
        self.active = True
        self._interval_timer.start(SILENT_MS)

    def stop(self) -> None:
        self.active = False
        self._stop_listening()
        self._interval_timer.stop()

    def _wait_for_turn(self) -> None:
        """Paint now, or with a handle after the loop's next turn."""
        handle = self._next_handle()
        if handle is None:
            self._beat()
            return
        self._notifier = QSocketNotifier(sip.voidptr(handle), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._beat)
        self._timeout_timer.start(SILENT_MS)

    def _stop_listening(self) -> None:
        self._timeout_timer.stop()
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier.deleteLater()
            self._notifier = None

    def _beat(self) -> None:
        self._stop_listening()
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s - PAINT_S) + PAINT_S  # at most one late beat is made up for
        self.beat.emit()
        if self.active:
            self._interval_timer.start(max(round(1e3 * (self._due_s - time.monotonic())), 1))

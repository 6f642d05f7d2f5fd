"""When to look at the loop and paint: often enough for the eye, and right after a turn, when the loop has time.

A loop in a process of its own shares caches and cores with the window. It rests from the end of a turn to the next
frame; so the window waits for the news of a turn, and paints then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6 import sip
from PyQt6.QtCore import QObject, QSocketNotifier, QTimer, pyqtSignal

PAINT_S = 1.0 / 34.0  # on average
SILENT_MS = 50  # without news, the window looks all the same: 12 times a second


class Pulse(QObject):
    """`beat` comes every PAINT_S on average; where there is a handle to wait at, with the first news after that.

    Args:
        told: where news of a turn will come (a file's number), after everything that has come was heard; None: nowhere.
    """

    beat = pyqtSignal()

    def __init__(self, told: Callable[[], int | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._told = told
        self._due_s = 0.0
        self._notifier: QSocketNotifier | None = None
        self._rest, self._patience = QTimer(self), QTimer(self)
        for timer, slot in ((self._rest, self._ready), (self._patience, self._beat)):
            timer.setSingleShot(True)
            timer.timeout.connect(slot)
        self.active = False

    def start(self) -> None:
        self.active = True
        self._beat()

    def resume(self) -> None:
        """After `stop`: look again soon, and not within this call."""
        self.active = True
        self._rest.start(SILENT_MS)

    def stop(self) -> None:
        self.active = False
        self._deaf()
        self._rest.stop()

    def _ready(self) -> None:
        """It is time to paint; wait for the loop's next turn, if there is one."""
        handle = self._told()
        if handle is None:
            self._beat()
            return
        self._notifier = QSocketNotifier(sip.voidptr(handle), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._beat)
        self._patience.start(SILENT_MS)

    def _deaf(self) -> None:
        self._patience.stop()
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier.deleteLater()
            self._notifier = None

    def _beat(self) -> None:
        self._deaf()
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s - PAINT_S) + PAINT_S  # a late one is made up for, but only one
        self.beat.emit()
        if self.active:
            self._rest.start(max(round(1e3 * (self._due_s - time.monotonic())), 1))

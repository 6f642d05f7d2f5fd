"""Work in a background thread, so that typing does not wait for it. Only the newest request counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

LOOK_MS = 15  # polling interval


class Background(QObject):
    """Runs `work` in a thread; `answered` carries the result of the newest request, in the window's thread.

    Args:
        work: maps a request to its result; must not use Qt. Its exceptions are raised in the window's thread.
    """

    answered = pyqtSignal(object)

    def __init__(self, work: Callable[[Any], Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self._waiting: list[Any] = []  # the newest request, while an earlier one is in progress
        self._thread: threading.Thread | None = None
        self._results: list[Any] = []
        self._error: Exception | None = None
        self._result_needed = False  # whether the result in progress will be used
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a result is pending."""
        return self._result_needed or bool(self._waiting)

    def ask(self, request: Any) -> None:
        """Submit a request; does not block. An unfinished earlier request is dropped."""
        self._waiting, self._result_needed = [request], False
        self._next()

    def drop(self) -> None:
        """Drop the pending request."""
        self._waiting, self._result_needed = [], False

    def _next(self) -> None:
        if self._thread is None and self._waiting:
            request, self._result_needed = self._waiting.pop(), True
            self._thread = threading.Thread(target=self._run_work, args=(request,), name="background", daemon=True)
            self._thread.start()
            self._timer.start()

    def _run_work(self, request: Any) -> None:
        try:
            self._results.append(self._work(request))
        except Exception as error:  # noqa: BLE001  raised again in the window's thread
            self._error = error

    def _poll(self) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        self._timer.stop()
        results, self._results = self._results, []
        needed, self._result_needed = self._result_needed, False
        self._next()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if needed and not self._waiting:
            self.answered.emit(results[0])

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
        self._answers: list[Any] = []
        self._error: Exception | None = None
        self._wanted = False  # whether the result in progress will be used
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether a result is pending."""
        return self._wanted or bool(self._waiting)

    def ask(self, question: Any) -> None:
        """Submit a request; does not block. An unfinished earlier request is dropped."""
        self._waiting, self._wanted = [question], False
        self._next()

    def drop(self) -> None:
        """Drop the pending request."""
        self._waiting, self._wanted = [], False

    def _next(self) -> None:
        if self._thread is None and self._waiting:
            question, self._wanted = self._waiting.pop(), True
            self._thread = threading.Thread(target=self._answer, args=(question,), name="background", daemon=True)
            self._thread.start()
            self._timer.start()

    def _answer(self, question: Any) -> None:
        try:
            self._answers.append(self._work(question))
        except Exception as error:  # noqa: BLE001  raised again in the window's thread
            self._error = error

    def _look(self) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        self._timer.stop()
        answers, self._answers = self._answers, []
        wanted, self._wanted = self._wanted, False
        self._next()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if wanted and not self._waiting:
            self.answered.emit(answers[0])

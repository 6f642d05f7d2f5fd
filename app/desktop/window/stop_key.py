"""Escape switches the beam off from any focus: a form, a menu, an open list, or another window of the program."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication


class Escape(QObject):
    """An event filter that receives every key of the application first. It passes all keys on."""

    def __init__(self, parent: QObject, stop: Callable[[], None]) -> None:
        super().__init__(parent)
        self._stop, self._last = stop, -1
        self._pressed = False  # a press without a time stamp is being processed
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)

    def eventFilter(self, seen: QObject | None, event: QEvent | None) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
            and not event.isAutoRepeat()
            and not self._is_repeated(event.timestamp())
        ):
            self._last = event.timestamp()
            self._stop()
        return False

    def _is_repeated(self, stamp: int) -> bool:
        """Whether this is the same press, passed on from widget to widget.

        A stamp of 0 carries no information: then a press counts as new after the next pass of the event loop.
        """
        if stamp != 0:
            return stamp == self._last
        if self._pressed:
            return True
        self._pressed = True
        QTimer.singleShot(0, self._clear_pressed)
        return False

    def _clear_pressed(self) -> None:
        self._pressed = False

"""Escape darkens the beam from any focus: from a form, a menu, a list that hangs open, another window of ours."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication


class Escape(QObject):
    """Sees every key of the application before anybody else does; takes none away."""

    def __init__(self, parent: QObject, stop: Callable[[], None]) -> None:
        super().__init__(parent)
        self._stop, self._last = stop, -1
        self._pressed = False  # by a press without a stamp, in the event that is being handled
        app = QApplication.instance()
        assert app is not None
        app.installEventFilter(self)

    def eventFilter(self, seen: QObject | None, event: QEvent | None) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
            and not event.isAutoRepeat()
            and not self._seen_already(event.timestamp())
        ):
            self._last = event.timestamp()
            self._stop()
        return False

    def _seen_already(self, stamp: int) -> bool:
        """Whether it is the same press, on its way from widget to widget.

        A stamp of 0 says nothing: such a press is another one as soon as the event loop has turned.
        """
        if stamp != 0:
            return stamp == self._last
        if self._pressed:
            return True
        self._pressed = True
        QTimer.singleShot(0, self._forget)
        return False

    def _forget(self) -> None:
        self._pressed = False

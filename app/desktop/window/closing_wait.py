"""The window while it waits for a rig to close: it paints, its timers run, and keys and clicks are ignored.

Closing may take seconds if the loop's process hangs, a device does not answer, or the disk is slow.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait

from PyQt6.QtCore import QEvent, QEventLoop, QObject
from PyQt6.QtWidgets import QApplication

SOON_S = 0.1  # a shorter closing is not shown
LOOK_S = 0.02

INPUT = frozenset(
    {
        QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick, QEvent.Type.KeyPress, QEvent.Type.InputMethod,
        QEvent.Type.ShortcutOverride, QEvent.Type.Shortcut, QEvent.Type.Wheel, QEvent.Type.Drop,
    }
)  # fmt: skip  # no release events: they may end an earlier press


class _InputFilter(QObject):
    """Drops user input during the wait: a click must not act seconds later."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() not in INPUT:
            return False
        event.ignore()
        return True


def wait_painting(call: Future[None], show: Callable[[], None]) -> None:
    """Return when the call has ended; its exception is left for the caller. Call this in the window's thread.

    Args:
        show: shows the state of the laser; called repeatedly.
    """
    app = QApplication.instance()
    if wait([call], SOON_S).done or app is None:
        wait([call])
        return
    input_filter = _InputFilter()
    app.installEventFilter(input_filter)
    try:
        while not wait([call], LOOK_S).done:
            show()
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)  # drops the last clicks, too
    finally:
        app.removeEventFilter(input_filter)

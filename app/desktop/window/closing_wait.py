"""The window waits for a rig that is being closed: it is painted, its timers run, and no key or click is obeyed.


A rig may take seconds to close: a loop's process that hangs, a device that does not answer, a slow disk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait

from PyQt6.QtCore import QEvent, QEventLoop, QObject
from PyQt6.QtWidgets import QApplication

SOON_S = 0.1  # a closing that takes no longer is not shown
LOOK_S = 0.02

INPUT = frozenset(
    {
        QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick, QEvent.Type.KeyPress, QEvent.Type.InputMethod,
        QEvent.Type.ShortcutOverride, QEvent.Type.Shortcut, QEvent.Type.Wheel, QEvent.Type.Drop,
    }
)  # fmt: skip  # not what ends a press of before: a button or a key that is let go


class _Dropped(QObject):
    """Drops what a person does meanwhile: a click of now must not act seconds later."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() not in INPUT:
            return False
        event.ignore()
        return True


def wait_painting(call: Future[None], show: Callable[[], None]) -> None:
    """Return when the call has ended; what it raised is for the caller. To be called in the window's thread.

    Args:
        show: shows what is known of the light; called over and over.
    """
    app = QApplication.instance()
    if wait([call], SOON_S).done or app is None:
        wait([call])
        return
    dropped = _Dropped()
    app.installEventFilter(dropped)
    try:
        while not wait([call], LOOK_S).done:
            show()
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)  # drops the last clicks, too
    finally:
        app.removeEventFilter(dropped)

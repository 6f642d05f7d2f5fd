"""Saves the window as a PNG, without a display."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from app.desktop.window.main_window import Window
from app.running import stop_signals as signals
from config.atomic import fresh_file
from control.contract import Fault

OPEN_S = 200.0  # longest wait for a rig to open
LOOK_MS = 40  # polling interval


def take_picture(window: Window, path: Path, seconds: float) -> None:
    """Start, arm, run for `seconds` of wall time, and save the window. A recording is tracked and shown at its middle.

    Raises Fault.
    """
    window.show()
    reel = window.playback.reel
    if reel is not None:
        wait(seconds, lambda: not reel.busy)
        window.transport.go(len(reel) // 2)
    else:
        window.start()
        wait(OPEN_S, lambda: window.session.opening.duration_s is None)
        began_s = time.monotonic()
        wait(seconds, lambda: window.session.newest is not None)
        window.session.arm()
        wait(seconds - (time.monotonic() - began_s))
    signals.raise_if_stopped()
    window.each_second()
    save(window, path)


def wait(seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
    """Run the event loop for this time, or until `enough` returns True or a signal arrives."""
    until_s = time.monotonic() + seconds
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if signals.came() or enough() or time.monotonic() >= until_s else None)
    timer.start(LOOK_MS)
    loop.exec()
    timer.stop()


def save(window: Window, path: Path) -> None:
    """Save the present window as a PNG. Raises Fault."""
    window.poll()
    QApplication.processEvents()
    try:
        with fresh_file(path, kind="a PNG") as temporary_path:
            if not window.grab().save(str(temporary_path), "PNG"):
                raise Fault(f"the picture {path} can't be written")
    except OSError as error:
        raise Fault(f"the picture {path} can't be written ({error.strerror})") from None

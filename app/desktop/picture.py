"""The window as a PNG, without a display."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt6.QtWidgets import QApplication

from app.desktop.window import Window
from control.contract import Fault, OrderKind


def take_picture(window: Window, path: Path, seconds: float, arm: bool = True) -> None:
    """Start, arm, run for `seconds` of wall time, and save what the window shows. Raises Fault."""
    window.show()
    window.start()
    until_s = time.monotonic() + seconds
    armed = not arm
    while time.monotonic() < until_s:
        QApplication.processEvents()
        time.sleep(0.005)
        if not armed and window.session.newest is not None:
            window.session.order(OrderKind.ARM)
            armed = True
    save(window, path)


def save(window: Window, path: Path) -> None:
    """What the window shows now, as a PNG. Raises Fault."""
    window.poll()
    QApplication.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not window.grab().save(str(path)):
        raise Fault(f"the picture {path} can't be written")

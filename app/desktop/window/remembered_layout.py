"""What the window remembers from one day to the next: its layout, files, edits that were not saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_config_path
from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QMainWindow

LAYOUT = 2  # of the window; another number forgets layouts of older windows


class RememberedLayout:
    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or user_config_path("cybloids", ensure_exists=True)
        self.unsaved = folder / "unsaved"  # copies of edits
        self._kept = QSettings(str(folder / "desktop.ini"), QSettings.Format.IniFormat)

    def keep(self, window: QMainWindow, path: str, recent: Sequence[Path] = ()) -> None:
        screen = _screen(window)
        self._kept.setValue(f"{screen}/geometry", window.saveGeometry())
        self._kept.setValue(f"{screen}/layout", window.saveState(LAYOUT))
        self._kept.setValue("experiment", path)
        self._kept.setValue("recent", [str(file.absolute()) for file in recent])
        self._kept.sync()

    def restore(self, window: QMainWindow) -> None:
        """The layout that the window had last on a screen of this size, if there was one."""
        screen = _screen(window)
        geometry, layout = self._kept.value(f"{screen}/geometry"), self._kept.value(f"{screen}/layout")
        if isinstance(geometry, QByteArray) and isinstance(layout, QByteArray):
            window.restoreGeometry(geometry)
            window.restoreState(layout, LAYOUT)

    @property
    def recent(self) -> list[Path]:
        """Files that were opened or saved, the newest first."""
        stored = self._kept.value("recent")
        names = [stored] if isinstance(stored, str) else stored if isinstance(stored, list) else []
        return [Path(name) for name in names if isinstance(name, str) and name]

    @property
    def path(self) -> Path | None:
        """The file, or the folder of images, that was open last, if it is still there."""
        stored = self._kept.value("experiment")
        return Path(stored) if isinstance(stored, str) and stored and os.path.exists(stored) else None


def _screen(window: QMainWindow) -> str:
    """The size of the window's screen in logical pixels: a layout of a larger screen would hide panels on this one."""
    screen = window.screen()
    assert screen is not None
    area = screen.availableGeometry()
    return f"{area.width()}x{area.height()}"

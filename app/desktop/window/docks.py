"""Menu of the panels of the window: shows and hides them, and restores their initial places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QAction, QGuiApplication
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QMenu, QToolButton


class Panels(QToolButton):
    """A menu of panels. Visible panels have a check mark; floating panels are labelled.

    Args:
        put_back: restores the initial places of all panels.
    """

    def __init__(self, window: QMainWindow, docks: Sequence[QDockWidget], put_back: Callable[[], None]) -> None:
        super().__init__(window)
        self._window, self._docks = window, docks
        self.setText("Panels")
        self.setToolTip("show and hide panels; put back those that float")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.list = QMenu(self)
        self._place_timer = QTimer(self)  # fires when a newly shown panel has its place
        self._place_timer.setSingleShot(True)
        self._place_timer.timeout.connect(self._bring_to_screen)
        self._toggles: list[tuple[QDockWidget, QAction]] = []
        for dock in docks:
            toggle = dock.toggleViewAction()
            assert toggle is not None
            toggle.setToolTip(f"show or hide the panel {dock.windowTitle()}")
            self.list.addAction(toggle)
            self._toggles.append((dock, toggle))
            dock.visibilityChanged.connect(lambda on: self._place_timer.start() if on else None)
        self.list.addSeparator()
        self.put_back = QAction("Put all back", self)
        self.put_back.setToolTip("every panel where it is at first")
        self.put_back.triggered.connect(put_back)
        self.list.addAction(self.put_back)
        self.list.aboutToShow.connect(self._label_floating)
        self.setMenu(self.list)

    def _label_floating(self) -> None:
        for dock, toggle in self._toggles:
            toggle.setText(f"{dock.windowTitle()}, floating" if dock.isFloating() else dock.windowTitle())

    def _bring_to_screen(self) -> None:
        """Move floating panels that are outside all screens over the window."""
        screen_areas = [screen.availableGeometry() for screen in QGuiApplication.screens()]
        for dock in self._docks:
            off_screen = dock.isFloating() and not any(area.intersects(dock.frameGeometry()) for area in screen_areas)
            if off_screen and dock.isVisible():
                dock.move(self._window.geometry().center() - dock.rect().center())

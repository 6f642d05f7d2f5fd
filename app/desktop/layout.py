"""Where everything stands: the image in the middle, panels beside it, plots below, the state above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QToolBar, QVBoxLayout, QWidget

from app.desktop import theme

if TYPE_CHECKING:
    from app.desktop.window import Window

LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
BELOW = Qt.DockWidgetArea.BottomDockWidgetArea


def lay_out(window: Window) -> None:
    """For 1366x768 and more; a person may move it, and it is remembered."""
    window.setDockOptions(QMainWindow.DockOption.AnimatedDocks | QMainWindow.DockOption.AllowTabbedDocks)
    middle = QWidget()
    column = QVBoxLayout(middle)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(window.view, 1)
    column.addWidget(window.transport)
    window.setCentralWidget(middle)
    window.addToolBar(window.actions_bar)
    window.addToolBarBreak()
    window.addToolBar(state_bar(window.strip))
    window.setStatusBar(window.status)
    window.resize(1366, 768)
    right = dock(window, "Experiment", window.panel, RIGHT)
    left = dock(window, "Devices", window.devices, LEFT)
    tuning = dock(window, "Tuning", window.tuning, LEFT)
    tuning.visibilityChanged.connect(window.tuning.see)
    window.tabifyDockWidget(left, tuning)
    left.raise_()
    window.setCorner(Qt.Corner.BottomLeftCorner, LEFT)
    window.setCorner(Qt.Corner.BottomRightCorner, RIGHT)
    below = dock(window, "Observables", window.plots, BELOW)
    beside = dock(window, "Log", window.log, BELOW)
    window.splitDockWidget(below, beside, Qt.Orientation.Horizontal)
    window.resizeDocks([left, right], [270, theme.PANEL_WIDTH], Qt.Orientation.Horizontal)
    window.resizeDocks([below, beside], [3, 2], Qt.Orientation.Horizontal)
    window.resizeDocks([below], [theme.PLOT_HEIGHT], Qt.Orientation.Vertical)
    window.actions_bar.add_panels([left, tuning, right, below, beside])


def state_bar(strip: QWidget) -> QToolBar:
    """A bar that can't be put away."""
    bar = QToolBar("State")
    bar.setObjectName("State")
    bar.setMovable(False)
    toggle = bar.toggleViewAction()
    assert toggle is not None
    toggle.setEnabled(False)
    bar.addWidget(strip)
    return bar


def dock(window: QMainWindow, title: str, widget: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
    made = QDockWidget(title, window)
    made.setObjectName(title)
    made.setWidget(widget)
    widget.setMinimumWidth(270)
    window.addDockWidget(area, made)
    return made

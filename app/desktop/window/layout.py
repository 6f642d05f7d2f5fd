"""Layout of the window: the image in the middle, panels beside it, plots below, the state above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QScrollArea, QToolBar, QVBoxLayout, QWidget

from app.desktop.window import theme
from app.desktop.window.docks import Panels

if TYPE_CHECKING:
    from app.desktop.window.main_window import Window

LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
BELOW = Qt.DockWidgetArea.BottomDockWidgetArea
SIZE = QSize(1366, 768)
SIDE_PX, BELOW_PX = 270, 150  # least widths of panels
NARROW_PX, LOW_PX = 1100, 600  # on a smaller screen the other panels are hidden at first
FRAME_PX = 40  # for the title bar and borders of the window
WIDE_PX, VIEW_PX = 524, 387  # width of the experiment panel on a low screen, and least width of the image


def lay_out(window: Window) -> None:
    """Lay out the window for 1366x768 or more, and for half of that. Changes by the user are remembered."""
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
    window.resize(SIZE)
    docks = [
        dock(window, "Devices", tall(window.devices), SIDE_PX),
        dock(window, "Tuning", tall(window.tuning), SIDE_PX),
        dock(window, "Experiment", window.panel, SIDE_PX),
        dock(window, "Observables", window.plots, BELOW_PX),
        dock(window, "Log", window.log, BELOW_PX),
    ]
    docks[1].visibilityChanged.connect(window.tuning.see)
    window.setCorner(Qt.Corner.BottomLeftCorner, LEFT)
    window.setCorner(Qt.Corner.BottomRightCorner, RIGHT)
    arrange(window, docks)
    window.actions_bar.add_panels(Panels(window, docks, lambda: arrange(window, docks)))
    screen = window.screen()
    if screen is not None and QGuiApplication.platformName() != "offscreen":  # it has no real screen
        fit_screen(window, screen.availableGeometry().size())


def arrange(window: QMainWindow, docks: Sequence[QDockWidget]) -> None:
    """Show every panel at its initial place."""
    left, tuning, right, below, beside = docks
    for panel, area in ((right, RIGHT), (left, LEFT), (tuning, LEFT), (below, BELOW), (beside, BELOW)):
        panel.setFloating(False)
        window.addDockWidget(area, panel)
        panel.show()
    window.tabifyDockWidget(left, tuning)
    left.raise_()
    window.splitDockWidget(below, beside, Qt.Orientation.Horizontal)
    window.resizeDocks([left, right], [270, theme.PANEL_WIDTH], Qt.Orientation.Horizontal)
    window.resizeDocks([below, beside], [3, 2], Qt.Orientation.Horizontal)
    window.resizeDocks([below], [theme.PLOT_HEIGHT], Qt.Orientation.Vertical)


def fit_screen(window: QMainWindow, room: QSize) -> None:
    """Fit the window to a small screen: show the image and the experiment, and hide the other panels."""
    window.resize(SIZE.boundedTo(room))
    if room.width() < SIZE.width() + FRAME_PX or room.height() < SIZE.height() + FRAME_PX:
        window.setWindowState(window.windowState() | Qt.WindowState.WindowMaximized)
    for name, hidden in (
        ("Devices", room.width() < NARROW_PX),
        ("Tuning", room.width() < NARROW_PX),
        ("Observables", room.height() < LOW_PX),
        ("Log", room.height() < LOW_PX),
    ):
        panel = window.findChild(QDockWidget, name)
        if panel is not None and hidden:
            panel.hide()
    experiment = window.findChild(QDockWidget, "Experiment")
    if experiment is not None:  # on a low screen the other parts are beside the form
        wide_px = min(WIDE_PX, room.width() - VIEW_PX) if room.height() < LOW_PX else 0
        window.resizeDocks([experiment], [max(wide_px, theme.PANEL_WIDTH)], Qt.Orientation.Horizontal)


def tall(inside: QWidget) -> QScrollArea:
    """The widget in a scroll area, for low windows."""
    scroll = QScrollArea()
    scroll.setWidget(inside)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    return scroll


def state_bar(strip: QWidget) -> QToolBar:
    """A toolbar that the user cannot hide."""
    bar = QToolBar("State")
    bar.setObjectName("State")
    bar.setMovable(False)
    toggle = bar.toggleViewAction()
    assert toggle is not None
    toggle.setEnabled(False)
    bar.addWidget(strip)
    return bar


def dock(window: QMainWindow, title: str, widget: QWidget, least_px: int) -> QDockWidget:
    panel = QDockWidget(title, window)
    panel.setObjectName(title)
    panel.setWidget(widget)
    widget.setMinimumWidth(least_px)
    return panel

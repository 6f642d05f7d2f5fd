"""Small and large screens, also at 150 %: essential widgets are visible, the form has room, no widget moves."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QPoint, QRect, QSize, Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QDockWidget, QLabel, QScrollArea, QWidget

from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.window.layout import fit_screen
from app.desktop.window.main_window import Window
from control.contract import Level
from tests.app.desktop.forms.test_editing_keys import focused, radius_box, typed
from tests.app.desktop.panels.test_log_panel import turns
from tests.app.desktop.panels.test_potential_edits import choose
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench

REAL: Any = QTest  # its type stubs do not declare the functions as static
TITLE_PX = 30  # height of a title bar
SMALL, MIDDLE = QSize(911, 512), QSize(1280, 720)  # 1366x768 and 1920x1080 at 150 %
SCALE = "QT_SCALE_FACTOR"  # device pixels per logical pixel


def place(widget: QWidget, window: Window) -> QRect:
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


def shown(bench: Bench, room: QSize) -> Window:
    window = bench.window
    free = QSize(room.width(), room.height() - TITLE_PX)
    fit_screen(window, free)
    assert window.isMaximized() == (room.width() < 1900)  # a window with its frame does not fit there
    window.showNormal()
    window.resize(free)  # by hand on a large screen
    bench.qtbot.waitUntil(lambda: window.width() <= room.width())
    REAL.qWait(50)
    return window


def form_px(window: Window) -> int:
    scroll = window.panel.tabs.currentWidget()
    assert isinstance(scroll, QScrollArea)
    viewport = scroll.viewport()
    assert viewport is not None
    return viewport.height()


def test_essential_widgets_are_visible(bench: Bench) -> None:
    assert bench.window.devicePixelRatioF() == float(os.environ.get(SCALE, "1"))
    for room in (SMALL, MIDDLE, QSize(1366, 768), QSize(2560, 1440)):
        essential_is_in_sight(bench, room)


@pytest.mark.slow
@pytest.mark.skipif(SCALE in os.environ, reason="this is the process that it starts")
def test_all_tests_pass_at_a_scale_factor_of_1_5() -> None:
    """All tests of this file in a process that starts with 1.5 device pixels per logical pixel."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__))]
    answer = subprocess.run(
        command, env={**os.environ, SCALE: "1.5"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def essential_is_in_sight(bench: Bench, room: QSize) -> None:
    window = shown(bench, room)
    assert (window.width(), window.height()) == (room.width(), room.height() - TITLE_PX)
    acts, panel = window.actions_bar, window.panel
    buttons = [acts.widgetForAction(action) for action in (acts.start, acts.record, acts.arm, acts.stop, acts.reset)]
    strip = [window.strip.kind, window.strip.level, window.strip.beam, window.strip.record, window.strip.reason]
    numbers = [window.status.numbers[name] for name in ("latency", "drops", "identities")]
    for widget in (*buttons, *strip, *numbers, window.view, panel.list, panel.tabs, panel.trouble, panel.apply_button):
        assert widget is not None
        assert widget.isVisible()
        assert window.rect().contains(place(widget, window))
    assert window.view.width() >= 380
    assert form_px(window) >= 320


def test_predicted_numbers_are_fully_visible(bench: Bench) -> None:
    """No number is cut off at the edge of a narrow panel; a long one is wrapped."""
    window = shown(bench, SMALL)
    predicted = window.panel.consequences.predicted
    bench.qtbot.waitUntil(lambda: "speed" in predicted.read())
    REAL.qWait(50)
    viewport = window.panel.consequences.numbers.viewport()
    assert viewport is not None
    assert predicted.width() <= viewport.width()
    for label in predicted.findChildren(QLabel):
        if not label.isHidden():
            assert label.width() >= label.minimumSizeHint().width()
            assert not label.wordWrap() or label.height() >= label.heightForWidth(label.width())


def test_a_low_narrow_panel_has_its_other_parts_below_the_form(bench: Bench) -> None:
    window = shown(bench, SMALL)
    panel, dock = window.panel, window.findChild(QDockWidget, "Experiment")
    assert dock is not None
    assert place(panel.tabs, window).right() < place(panel.apply_button, window).left()
    window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    bench.qtbot.waitUntil(lambda: panel.width() <= 310)
    REAL.qWait(50)
    assert place(panel.tabs, window).bottom() < place(panel.apply_button, window).top()
    for widget in (panel.list, panel.tabs, panel.consequences, panel.trouble, panel.apply_button):
        assert window.rect().contains(place(widget, window))


def test_the_minimum_width_with_all_panels_is_1100(bench: Bench) -> None:
    window = bench.window
    for dock in window.findChildren(QDockWidget):
        dock.show()
    window.transport.setVisible(True)
    window.strip.show_kind("REAL", "not calibrated")
    window.strip.show_watch(None)
    REAL.qWait(50)
    assert window.minimumSizeHint().width() <= 1100
    window.resize(1100, 700)
    REAL.qWait(50)
    assert window.width() == 1100
    window.strip.show_kind("SIMULATED")
    window.strip.show_watch(0.0)
    window.transport.setVisible(False)
    REAL.qWait(50)
    assert window.minimumSizeHint().width() <= SMALL.width()
    assert window.minimumSizeHint().height() <= SMALL.height() - TITLE_PX


def test_curves_and_numbers_are_hidden_and_shown_by_the_mouse(bench: Bench) -> None:
    window = shown(bench, SMALL)
    panel = window.panel
    bench.qtbot.waitUntil(panel.consequences.numbers.isVisible)  # beside the form
    REAL.mouseClick(panel.consequences.numbers_button, Qt.MouseButton.LeftButton)
    assert not panel.consequences.numbers.isVisible()
    REAL.mouseClick(panel.consequences.numbers_button, Qt.MouseButton.LeftButton)
    REAL.qWait(50)
    assert panel.consequences.numbers.isVisible()
    assert window.rect().contains(place(panel.consequences.numbers, window))
    assert window.rect().contains(place(panel.apply_button, window))
    REAL.mouseClick(panel.consequences.numbers_button, Qt.MouseButton.LeftButton)
    assert not panel.consequences.numbers.isVisible()
    choose(panel, "drawn")  # its points are dragged in the plot
    REAL.qWait(50)
    assert panel.plot.energy.isVisible()
    assert panel.plot.energy.height() >= 160
    assert not panel.plot.force.isVisible()
    inside(panel, panel.plot.energy, panel.trouble, panel.apply_button)
    REAL.mouseClick(panel.consequences.force_button, Qt.MouseButton.LeftButton)
    REAL.qWait(50)
    assert not panel.plot.energy.isVisible()
    assert panel.plot.force.height() >= 160
    inside(panel, panel.plot.force, panel.trouble, panel.apply_button)


def inside(panel: QWidget, *widgets: QWidget) -> None:
    """Check that the widgets lie in the panel, one below the other."""
    places = [QRect(widget.mapTo(panel, QPoint(0, 0)), widget.size()) for widget in widgets]
    assert all(panel.rect().contains(one) for one in places)
    assert all(above.bottom() < below.top() for above, below in pairwise(places))


def test_no_widget_moves_when_a_fault_appears(bench: Bench) -> None:
    window = shown(bench, SMALL)
    panel = window.panel
    box = focused(bench, radius_box(bench))
    watched: list[QWidget] = [box, panel.tabs, panel.consequences, panel.apply_button, window.view, window.strip.level]
    before = [place(widget, window) for widget in watched]
    for text in ("1.25", "1e9"):
        typed(box, text)
        REAL.keyClick(box, Qt.Key.Key_Return)
        REAL.qWait(50)
        assert [place(widget, window) for widget in watched] == before
    panel.law.rows["policy"].fields.rows["forces"].items[0].fields.rows["delay_s"].put(0.001)  # type: ignore[attr-defined]
    panel.law.edited.emit()
    REAL.qWait(50)
    assert "delay_s is 0.001 s" in panel.trouble.text()
    assert [place(widget, window) for widget in watched] == before
    window.trouble("the camera has gone")
    REAL.qWait(50)
    assert [place(widget, window) for widget in watched] == before


def test_a_long_trip_reason_is_fully_shown_and_removed_again(bench: Bench) -> None:
    window = shown(bench, SMALL)
    strip, reason = window.strip, window.strip.reason
    before = [place(widget, window) for widget in (strip, strip.level, strip.beam, window.view)]
    why = "linking: " + " ".join(
        f"particle {index} and its neighbour can't be told apart by their places;" for index in range(5)
    )
    strip.show_turn(turns(1, Level.TRIPPED, why)[0])
    bench.qtbot.waitUntil(lambda: strip.height() > before[0].height())
    REAL.qWait(50)
    assert reason.text() == reason.whole
    assert why in reason.text()
    assert reason.font().pixelSize() >= 12
    room = QRect(0, 0, reason.width(), 10_000)
    needed = reason.fontMetrics().boundingRect(room, int(Qt.TextFlag.TextWordWrap), reason.text()).height()
    assert reason.height() >= needed
    assert strip.rect().contains(reason.geometry())
    assert window.rect().contains(place(reason, window))
    assert [place(widget, window) for widget in (strip.level, strip.beam)] == before[1:3]
    strip.show_stopped("not started")
    bench.qtbot.waitUntil(lambda: strip.height() == before[0].height())
    REAL.qWait(50)
    assert [place(widget, window) for widget in (strip, strip.level, strip.beam, window.view)] == before


def test_plots_keep_their_place_for_a_formula_of_x_and_y(bench: Bench) -> None:
    window = bench.window
    window.resize(1920, 1080)
    panel = window.panel
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    focused(bench, editor.text)
    bench.qtbot.waitUntil(lambda: not panel.is_checking)
    REAL.qWait(50)
    watched = [panel.plot.energy, panel.plot.force, panel.consequences.numbers, panel.tabs]
    assert all(widget.isVisible() for widget in watched)
    assert min(panel.plot.energy.height(), panel.plot.force.height()) >= 160
    before = [place(widget, window) for widget in watched]
    assert panel.plot.why_empty.text() == ""
    REAL.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.SelectAll))
    REAL.keyClicks(editor.text, "0.5*k*x**2+y**2")
    bench.qtbot.waitUntil(lambda: not panel.is_checking)
    REAL.qWait(50)
    assert [place(widget, window) for widget in watched] == before
    assert all(widget.isVisible() for widget in watched)
    assert "no curve over r" in panel.plot.why_empty.text()

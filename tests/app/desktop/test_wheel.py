"""The mouse wheel scrolls; it changes no setting that it passes over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tifffile
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox, QScrollBar, QWidget
from pytestqt.qtbot import QtBot

from app.desktop.forms.form import Variant
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.image.grey_levels import Levels
from app.desktop.window.main_window import Window
from tests.app.desktop.panels.test_potential_edits import choose
from tests.app.desktop.window.test_main_window import Bench, force
from tests.app.desktop.window.test_main_window import bench as bench
from tests.app.desktop.window.test_video_questions import IMAGES
from tests.app.desktop.window.test_video_questions import opened as opened

NOTCH = 120
KINDS = (QComboBox, QAbstractSpinBox, QAbstractSlider)


def value_of(widget: QWidget) -> Any:
    """The value that the widget shows."""
    if isinstance(widget, QComboBox):
        return widget.currentIndex(), widget.currentText()
    if isinstance(widget, QAbstractSpinBox):
        return widget.text()
    assert isinstance(widget, QAbstractSlider)
    return widget.value()


def turned(widget: QWidget, notches: int) -> None:
    """Turn the wheel by this number of notches over the middle of the widget."""
    middle = widget.rect().center()
    event = QWheelEvent(
        QPointF(middle), QPointF(widget.mapToGlobal(middle)), QPoint(), QPoint(0, notches * NOTCH),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def settings_of(window: Window) -> list[QWidget]:
    """The lists, numbers and sliders of the window and its dialogs, visible or not."""
    return [one for one in window.findChildren(QWidget) if isinstance(one, KINDS) and not isinstance(one, QScrollBar)]


def wheel_changes_nothing(window: Window) -> list[QWidget]:
    """Turn the wheel over each of `settings_of` without focus, check that nothing changes, and return them."""
    found = settings_of(window)
    before = {one: value_of(one) for one in found}
    plan, data, steps = window.session.plan, window.panel.data(), window.panel.undo_stack.count()
    focused = QApplication.focusWidget()
    if focused is not None:
        focused.clearFocus()
    for one in found:
        assert one.focusPolicy() is not Qt.FocusPolicy.WheelFocus  # else a second notch would count
        for notches in (-1, 1, 1):
            turned(one, notches)
            assert value_of(one) == before[one], one.toolTip() or one.objectName() or type(one).__name__
    assert window.session.plan is plan
    assert window.panel.data() == data
    assert window.panel.undo_stack.count() == steps
    return found


def test_the_wheel_changes_no_list_number_or_slider_without_focus(bench: Bench) -> None:
    """The widgets of a new window, the grey levels of the image's menu, and the editors of each shape.

    tests/app/desktop/test_learned.py tests the editor of a learned law.
    """
    window, panel = bench.window, bench.window.panel
    levels = Levels(window.view)
    levels.setParent(window)
    found = wheel_changes_nothing(window)
    assert len(found) > 50
    assert {levels.black, levels.white} <= set(found)
    shape = force(panel).rows["shape"]
    assert isinstance(shape, Variant)
    for kind in shape.kinds:
        fields = choose(panel, kind).fields
        bench.qtbot.waitUntil(lambda: not panel.is_checking)
        found = wheel_changes_nothing(window)
        if isinstance(fields, FormulaEditor):
            assert fields.numbers
            assert {*fields.numbers.values(), *fields.rest.findChildren(QComboBox)} <= set(found)
    assert {"formula", "drawn"} <= set(shape.kinds)


def test_the_wheel_changes_no_answer_about_a_video(
    opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    assert set(window.video_questions.boxes.values()) <= set(wheel_changes_nothing(window))
    assert len(window.video_questions.boxes) == 2
    window.video_questions.ask_channel("there are three channels", 3, lambda channel: None)
    window.video_questions.channel.setCurrentIndex(1)
    assert window.video_questions.channel in wheel_changes_nothing(window)

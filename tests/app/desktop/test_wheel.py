"""The mouse wheel scrolls; it changes no setting that it passes over."""

from __future__ import annotations

from typing import Any

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox, QScrollBar, QWidget

from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench

NOTCH = 120


def value_of(widget: QWidget) -> Any:
    """What the widget shows as its value."""
    if isinstance(widget, QComboBox):
        return widget.currentIndex()
    if isinstance(widget, QAbstractSpinBox):
        return widget.text()
    assert isinstance(widget, QAbstractSlider)
    return widget.value()


def turned(widget: QWidget, notches: int) -> None:
    """The wheel over the middle of the widget."""
    middle = widget.rect().center()
    event = QWheelEvent(
        QPointF(middle), QPointF(widget.mapToGlobal(middle)), QPoint(), QPoint(0, notches * NOTCH),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


@pytest.mark.parametrize("notches", [-1, 1])
def test_the_wheel_changes_no_list_number_or_slider_without_focus(bench: Bench, notches: int) -> None:
    window = bench.window
    kinds = (QComboBox, QAbstractSpinBox, QAbstractSlider)
    found = [one for one in window.findChildren(QWidget) if isinstance(one, kinds) and not isinstance(one, QScrollBar)]
    assert len(found) > 50
    before, plan = {one: value_of(one) for one in found}, window.session.plan
    focused = QApplication.focusWidget()
    if focused is not None:
        focused.clearFocus()
    for one in found:
        turned(one, notches)
    changed = {one.toolTip() or one.objectName() or type(one).__name__ for one in found if value_of(one) != before[one]}
    assert changed == set()
    assert window.session.plan == plan
    assert not window.panel.undo_stack.canUndo()

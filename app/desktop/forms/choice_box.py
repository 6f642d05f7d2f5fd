"""Lists and sliders that the mouse wheel does not change when the user scrolls a panel."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QComboBox, QSlider, QWidget


class ChoiceBox(QComboBox):
    """A list of choices. The wheel does not change the choice; it scrolls the opened list as usual."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.committed: str | None = (
            None  # last committed text, if it can be typed: a completion clears Qt's own `modified` flag
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # with the default policy the wheel takes the focus

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()  # the surrounding panel scrolls


class PositionSlider(QSlider):
    """A slider moved with the mouse or with keys. The wheel does not move it."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

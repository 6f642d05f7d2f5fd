"""Lists and sliders that the mouse wheel does not change: scrolling a panel passes over them."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QComboBox, QSlider, QWidget


class ChoiceBox(QComboBox):
    """A list of choices. The wheel does nothing on it; in its opened list it scrolls, as usual."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.committed: str | None = (
            None  # the text that counts, where it is typed: Qt's own mark goes with a completion
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the default takes the focus by the wheel

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()  # the panel around it scrolls


class PositionSlider(QSlider):
    """A slider that is dragged, or moved by keys. The wheel does nothing on it."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

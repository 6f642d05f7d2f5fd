"""An error message with reserved space: the layout does not move when it appears."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.desktop.window import theme

LINES = 2


class ErrorLabel(QLabel):
    """A red label of LINES lines. The tooltip contains the whole message."""

    def __init__(self, lines: int = LINES, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setStyleSheet(f"color: {theme.RED}")
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.set_lines(lines)

    def set_lines(self, lines: int) -> None:
        """Set the fixed height, in lines."""
        self.setFixedHeight(self.height_px(lines))

    def height_px(self, lines: int) -> int:
        """Height of this number of lines."""
        return lines * self.fontMetrics().lineSpacing() + 2

    def say(self, sentence: str) -> None:
        self.setText(sentence)
        self.setToolTip(sentence)

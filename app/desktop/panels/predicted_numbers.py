"""Predicted numbers for the edited experiment, in the units of publications, shown before Apply."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from app.desktop.window import theme
from control.theory.conditions import PredictedQuantity

ROWS = 100  # more than the table ever has


class PredictedTable(QWidget):
    """Two columns: names and values. The tooltip gives the source of a value."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._grid.setRowStretch(ROWS, 1)  # empty stretch row at the end, so that the rows do not spread
        self._labels: list[tuple[QLabel, QLabel]] = []

    def show_all(self, numbers: Sequence[PredictedQuantity]) -> None:
        while len(self._labels) < len(numbers):
            name, value = QLabel(), QLabel()
            name.setStyleSheet(f"color: {theme.FAINT}")
            value.setFont(theme.figures_font(13))
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            value.setWordWrap(True)  # so that a narrow panel does not cut off a number
            row = len(self._labels)
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(value, row, 1)
            self._labels.append((name, value))
        for index, (name, value) in enumerate(self._labels):
            visible = index < len(numbers)
            name.setVisible(visible)
            value.setVisible(visible)
            if visible:
                item = numbers[index]
                name.setText(item.name)
                value.setText(f"⚠ {item.value}" if item.warning else item.value)
                value.setStyleSheet(f"color: {theme.AMBER}" if item.warning else "")
                for label in (name, value):
                    label.setToolTip(item.source)

    def show_unknown(self) -> None:
        """Show dashes for an experiment that cannot run; the names stay."""
        for _, value in self._labels:
            value.setText("–")
            value.setStyleSheet("")
            value.setToolTip("")

    def read(self) -> dict[str, str]:
        """The displayed values, by name."""
        return {name.text(): value.text() for name, value in self._labels if not name.isHidden()}

"""Which counts are black and which are white, set by hand. The recorded frames know nothing of it."""

from __future__ import annotations

from PyQt6.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QWidget

from app.desktop.view import View

MOST_COUNTS = 65535.0


class Levels(QWidget):
    """Two numbers in the image's menu; what is typed is seen at once."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.black, self.white = QDoubleSpinBox(), QDoubleSpinBox()
        for box, value in zip((self.black, self.white), view.levels or (0.0, 255.0), strict=True):
            box.setRange(0.0, MOST_COUNTS)
            box.setDecimals(0)
            box.setSuffix(" counts")
            box.setValue(value)
            box.valueChanged.connect(self._typed)
        again = QPushButton("From this image")
        again.clicked.connect(view.auto_levels)
        rows = QFormLayout(self)
        rows.addRow("black", self.black)
        rows.addRow("white", self.white)
        rows.addRow(again)

    def _typed(self) -> None:
        self.view.set_levels(self.black.value(), self.white.value())

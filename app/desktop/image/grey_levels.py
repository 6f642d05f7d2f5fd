"""Manual black and white levels of the display, in counts. Recorded frames do not change."""

from __future__ import annotations

from PyQt6.QtWidgets import QFormLayout, QPushButton, QWidget

from app.desktop.forms.number_box import CountBox
from app.desktop.image.image_view import View

MOST_COUNTS = 65535


class Levels(QWidget):
    """Two numbers in the menu of the image. They take effect while the user types."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.black, self.white = CountBox("counts", 0, MOST_COUNTS), CountBox("counts", 0, MOST_COUNTS)
        for box, value in zip((self.black, self.white), view.levels or (0.0, 255.0), strict=True):
            box.setKeyboardTracking(True)  # each keystroke takes effect at once
            box.setValue(round(value))
            box.valueChanged.connect(self._typed)
        auto_button = QPushButton("From this image")
        auto_button.clicked.connect(view.auto_levels)
        rows = QFormLayout(self)
        rows.addRow("black", self.black)
        rows.addRow("white", self.white)
        rows.addRow(auto_button)

    def _typed(self) -> None:
        self.view.set_levels(self.black.number(), self.white.number())

"""A scale bar of a round length. It stays at the lower right of the view when the zoom changes."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PyQt6.QtCore import QPointF

from app.desktop.window import theme

SHARE = 0.2  # largest fraction of the width of the view


class ScaleBar:
    """Scale bar in um, or in pixels if the pixel size is not known."""

    def __init__(self, box: pg.ViewBox) -> None:
        self.box = box
        self.length_um = 0.0
        self.px_um = 0.0  # assumed pixel size (um) if it is not known; 0: it is known
        self.line = pg.PlotCurveItem(pen=pg.mkPen(theme.WHITE, width=4))
        self.text = pg.TextItem(color=theme.WHITE, anchor=(0.5, 1.0), fill=pg.mkBrush(16, 20, 24, 200))
        self.shade = pg.PlotCurveItem(pen=pg.mkPen(16, 20, 24, 200, width=10))
        for item in (self.shade, self.line, self.text):
            item.setZValue(100)
            box.addItem(item, ignoreBounds=True)
        box.sigRangeChanged.connect(self.place)
        box.sigResized.connect(self.place)

    def setVisible(self, visible: bool) -> None:
        for item in (self.shade, self.line, self.text):
            item.setVisible(visible)

    def place(self, *_: object) -> None:
        view_rect = self.box.viewRect()
        unit_um = self.px_um or 1.0
        self.length_um = round_length(SHARE * view_rect.width() / unit_um) * unit_um
        corner: QPointF = view_rect.bottomRight()  # the y axis points down: this is the lower right
        right, y = corner.x() - 0.03 * view_rect.width(), corner.y() - 0.03 * view_rect.height()
        for line in (self.shade, self.line):
            line.setData([right - self.length_um, right], [y, y])
        self.text.setPos(right - 0.5 * self.length_um, y - 0.005 * view_rect.height())
        if self.px_um:
            self.text.setText(f"{self.length_um / self.px_um:g} px")
            return
        length = f"{self.length_um:g} µm" if self.length_um >= 1 else f"{1e3 * self.length_um:g} nm"
        self.text.setText(length)


def round_length(most: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that does not exceed `most`.

    >>> round_length(7.0), round_length(0.3)
    (5.0, 0.2)
    """
    if not most > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return float(next(step * power for step in (5.0, 2.0, 1.0) if step * power <= most * (1 + 1e-12)))

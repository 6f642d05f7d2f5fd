"""A state display that is legible from three metres: a word, a colour and a shape."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

SIDES = {"triangle": (3, -90.0), "right": (3, 0.0), "square": (4, -45.0), "diamond": (4, -90.0), "octagon": (8, 22.5)}


class Badge(QWidget):
    """One word in a coloured frame, after a shape. `quiet`: outlined, else filled."""

    def __init__(self, widest: str, parent: QWidget | None = None, short: str = "") -> None:
        super().__init__(parent)
        self.short = short  # shown if there is no room for the word
        self.word, self.colour, self.shape, self.quiet = "", "#888888", "circle", True
        font = QFont(self.font())
        font.setPixelSize(15)
        font.setBold(True)
        self.setFont(font)
        self._wide_px = QFontMetrics(font).horizontalAdvance(widest) + 44
        self._narrow_px = QFontMetrics(font).horizontalAdvance(short) + 44 if short else self._wide_px
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(self._wide_px, 30)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._narrow_px, 30)

    def show_state(self, word: str, colour: str, shape: str, quiet: bool = False) -> None:
        if (word, colour, shape, quiet) != (self.word, self.colour, self.shape, self.quiet):
            self.word, self.colour, self.shape, self.quiet = word, colour, shape, quiet
            self.setAccessibleName(word)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        colour = QColor(self.colour)
        painter.setPen(colour)
        painter.setBrush(Qt.GlobalColor.transparent if self.quiet else colour)
        painter.drawRoundedRect(frame, 5, 5)
        ink = colour if self.quiet else QColor("#101418")
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        draw_shape(painter, self.shape, QPointF(17, self.height() / 2), 8.0)
        painter.setPen(ink)
        text_rect = frame.adjusted(31, 0, -4, 0)
        fits = not self.short or painter.fontMetrics().horizontalAdvance(self.word) <= text_rect.width()
        painter.drawText(text_rect, Qt.AlignmentFlag.AlignVCenter, self.word if fits else self.short)


def draw_shape(painter: QPainter, shape: str, centre: QPointF, radius: float) -> None:
    """Draw a shape: circle, hollow, or one of SIDES."""
    if shape == "circle":
        painter.drawEllipse(centre, radius, radius)
    elif shape == "hollow":
        pen = painter.pen()
        painter.setPen(painter.brush().color())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, radius - 1, radius - 1)
        painter.setPen(pen)
    else:
        sides, first_deg = SIDES[shape]
        corners = [math.radians(first_deg + 360.0 * side / sides) for side in range(sides)]
        painter.drawPolygon(QPolygonF([centre + radius * QPointF(math.cos(a), math.sin(a)) for a in corners]))

"""Identities beside the particles. One graphics item draws all of them; the layout of each text is cached."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QPainter, QStaticText

from app.desktop.window import theme

MOST = 60  # with more particles, labels hide them: only the followed and the pointed-at particle keep one
LAID_OUT = 2000  # largest number of cached texts: identities are not reused


class ParticleLabels(pg.GraphicsObject):  # type: ignore[misc]
    """Texts of a fixed size on the screen, independent of the zoom."""

    def __init__(self, box: pg.ViewBox) -> None:
        super().__init__()
        self.box = box
        self.on = True
        self._text_layouts: dict[int, QStaticText] = {}
        self._text_colour = QColor(theme.INK)
        self.shown: list[tuple[int, QPointF]] = []  # identity, upper left corner of its text (um)
        box.addItem(self, ignoreBounds=True)
        box.sigRangeChanged.connect(self.prepareGeometryChange)

    def show_all(
        self,
        particle: NDArray[np.int64],  # [N]
        position_um: NDArray[np.float64],  # [N, 2]
        offset_um: float,
        named: NDArray[np.bool_],  # [N] particles that keep a label among more than MOST
    ) -> None:
        """Show the identity of each particle at its lower right."""
        rows = slice(None) if len(particle) <= MOST else named
        if not self.on:
            rows = slice(0)
        identities, corner_um = particle[rows].tolist(), (position_um[rows] + offset_um).tolist()
        self.shown = [(identity, QPointF(x, y)) for identity, (x, y) in zip(identities, corner_um, strict=True)]
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self.box.viewRect())

    def paint(self, painter: QPainter, *_: object) -> None:
        to_screen = painter.transform()
        painter.resetTransform()
        painter.setPen(self._text_colour)
        if len(self._text_layouts) > LAID_OUT:
            self._text_layouts.clear()
        for identity, corner in self.shown:
            if identity not in self._text_layouts:
                self._text_layouts[identity] = QStaticText(str(identity))
            painter.drawStaticText(to_screen.map(corner), self._text_layouts[identity])

"""V(r) and F(r) of each force as they will act. Forces out of reach are shaded; a drawn curve can be dragged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.analysis.predictions import PotentialCurve, curve
from app.desktop.window import theme
from control.theory.conditions import Conditions

COLOURS = (theme.SKY, theme.ORANGE, theme.GREEN, theme.PURPLE, theme.YELLOW)
MOST = len(COLOURS)  # largest number of forces drawn
NO_CURVE = "no curve over r: no force here is of the distance alone"
PLOT_PX, LEAST_PX = 160, 92  # height of a plot; least height if the panel has no room


class PotentialPlot(QWidget):
    """Two plots over a common distance axis, or one of them if there is no room for both."""

    dragged = pyqtSignal(int, object)  # force, (radius_um, energy_kt) of all points of its drawn curve

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.energy, self.force = _plot("V  kT"), _plot("F  fN")
        self.setToolTip("over the distance r in µm: as asked (dashed), as it acts (solid), out of reach (shaded)")
        self.force.setXLink(self.energy)
        self.energy.getAxis("bottom").setStyle(showValues=False)
        self._requested_lines = [(_line(self.energy, c, True), _line(self.force, c, True)) for c in COLOURS]
        self._actual_lines = [(_line(self.energy, c, False), _line(self.force, c, False)) for c in COLOURS]
        self.shades = [_shade(self.force) for _ in (1, -1)]
        self.points = Points()
        self.points.moved.connect(self._moved)
        self.energy.addItem(self.points)
        self._drawn_index: int | None = None  # the force whose points are shown
        self.why_empty = QLabel("", self.energy)
        self.why_empty.setStyleSheet(f"color: {theme.FAINT}")
        self.why_empty.setWordWrap(True)
        self.why_empty.setGeometry(56, 8, theme.PANEL_WIDTH - 90, 60)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for plot in (self.energy, self.force):
            plot.setFixedHeight(PLOT_PX)
            plot.setMinimumWidth(0)
            plot.sizeHint = lambda: QSize(theme.PANEL_WIDTH, 80)
            column.addWidget(plot)

    @property
    def height_px(self) -> int:
        """Height of both plots."""
        return 2 * PLOT_PX

    def show_one(self, force: bool, height_px: int) -> None:
        """Show only V, or only F, with this height."""
        self.energy.setVisible(not force)
        self.force.setVisible(force)
        self.energy.getAxis("bottom").setStyle(showValues=True)
        for plot in (self.energy, self.force):
            plot.setFixedHeight(height_px)

    def show_both(self) -> None:
        """Show V above F."""
        self.energy.getAxis("bottom").setStyle(showValues=False)
        for plot in (self.energy, self.force):
            plot.setFixedHeight(PLOT_PX)
            plot.show()

    def show_forces(self, shapes: list[Any], mode: str, conditions: Conditions) -> None:
        """Draw the curves of these shapes. Only shapes of r alone have a curve; if there is none, a text says so."""
        curves = [curve(shape, mode, conditions) for shape in shapes[:MOST]]
        self._drawn_index = next((index for index, shape in enumerate(shapes) if shape.kind == "drawn"), None)
        self.why_empty.setText("" if any(potential is not None for potential in curves) else NO_CURVE)
        for index in range(MOST):
            potential = curves[index] if index < len(curves) else None
            _set_lines(
                self._requested_lines[index],
                None if potential is None else (potential.r_um, potential.energy_kt, potential.force_pn),
            )
            _set_lines(
                self._actual_lines[index],
                None if potential is None else (potential.r_um, potential.acts_kt, potential.acts_pn),
            )
        reach_fn = 1e3 * min((potential.reach_pn for potential in curves if potential is not None), default=math.inf)
        for side, shade in zip((1, -1), self.shades, strict=True):
            shade.setVisible(math.isfinite(reach_fn))
            if math.isfinite(reach_fn):
                shade.setRegion((side * reach_fn, side * 100.0 * reach_fn))
        points = np.empty((0, 2))
        if self._drawn_index is not None:
            points = np.column_stack([shapes[self._drawn_index].radius_um, shapes[self._drawn_index].energy_kt])
        if len(points) != len(self.points.place):
            self.points.held = False  # the curve that is dragged has other points now, or is gone
        if not self.points.held:
            self.points.put(points)
            self._frame([potential for potential in curves if potential is not None], reach_fn)

    def _frame(self, curves: list[PotentialCurve], reach_fn: float) -> None:
        if not curves:
            return
        energy = np.concatenate(
            [potential.acts_kt for potential in curves] + [potential.energy_kt for potential in curves]
        )
        energy = energy[np.isfinite(energy)]
        low = float(energy.min())
        high = min(float(energy.max()), low + 60.0)  # a high wall does not hide the well
        margin = 0.1 * max(high - low, 1.0)
        self.energy.setYRange(low - margin, high + margin, padding=0)
        force_fn = 1e3 * np.concatenate([potential.acts_pn for potential in curves])
        force_fn = force_fn[np.isfinite(force_fn)]
        top = 1.3 * float(np.abs(force_fn).max(initial=1.0))
        self.force.setYRange(-top, top, padding=0)
        self.energy.setXRange(0.0, max(float(potential.r_um[-1]) for potential in curves), padding=0.02)

    def _moved(self, points: object) -> None:
        if self._drawn_index is not None:
            self.dragged.emit(self._drawn_index, points)


class Points(pg.GraphItem):  # type: ignore[misc]
    """Points that the user can drag; each stays between its neighbours."""

    moved = pyqtSignal(object)  # [N, 2]

    def __init__(self) -> None:
        super().__init__()
        self.place = np.empty((0, 2))
        self.held = False
        self._index, self._offset = -1, np.zeros(2)

    def put(self, place: Any) -> None:
        self.place = np.array(place, np.float64).reshape(-1, 2)
        self._draw()

    def move(self, index: int, x: float, y: float) -> None:
        """Move point `index` to (x, y), limited by its neighbours."""
        low = self.place[index - 1, 0] + 0.01 if index > 0 else 0.0
        high = self.place[index + 1, 0] - 0.01 if index + 1 < len(self.place) else math.inf
        if index == 0 and self.place[0, 0] == 0.0:
            high = 0.0  # a point at r = 0 stays there
        self.place[index] = round(min(max(x, low), high), 4), round(y, 3)
        self._draw()
        self.moved.emit(self.place.copy())

    def mouseDragEvent(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or len(self.place) == 0:
            event.ignore()
            return
        if event.isStart():
            hit = self.scatter.pointsAt(event.buttonDownPos())
            if len(hit) == 0:
                event.ignore()
                return
            self.held, self._index = True, int(hit[0].data())
        if not self.held:
            event.ignore()
            return
        event.accept()
        if event.isFinish():
            self.held = False
        self.move(self._index, event.pos().x(), event.pos().y())

    def _draw(self) -> None:
        self.setData(
            pos=self.place, data=np.arange(len(self.place)), size=11, symbol="o", pxMode=True,
            symbolBrush=pg.mkBrush(theme.WHITE), symbolPen=pg.mkPen(theme.ACCENT, width=2),
        )  # fmt: skip


def _plot(label: str) -> pg.PlotWidget:
    plot = pg.PlotWidget(background=theme.GROUND)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.setLabel("left", label)
    plot.getAxis("left").setWidth(48)
    plot.getAxis("left").enableAutoSIPrefix(False)
    plot.showGrid(x=True, y=True, alpha=0.15)
    return plot


def _line(plot: pg.PlotWidget, colour: str, requested: bool) -> pg.PlotCurveItem:
    style = Qt.PenStyle.DashLine if requested else Qt.PenStyle.SolidLine
    line = pg.PlotCurveItem(pen=pg.mkPen(colour, width=1 if requested else 2, style=style))
    plot.addItem(line)
    return line


def _shade(plot: pg.PlotWidget) -> pg.LinearRegionItem:
    shade = pg.LinearRegionItem(
        orientation="horizontal", movable=False, brush=pg.mkBrush(229, 72, 77, 40), pen=pg.mkPen(None)
    )
    shade.setZValue(-10)
    plot.addItem(shade, ignoreBounds=True)
    return shade


def _set_lines(lines: tuple[pg.PlotCurveItem, pg.PlotCurveItem], values: Any) -> None:
    if values is None:
        lines[0].setData([], [])
        lines[1].setData([], [])
    else:
        r_um, energy_kt, force_pn = values
        lines[0].setData(r_um, energy_kt, connect="finite")
        lines[1].setData(r_um, 1e3 * force_pn, connect="finite")

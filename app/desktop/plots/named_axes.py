"""Axes with named curves. The names stand above the axes; an empty plot shows the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.desktop.plots.plot_curves import Drawing, PlotCurve
from app.desktop.window import theme

Floats = NDArray[np.float64]
LEAST_PX = 160  # least height of a plot
LINE_PX = 16  # height of a line of names
LINE, DASHES, DOTS, BARS = "━━", "╍╍", "●", "▮"


class Plot(QWidget):
    """Named curves; each curve item is created once. The names and a note stand above the axes and cover no curve.

    Args:
        lines: number of lines reserved for names, so that the axes do not move.
    """

    def __init__(self, bottom: str, left: str, log: str = "", lines: int = 2, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        axes = {side: Decades(side) for side, axis in (("bottom", "x"), ("left", "y")) if axis in log}
        self.axes = pg.PlotWidget(background=theme.GROUND, axisItems=axes)
        self.axes.setLabel("bottom", bottom)
        self.axes.setLabel("left", left)
        self.axes.setLogMode("x" in log, "y" in log)
        for side in ("bottom", "left"):
            self.axes.getAxis(side).enableAutoSIPrefix(False)
        self.axes.showGrid(x=True, y=True, alpha=0.15)
        self.axes.setDownsampling(auto=True, mode="peak")
        self.axes.setClipToView(True)
        self.axes.setMinimumSize(120, LEAST_PX - 2 * LINE_PX)
        self.legend, self.why = QLabel(), QLabel(self)
        self.legend.setWordWrap(True)
        self.legend.setContentsMargins(theme.GRID, 2, theme.GRID, 0)
        self.legend.setFont(theme.figures_font(12))
        self.legend.setMinimumHeight(lines * LINE_PX)
        self.legend.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend.setStyleSheet(f"background: {theme.GROUND}")
        self.why.setWordWrap(True)
        self.why.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.why.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.why.setStyleSheet(f"color: {theme.INK}; background: transparent")
        self.setMinimumHeight(LEAST_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.legend)
        column.addWidget(self.axes, 1)
        self.log = log
        self.curves: dict[str, pg.PlotDataItem] = {}
        self.names: dict[str, str] = {}  # of the visible curves, with mark and colour
        self.note = ""  # describes the data of the curves
        self.say_why("")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.why.setGeometry(self.rect().adjusted(60, 24, -16, -32))

    def show_drawing(self, drawing: Drawing) -> None:
        """Draw only these curves."""
        self.note = drawing.note
        for name in set(self.curves) - {curve.name for curve in drawing.curves}:
            self._show_name(name, "", "", False)
            self.curves[name].setData([], [])
        for curve in drawing.curves:
            self._show_curve(curve)
        self._write_names()
        self.say_why(drawing.why)

    def _show_curve(self, curve: PlotCurve) -> None:
        if curve.edges:
            assert curve.y is not None
            self.bars(curve.name, curve.x, curve.y, curve.colour)
        elif curve.y is not None or curve.name in self.curves:
            self.line(curve.name, curve.x, curve.y, curve.colour, curve.dots, curve.dash)

    def say_why(self, text: str) -> None:
        """Show in the middle of the axes why nothing is drawn. Empty: something is drawn."""
        self.why.setText(text)
        self.why.setVisible(bool(text))
        self.why.raise_()

    def _show_name(self, name: str, mark: str, colour: str, visible: bool) -> None:
        """Show the name of a curve above the axes while the curve is visible."""
        if visible:
            self.names[name] = f"<span style='color:{colour}'>{mark}</span> {name}"
        else:
            self.names.pop(name, None)
        self._write_names()

    def _write_names(self) -> None:
        note = f"<span style='color:{theme.FAINT}'>{self.note}</span>" if self.note else ""
        text = " &nbsp; ".join([*(self.names[name] for name in self.curves if name in self.names), note])
        if text != self.legend.text():
            self.legend.setText(text)

    def line(
        self, name: str, x: Floats | list[float], y: Floats | None, colour: str, dots: bool = False, dash: bool = False
    ) -> None:
        """Draw (x, y) with this name. Nothing if y is None or has no finite value (on a logarithmic axis: above 0)."""
        if name not in self.curves:
            style = Qt.PenStyle.DashLine if dash else Qt.PenStyle.SolidLine
            marks = {"symbol": "o", "symbolSize": 5, "symbolBrush": colour, "symbolPen": None} if dots else {}
            pen = pg.mkPen(colour, width=1.5, style=style)
            self.curves[name] = self.axes.plot([], [], pen=pen, connect="finite", **marks)
        x = np.asarray(x)
        drawable = np.zeros(len(x), np.bool_) if y is None else self._drawable_points(x, y)
        visible = bool(drawable.any())
        if y is None or not visible:
            self.curves[name].setData([], [])
        elif dots:  # pyqtgraph warns if all visible dots are nan
            self.curves[name].setData(x[drawable], y[drawable])
        else:
            self.curves[name].setData(x, y)
        self._show_name(name, DOTS if dots else DASHES if dash else LINE, colour, visible)

    def _drawable_points(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        drawable: NDArray[np.bool_] = np.isfinite(x) & np.isfinite(y)
        for name, value in (("x", x), ("y", y)):
            if name in self.log:
                drawable &= value > 0
        return drawable

    def bars(self, name: str, edges: Floats, height: NDArray[Any], colour: str) -> None:
        if name not in self.curves:
            self.curves[name] = self.axes.plot(
                [0, 1], [0], stepMode="center", fillLevel=0, brush=colour, pen=pg.mkPen(colour)
            )
        self.curves[name].setData(edges, height, stepMode="center")
        self._show_name(name, BARS, colour, True)

    def steps(self, name: str, edges: Floats, height: Floats, colour: str) -> None:
        """Draw the outline of a histogram."""
        if name not in self.curves:
            self.curves[name] = self.axes.plot([0, 1], [0], stepMode="center", pen=pg.mkPen(colour, width=1.5))
        self.curves[name].setData(edges, height, stepMode="center")
        self._show_name(name, LINE, colour, True)

    def empty(self) -> None:
        """Remove all curves."""
        self.note = ""
        for name in tuple(self.curves):
            self.axes.removeItem(self.curves.pop(name))
        self.names.clear()
        self.legend.setText("")
        self.say_why("")


class Decades(pg.AxisItem):  # type: ignore[misc]
    """A logarithmic axis with labels at powers of ten only."""

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10.0**value:g}" if abs(value - round(value)) < 1e-9 else "" for value in values]

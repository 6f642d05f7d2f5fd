"""Editor for the points of a drawn curve. It adds and removes points; the plot drags them."""

from __future__ import annotations

from typing import Any

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from app.desktop.forms.form import SPECIAL, Fields
from app.desktop.forms.value_editors import Editor
from app.desktop.window import theme
from control.potentials.drawn import Drawn

FEWEST = 2
MOST = 1e300  # a larger whole number has no float


class DrawnEditor(Editor):
    """The settings of a Drawn curve."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.numbers = Fields(cls)
        self.more, self.fewer = QPushButton("Add a point"), QPushButton("Remove one")
        hint = QLabel("drag the white points in the plot of V")
        hint.setStyleSheet(f"color: {theme.FAINT}")
        row = QHBoxLayout()
        row.addWidget(self.more)
        row.addWidget(self.fewer)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(hint)
        column.addWidget(self.numbers)
        column.addLayout(row)
        self.numbers.edited.connect(self._show_buttons)
        self.numbers.edited.connect(self.edited)
        self.more.clicked.connect(self._add)
        self.fewer.clicked.connect(self._remove)

    def get(self) -> dict[str, Any]:
        return self.numbers.get()

    def put(self, value: dict[str, Any]) -> None:
        self.numbers.put(value)
        self._show_buttons()

    def _points(self) -> tuple[list[float], list[float]]:
        """(radius_um, energy_kt) of the points; empty if the typed text holds no curve."""
        radius_um, energy_kt = self.get()["radius_um"], self.get()["energy_kt"]
        if not (_are_numbers(radius_um) and _are_numbers(energy_kt) and len(radius_um) == len(energy_kt) >= FEWEST):
            return [], []
        return list(radius_um), list(energy_kt)

    def _show_buttons(self) -> None:
        points = len(self._points()[0])
        self.more.setEnabled(points >= FEWEST)
        self.fewer.setEnabled(points > FEWEST)

    def _add(self) -> None:
        """Add a point in the middle of the widest gap."""
        radius_um, energy_kt = self._points()
        if len(radius_um) < FEWEST:  # also where the text was not committed before the click
            return
        gap = max(range(len(radius_um) - 1), key=lambda k: radius_um[k + 1] - radius_um[k])
        radius_um.insert(gap + 1, round(0.5 * (radius_um[gap] + radius_um[gap + 1]), 4))
        energy_kt.insert(gap + 1, round(0.5 * (energy_kt[gap] + energy_kt[gap + 1]), 3))
        self._change(radius_um, energy_kt)

    def _remove(self) -> None:
        """Remove the last point but one: the end points stay."""
        radius_um, energy_kt = self._points()
        if len(radius_um) <= FEWEST:
            return
        del radius_um[-2], energy_kt[-2]
        self._change(radius_um, energy_kt)

    def _change(self, radius_um: list[float], energy_kt: list[float]) -> None:
        self.put({**self.get(), "radius_um": radius_um, "energy_kt": energy_kt})
        self.edited.emit()


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, int | float) and abs(each) < MOST for each in value)


SPECIAL[Drawn] = DrawnEditor


def one_moved(shape: dict[str, Any], points: Any) -> bool:
    """Whether the shape, as plain data, is a drawn curve with these points [N, 2], of which at most one has moved."""
    radius_um, energy_kt = shape.get("radius_um"), shape.get("energy_kt")
    if not (isinstance(radius_um, list) and isinstance(energy_kt, list)):
        return False
    if not len(radius_um) == len(energy_kt) == len(points):
        return False
    moved = [[r, energy] != point for r, energy, point in zip(radius_um, energy_kt, points.tolist(), strict=True)]
    return moved.count(True) <= 1

"""Requested and actual device settings, side by side; differences are amber."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from app.assembly.rig import Rig
from app.desktop.forms.defaults import words
from app.desktop.window import theme
from app.running.thread import Pace, beam_is_on, mean_power_mw
from config.units import unit_of
from control.contract import Turn


class Readbacks(QWidget):
    """Table of requested and actual values; differences are amber."""

    NAMES = ("frame rate", "image", "latency", "laser", "spots", "placing", "cycle")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        self.cells: dict[str, tuple[QLabel, QLabel]] = {}
        for column, title in enumerate(("", "asked", "done")):
            head = QLabel(title)
            head.setStyleSheet(f"color: {theme.FAINT}")
            grid.addWidget(head, 0, column, Qt.AlignmentFlag.AlignRight)
        self._grid = grid
        for name in self.NAMES:
            self._row(name)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)

    def _row(self, name: str, label_text: str = "") -> None:
        row = len(self.cells) + 1
        label = QLabel(label_text or name)
        label.setToolTip(name)
        label.setStyleSheet(f"color: {theme.FAINT}")
        self._grid.addWidget(label, row, 0)
        cells = QLabel("–"), QLabel("–")
        for column, cell in enumerate(cells, 1):
            cell.setFont(theme.figures_font(12))
            self._grid.addWidget(cell, row, column, Qt.AlignmentFlag.AlignRight)
        self.cells[name] = cells

    def clear(self) -> None:
        for name in self.cells:
            self._set_cells(name, "–", "–")

    def show_returned(self, returned: Sequence[Any]) -> None:
        """Show settings that a device has returned: `name` with its unit, `asked`, `returned`, `agrees`."""
        for setting in returned:
            part, _, field = setting.name.rpartition(".")
            name, unit = f"{part} {words(field)}".strip(), unit_of(field)
            if name not in self.cells:
                self._row(name, words(field))
            actual = f"{format(setting.returned, '.4g')} {unit}" if math.isfinite(setting.returned) else "no answer"
            self._set_cells(name, f"{format(setting.asked, '.4g')} {unit}", actual, not setting.agrees)

    def show_turn(self, rig: Rig, turn: Turn, pace: Pace, planned_s: float) -> None:
        camera = rig.camera
        requested_hz, actual_hz = float(camera.fps), pace.rate_hz
        self._set_cells(
            "frame rate",
            f"{requested_hz:g} fps",
            _number(actual_hz, ".1f", "fps"),
            abs(actual_hz / requested_hz - 1) > 0.05,
        )
        if turn.frame is not None and turn.frame.image.size:
            height, width = turn.frame.image.shape
            requested = f"{camera.width_px or width}×{camera.height_px or height} px"
            actual = f"{width}×{height} px"
            self._set_cells("image", requested, actual, requested != actual)
        self._set_cells(
            "latency",
            f"{1e3 * planned_s:.1f} ms",
            _number(1e3 * pace.latency_p50_s, ".1f", "ms"),
            pace.latency_p50_s > 1.5 * planned_s,
        )
        beam_on = beam_is_on(turn)
        requested_mw = _mean_mw(turn.allowed) if beam_on else 0.0
        actual_mw = float(mean_power_mw(turn).sum()) if beam_on else 0.0
        self._set_cells(
            "laser",
            f"{requested_mw:.3g} mW",
            f"{actual_mw:.3g} mW",
            not math.isclose(requested_mw, actual_mw, rel_tol=0.02),
        )
        self._set_cells(
            "spots",
            f"{len(turn.allowed)}",
            f"{len(turn.sent) if beam_on else 0}",
            beam_on and len(turn.allowed) != len(turn.sent),
        )
        if not beam_on:
            for name in ("placing", "cycle"):
                self._set_cells(name, "–", "–")
        elif len(turn.allowed) == len(turn.sent):
            step_nm = 1e3 * float(np.hypot(*(turn.sent.position_um - turn.allowed.position_um).T).max())
            self._set_cells("placing", "0 nm", f"{step_nm:.2g} nm", step_nm > 20)
            requested_ms, actual_ms = 1e3 * turn.allowed.dwell_s.sum(), 1e3 * turn.sent.dwell_s.sum()
            self._set_cells(
                "cycle",
                f"{requested_ms:.3g} ms",
                f"{actual_ms:.3g} ms",
                not math.isclose(requested_ms, actual_ms, rel_tol=0.05),
            )

    def _set_cells(self, name: str, requested: str, actual: str, differs: bool = False) -> None:
        first, second = self.cells[name]
        first.setText(requested)
        second.setText(actual)
        second.setStyleSheet(f"color: {theme.AMBER}" if differs else "")


def _mean_mw(command: Any) -> float:
    total_s = command.dwell_s.sum()
    return float((command.power_mw * command.dwell_s).sum() / total_s) if total_s > 0 else 0.0


def _number(value: float, form: str, unit: str) -> str:
    return f"{value:{form}} {unit}" if math.isfinite(value) else "–"

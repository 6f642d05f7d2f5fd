"""What was asked of the devices, and beside it what they did; and the settings of the rig, to be changed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.desktop import theme
from app.desktop.editor import discard
from app.desktop.experiment_panel import scrolled
from app.desktop.form import Fields
from app.live import Pace, beam_is_on, mean_power_mw
from app.rig import Plan, Rig
from config.reader import plain
from control.contract import Turn

LIVE = ("tracking",)  # parts that are changed between two turns
REOPEN = ("camera", "deflector", "laser", "loop", "optics", "plant", "sample")  # these need the devices opened again


class DevicePanel(QWidget):
    """`changed` carries what differs from the rig in force, by dotted key, and whether devices are opened anew."""

    changed = pyqtSignal(dict, bool)

    def __init__(self, plan: Plan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answers = Answers()
        self.part, self.pages = QComboBox(), QStackedWidget()
        self.part.setToolTip("which part of the rig is shown")
        self.part.currentIndexChanged.connect(self.pages.setCurrentIndex)
        self.forms: dict[str, Fields] = {}
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setStyleSheet(f"color: {theme.RED}")
        self.button = QPushButton("Apply")
        self.button.clicked.connect(self.apply)
        column = QVBoxLayout(self)
        column.setSpacing(theme.GRID)
        column.addWidget(self.answers)
        column.addWidget(self.part)
        column.addWidget(self.pages, 1)
        column.addWidget(self.trouble)
        column.addWidget(self.button)
        self.show_plan(plan)

    def show_plan(self, plan: Plan) -> None:
        """The settings of this rig, in force from now on."""
        self.plan = plan
        self.answers.clear()
        shown = self.part.currentText()
        while self.pages.count():
            page = self.pages.widget(0)
            assert page is not None
            self.pages.removeWidget(page)
            discard(page)
        self.part.clear()
        self.forms = {}
        for part in (*LIVE, *REOPEN):
            value = getattr(plan.rig, part)
            if part == "sample" and plan.kind != "SIMULATED":
                continue
            form = Fields(type(value))
            form.put(plain(value))
            form.edited.connect(self._edited)
            self.forms[part] = form
            self.pages.addWidget(scrolled(form))
            self.part.addItem(part)
        self.part.setCurrentIndex(max(self.part.findText(shown), 0))
        self._edited()

    def edits(self) -> dict[str, Any]:
        """What differs from the rig in force: dotted key to value."""
        found: dict[str, Any] = {}
        for part, form in self.forms.items():
            before = plain(getattr(self.plan.rig, part))
            for name, value in form.get().items():
                if before[name] != value:
                    found[f"{part}.{name}"] = value
        return found

    def apply(self) -> None:
        edits = self.edits()
        if edits:
            self.changed.emit(edits, any(key.split(".")[0] in REOPEN for key in edits))

    def say(self, trouble: str) -> None:
        self.trouble.setText(trouble)
        self.trouble.setVisible(bool(trouble))

    def _edited(self) -> None:
        edits = self.edits()
        reopens = any(key.split(".")[0] in REOPEN for key in edits)
        self.button.setEnabled(bool(edits))
        self.button.setText("Apply, dark, devices opened anew" if reopens else "Apply" if edits else "In force")
        self.say("")


class Answers(QWidget):
    """Asked and done, side by side; a difference is amber."""

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
        for row, name in enumerate(self.NAMES, 1):
            label = QLabel(name)
            label.setStyleSheet(f"color: {theme.FAINT}")
            grid.addWidget(label, row, 0)
            cells = QLabel("–"), QLabel("–")
            for column, cell in enumerate(cells, 1):
                cell.setFont(theme.figures_font(12))
                grid.addWidget(cell, row, column, Qt.AlignmentFlag.AlignRight)
            self.cells[name] = cells
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)

    def clear(self) -> None:
        for name in self.NAMES:
            self._say(name, "–", "–")

    def show_turn(self, rig: Rig, turn: Turn, pace: Pace, planned_s: float) -> None:
        camera = rig.camera
        asked_hz, done_hz = float(camera.fps), pace.rate_hz
        self._say("frame rate", f"{asked_hz:g} fps", _number(done_hz, ".1f", "fps"), abs(done_hz / asked_hz - 1) > 0.05)
        if turn.frame is not None and turn.frame.image.size:
            height, width = turn.frame.image.shape
            asked = f"{camera.width_px or width}×{camera.height_px or height} px"
            done = f"{width}×{height} px"
            self._say("image", asked, done, asked != done)
        self._say(
            "latency",
            f"{1e3 * planned_s:.1f} ms",
            _number(1e3 * pace.latency_p50_s, ".1f", "ms"),
            pace.latency_p50_s > 1.5 * planned_s,
        )
        on = beam_is_on(turn)
        asked_mw = _mean_mw(turn.allowed) if on else 0.0
        done_mw = float(mean_power_mw(turn).sum()) if on else 0.0
        self._say("laser", f"{asked_mw:.3g} mW", f"{done_mw:.3g} mW", not math.isclose(asked_mw, done_mw, rel_tol=0.02))
        self._say(
            "spots",
            f"{len(turn.allowed)}",
            f"{len(turn.sent) if on else 0}",
            on and len(turn.allowed) != len(turn.sent),
        )
        if not on:
            for name in ("placing", "cycle"):
                self._say(name, "–", "–")
        elif len(turn.allowed) == len(turn.sent):
            step_nm = 1e3 * float(np.hypot(*(turn.sent.position_um - turn.allowed.position_um).T).max())
            self._say("placing", "0 nm", f"{step_nm:.2g} nm", step_nm > 20)
            asked_ms, done_ms = 1e3 * turn.allowed.dwell_s.sum(), 1e3 * turn.sent.dwell_s.sum()
            self._say(
                "cycle", f"{asked_ms:.3g} ms", f"{done_ms:.3g} ms", not math.isclose(asked_ms, done_ms, rel_tol=0.05)
            )

    def _say(self, name: str, asked: str, done: str, differs: bool = False) -> None:
        first, second = self.cells[name]
        first.setText(asked)
        second.setText(done)
        second.setStyleSheet(f"color: {theme.AMBER}" if differs else "")


def _mean_mw(command: Any) -> float:
    total_s = command.dwell_s.sum()
    return float((command.power_mw * command.dwell_s).sum() / total_s) if total_s > 0 else 0.0


def _number(value: float, form: str, unit: str) -> str:
    return f"{value:{form}} {unit}" if math.isfinite(value) else "–"


def with_edits(experiment: Any, edits: dict[str, Any]) -> Any:
    """The experiment with these values in its `set`: what a rig is changed by, and what the journal keeps."""
    return dataclasses.replace(experiment, set={**experiment.set, **edits})

"""Playback controls: play, pause, step, position and speed in a recording."""

from __future__ import annotations

import time

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.assembly.rig import Plan
from app.assembly.stated_by_recording import stated
from app.desktop.forms.choice_box import ChoiceBox, PositionSlider
from app.desktop.window import theme
from app.running.playback import Reel

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0)
REMARK = "A recorded particle can't react: this is what was sent, and what would have been."


class Transport(QWidget):
    moved = pyqtSignal(int)  # index of the turn to show
    asked = pyqtSignal()  # request for the frame rate and scale, if the recording does not state them

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reel: Reel | None = None
        self.playing = False
        self.position = 0.0
        self._last_s = 0.0
        self.back = self._button("◀", "one frame back (Left)")
        self.play = self._button("▶", "play and pause (Space)")
        self.forth = self._button("▶|", "one frame on (Right)")
        self._keys: dict[int, QToolButton] = {
            Qt.Key.Key_Left: self.back, Qt.Key.Key_Space: self.play, Qt.Key.Key_Right: self.forth,
        }  # fmt: skip
        self.slider = PositionSlider(Qt.Orientation.Horizontal)
        self.speed, self.where = ChoiceBox(), QLabel()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}×", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.where.setFont(theme.figures_font(12))
        self.where.setMinimumWidth(190)
        self.remark, self.progress = QLabel(REMARK), QProgressBar()
        self.remark.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.remark.setToolTip(REMARK)
        self.remark.setStyleSheet(f"color: {theme.PURPLE}")
        self.progress.setMaximumWidth(220)
        self.progress.setFormat("tracked %v of %m")
        self.stated, self.tell = QLabel(), QToolButton()
        self.stated.setWordWrap(True)
        self.stated.setToolTip("frame rate and scale, and where each was taken from")
        self.tell.setText("Set them…")
        self.tell.clicked.connect(self.asked)
        self._lay_out()
        self.back.clicked.connect(lambda: self.go(int(self.position) - 1))
        self.forth.clicked.connect(lambda: self.go(int(self.position) + 1))
        self.play.clicked.connect(self.toggle)
        self.slider.valueChanged.connect(self._slider_moved)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for widget in (self.back, self.play, self.forth, self.slider, self.where, self.speed):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        below = QHBoxLayout()
        below.addWidget(self.remark, 1)
        below.addWidget(self.progress)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, 4, theme.GRID, 4)
        column.setSpacing(4)
        column.addLayout(row)
        column.addLayout(below)
        source = QHBoxLayout()
        source.addWidget(self.stated, 1)
        source.addWidget(self.tell)
        column.addLayout(source)

    def _button(self, text: str, tooltip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tooltip)
        button.setAutoRaise(True)
        return button

    def press(self, event: QKeyEvent) -> bool:
        """Press the button of a key that the focused widget did not use. Returns whether there is one.

        A shortcut would take the key from a check box or a row of tabs that uses it.
        """
        no_modifier = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
        button = self._keys.get(event.key()) if no_modifier and self.reel is not None else None
        if button is not None:
            button.click()
        return button is not None

    def load(self, reel: Reel | None) -> None:
        """Load another recording, at its beginning; None: no recording."""
        self.reel, self.position, self.playing = reel, 0.0, False
        self.play.setText("▶")
        self.setVisible(reel is not None)
        if reel is not None:
            self.slider.setRange(0, max(len(reel) - 1, 0))
            self.progress.setRange(0, max(len(reel), 1))
            self.show_stated(reel.plan)
            self._show()

    def show_stated(self, plan: Plan) -> None:
        """Show frame rate and scale with their sources; a guess is amber."""
        self.stated.setText(stated(plan))
        self.stated.setStyleSheet(f"color: {theme.AMBER if plan.unknown else theme.FAINT}")
        self.tell.setVisible(bool(plan.unknown))

    def toggle(self) -> None:
        self.playing = not self.playing
        self._last_s = time.monotonic()
        self.play.setText("⏸" if self.playing else "▶")
        if self.playing and self.reel is not None and int(self.position) >= len(self.reel) - 1:
            self.position = 0.0

    def go(self, index: int) -> None:
        """Go to this turn, or to the last one that is ready."""
        if self.reel is None or self.reel.ready == 0:
            return
        self.position = float(min(max(index, 0), self.reel.ready - 1))
        self._show()
        self.moved.emit(int(self.position))

    def tick(self) -> None:
        """Advance playback and the progress bar; called by the window's timer."""
        if self.reel is None:
            return
        frames_done = self.reel.compared if self.reel.edited is not None else self.reel.ready
        self.progress.setValue(frames_done)
        self.progress.setVisible(self.reel.busy)
        if not self.playing:
            return
        now_s = time.monotonic()
        speed: float = self.speed.currentData()
        target = self.position + (now_s - self._last_s) * speed * self.reel.fps
        self._last_s = now_s
        last = self.reel.ready - 1
        if last < int(self.position):  # its tracking began anew
            return
        if int(min(target, last)) != int(self.position):
            self.moved.emit(int(min(target, last)))
        self.position = float(min(target, last))
        self._show()
        if target > len(self.reel) - 1:
            self.toggle()

    def _slider_moved(self, index: int) -> None:
        if index != int(self.position):
            self.go(index)

    def _show(self) -> None:
        assert self.reel is not None
        index = int(self.position)
        self.slider.blockSignals(True)
        self.slider.setValue(index)
        self.slider.blockSignals(False)
        self.where.setText(f"{index + 1} of {len(self.reel)}   {index / self.reel.fps:.2f} s")

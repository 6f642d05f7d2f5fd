"""Log of events, newest last: faults, orders, notes, and particles without light with the reason. With filters."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PyQt6.QtGui import QColor, QGuiApplication, QTextBlock, QTextCharFormat, QTextCursor
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.analysis.run_events import EventKind, EventLog, Happening, Line, Teller
from app.desktop.window import theme
from control.contract import Level, Turn

COUNT_S = 0.5  # interval between updates of the counts of repeated lines
MARKS = {EventKind.FAULT: "✖", EventKind.ORDER: "▸", EventKind.NOTE: "·", EventKind.DARK: "○"}
COLOURS = {
    EventKind.FAULT: theme.RED,
    EventKind.ORDER: theme.ACCENT,
    EventKind.NOTE: theme.INK,
    EventKind.DARK: theme.FAINT,
}
LEVELS = {Level.ARMED: theme.AMBER, Level.PROBING: theme.AMBER, Level.SAFE: theme.GREEN}
SAID = {
    EventKind.FAULT: "trips, faults of devices and of the program",
    EventKind.ORDER: "orders, levels, and what an APPLY has changed",
    EventKind.NOTE: "what was clipped, carried, merged; where settings were taken from",
    EventKind.DARK: "who gets no light, and why",
}


class LogPanel(QWidget):
    """Shows complete lines. A trip that keeps the beam dark stands above them until RESET."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines, self._teller = EventLog(), Teller()
        self._blocks: list[Line] = []  # the visible lines
        self._at_end = True
        self._changed: set[int] = set()  # `id` of lines whose count has changed and is not shown yet
        self._next_count_s = 0.0  # time of the next update of the counts
        self._recorded_lines: set[int] = set()  # `id` of the lines of a recording
        self.filter, self.text, self.trip = QLineEdit(), QPlainTextEdit(), QLabel()
        self.kinds: dict[EventKind, QToolButton] = {}
        self._lay_out()

    def _lay_out(self) -> None:
        self.filter.setPlaceholderText("only lines that contain …")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._show_all)
        self.text.setReadOnly(True)
        self.text.setUndoRedoEnabled(False)
        self.text.setFont(theme.figures_font(12))
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.trip.setWordWrap(True)
        self.trip.setStyleSheet(f"color: {theme.RED}")
        self.trip.setAccessibleName("the trip that holds the beam dark")
        self.trip.hide()
        copy = QPushButton("Copy")
        copy.setToolTip("put the lines that are shown on the clipboard")
        copy.clicked.connect(self.copy)
        bar = self.text.verticalScrollBar()
        assert bar is not None
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._follow)
        row = QHBoxLayout()
        row.setSpacing(2)
        for kind in EventKind:
            button = self.kinds[kind] = QToolButton()
            button.setText(MARKS[kind])
            button.setAccessibleName(kind)
            button.setCheckable(True)
            button.setChecked(True)
            button.setToolTip(f"{kind}: show {SAID[kind]}")
            button.toggled.connect(self._show_all)
            row.addWidget(button)
        row.addWidget(self.filter, 1)
        row.addWidget(copy)
        self.text.setMinimumHeight(48)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, 4, theme.GRID, 4)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.trip)
        column.addWidget(self.text, 1)

    def begin(self, experiment: str, rig: dict[str, object]) -> None:
        """Begin the log of a new run with this experiment (its text) and this rig (its values)."""
        self._teller = Teller(experiment, rig)
        self.trip.hide()

    def clear(self) -> None:
        """Remove all lines, for another rig or recording."""
        self._lines.clear()
        self._recorded_lines.clear()
        self.trip.hide()
        self._show_all()

    def unpin(self) -> None:
        """Hide the trip: no loop is running."""
        self.trip.hide()

    def say(self, text: str, colour: str = theme.INK) -> None:
        """Add one line that does not belong to a turn. A red line is a fault."""
        self._take([Happening(EventKind.FAULT if colour == theme.RED else EventKind.NOTE, text)])

    def show_run(self, events: Iterable[Happening]) -> None:
        """Add the lines of a recording, in a faint colour except faults."""
        self._take(events, quiet=True)

    def add(self, turns: Iterable[Turn]) -> None:
        self._take([event for turn in turns for event in self._teller.of(turn)])

    def copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join(self.read()))

    def read(self) -> list[str]:
        """The visible lines."""
        return [line.text for line in self._blocks]

    def _take(self, events: Iterable[Happening], quiet: bool = False) -> None:
        events = list(events)
        new, changed = self._lines.take(events)
        self._recorded_lines |= {id(line) for line in new} if quiet else set()
        if not quiet:
            self._show_trip(events)
        if self._lines.thin():
            self._recorded_lines &= {id(line) for line in self._lines.lines}
            self._show_all()
            return
        self._changed |= changed
        if time.monotonic() >= self._next_count_s:
            self._next_count_s = time.monotonic() + COUNT_S
            self._update_counts(self._changed)
            self._changed = set()
        self._append([line for line in new if self._passes_filter(line)])

    def _show_trip(self, events: list[Happening]) -> None:
        """Show the last level above the lines if it is TRIPPED; else hide it."""
        levels = [event for event in events if event.level is not None]
        if levels:
            tripped = levels[-1].level is Level.TRIPPED
            self.trip.setText(Line.of(levels[-1]).text.strip() if tripped else "")
            self.trip.setVisible(tripped)

    def _passes_filter(self, line: Line) -> bool:
        return self.kinds[line.first.kind].isChecked() and self.filter.text().lower() in line.text.lower()

    def _show_all(self) -> None:
        self.text.clear()
        self._blocks, self._changed = [], set()
        self._append([line for line in self._lines.lines if self._passes_filter(line)])

    def _append(self, lines: list[Line]) -> None:
        if not lines:
            return
        document = self.text.document()
        assert document is not None
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        cursor.movePosition(QTextCursor.MoveOperation.End)
        for line in lines:
            if self._blocks:
                cursor.insertBlock()
            self._blocks.append(line)
            cursor.insertText(self._text_of(line), self._format(line))
        cursor.endEditBlock()

    def _scrolled(self, value: int) -> None:
        """At its end the log follows the newest line; otherwise it keeps its position."""
        bar = self.text.verticalScrollBar()
        self._at_end = bar is None or value >= bar.maximum() - 1

    def _follow(self) -> None:
        bar = self.text.verticalScrollBar()
        if self._at_end and bar is not None:
            bar.setValue(bar.maximum())

    def _update_counts(self, changed: set[int]) -> None:
        """Update lines with a new count. Search from the end, where they are most likely."""
        document = self.text.document()
        assert document is not None
        for index in range(len(self._blocks) - 1, -1, -1):
            if not changed:
                return
            line = self._blocks[index]
            if id(line) not in changed:
                continue
            changed.discard(id(line))
            block: QTextBlock = document.findBlockByNumber(index)
            cursor = QTextCursor(block)
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(self._text_of(line), self._format(line))

    @staticmethod
    def _text_of(line: Line) -> str:
        return f"{MARKS[line.first.kind]} {line.text}"

    def _format(self, line: Line) -> QTextCharFormat:
        first = line.first
        colour = COLOURS[first.kind]
        if id(line) in self._recorded_lines and first.kind is not EventKind.FAULT:
            colour = theme.FAINT
        elif first.kind is EventKind.ORDER and first.level is not None:
            colour = LEVELS.get(first.level, colour)
        text_format = QTextCharFormat()
        text_format.setForeground(QColor(colour))
        return text_format

"""What happened, in words, newest last: levels, orders, notes, who got no light and why. With a filter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from PyQt6.QtCore import QAbstractListModel, QModelIndex, QSortFilterProxyModel, Qt
from PyQt6.QtGui import QColor, QGuiApplication
from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QListView, QPushButton, QVBoxLayout, QWidget

from app.desktop import theme
from control.contract import Level, OrderKind, Turn

MOST = 5000  # lines kept
QUIET_S = 2.0  # what goes on and on is said once
NUMBERS = re.compile(r"\d+\.?\d*(e-?\d+)?")


class Lines(QAbstractListModel):
    """Lines with a colour each; the oldest go when there are too many."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []  # text, colour

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.lines)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        text, colour = self.lines[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return text
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(colour)
        return None

    def add(self, lines: list[tuple[str, str]]) -> None:
        if not lines:
            return
        self.beginInsertRows(QModelIndex(), len(self.lines), len(self.lines) + len(lines) - 1)
        self.lines += lines
        self.endInsertRows()
        if len(self.lines) > MOST:
            extra = len(self.lines) - MOST
            self.beginRemoveRows(QModelIndex(), 0, extra - 1)
            del self.lines[:extra]
            self.endRemoveRows()


class LogPanel(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines, self.shown = Lines(), QSortFilterProxyModel()
        self.shown.setSourceModel(self.lines)
        self.shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filter, self.list, copy = QLineEdit(), QListView(), QPushButton("Copy")
        self.filter.setPlaceholderText("show only lines that contain …")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self.shown.setFilterFixedString)
        self.list.setModel(self.shown)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setFont(theme.figures_font(12))
        copy.setToolTip("put the lines that are shown on the clipboard")
        copy.clicked.connect(self.copy)
        row = QHBoxLayout()
        row.addWidget(self.filter, 1)
        row.addWidget(copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, 4, theme.GRID, 4)
        column.addLayout(row)
        column.addWidget(self.list, 1)
        self._noted: dict[str, float] = {}  # when a note of this kind came last
        self._level: Level | None = None
        self._withheld: frozenset[tuple[int, str]] = frozenset()

    def say(self, text: str, colour: str = theme.INK) -> None:
        """One line that is not a turn's."""
        self._add([(text, colour)])

    def show_run(self, said: Iterable[tuple[float, str, str]]) -> None:
        """What a recording has to tell (when, of which kind, in words), quietly: it is of long ago."""
        self._noted.clear()
        told = [(at_s, words) for at_s, kind, words in said if kind != "note" or self._is_news(words, at_s)]
        self._noted.clear()
        self._add([(f"{at_s:9.2f} s  {words}", theme.FAINT) for at_s, words in told[-MOST:]])

    def add(self, turns: Iterable[Turn]) -> None:
        self._add([line for turn in turns for line in self._of(turn)])

    def copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join(self.read()))

    def read(self) -> list[str]:
        """The lines that are shown."""
        return [str(self.shown.index(row, 0).data()) for row in range(self.shown.rowCount())]

    def _of(self, turn: Turn) -> list[tuple[str, str]]:
        """What is new in a turn; what lasts is said once."""
        at = f"{turn.now_s:9.2f} s  "
        found: list[tuple[str, str]] = []
        for order in turn.orders:
            text = order.text.splitlines()[0] if order.text and order.kind is not OrderKind.APPLY else ""
            found.append((f"{at}{order.kind}{': ' + text if text else ''}", theme.ACCENT))
        if turn.level is not self._level:
            colour = {Level.TRIPPED: theme.RED, Level.ARMED: theme.AMBER, Level.PROBING: theme.AMBER}.get(
                turn.level, theme.GREEN
            )
            found.append((f"{at}{turn.level}: {turn.reason}", colour))
        found += [(at + note, theme.INK) for note in turn.notes if self._is_news(note, turn.now_s)]
        withheld = frozenset(turn.withheld)
        found += [(f"{at}no light for {who}: {why}", theme.FAINT) for who, why in sorted(withheld - self._withheld)]
        self._level, self._withheld = turn.level, withheld
        return found

    def _is_news(self, note: str, now_s: float) -> bool:
        """Whether the like of it, other numbers aside, was not said a moment ago."""
        kind = NUMBERS.sub("", note)
        before_s, self._noted[kind] = self._noted.get(kind, -math.inf), now_s
        return not 0.0 <= now_s - before_s < QUIET_S

    def _add(self, lines: list[tuple[str, str]]) -> None:
        bar = self.list.verticalScrollBar()
        at_end = bar is None or bar.value() >= bar.maximum() - 2
        self.lines.add(lines)
        if at_end and lines:
            self.list.scrollToBottom()

"""What the last turns show beside what was foreseen: the findings of main.py analyse, while they happen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.analysis.findings import Finding, RunTables, findings, row
from app.desktop.window import theme
from config.refused import Refused

COLUMNS = ("observable", "foreseen", "measured", "unit")


class Numbers(QTableWidget):
    """One row an observable; where it comes from is its tooltip. Measured beside the window, one table at a time.

    Args:
        tables: gives what is to be measured, or a function that makes it, which is called beside this thread too.
    """

    def __init__(
        self, tables: Callable[[], RunTables | Callable[[], RunTables | None] | None], parent: QWidget | None = None
    ) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self._tables = tables
        self._worker = ThreadPoolExecutor(1, "findings")
        self._pending: Future[list[Finding]] | None = None
        self._measured: RunTables | None = None  # a recording that stands still is measured once
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        head, side = self.horizontalHeader(), self.verticalHeader()
        assert head is not None
        assert side is not None
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        side.hide()
        side.setDefaultSectionSize(22)

    def draw(self) -> None:
        """Show what is measured, and have the next measured."""
        if self._pending is not None:
            if not self._pending.done():
                return
            done, self._pending = self._pending, None
            error = done.exception()
            if error is None:
                self.show_all(done.result())
            else:  # a number that can't be had is no reason for the beam to go dark
                self.show_all([Finding(f"not measured: {error}", "", math.nan, math.nan, math.nan, repr(error))])
        try:
            tables = self._tables()
        except Refused as refused:
            self.show_all([Finding(f"not measured: {refused}", "", math.nan, math.nan, math.nan, repr(refused))])
            return
        if tables is None:
            self.setRowCount(0)  # of what was opened before
        elif callable(tables):
            self._measured = None
            self._pending = self._worker.submit(measured, tables)
        elif tables is not self._measured:
            self._measured = tables
            self._pending = self._worker.submit(findings, tables)

    def forget(self) -> None:
        """What is shown, and what is being measured, is of something else."""
        self._pending, self._measured = None, None
        self.setRowCount(0)

    def show_all(self, found: Sequence[Finding]) -> None:
        self.setRowCount(len(found))
        for index, one in enumerate(found):
            name, foreseen, measured, unit, source = row(one)
            for column, text in enumerate((name, foreseen, measured, unit)):
                item = QTableWidgetItem(text)
                item.setToolTip(source)
                item.setForeground(QColor(theme.FAINT if column in (0, 3) else theme.INK))
                if column in (1, 2):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(index, column, item)

    def read(self) -> dict[str, tuple[str, str]]:
        """What stands there: (foreseen, measured) by observable."""
        texts = [[self.item(row, column) for column in range(3)] for row in range(self.rowCount())]
        said = [[item.text() if item is not None else "" for item in items] for items in texts]
        return {name: (foreseen, measured) for name, foreseen, measured in said}

    def close_worker(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)


def measured(tables: Callable[[], RunTables | None]) -> list[Finding]:
    """The findings of tables that are made now; none of no tables."""
    made = tables()
    return [] if made is None else findings(made)

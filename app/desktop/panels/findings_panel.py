"""Live table of predicted and measured numbers from the last turns: the findings of main.py analyse."""

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

COLUMNS = ("observable", "predicted", "measured", "unit")


class Numbers(QTableWidget):
    """One row for each observable; the tooltip gives its source. A worker thread computes one table at a time.

    Args:
        tables: returns the tables, or a function that makes them, which is also called in the worker thread.
    """

    def __init__(
        self, tables: Callable[[], RunTables | Callable[[], RunTables | None] | None], parent: QWidget | None = None
    ) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self._tables = tables
        self._worker = ThreadPoolExecutor(1, "findings")
        self._pending: Future[list[Finding]] | None = None
        self._measured: RunTables | None = None  # a recording at a fixed position is measured only once
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
        """Show a finished result and start the next computation."""
        if self._pending is not None:
            if not self._pending.done():
                return
            future, self._pending = self._pending, None
            error = future.exception()
            if error is None:
                self.show_all(future.result())
            else:  # a failed computation must not trip the beam
                self.show_all([Finding(f"not measured: {error}", "", math.nan, math.nan, math.nan, repr(error))])
        try:
            tables = self._tables()
        except Refused as refused:
            self.show_all([Finding(f"not measured: {refused}", "", math.nan, math.nan, math.nan, repr(refused))])
            return
        if tables is None:
            self.setRowCount(0)  # remove rows of an earlier recording or rig
        elif callable(tables):
            self._measured = None
            self._pending = self._worker.submit(measured, tables)
        elif tables is not self._measured:
            self._measured = tables
            self._pending = self._worker.submit(findings, tables)

    def forget(self) -> None:
        """Discard the table and the running computation: the data have changed."""
        self._pending, self._measured = None, None
        self.setRowCount(0)

    def show_all(self, results: Sequence[Finding]) -> None:
        self.setRowCount(len(results))
        for index, finding in enumerate(results):
            name, predicted, measured, unit, source = row(finding)
            for column, text in enumerate((name, predicted, measured, unit)):
                item = QTableWidgetItem(text)
                item.setToolTip(source)
                item.setForeground(QColor(theme.FAINT if column in (0, 3) else theme.INK))
                if column in (1, 2):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(index, column, item)

    def read(self) -> dict[str, tuple[str, str]]:
        """The displayed values: (predicted, measured) by observable."""
        cells = [[self.item(row, column) for column in range(3)] for row in range(self.rowCount())]
        texts = [[item.text() if item is not None else "" for item in items] for items in cells]
        return {name: (predicted, measured) for name, predicted, measured in texts}

    def close_worker(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)


def measured(tables: Callable[[], RunTables | None]) -> list[Finding]:
    """Make the tables and return their findings; empty if there are no tables."""
    run_tables = tables()
    return [] if run_tables is None else findings(run_tables)

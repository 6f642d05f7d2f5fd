"""The widgets of the experiment panel, in one column, or in two if the panel is low and wide."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QPushButton, QTabWidget, QWidget

from app.desktop.forms import checkpoint_editor as checkpoint_editor  # these imports register their editors in the form
from app.desktop.forms import drawn_editor as drawn_editor
from app.desktop.forms import python_law_editor as python_law_editor
from app.desktop.forms.error_label import LINES, ErrorLabel
from app.desktop.forms.form import Fields
from app.desktop.forms.scrolled import scrolled
from app.desktop.panels.consequences import Consequences
from app.desktop.panels.experiment_list import ExperimentList
from app.desktop.panels.predicted_numbers import PredictedTable
from app.desktop.plots.potential_plot import PotentialPlot
from app.desktop.window import theme
from control.experiment import Experiment

FORM_PX = 350  # height of the form with its tabs, if the panel has room: 320 for the fields
FORM_LEAST_PX = 150
TWO_COLUMNS_PX = 470  # least width of the panel for two columns
FORM_WIDE_PX = 252  # least width of the form in two columns
SIDE_LINES = 3  # lines of the error message in two columns
EDGE_PX = 1  # margin above and below
LAST_ROW = 3  # last row in two columns: takes the remaining height
LAW, CARRYING = ("policy",), ("mode", "trap", "species", "keep_in_field")  # the form shows only these fields


class ExperimentWidgets(QWidget):
    """List of experiments, form, predictions, error and buttons. `minimumSizeHint` and `resizeEvent` are Qt's."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = ExperimentList(folder)
        self.law, self.carrying = Fields(Experiment, LAW), Fields(Experiment, CARRYING)
        self.plot, self.predicted = PotentialPlot(), PredictedTable()
        self.consequences = Consequences(self.plot, self.predicted)
        self.trouble = ErrorLabel()
        self.apply_button = QPushButton("Apply")
        self.apply_button.setToolTip("put the edited experiment in force between two turns (Ctrl+Enter)")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self._lay_out()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setMinimumHeight(FORM_LEAST_PX)
        self.tabs.addTab(scrolled(self.law), "Law")
        self.tabs.addTab(scrolled(self.carrying), "Mode, trap, field")
        self.buttons = QWidget()
        self._button_grid = QGridLayout(self.buttons)
        self._button_grid.setContentsMargins(0, 0, 0, 0)
        self._button_grid.setSpacing(theme.GRID // 2)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(theme.GRID, EDGE_PX, theme.GRID, EDGE_PX)
        self._grid.setHorizontalSpacing(theme.GRID)
        self._grid.setVerticalSpacing(theme.GRID // 2)
        self._in_two_columns: bool | None = None
        self._place(False)

    def _place(self, in_two_columns: bool) -> None:
        """Place the form above the other parts, or beside them if the panel is low and wide."""
        if in_two_columns == self._in_two_columns:
            return
        self._in_two_columns = in_two_columns
        rest = (self.list, self.consequences, self.trouble, self.buttons)
        if in_two_columns:
            self._grid.addWidget(self.tabs, 0, 0, len(rest), 1)
            for row, widget in enumerate(rest[:-1]):
                self._grid.addWidget(widget, row, 1)
            self._grid.addWidget(self.buttons, LAST_ROW, 1, Qt.AlignmentFlag.AlignBottom)
        else:
            self._grid.addWidget(self.list, 0, 0)
            self._grid.addWidget(self.tabs, 1, 0)
            for row, widget in enumerate(rest[1:], 2):
                self._grid.addWidget(widget, row, 0)
        self._grid.setRowStretch(1, 0 if in_two_columns else 1)
        self._grid.setRowStretch(LAST_ROW, 1 if in_two_columns else 0)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1 if in_two_columns else 0)
        self._button_grid.addWidget(self.apply_button, 0, 0, 1, 2)
        for column, button in enumerate((self.undo_button, self.redo_button)):
            self._button_grid.addWidget(button, int(in_two_columns), column + 2 * (not in_two_columns))
        self.tabs.setMinimumWidth(FORM_WIDE_PX if in_two_columns else 0)
        self.list.show_narrow(in_two_columns)
        self.trouble.set_lines(SIDE_LINES if in_two_columns else LINES)

    def minimumSizeHint(self) -> QSize:
        """A small size, since parts without room are hidden."""
        return QSize(270, FORM_LEAST_PX + self._beside_px())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the form its height first; the other parts share the rest."""
        super().resizeEvent(event)
        left_px = self.height() - FORM_PX - self._beside_px()
        self._place(left_px < 0 and self.width() >= TWO_COLUMNS_PX)
        if self._in_two_columns:
            left_px = most_px = self.height() - self._side_px()
        else:
            most_px = left_px + FORM_PX - FORM_LEAST_PX
        self.consequences.fit(left_px, most_px)

    def _beside_px(self) -> int:
        """Height of all parts except the form, the curves and the numbers, in one column."""
        fixed_px = self.list.height_px(False) + self.apply_button.sizeHint().height() + self.trouble.height_px(LINES)
        return fixed_px + self.consequences.head_px + 6 * theme.GRID // 2

    def _side_px(self) -> int:
        """Height of all parts beside the form except the curves and the numbers, in two columns."""
        gap_px = theme.GRID // 2
        buttons_px = 2 * self.apply_button.sizeHint().height() + gap_px
        fixed_px = self.list.height_px(True) + buttons_px + self.trouble.height_px(SIDE_LINES)
        return fixed_px + self.consequences.head_px + 3 * gap_px + 2 * EDGE_PX

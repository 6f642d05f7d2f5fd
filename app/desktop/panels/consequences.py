"""Predictions for the edited experiment: curves and numbers below the form. The user can hide each of them."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.desktop.panels.predicted_numbers import PredictedTable
from app.desktop.plots import potential_plot
from app.desktop.plots.potential_plot import PLOT_PX, PotentialPlot
from app.desktop.window import theme

LEAST_PX, MOST_PX = 60, 190  # least and largest height of the numbers


class Consequences(QWidget):
    """Shows the plots and numbers that fit into the space left by the form. Choices of the user take precedence."""

    def __init__(self, plot: PotentialPlot, predicted: PredictedTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot, self.predicted = plot, predicted
        self.numbers = QScrollArea()
        self.numbers.setWidget(predicted)
        self.numbers.setWidgetResizable(True)
        self.numbers.setFrameShape(QScrollArea.Shape.NoFrame)
        self.numbers.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.plot_button, self.numbers_button = _button("V and F"), _button("Predicted")
        self.force_button = _button("⇄ F")
        self.force_button.setToolTip("F in the place of V, or V again: there is no room for both")
        self.force_button.hide()
        self._user_choices: dict[QToolButton, bool] = {}  # whether the user has shown or hidden a part
        self.drawn = False  # the experiment has a curve that can be dragged
        self._room_px = self._most_px = 0
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self.plot_button)
        row.addWidget(self.numbers_button)
        row.addWidget(self.force_button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID // 2)
        column.addLayout(row)
        column.addWidget(self.plot)
        column.addWidget(self.numbers)
        for button in (self.plot_button, self.numbers_button):
            button.clicked.connect(lambda on, button=button: self._choose(button, on))
        self.force_button.clicked.connect(lambda: self.fit(self._room_px, self._most_px))

    @property
    def head_px(self) -> int:
        """Height of the row of buttons, which is always visible."""
        return self.plot_button.sizeHint().height() + theme.GRID // 2

    def fit(self, room_px: int, most_px: int) -> None:
        """Show the parts that fit below the row of buttons. Priority: the numbers, then V, then F.

        A plot has priority over the numbers if the user has shown it or if it has a curve that can be dragged.

        Args:
            room_px: height that the form leaves free.
            most_px: height with the form at its minimum; a plot that the user has shown may use it.
        """
        self._room_px, self._most_px = room_px, most_px
        gap_px = theme.GRID // 2
        plot_first = self._user_choices.get(self.plot_button, self.drawn)
        remaining_px = room_px - plot_first * (PLOT_PX + gap_px)
        numbers = self._user_choices.get(self.numbers_button, remaining_px >= LEAST_PX)
        for_plot_px = room_px - numbers * (LEAST_PX + gap_px)
        plot = self._user_choices.get(self.plot_button, self.drawn or for_plot_px >= PLOT_PX)
        both = for_plot_px >= self.plot.height_px
        one_px = min(max(most_px - numbers * (LEAST_PX + gap_px), potential_plot.LEAST_PX), PLOT_PX)
        if both:
            self.plot.show_both()
        else:
            self.plot.show_one(self.force_button.isChecked(), one_px)
        self.force_button.setText("⇄ V" if self.force_button.isChecked() else "⇄ F")
        self.force_button.setVisible(plot and not both)
        remaining_px = room_px - plot * ((self.plot.height_px if both else one_px) + gap_px)
        self.numbers.setFixedHeight(min(max(remaining_px, LEAST_PX), MOST_PX))
        for button, widget, on in ((self.plot_button, self.plot, plot), (self.numbers_button, self.numbers, numbers)):
            widget.setVisible(on)
            button.setChecked(on)
            button.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)

    def show_drawn(self, drawn: bool) -> None:
        """Set whether a curve can be dragged; if so, the plot is shown."""
        if drawn != self.drawn:
            self.drawn = drawn
            self.fit(self._room_px, self._most_px)

    def _choose(self, button: QToolButton, on: bool) -> None:
        self._user_choices[button] = on
        self.fit(self._room_px, self._most_px)


def _button(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setCheckable(True)
    button.setAutoRaise(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setToolTip(f"show {text}, or put it away")
    return button

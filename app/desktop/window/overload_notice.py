"""That the loop does not keep up, on the image: what is too slow, and buttons for what would help."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.desktop.window import theme
from app.running.overload import Offer, Overload

WIDEST_PX = 620
EDGE_PX = 12  # from the edges of the image


class TooSlow(QFrame):
    """Lies on its parent, lower left, so that nothing moves when it comes. `chosen` carries edits of the rig, and
    whether devices are opened anew for them."""

    chosen = pyqtSignal(dict, bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.text, self.away = QLabel(), QToolButton()
        self.buttons: dict[str, QToolButton] = {}
        self._offers: dict[str, Offer] = {}  # the newest ones, by the text of their button
        self._dismissed = False
        self.setStyleSheet(f"TooSlow {{ background: {theme.PANEL}; border: 1px solid {theme.AMBER} }}")
        self.text.setWordWrap(True)
        self.text.setStyleSheet(f"color: {theme.AMBER}")
        self.away.setText("×")
        self.away.setToolTip("put this away until the rig is another one")
        self.away.clicked.connect(self._dismiss)
        top_row = QHBoxLayout()
        top_row.addWidget(self.text, 1)
        top_row.addWidget(self.away, 0, Qt.AlignmentFlag.AlignTop)
        self._button_row = QHBoxLayout()
        self._button_row.addWidget(QLabel("What would help:"))
        self._button_row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, 4, theme.GRID, theme.GRID)
        column.addLayout(top_row)
        column.addLayout(self._button_row)
        self.hide()
        parent.installEventFilter(self)

    def forget(self) -> None:
        """Another rig: what is too slow of it is not known yet."""
        self._dismissed = False
        self.show_overload(None)

    def show_overload(self, overload: Overload | None) -> None:
        """None: the loop keeps up."""
        if overload is None or self._dismissed:
            self.hide()
            return
        self.text.setText(f"Too slow. {overload.text}")
        self._offers = {offer.text: offer for offer in overload.offers}
        if self._offers.keys() != self.buttons.keys():
            self._make_buttons()
        for text, offer in self._offers.items():
            keys = ", ".join(f"{key} {value}" for key, value in offer.edits.items())
            effect = "dark, devices opened anew" if offer.reopens else "from the next turn on"
            self.buttons[text].setToolTip(f"{keys}: {effect}")
        self._place()
        self.show()
        self.raise_()

    def _make_buttons(self) -> None:
        for button in self.buttons.values():
            self._button_row.removeWidget(button)
            button.deleteLater()
        self.buttons = {}
        for text in self._offers:
            button = self.buttons[text] = QToolButton()
            button.setText(text)
            button.clicked.connect(lambda _, text=text: self._choose(text))
            self._button_row.insertWidget(self._button_row.count() - 1, button)

    def _choose(self, text: str) -> None:
        offer = self._offers[text]
        self.chosen.emit(offer.edits, offer.reopens)

    def _dismiss(self) -> None:
        self._dismissed = True
        self.hide()

    def _place(self) -> None:
        parent = self.parentWidget()
        assert parent is not None
        width = min(WIDEST_PX, parent.width() - 2 * EDGE_PX)
        self._button_row.setDirection(QBoxLayout.Direction.LeftToRight)
        if self._button_row.sizeHint().width() > width - 2 * theme.GRID:  # then the buttons stand one below the other
            self._button_row.setDirection(QBoxLayout.Direction.TopToBottom)
        self.setFixedWidth(max(width, 1))
        height = max(self.heightForWidth(width), self.sizeHint().height())
        self.setGeometry(EDGE_PX, parent.height() - height - EDGE_PX, width, height)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """It keeps its corner where the parent changes its size."""
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

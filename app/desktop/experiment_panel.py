"""The experiment, edited on screen: a form, what it will do, and Apply between two turns."""

from __future__ import annotations

from typing import Any, TypeVar

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QUndoCommand, QUndoStack
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.desktop import theme
from app.desktop.form import Fields
from config.reader import Document, build, plain
from config.refused import Refused

T = TypeVar("T")
LEFT_OUT = ("title", "about", "rig", "seconds", "seed", "set")  # of the file; not a thing to turn while it runs


class Edit(QUndoCommand):
    """One edit of the form: the data before and after."""

    def __init__(self, panel: ExperimentPanel, before: Any, after: Any) -> None:
        super().__init__("edit")
        self.panel, self.before, self.after = panel, before, after

    def undo(self) -> None:
        self.panel.show_data(self.before)

    def redo(self) -> None:
        self.panel.show_data(self.after)


class ExperimentPanel(QWidget):
    """Shows an experiment; `applied` carries one that the strict reader has accepted."""

    applied = pyqtSignal(object)
    edited = pyqtSignal(object, str)  # the experiment or None, and what is wrong with it

    def __init__(self, experiment: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cls: type = type(experiment)
        self.in_force = experiment
        self.undo_stack = QUndoStack(self)
        self.title, self.about = QLabel(), QLabel()
        self.title.setStyleSheet("font-size: 15px; font-weight: bold")
        self.about.setWordWrap(True)
        self.about.setStyleSheet(f"color: {theme.FAINT}")
        self.form = Fields(self.cls, LEFT_OUT)
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setStyleSheet(f"color: {theme.RED}")
        self.trouble.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.apply_button = QPushButton("Apply")
        self.apply_button.setShortcut(QKeySequence("Ctrl+Return"))
        self.apply_button.setToolTip("put the edited experiment in force between two turns (Ctrl+Enter)")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self._lay_out()
        self.form.edited.connect(self._edited)
        self.apply_button.clicked.connect(self.apply)
        self.undo_button.clicked.connect(self.undo_stack.undo)
        self.redo_button.clicked.connect(self.undo_stack.redo)
        self.undo_stack.canUndoChanged.connect(self.undo_button.setEnabled)
        self.undo_stack.canRedoChanged.connect(self.redo_button.setEnabled)
        self.show_experiment(experiment)

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.form)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply_button, 2)
        buttons.addWidget(self.undo_button, 1)
        buttons.addWidget(self.redo_button, 1)
        whole = QVBoxLayout(self)
        whole.setSpacing(theme.GRID)
        for widget in (self.title, self.about):
            whole.addWidget(widget)
        whole.addWidget(scroll, 1)
        whole.addWidget(self.trouble)
        whole.addLayout(buttons)

    def show_experiment(self, experiment: Any) -> None:
        """Another experiment, in force from now on; its edits begin anew."""
        self.in_force = experiment
        self.title.setText(experiment.title)
        self.about.setText(experiment.about)
        self.undo_stack.clear()
        self.undo_button.setEnabled(False)
        self.redo_button.setEnabled(False)
        self.show_data(plain(experiment))

    def show_data(self, data: Any) -> None:
        self._data = data
        self.form.put(data)
        self._check()

    def read(self) -> Any:
        """The experiment as edited. Raises Refused."""
        return build(Document("the experiment panel", self.form.get(), {}), self.cls)

    def apply(self) -> None:
        """Hand the edited experiment over, if it is one."""
        try:
            experiment = self.read()
        except Refused as refused:
            self.say(str(refused))
            return
        self.applied.emit(experiment)

    def accepted(self, experiment: Any) -> None:
        """It is in force by now."""
        self.in_force = experiment
        self._check()

    def say(self, trouble: str) -> None:
        self.trouble.setText(trouble)
        self.trouble.setVisible(bool(trouble))

    def _edited(self) -> None:
        before, after = self._data, self.form.get()
        if after != before:
            self.undo_stack.push(Edit(self, before, after))

    def _check(self) -> None:
        """Say at once what is wrong, and whether there is something to apply."""
        try:
            experiment, trouble = self.read(), ""
        except Refused as refused:
            experiment, trouble = None, str(refused)
        self.say(trouble)
        changed = experiment is not None and experiment != self.in_force
        self.apply_button.setEnabled(changed)
        self.apply_button.setText("Apply" if changed or experiment is None else "In force")
        self.edited.emit(experiment, trouble)

"""The experiment, edited on screen: a form, what it will do, and Apply between two turns."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QUndoCommand, QUndoStack
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from app.desktop import checkpoint_editor as checkpoint_editor  # these put themselves into the form
from app.desktop import drawn_editor as drawn_editor
from app.desktop import formula_editor as formula_editor
from app.desktop import theme
from app.desktop.experiment_list import ExperimentList
from app.desktop.foreseen import ForeseenTable
from app.desktop.form import Fields
from app.desktop.potential_plot import PotentialPlot
from app.means import Means
from app.predict import predict
from config.reader import Document, build, plain
from config.refused import Refused
from control.experiment import Experiment, Programmed

IN_ONE_GO_S = 1.0
LAW, CARRYING = ("policy",), ("mode", "trap", "species", "keep_in_field")  # the rest is not turned while it runs


class Edit(QUndoCommand):
    """One edit of the form: the data before and after. What is typed or turned in one go is one edit."""

    def __init__(self, panel: ExperimentPanel, before: Any, after: Any) -> None:
        super().__init__("edit")
        self.panel, self.before, self.after = panel, before, after
        self.where, self.at_s = difference(before, after), time.monotonic()

    def id(self) -> int:
        return 1

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        if not isinstance(other, Edit) or other.at_s - self.at_s > IN_ONE_GO_S:
            return False
        if not self.where or other.where != self.where:
            return False
        self.after, self.at_s = other.after, other.at_s
        return True

    def undo(self) -> None:
        self.panel.show_data(self.before)

    def redo(self) -> None:
        self.panel.show_data(self.after)


class ExperimentPanel(QWidget):
    """Shows an experiment; `applied` carries one that the strict reader has accepted."""

    applied = pyqtSignal(object)
    edited = pyqtSignal(object, str)  # the experiment or None, and what is wrong with it

    def __init__(
        self, experiment: Experiment, means: Callable[[Any], Means], folder: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._means = means  # what an experiment would have to work with; raises Refused
        self.in_force = experiment
        self.undo_stack = QUndoStack(self)
        self.list = ExperimentList(folder)
        self.law, self.carrying = Fields(Experiment, LAW), Fields(Experiment, CARRYING)
        self.plot, self.foreseen = PotentialPlot(), ForeseenTable()
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setStyleSheet(f"color: {theme.RED}")
        self.trouble.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.apply_button = QPushButton("Apply")
        self.apply_button.setShortcut(QKeySequence("Ctrl+Return"))
        self.apply_button.setToolTip("put the edited experiment in force between two turns (Ctrl+Enter)")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self._lay_out()
        for form in (self.law, self.carrying):
            form.edited.connect(self._edited)
        self.apply_button.clicked.connect(self.apply)
        self.plot.dragged.connect(self._dragged)
        self.undo_button.clicked.connect(self.undo_stack.undo)
        self.redo_button.clicked.connect(self.undo_stack.redo)
        self.undo_stack.canUndoChanged.connect(self.undo_button.setEnabled)
        self.undo_stack.canRedoChanged.connect(self.redo_button.setEnabled)
        self.show_experiment(experiment)

    def _lay_out(self) -> None:
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.addTab(scrolled(self.law), "Law")
        tabs.addTab(scrolled(self.carrying), "Mode, trap, field")
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply_button, 2)
        buttons.addWidget(self.undo_button, 1)
        buttons.addWidget(self.redo_button, 1)
        whole = QVBoxLayout(self)
        whole.setSpacing(theme.GRID)
        whole.addWidget(self.list)
        whole.addWidget(tabs, 1)
        for below in (self.plot, self.foreseen, self.trouble):
            whole.addWidget(below)
        whole.addLayout(buttons)

    def show_experiment(self, experiment: Experiment) -> None:
        """Another experiment, in force from now on; its edits begin anew."""
        self.in_force = experiment
        self.list.show_title(experiment.title)
        self.list.box.setToolTip(experiment.about)
        self.undo_stack.clear()
        self.undo_button.setEnabled(False)
        self.redo_button.setEnabled(False)
        self.show_data(plain(experiment))

    def show_data(self, data: Any) -> None:
        self._data = data
        self.law.put(data)
        self.carrying.put(data)
        self._check()

    def read(self) -> Experiment:
        """The experiment as edited. Raises Refused."""
        experiment: Experiment = build(Document("the experiment panel", self.data(), {}), Experiment)
        return experiment

    def data(self) -> dict[str, Any]:
        """The experiment as edited, as plain data."""
        shown = {name: row.get() for form in (self.law, self.carrying) for name, row in form.rows.items()}
        return {**self._data, **shown}

    def apply(self) -> None:
        """Hand the edited experiment over, if it is one."""
        try:
            experiment = self.read()
        except Refused as refused:
            self.say(str(refused))
            return
        self.applied.emit(experiment)

    def refresh(self) -> None:
        """What is foreseen, anew."""
        self._check()

    def accepted(self, experiment: Experiment) -> None:
        """It is in force by now."""
        self.in_force = experiment
        self._check()

    def show_set(self, values: dict[str, Any]) -> None:
        """Other values of the rig are in force; what is being edited stays."""
        self.in_force = replace(self.in_force, set=values)
        self.show_data({**self.data(), "set": values})

    def say(self, trouble: str) -> None:
        self.trouble.setText(trouble.splitlines()[0] if trouble else "")  # a formula marks its fault itself
        self.trouble.setVisible(bool(trouble))

    def _edited(self) -> None:
        before, after = self._data, self.data()
        if after != before:
            self.undo_stack.push(Edit(self, before, after))

    def put_in_force(self, data: dict[str, Any]) -> None:
        """An edit that somebody else has made, at once; undone like any other. Edits not yet applied go too."""
        self.undo_stack.push(Edit(self, self._data, data))
        self.apply()

    def _dragged(self, index: int, points: Any) -> None:
        """A point of a drawn curve is where a person has put it."""
        data = copy.deepcopy(self.data())
        shape = data["policy"]["forces"][index]["shape"]
        shape["radius_um"], shape["energy_kt"] = points[:, 0].tolist(), points[:, 1].tolist()
        self.undo_stack.push(Edit(self, self._data, data))

    def _check(self) -> None:
        """Say at once what is wrong, and whether there is something to apply."""
        try:
            experiment, trouble = self.read(), ""
            self._foresee(experiment)
        except Refused as refused:
            experiment, trouble = None, str(refused)
        self.say(trouble)
        self.foreseen.setVisible(not trouble)  # it would tell of something else
        changed = experiment is not None and experiment != self.in_force
        self.apply_button.setEnabled(changed)
        self.apply_button.setText("Apply" if changed or experiment is None else "In force")
        self.edited.emit(experiment, trouble)

    def _foresee(self, experiment: Experiment) -> None:
        """The curves and the numbers of what it will do. Raises Refused for what can't fly."""
        means = self._means(experiment)
        forces = experiment.policy.forces if isinstance(experiment.policy, Programmed) else ()
        self.plot.show_forces([force.shape for force in forces], experiment.mode, means)
        self.foreseen.show_all(predict(experiment, means))


def difference(before: Any, after: Any) -> tuple[Any, ...]:
    """The key of the value that differs, or of the first of several side by side; empty where there are other keys."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        keys: list[Any] = [key for key in before if before[key] != after[key]]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        keys = [index for index in range(len(before)) if before[index] != after[index]]
    else:
        return ()
    return (keys[0], *difference(before[keys[0]], after[keys[0]])) if len(keys) == 1 else tuple(keys[:1])


def scrolled(inside: QWidget) -> QScrollArea:
    """In a frame that scrolls up and down, where it does not fit."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, theme.GRID, theme.GRID, 0)
    column.addWidget(inside)
    column.addStretch(1)
    scroll = QScrollArea()
    scroll.setWidget(holder)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return scroll

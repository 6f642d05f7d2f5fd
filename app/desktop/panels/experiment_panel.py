"""Panel to edit the experiment: a form, predictions, and Apply between two turns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QUndoCommand, QUndoStack
from PyQt6.QtWidgets import QWidget

from app.analysis.predictions import predict
from app.assembly.given_keys import GONE
from app.assembly.python_law import NotAllowed
from app.assembly.rig import Plan
from app.desktop.forms.drawn_editor import one_moved
from app.desktop.forms.editing_keys import APPLY, REDO, UNDO, EditingKeys, KeyActions
from app.desktop.forms.form_check import Checked, check, formulas_in
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.panels.experiment_widgets import ExperimentWidgets
from app.desktop.panels.same_change import Unclear, changed_alike
from app.desktop.panels.undo_edits import Edit, RigEdit, drop_obsolete, follows, note_in_force
from app.desktop.window.background_questions import Background
from app.desktop.window.unsaved_edits import Unsaved
from config.reader import plain
from config.refused import Refused
from control.experiment import Experiment
from control.theory.conditions import Conditions

FORM_ONLY = "in the form only, because other edits there are not in force: Apply puts all in force"


class ExperimentPanel(ExperimentWidgets):
    """Shows an experiment; `applied` carries an experiment that the strict reader has accepted. Some methods are Qt's.

    `rig_stepped` requests to undo or redo a RigEdit: the edit, whether it is redone, and a function to call when the
    values are in force.
    """

    applied = pyqtSignal(object)
    said = pyqtSignal(str)  # the result of a key or of a mouse edit, if it changes the form only
    rig_stepped = pyqtSignal(object, bool, object)
    edited = pyqtSignal(object, str)  # the experiment or None, and the error
    not_allowed = pyqtSignal(object)  # the NotAllowed error of the edited law in Python

    def __init__(
        self,
        experiment: Experiment,
        conditions: Callable[[Any], Conditions],
        folder: Path,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(folder, parent)
        self._conditions = conditions  # the conditions of an experiment; raises Refused
        self.in_force = experiment
        self.undo_stack = QUndoStack(self)
        self._saved: dict[str, Any] = {}  # the data as opened or last saved
        self._typing = self._changed = self._wrong = False  # `_typing`: a field has uncommitted text
        self._held = False  # the loop is dark until Apply
        self.why_wait: Callable[[], str] = lambda: ""  # returns why edits have to wait at present
        self._checked: Checked | None = None  # result of the last check
        self._data_error = ""  # the error in the data, in words
        self._refused: tuple[Any, str] = (None, "")  # the data whose Apply or Save was refused, and the reason
        self._input_error = ""  # why a field did not take the typed text, until the next edit
        self._holds_back = False  # that text was refused after the last press of a button
        self._plotted: list[int] = []  # index of the force of each shape in the plot
        self._background = Background(check, self)
        self._background.answered.connect(self._show_checked)
        for form in (self.law, self.carrying):
            form.edited.connect(self._edited)
        self.apply_button.clicked.connect(lambda: self._press(self.apply))
        self.plot.dragged.connect(self._dragged)
        self.undo_button.clicked.connect(lambda: self._press(self.undo))
        self.redo_button.clicked.connect(lambda: self._press(self.redo))
        self.undo_stack.indexChanged.connect(self._show_buttons)
        self._listen_to_keys()
        self.show_experiment(experiment)

    def _listen_to_keys(self) -> None:
        self.key_actions: KeyActions = {APPLY: self._apply_typed, UNDO: self.undo, REDO: self.redo}
        self._keys = EditingKeys(self, self.key_actions, self._typed, lambda: self._data, self._show_input_error)

    def show_experiment(self, experiment: Experiment) -> None:
        """Show another experiment, which is in force, with a new undo stack."""
        self._begin(experiment, QUndoStack(self))
        self.show_data(plain(experiment))
        self._saved = self.data()

    def _begin(self, experiment: Experiment, stack: QUndoStack) -> None:
        self.in_force, self._checked, self._changed, self._held = experiment, None, False, False
        self._refused = None, ""
        self.list.show_title(experiment.title)
        self.list.box.setToolTip(experiment.about)
        if stack is not self.undo_stack:
            self.undo_stack.indexChanged.disconnect(self._show_buttons)
            stack.indexChanged.connect(self._show_buttons)
            self.undo_stack = stack
            for editor in self._formulas():
                editor.forget()  # values of the experiment before

    def show_unsaved(self, copy: Unsaved, experiment: Experiment) -> None:
        """Resume stored edits; `experiment` is in force."""
        if copy.stack is None or copy.saved is None:
            self.show_experiment(experiment)
            if copy.data != self.data():
                self.undo_stack.push(Edit(self, self.data(), copy.data))
            return
        self._begin(experiment, copy.stack)
        self.show_data(copy.data)
        self._saved = copy.saved

    def unsaved(self, path: Path, plan: Plan, devices: dict[str, Any]) -> Unsaved | None:
        """The unsaved edits of this file, to be stored; None if there are none."""
        if self.data() == self._saved and not devices:
            return None
        return self.unsaved_copy(path, plan, devices)

    def unsaved_copy(self, path: Path, plan: Plan, devices: dict[str, Any]) -> Unsaved:
        return Unsaved(path, self.in_force.title, self.data(), devices, plan, self._saved, self.undo_stack)

    def saved(self, data: dict[str, Any]) -> None:
        """These data are now saved in a file."""
        self._saved = data
        self._refused = None, ""
        self._show_trouble()

    def show_data(self, data: Any) -> None:
        self.law.put(data)
        self.carrying.put(data)
        self.take_over(data)

    def take_over(self, data: Any) -> None:
        """Take these data, which the form already shows, and check them."""
        self._data, self._input_error, self._holds_back = data, "", False
        self._check()

    def read(self) -> Experiment:
        """The edited experiment. Raises Refused."""
        checked = self._check_now()
        if checked.experiment is None:
            raise Refused(checked.trouble)
        return checked.experiment

    def data(self) -> dict[str, Any]:
        """The edited experiment as plain data."""
        shown = {name: row.get() for form in (self.law, self.carrying) for name, row in form.rows.items()}
        return {**self._data, **shown}

    def law_set(self, of_recording: Callable[[str], bool]) -> dict[str, Any]:
        """The edited values of the rig, to be saved with a law: values of a recording are as they were opened."""
        edited = {key: value for key, value in self._data["set"].items() if not of_recording(key)}
        return edited | {key: value for key, value in self._saved["set"].items() if of_recording(key)}

    def apply(self) -> None:
        """Emit the edited experiment if it is valid."""
        experiment = self._check_now().experiment
        if experiment is not None:
            self.applied.emit(experiment)

    def undo(self) -> None:
        """Undo the last edit. If it is in force, put the data before it in force again."""
        self._step(self.undo_stack.command(self.undo_stack.index() - 1), False)

    def redo(self) -> None:
        """Redo the last undone edit, and put it in force again if it was in force."""
        self._step(self.undo_stack.command(self.undo_stack.index()), True)

    def _step(self, edit: QUndoCommand | None, forward: bool) -> None:
        if edit is None or self._waits():
            return
        stack = self.undo_stack
        step = stack.redo if forward else stack.undo
        if isinstance(edit, RigEdit):

            def done() -> None:
                """Step the stack. If there are newer edits on it by now, the step is an edit after them."""
                if edit is stack.command(stack.index() if forward else stack.index() - 1):
                    step()
                else:
                    stack.push(edit.again() if forward else edit.reverse())

            self.rig_stepped.emit(edit, forward, done)
            return
        data = self._data
        step()
        drop_obsolete(stack)
        if not follows(edit, forward):
            self.said.emit(f"{'redone' if forward else 'undone'} in the form only: the rig goes on as it is")
        elif isinstance(edit, Edit) and edit.alone:
            self._apply_alone(edit, data, self._data)
        elif self._check_now().experiment != self.in_force or self._held:
            self.apply()

    def _waits(self) -> bool:
        """Whether edits have to wait; the reason is then shown."""
        why = self.why_wait()
        if why:
            self.said.emit(why)
        return bool(why)

    def _apply_typed(self) -> None:
        """Ctrl+Enter: same as the Apply button, if the panel is visible and there is something to apply."""
        if not self.isVisible():
            return
        self._typing = False
        self._check_now()
        self._show_buttons()
        if self.apply_button.isEnabled():
            self.apply()
        elif self._wrong:
            self.said.emit(f"not applied: {self._data_error or 'the formula is not valid'}")

    def refresh(self) -> None:
        """Compute the predictions again."""
        self._check()

    def accepted(self, experiment: Experiment) -> None:
        """Record that this experiment is now in force."""
        self.in_force, self._held = experiment, False
        self._refused = None, ""
        if self._check_now().experiment != experiment:  # the form has other edits, which are not in force
            self._check()
            return
        note_in_force(self.undo_stack)
        self._check()

    def hold(self, experiment: Experiment) -> None:
        """This experiment is in force, not the later one. Apply is enabled, even for this experiment."""
        self.in_force, self._held = experiment, True
        self._check()

    def show_set(self, values: dict[str, Any]) -> None:
        """Record other rig values in force. Edits stay, and so does the field in which the user types."""
        before, own = self.in_force.set, self._data["set"]
        changed = {key for key in {**before, **values} if before.get(key, GONE) != values.get(key, GONE)}
        kept = {key: value for key, value in own.items() if key not in changed}
        self.in_force, self._held = replace(self.in_force, set=values), False
        self.take_over({**self._data, "set": kept | {key: values[key] for key in values if key in changed}})

    def say(self, trouble: str) -> None:
        """Show why an order was refused, until the data change or the order succeeds."""
        self._refused = self.data(), trouble
        self._show_trouble()

    def _show_trouble(self) -> None:
        """Show why the last order for the present data was refused; else the error in the data."""
        data, refused = self._refused
        said = self._input_error or (refused if refused and data == self.data() else self._data_error)
        self.trouble.say(said.splitlines()[0] if said else "")

    def _edited(self) -> None:
        before, after = self._data, self.data()
        if after != before:
            typing = any(formula.typing for formula in self._formulas())
            self.undo_stack.push(Edit(self, before, after, shown=typing))

    def _formulas(self) -> list[FormulaEditor]:
        return self.law.findChildren(FormulaEditor)

    def put_in_force(self, data: dict[str, Any]) -> None:
        """Apply an edit from outside the form at once. It can be undone. Edits that are not applied stay so."""
        if self._waits():
            self._check()  # shows the data as they are
            return
        edit, before = Edit(self, self._data, data, alone=True), self._data
        self.undo_stack.push(edit)
        self._apply_alone(edit, before, data)

    def _apply_alone(self, edit: Edit, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Make the change from `before` to `after` in the experiment in force, without the other edits of the form."""
        in_force = plain(self.in_force)
        try:
            wanted = changed_alike(in_force, before, after)
        except Unclear:
            self.said.emit(FORM_ONLY)
            self.say(FORM_ONLY)
            return
        if wanted == in_force and not self._held:
            return
        checked = check(wanted) if wanted != after else self._check_now()
        if checked.experiment is None:
            self.said.emit(f"not in force: {checked.trouble}")
            return
        self.applied.emit(checked.experiment)
        if self.in_force == checked.experiment:
            edit.applied = True
            self._show_buttons()
            if wanted != after:
                self.said.emit("only this change is in force: the other edits of the form wait for Apply")

    def _dragged(self, index: int, points: Any) -> None:
        """Store the points of a drawn curve after the user has dragged one.

        Nothing is stored if the form has another curve by now: while the form has an error, the plot shows the last
        valid forces.
        """
        data = copy.deepcopy(self.data())
        forces = data["policy"].get("forces", [])
        place = self._plotted[index]
        force = forces[place] if isinstance(forces, list) and place < len(forces) else {}
        shape = force.get("shape") if isinstance(force, dict) else None
        if isinstance(shape, dict) and one_moved(shape, points):
            shape["radius_um"], shape["energy_kt"] = points[:, 0].tolist(), points[:, 1].tolist()
            self.undo_stack.push(Edit(self, self._data, data))

    def _check(self) -> None:
        """Check the data for errors and for changes to apply; with formulas, in the background."""
        data = self.data()
        if self._checked is not None and self._checked.data == data:
            self._show_checked(self._checked)
        elif any(True for _ in formulas_in(data)):
            self._background.ask(data)
            self._changed = self._changed or (self._checked is not None and self._checked.data != data)
            self._show_buttons()
        else:
            self._show_checked(check(data))

    @property
    def is_checking(self) -> bool:
        """Whether a check of the present data is still running."""
        return self._background.busy

    def _check_now(self) -> Checked:
        """The check of the present data; done here if there is no result yet."""
        checked = self._checked
        if checked is None or self._background.busy or checked.data != self.data():
            checked = check(self.data())
            self._show_checked(checked)
        return checked

    def _show_checked(self, checked: Checked) -> None:
        """Show the error or the predictions, and whether there is something to apply."""
        self._background.drop()
        self._checked, experiment, trouble = checked, checked.experiment, checked.trouble
        for editor in self._formulas():
            formula = {"kind": "formula", **editor.get()}
            editor.show_fault(formula, next((fault for wrong, fault in checked.faults if wrong == formula), None))
        if experiment is not None:
            try:
                self._show_predictions(experiment)
            except Refused as refused:
                experiment, trouble = None, str(refused)
                if isinstance(refused, NotAllowed):
                    self.not_allowed.emit(refused)
        self._data_error = "" if checked.faults else trouble  # the formula editor shows it at the character
        self._show_trouble()
        if trouble:
            self.predicted.show_unknown()  # the displayed predictions are outdated
        self._changed, self._wrong = experiment is not None and experiment != self.in_force, experiment is None
        self._show_buttons()
        self.edited.emit(experiment, trouble)

    def _typed(self, uncommitted: bool) -> None:
        """Record whether a field has uncommitted text. Focus on Apply, or Ctrl+Enter, commits it."""
        self._typing = uncommitted
        if uncommitted and self._input_error:
            self._show_input_error("")
        self._show_buttons()

    def _show_input_error(self, said: str) -> None:
        """Show why a field did not take the typed text."""
        self._input_error, self._holds_back = said, bool(said)
        self._show_trouble()

    def _press(self, action: Callable[[], None]) -> None:
        """Act on a press of a button. The press that takes the focus from a field with refused text does nothing."""
        if self._holds_back:
            self._holds_back = False
            self.said.emit(f"not done, since a field did not take its text: {self._input_error}")
        else:
            action()

    def _show_buttons(self, *_: object) -> None:
        """Update Apply, Undo and Redo, and show whether the rig will follow."""
        offered = self._changed or self._typing or (self._held and not self._wrong)
        self.apply_button.setEnabled(offered)
        self.apply_button.setText("Apply" if offered or self._wrong else "In force")
        below = self.undo_stack.index()
        for button, name, keys, edit, forward in (
            (self.undo_button, "Undo", "Ctrl+Z", self.undo_stack.command(below - 1), False),
            (self.redo_button, "Redo", "Ctrl+Shift+Z", self.undo_stack.command(below), True),
        ):
            acts = follows(edit, forward)
            button.setEnabled(edit is not None)
            button.setText(f"{name}, apply" if acts else name)
            said = "the rig follows from the next turn on" if acts else "in the form only; the rig goes on as it is"
            if isinstance(edit, RigEdit) and edit.reopens:
                said = "the rig follows: dark, devices opened anew"
            button.setToolTip(f"{name.lower()} the last edit ({keys}): {said}")

    def _show_predictions(self, experiment: Experiment) -> None:
        """Show the predicted curves and numbers. Raises Refused for an experiment that cannot run."""
        conditions = self._conditions(experiment)
        forces = experiment.policy.forces
        shapes = [force.shape for force in forces if force.shape is not None]
        self._plotted = [index for index, force in enumerate(forces) if force.shape is not None]
        self.consequences.show_drawn(any(shape.kind == "drawn" for shape in shapes))
        self.plot.show_forces(shapes, experiment.mode, conditions)
        self.predicted.show_all(predict(experiment, conditions))

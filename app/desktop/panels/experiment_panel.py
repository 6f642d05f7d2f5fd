"""Panel to edit the experiment: a form, predictions, and Apply between two turns."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent, QUndoCommand, QUndoStack
from PyQt6.QtWidgets import QGridLayout, QPushButton, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from app.analysis.predictions import predict
from app.assembly.given_keys import GONE
from app.assembly.python_law import NotAllowed
from app.assembly.rig import Plan
from app.desktop.forms import checkpoint_editor as checkpoint_editor  # these imports register their editors in the form
from app.desktop.forms import drawn_editor as drawn_editor
from app.desktop.forms import python_law_editor as python_law_editor
from app.desktop.forms.editing_keys import APPLY, REDO, UNDO, EditingKeys, KeyActions
from app.desktop.forms.error_label import LINES, ErrorLabel
from app.desktop.forms.form import Fields
from app.desktop.forms.form_check import Checked, check, formulas_in
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.panels.consequences import Consequences
from app.desktop.panels.experiment_list import ExperimentList
from app.desktop.panels.predicted_numbers import ForeseenTable
from app.desktop.plots.potential_plot import PotentialPlot
from app.desktop.window import theme
from app.desktop.window.background_questions import Background
from app.desktop.window.unsaved_edits import Unsaved
from config.reader import plain
from config.refused import Refused
from control.experiment import Experiment
from control.theory.conditions import Conditions

IN_ONE_GO_S = 1.0
FORM_PX = 350  # height of the form with its tabs, if the panel has room: 320 for the fields
FORM_LEAST_PX = 150
TWO_COLUMNS_PX = 470  # least width of the panel for two columns
FORM_WIDE_PX = 252  # least width of the form in two columns
SIDE_LINES = 3  # lines of the error message in two columns
EDGE_PX = 1  # margin above and below
LAST_ROW = 3  # last row in two columns: takes the remaining height
FORM_ONLY = "in the form only, because other edits there are not in force: Apply puts all in force"
LAW, CARRYING = ("policy",), ("mode", "trap", "species", "keep_in_field")  # the form shows only these fields


class Edit(QUndoCommand):
    """One edit of the form: the data before and after. Quick successive changes of one value are one edit.

    Args:
        shown: the form already shows `after`.
        alone: it is put in force at once, without the other edits of the form.
    """

    def __init__(
        self, panel: ExperimentPanel, before: Any, after: Any, shown: bool = False, alone: bool = False
    ) -> None:
        super().__init__("edit")
        self._shown, self.alone = shown, alone
        self.panel, self.before, self.after = panel, before, after
        self.where = () if counts_differ(before, after) else difference(before, after)
        self.at_s = time.monotonic()
        self.applied = False  # whether it was put in force
        below = panel.below(panel.undo_stack.index())  # `*_flew`: whether the data before and after it were in force
        self.before_flew: bool = below is None or below.after_flew
        self.after_flew: bool = False

    def id(self) -> int:
        return 1

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        if not isinstance(other, Edit) or self.applied or self.after_flew or other.at_s - self.at_s > IN_ONE_GO_S:
            return False
        if not self.where or other.where != self.where or self.alone or other.alone:
            return False
        self.after, self.at_s = other.after, other.at_s
        return True

    def undo(self) -> None:
        self._show(self.before, self.after)

    def redo(self) -> None:
        if self._shown:
            self._shown = False
            self.panel.take_over(self.after)
        else:
            self._show(self.after, self.before)

    def _show(self, data: Any, other: Any) -> None:
        """Show the data. Values of `set` from other panels are not part of this edit and stay."""
        own = data["set"] != other["set"]
        self.panel.show_data(data if own else {**data, "set": self.panel.data()["set"]})


class RigEdit(QUndoCommand):
    """A change of rig values that is in force: values before and after, by dotted key.

    The window changes the rig first and then the undo stack. If the rig refuses, neither changes.

    Args:
        own: the experiment's `set` before it; an undo leaves no other values there.
        unknown: those values of a recording that were guesses before it.
    """

    def __init__(
        self,
        before: dict[str, Any],
        after: dict[str, Any],
        reopens: bool,
        own: dict[str, Any],
        unknown: tuple[str, ...],
    ) -> None:
        super().__init__("edit of the rig")
        self.before, self.after, self.reopens, self.unknown = before, after, reopens, unknown
        self._own = {key: value for key, value in own.items() if key in after}

    def undone(self, values: dict[str, Any]) -> dict[str, Any]:
        """The `set` of an experiment without this edit."""
        return {key: value for key, value in values.items() if key not in self.after} | self._own

    def again(self) -> RigEdit:
        """The same edit, once more."""
        return RigEdit(self.before, self.after, self.reopens, self._own, self.unknown)

    def reverse(self) -> RigEdit:
        """The edit that takes this one back."""
        known = tuple(key for key in self.unknown if key not in self.after)
        return RigEdit(self.after, self.before, self.reopens, self.after, known)


class DeviceEdit(QUndoCommand):
    """An edit of the device panel that is not in force: values before and after, by dotted key.

    It becomes obsolete when its values are put in force, by a RigEdit.
    """

    def __init__(self, before: dict[str, Any], after: dict[str, Any], show: Callable[[dict[str, Any]], None]) -> None:
        super().__init__("edit of a device")
        self.before, self.after, self._show = before, after, show
        self._shown, self.at_s = True, time.monotonic()  # `_shown`: the form already shows `after`

    def id(self) -> int:
        return 2

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        if not isinstance(other, DeviceEdit) or self.isObsolete() or other.at_s - self.at_s > IN_ONE_GO_S:
            return False
        if len(self.after) != 1 or self.after.keys() != other.after.keys():
            return False
        self.after, self.at_s = other.after, other.at_s
        return True

    def undo(self) -> None:
        self._show(self.before)

    def redo(self) -> None:
        if self._shown:
            self._shown = False
        else:
            self._show(self.after)


class ExperimentPanel(QWidget):
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
        self, experiment: Experiment, means: Callable[[Any], Conditions], folder: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._means = means  # the conditions of an experiment; raises Refused
        self.in_force = experiment
        self.undo_stack = QUndoStack(self)
        self._saved: dict[str, Any] = {}  # the data as opened or last saved
        self.list = ExperimentList(folder)
        self.law, self.carrying = Fields(Experiment, LAW), Fields(Experiment, CARRYING)
        self.plot, self.foreseen = PotentialPlot(), ForeseenTable()
        self.consequences = Consequences(self.plot, self.foreseen)
        self.trouble = ErrorLabel()
        self.apply_button = QPushButton("Apply")
        self.apply_button.setToolTip("put the edited experiment in force between two turns (Ctrl+Enter)")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self._typing = self._changed = self._wrong = False  # `_typing`: a field has uncommitted text
        self._held = False  # the loop is dark until Apply
        self.why_wait: Callable[[], str] = lambda: ""  # returns why edits have to wait at present
        self._checked: Checked | None = None  # result of the last check
        self._found = ""  # the error in the data, in words
        self._refused: tuple[Any, str] = (None, "")  # the data whose Apply or Save was refused, and the reason
        self._not_taken = ""  # why a field did not take the typed text, until the next edit
        self._background = Background(check, self)
        self._background.answered.connect(self._show_checked)
        self._lay_out()
        for form in (self.law, self.carrying):
            form.edited.connect(self._edited)
        self.apply_button.clicked.connect(self.apply)
        self.plot.dragged.connect(self._dragged)
        self.undo_button.clicked.connect(self.undo)
        self.redo_button.clicked.connect(self.redo)
        self.undo_stack.indexChanged.connect(self._show_buttons)
        self._listen_to_keys()
        self.show_experiment(experiment)

    def _listen_to_keys(self) -> None:
        self.key_actions: KeyActions = {APPLY: self._apply_typed, UNDO: self.undo, REDO: self.redo}
        self._keys = EditingKeys(self, self.key_actions, self._typed, lambda: self._data, self._say_not_taken)

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

    def show_experiment(self, experiment: Experiment) -> None:
        """Show another experiment, which is in force, with a new undo stack."""
        self._begin(experiment, QUndoStack(self))
        for editor in self._formulas():
            editor.forget()
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
        return self.as_it_stands(path, plan, devices)

    def as_it_stands(self, path: Path, plan: Plan, devices: dict[str, Any]) -> Unsaved:
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
        self._data, self._not_taken = data, ""
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

    def record_device_edit(
        self, before: dict[str, Any], after: dict[str, Any], show: Callable[[dict[str, Any]], None]
    ) -> None:
        """Put an edit of the device panel on the undo stack; `show` shows values in that panel."""
        self.undo_stack.push(DeviceEdit(before, after, show))

    def settle_devices(self, keys: Iterable[str]) -> None:
        """These rig values are now in force: edits of the device panel that contain one of them can't be undone."""
        gone = set(keys)
        for index in range(self.undo_stack.index()):
            edit = self.undo_stack.command(index)
            if isinstance(edit, DeviceEdit) and gone & edit.after.keys():
                edit.before = {key: value for key, value in edit.before.items() if key not in gone}
                edit.after = {key: value for key, value in edit.after.items() if key not in gone}
                edit.setObsolete(not edit.after)
        self._drop_obsolete()

    def _drop_obsolete(self) -> None:
        """Remove obsolete edits from the top: the next undo is then of an edit that does something."""
        while (edit := self.undo_stack.command(self.undo_stack.index() - 1)) is not None and edit.isObsolete():
            self.undo_stack.undo()

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
        self._drop_obsolete()
        if not follows(edit, forward):
            self.said.emit(f"{'redone' if forward else 'undone'} in the form only: the rig goes on as it is")
        elif isinstance(edit, Edit) and edit.alone:
            self._apply_alone(edit, data, self._data)
        elif self._check_now().experiment != self.in_force or self._held:
            self.apply()

    def _waits(self) -> bool:
        """Whether edits have to wait; the reason is said then."""
        why = self.why_wait()
        if why:
            self.said.emit(why)
        return bool(why)

    def below(self, index: int) -> Edit | None:
        """The last edit of the experiment among the first `index` edits; None: the data are as opened."""
        edits = (self.undo_stack.command(number) for number in range(index - 1, -1, -1))
        return next((edit for edit in edits if isinstance(edit, Edit)), None)

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
            self.said.emit(f"not applied: {self._found or 'the formula is not valid'}")

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
        stack = self.undo_stack
        edits = [stack.command(index) for index in range(stack.count())]
        done, undone = edits[: stack.index()], edits[stack.index() :]
        for edit in done:
            if isinstance(edit, Edit):
                edit.applied = True
        below, above = self.below(stack.index()), next((edit for edit in undone if isinstance(edit, Edit)), None)
        if below is not None:
            below.after_flew = True
        if above is not None:
            above.before_flew = True
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
        said = self._not_taken or (refused if refused and data == self.data() else self._found)
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
        shape = forces[index]["shape"] if index < len(forces) else {}
        if one_moved(shape, points):
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
                self._foresee(experiment)
            except Refused as refused:
                experiment, trouble = None, str(refused)
                if isinstance(refused, NotAllowed):
                    self.not_allowed.emit(refused)
        self._found = "" if checked.faults else trouble  # the formula editor shows it at the character
        self._show_trouble()
        if trouble:
            self.foreseen.show_unknown()  # the displayed predictions are outdated
        self._changed, self._wrong = experiment is not None and experiment != self.in_force, experiment is None
        self._show_buttons()
        self.edited.emit(experiment, trouble)

    def _typed(self, uncommitted: bool) -> None:
        """Record whether a field has uncommitted text. Focus on Apply, or Ctrl+Enter, commits it."""
        self._typing = uncommitted
        if uncommitted and self._not_taken:
            self._say_not_taken("")
        self._show_buttons()

    def _say_not_taken(self, said: str) -> None:
        """Show why a field did not take the typed text."""
        self._not_taken = said
        self._show_trouble()

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

    def _foresee(self, experiment: Experiment) -> None:
        """Show the predicted curves and numbers. Raises Refused for an experiment that cannot run."""
        means = self._means(experiment)
        shapes = [force.shape for force in experiment.policy.forces if force.shape is not None]
        self.consequences.show_drawn(any(shape.kind == "drawn" for shape in shapes))
        self.plot.show_forces(shapes, experiment.mode, means)
        self.foreseen.show_all(predict(experiment, means))


def follows(edit: QUndoCommand | None, forward: bool) -> bool:
    """Whether the rig follows when an edit is redone (`forward`) or undone: only to data that were in force."""
    if isinstance(edit, Edit):
        return edit.applied and (edit.alone or (edit.after_flew if forward else edit.before_flew))
    return isinstance(edit, RigEdit)


class Unclear(Exception):
    """A change can't be made in other data, because they differ where it was made."""


def changed_alike(data: Any, before: Any, after: Any) -> Any:
    """The data with the change that leads from `before` to `after`, and with their own other values.

    Raises Unclear.

    >>> changed_alike({"a": 1, "b": [2]}, {"a": 5, "b": [2]}, {"a": 5, "b": [2, 3]})
    {'a': 1, 'b': [2, 3]}
    """
    if before == after:
        return data
    if data in (before, after):  # `after`: the change is there already
        return after
    if isinstance(after, dict | list) and type(before) is not type(after):  # invalid text was replaced as a whole
        return after
    if isinstance(data, dict) and isinstance(before, dict) and isinstance(after, dict):
        if data.keys() == before.keys() == after.keys():
            return {key: changed_alike(data[key], before[key], after[key]) for key in data}
    elif isinstance(data, list) and isinstance(before, list) and isinstance(after, list):
        if len(data) == len(before) == len(after):
            return [changed_alike(*three) for three in zip(data, before, after, strict=True)]
        if len(data) == len(before) and after[: len(before)] == before:
            return data + after[len(before) :]
        for index in range(len(before)) if len(data) == len(before) == len(after) + 1 else ():
            if before[:index] + before[index + 1 :] == after:
                return data[:index] + data[index + 1 :]
    raise Unclear


def counts_differ(before: Any, after: Any) -> bool:
    """Whether a list of settings has gained or lost some: each such edit is an edit of its own."""
    if isinstance(before, dict) and isinstance(after, dict):
        return any(counts_differ(before[key], after[key]) for key in before.keys() & after.keys())
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    if len(before) != len(after):
        return any(isinstance(one, dict) for one in (*before, *after))
    return any(counts_differ(*both) for both in zip(before, after, strict=True))


def difference(before: Any, after: Any) -> tuple[Any, ...]:
    """Path of keys to the differing value, or to the first of several siblings; empty if the keys themselves differ."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        keys: list[Any] = [key for key in before if before[key] != after[key]]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        keys = [index for index in range(len(before)) if before[index] != after[index]]
    else:
        return ()
    return (keys[0], *difference(before[keys[0]], after[keys[0]])) if len(keys) == 1 else tuple(keys[:1])


def one_moved(shape: dict[str, Any], points: Any) -> bool:
    """Whether the shape, as plain data, is a drawn curve with these points [N, 2], of which at most one has moved."""
    radius_um, energy_kt = shape.get("radius_um"), shape.get("energy_kt")
    if not (isinstance(radius_um, list) and isinstance(energy_kt, list)):
        return False
    if not len(radius_um) == len(energy_kt) == len(points):
        return False
    moved = [[r, energy] != point for r, energy, point in zip(radius_um, energy_kt, points.tolist(), strict=True)]
    return moved.count(True) <= 1


def scrolled(inside: QWidget) -> QScrollArea:
    """The widget in a vertically scrolling frame."""
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

"""Requested and actual device settings, and a form for the settings of the rig."""

from __future__ import annotations

import dataclasses
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QApplication, QCheckBox, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.assembly.rig import Plan
from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.editing_keys import APPLY, REDO, UNDO, EditingKeys, KeyActions, uncommitted
from app.desktop.forms.error_label import ErrorLabel
from app.desktop.forms.form import Fields
from app.desktop.forms.scrolled import scrolled
from app.desktop.forms.value_editors import discard
from app.desktop.panels.readbacks import Readbacks
from app.desktop.window import theme
from config.reader import Document, build, plain

LIVE = ("tracking",)  # parts of the rig that can change between two turns
REOPEN = ("camera", "deflector", "laser", "loop", "optics", "plant", "sample")  # parts whose changes reopen the devices


class DevicePanel(QWidget):
    """`changed` carries the differences from the rig in force, by dotted key, and whether the devices are reopened."""

    changed = pyqtSignal(dict, bool)
    edited = pyqtSignal(dict, dict)  # an edit of the form: values before and after, by dotted key
    undo_asked = pyqtSignal()  # undo the last edit in any panel
    redo_asked = pyqtSignal()

    def __init__(self, plan: Plan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answers = Readbacks()
        self.part, self.pages = ChoiceBox(), QStackedWidget()
        self.part.setToolTip("which part of the rig is shown")
        self.part.currentIndexChanged.connect(self.pages.setCurrentIndex)
        self.forms: dict[str, Fields] = {}
        self.candidates = QCheckBox("Show what is kept and rejected")
        self.candidates.setToolTip("by the tracking settings as they stand in the form, before they are in force")
        self.trouble = ErrorLabel()
        self.button = QPushButton("Apply")
        self.button.clicked.connect(self._press)
        self._typing = False  # a field holds text that is not committed yet
        self._input_error = ""  # why a field did not take the typed text, until the next edit
        self._holds_back = False  # that text was refused after the last press of the button
        self._values: dict[str, Any] = {}  # committed values in the form, by dotted key
        column = QVBoxLayout(self)
        column.setSpacing(theme.GRID)
        column.addWidget(self.answers)
        column.addWidget(self.part)
        column.addWidget(self.pages, 1)
        column.addWidget(self.candidates)
        column.addWidget(self.trouble)
        column.addWidget(self.button)
        self.show_plan(plan)
        keys: KeyActions = {APPLY: self.apply, UNDO: self.undo_asked.emit, REDO: self.redo_asked.emit}
        self._keys = EditingKeys(self, keys, self._typed, lambda: self._values, self._show_input_error)

    def show_plan(self, plan: Plan, edits: dict[str, Any] | None = None) -> None:
        """Show the settings of this rig, which are in force, and `edits`, by dotted key, which are not."""
        self.plan = plan
        self.answers.clear()
        values = {
            part: getattr(plan.rig, part) for part in (*LIVE, *REOPEN) if part != "sample" or plan.kind == "SIMULATED"
        }
        if {part: form.cls for part, form in self.forms.items()} != {part: type(item) for part, item in values.items()}:
            self._make_forms(values)
        for part, value in values.items():
            edited = {key.partition(".")[2]: new for key, new in (edits or {}).items() if key.startswith(f"{part}.")}
            settings = plain(value)
            self.forms[part].put(settings | {name: new for name, new in edited.items() if name in settings})
        self._record_shown_values()

    def _make_forms(self, values: dict[str, Any]) -> None:
        """Make one page for each part. This takes about 0.2 s; new values of the same parts do not need it."""
        current_part = self.part.currentText()
        while self.pages.count():
            page = self.pages.widget(0)
            assert page is not None
            self.pages.removeWidget(page)
            discard(page)
        self.part.clear()
        self.forms = {}
        for part, value in values.items():
            form = Fields(type(value))
            form.edited.connect(self._form_edited)
            self.forms[part] = form
            self.pages.addWidget(scrolled(form))
            self.part.addItem(part)
        self.part.setCurrentIndex(max(self.part.findText(current_part), 0))

    def edits(self) -> dict[str, Any]:
        """Differences from the rig in force: dotted key to value."""
        changes: dict[str, Any] = {}
        for part, form in self.forms.items():
            before = plain(getattr(self.plan.rig, part))
            for name, value in form.get().items():
                if before[name] != value:
                    changes[f"{part}.{name}"] = value
        return changes

    def tracking(self) -> Any:
        """The tracking settings in the form. Raises Refused."""
        return build(Document("the device panel", self.forms["tracking"].get(), {}), type(self.plan.rig.tracking))

    def apply(self) -> None:
        edits = self.edits()
        if edits:
            self.changed.emit(edits, any(key.split(".")[0] in REOPEN for key in edits))

    def put(self, values: dict[str, Any]) -> None:
        """Show these values, by dotted key, in the form only."""
        for part, form in self.forms.items():
            for name, row in form.rows.items():
                if f"{part}.{name}" in values:
                    row.put(values[f"{part}.{name}"])
        self._record_shown_values()

    def record_edits(self) -> None:
        """Emit `edited` for the present edits, which the user has not just made: they come from an earlier session."""
        edits = self.edits()
        if edits:
            before = {key: plain(getattr(self.plan.rig, key.partition(".")[0]))[key.partition(".")[2]] for key in edits}
            self.edited.emit(before, edits)

    def _form_edited(self) -> None:
        """The user has changed the form."""
        before = self._values
        self._set_values(self._shown_values())
        changed = [key for key, value in self._values.items() if before.get(key) != value]
        if changed:
            self.edited.emit({key: before.get(key) for key in changed}, {key: self._values[key] for key in changed})

    def _shown_values(self) -> dict[str, Any]:
        return {f"{part}.{name}": value for part, form in self.forms.items() for name, value in form.get().items()}

    def _record_shown_values(self) -> None:
        """Record the values that the form was given. A field in which the user types keeps its value before."""
        values, field = self._shown_values(), QApplication.focusWidget()
        if field is not None and uncommitted(field):
            for part, form in self.forms.items():
                for name, row in form.rows.items():
                    key = f"{part}.{name}"
                    if row.isAncestorOf(field) and key in self._values:
                        values[key] = self._values[key]
        self._set_values(values)

    def _set_values(self, values: dict[str, Any]) -> None:
        self._values, self._input_error, self._holds_back = values, "", False
        self._edited()

    def say(self, trouble: str) -> None:
        self.trouble.say(trouble)

    def _edited(self) -> None:
        edits = self.edits()
        reopens = any(key.split(".")[0] in REOPEN for key in edits)
        self.button.setEnabled(bool(edits) or self._typing)
        label = "Apply" if edits or self._typing else "In force"
        self.button.setText("Apply, dark, devices opened anew" if reopens else label)
        self.say(self._input_error)

    def _show_input_error(self, message: str) -> None:
        """Show why a field did not take the typed text."""
        self._input_error, self._holds_back = message, bool(message)
        self.say(message)

    def _press(self) -> None:
        """Apply. The press that takes the focus from a field with refused text does nothing."""
        if self._holds_back:
            self._holds_back = False
        else:
            self.apply()

    def _typed(self, uncommitted: bool) -> None:
        if uncommitted:
            self._input_error = ""
        if uncommitted != self._typing:
            self._typing = uncommitted
            self._edited()


def with_edits(experiment: Any, edits: dict[str, Any]) -> Any:
    """The experiment with these values added to its `set`, which changes the rig and is recorded in the journal."""
    return dataclasses.replace(experiment, set={**experiment.set, **edits})

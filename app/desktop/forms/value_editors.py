"""Base class of the editors, and editors for simple values. Every editor holds plain data, as in YAML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.editing_keys import uncommitted
from app.desktop.forms.number_box import CountBox, NumberBox
from config.fields import FieldForm
from config.reader import value_of
from config.refused import Refused

UNUSUAL_NUMBER = re.compile(r"(?<![\w.+-])[+-]?(0\d|\d+_|\d+:\d)")  # YAML reads 010 as 8, 1_0 as 10, 1:30 as 90


class Editor(QWidget):
    """Editor for one value. It emits `edited` when the user changes the value, not when `put` does."""

    edited = pyqtSignal()

    def get(self) -> Any:
        """The value as plain data."""
        raise NotImplementedError

    def put(self, value: Any) -> None:
        """Show this value."""
        raise NotImplementedError


class Single(Editor):
    """An editor with one widget, which holds the value."""

    def __init__(self, widget: QWidget, get: Callable[[], Any], put: Callable[[Any], None], changed: Any) -> None:
        super().__init__()
        self.widget, self._get, self._put = widget, get, put
        self.setFocusProxy(widget)
        stacked(self).addWidget(widget)
        changed.connect(lambda *_: self.edited.emit())

    def get(self) -> Any:
        return self._get()

    def put(self, value: Any) -> None:
        if uncommitted(self.widget) and self.widget.hasFocus() and value == self._get():
            return  # the user is typing, and the value has not changed
        self.widget.blockSignals(True)
        self._put(value)
        self.widget.blockSignals(False)


def number(form: FieldForm) -> Editor:
    box = NumberBox(form.unit, form.minimum, form.maximum)
    return Single(box, box.number, lambda value: box.setValue(float(value)), box.valueChanged)


def count(form: FieldForm) -> Editor:
    box = CountBox(form.unit, form.minimum, form.maximum)
    return Single(box, box.number, lambda value: box.setValue(int(value)), box.valueChanged)


def truth(form: FieldForm) -> Editor:
    box = QCheckBox()
    return Single(box, box.isChecked, lambda value: box.setChecked(bool(value)), box.toggled)


def choice(form: FieldForm) -> Editor:
    box = ChoiceBox()
    for option in form.choices:
        box.addItem(str(option), option)
    return Single(box, box.currentData, lambda value: box.setCurrentIndex(box.findData(value)), box.activated)


def text(form: FieldForm) -> Editor:
    line = _line()
    return Single(line, line.text, lambda value: _write(line, str(value)), line.editingFinished)


def yaml_line(form: FieldForm) -> Editor:
    """Editor for lists and mappings of numbers, as one line of YAML."""
    line = _line()

    def read() -> Any:
        try:
            return line.text() if UNUSUAL_NUMBER.search(line.text()) else value_of(line.text(), form.name)
        except Refused:
            return line.text()  # the strict reader reports the error

    def write(value: Any) -> None:
        _write(line, yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("...").strip())

    return Single(line, read, write, line.editingFinished)


class Optional(Editor):
    """An optional value: set, or None."""

    def __init__(self, inner: Editor, fallback: Any) -> None:
        super().__init__()
        self.inner, self.fallback = inner, fallback
        self.box = QCheckBox()
        self.box.setToolTip("whether it is set at all")
        row = stacked(self, QHBoxLayout())
        row.addWidget(self.box, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(inner, 1)
        self.box.toggled.connect(self._toggle)
        inner.edited.connect(self.edited)

    def get(self) -> Any:
        return self.inner.get() if self.box.isChecked() else None

    def put(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(value is not None)
        self.box.blockSignals(False)
        self.inner.setEnabled(value is not None)
        self.inner.put(self.fallback if value is None else value)

    def _toggle(self, on: bool) -> None:
        self.inner.setEnabled(on)
        self.edited.emit()


def stacked(widget: QWidget, layout: Any = None, margin: int = 0) -> Any:
    layout = QVBoxLayout() if layout is None else layout
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(6)
    widget.setLayout(layout)
    return layout


def _line() -> QLineEdit:
    """A line edit with the `modified` flag set until its text is committed."""
    line = QLineEdit()
    line.editingFinished.connect(lambda: line.setModified(False))
    return line


def _write(line: QLineEdit, value: str) -> None:
    line.setText(value)
    line.setCursorPosition(0)


def discard(widget: QWidget) -> None:
    """Hide the widget at once; Qt deletes it later."""
    widget.hide()
    widget.setParent(None)
    widget.deleteLater()

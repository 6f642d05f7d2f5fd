"""Editor for a formula. It marks the character of an error and derives the parameters from the names in the text."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QFontDatabase, QTextCursor
from PyQt6.QtWidgets import QFormLayout, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout

from app.desktop.forms.defaults import INITIAL_VALUES
from app.desktop.forms.editing_keys import uncommitted
from app.desktop.forms.error_label import ErrorLabel
from app.desktop.forms.form import SPECIAL, Fields
from app.desktop.forms.form_check import FormulaFault
from app.desktop.forms.number_box import NumberBox
from app.desktop.forms.value_editors import Editor, discard
from app.desktop.window import theme
from control.potentials.expression import RESERVED, FormulaError, assert_length, parse
from control.potentials.formula import VARIABLES, Formula, assert_parameters

REST_MS = 300  # pause in typing before rows are added or removed
FAULT_LINES = 3  # reserved for the error message
NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


class FormulaText(QPlainTextEdit):
    """A text field for a formula; `mark` gives one character a red background."""

    typed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setFixedHeight(58)
        self.setTabChangesFocus(True)
        self.setPlaceholderText("0.5*k*(r-R)**2")
        self._quiet = False
        self.textChanged.connect(lambda: None if self._quiet else self.typed.emit())

    def put(self, text: str) -> None:
        """Show this text. While the user works in it, as with an undo, the cursor goes behind what has changed."""
        before = self.toPlainText()
        if text == before:
            return
        self._quiet = True
        self.setPlainText(text)
        self._quiet = False
        if self.hasFocus():
            cursor = self.textCursor()
            cursor.setPosition(max(_common_length(text, before), len(text) - _common_length(text[::-1], before[::-1])))
            self.setTextCursor(cursor)

    def mark(self, column: int | None) -> None:
        marks = []
        if column is not None:
            cursor = QTextCursor(self.document())
            length = len(self.toPlainText())
            cursor.setPosition(min(column, max(length - 1, 0)))
            cursor.movePosition(QTextCursor.MoveOperation.NextCharacter, QTextCursor.MoveMode.KeepAnchor)
            mark = QTextEdit.ExtraSelection()
            mark.cursor = cursor
            mark.format.setBackground(QColor(theme.RED))
            mark.format.setForeground(QColor(theme.WHITE))
            marks.append(mark)
        self.setExtraSelections(marks)


class FormulaEditor(Editor):
    """The settings of a Formula. The editor checks the syntax while the user types. The owner of the editor checks the
    values in a worker thread and then calls `show_fault`."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.text, self.fault = FormulaText(), ErrorLabel(FAULT_LINES)
        self.typing = False  # while `edited` is emitted because the text has changed; the text is already shown
        self.rest = Fields(cls, ("unit", "range_um"))
        self.numbers: dict[str, NumberBox] = {}
        self._parameters: dict[str, float] = {}
        self._last_values: dict[str, float] = {}  # last value of every name used so far; a name may return
        self._pause_timer = QTimer(self)
        self._pause_timer.setSingleShot(True)
        self._pause_timer.setInterval(REST_MS)
        self._pause_timer.timeout.connect(self._show_parameters)
        self._lay_out()
        self.text.typed.connect(self._typed)
        self.rest.edited.connect(self.edited)

    def _lay_out(self) -> None:
        self._rows = QFormLayout()
        self._rows.setSpacing(6)
        hint = QLabel("V, of r, or of x and y, and of t in s")
        hint.setStyleSheet(f"color: {theme.FAINT}")
        hint.setToolTip("functions: " + ", ".join(sorted(RESERVED)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (hint, self.text, self.fault):
            column.addWidget(widget)
        column.addLayout(self._rows)
        column.addWidget(self.rest)

    def get(self) -> dict[str, Any]:
        return {"formula": self.text.toPlainText(), "parameters": dict(self._parameters), **self.rest.get()}

    def put(self, value: dict[str, Any]) -> None:
        self.text.put(value["formula"])
        self._parameters = dict(value["parameters"])
        self._last_values |= self._parameters
        self._show_parameters()
        self.rest.put({name: value[name] for name in ("unit", "range_um")})
        self._display_fault(self._syntax_fault())

    def forget(self) -> None:
        """Discard the values of earlier names, for another experiment."""
        self._last_values = {}

    def show_fault(self, formula: dict[str, Any], fault: FormulaFault | None) -> None:
        """Show the result of a check of these settings. Ignored if the settings have changed since."""
        if formula == {"kind": "formula", **self.get()}:
            self._display_fault(self._syntax_fault() or fault)

    def _typed(self) -> None:
        """Update the parameters: a new name gets its previous value, or 1.

        If the text is too long or has too many names, the parameters do not change. Rows are added and removed after a
        pause in typing.
        """
        with suppress(ValueError):  # `_syntax_fault` reports the error
            names = _parameters_in(self.text.toPlainText())
            self._parameters = {name: self._last_values.setdefault(name, 1.0) for name in names}
            self._pause_timer.start()
        fault = self._syntax_fault()
        if fault is not None:
            self._display_fault(fault)  # a correction is shown after the check of the values
        self.typing = True
        self.edited.emit()
        self.typing = False

    def _syntax_fault(self) -> FormulaFault | None:
        """The syntax error in the text, independent of the parameter values; None if there is none."""
        formula = self.text.toPlainText()
        try:
            _parameters_in(formula)
            parse(formula, (*VARIABLES, *self._parameters))
        except FormulaError as error:
            return FormulaFault(error.sentence, error.column)
        except ValueError as error:
            return FormulaFault(str(error).splitlines()[0])
        return None

    def _display_fault(self, fault: FormulaFault | None) -> None:
        position = f"character {fault.column + 1}: " if fault is not None and fault.column is not None else ""
        self.fault.say(f"{position}{fault.sentence}" if fault is not None else "")
        self.text.mark(fault.column if fault is not None else None)

    def _show_parameters(self) -> None:
        self._pause_timer.stop()
        for name in [name for name in self.numbers if name not in self._parameters]:
            row = self._rows.takeRow(self.numbers.pop(name))
            for item in (row.labelItem, row.fieldItem):
                widget = item.widget() if item is not None else None
                if widget is not None:
                    discard(widget)  # not at once: it may have the focus, and handle the key that removes it
        for name, value in self._parameters.items():
            if name not in self.numbers:
                box = NumberBox("")
                box.valueChanged.connect(lambda number, name=name: self._set(name, number))
                self.numbers[name] = box
                self._rows.addRow(name, box)
            box = self.numbers[name]
            if uncommitted(box) and box.hasFocus() and value == box.number():
                continue  # the user is typing, and the value has not changed
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _set(self, name: str, value: float) -> None:
        if name in self._parameters:
            self._parameters[name] = self._last_values[name] = value
            self.edited.emit()


def _common_length(text: str, other_text: str) -> int:
    """Number of characters at the beginning that two texts have in common."""
    pairs = enumerate(zip(text, other_text, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(text), len(other_text)))


def _parameters_in(text: str) -> list[str]:
    """The parameter names in a formula, in order. Raises ValueError if the text is too long or has too many."""
    assert_length(text)
    names = [name for name in dict.fromkeys(NAME.findall(text)) if name.isascii()]
    names = [name for name in names if name not in (*VARIABLES, *RESERVED) and not name.startswith("_")]
    assert_parameters(len(names))
    return names


SPECIAL[Formula] = FormulaEditor
INITIAL_VALUES[Formula] = {"formula": "0.5*k*(r-R)**2", "parameters": {"k": 0.9, "R": 1.0}}

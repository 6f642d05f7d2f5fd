"""A formula as it is typed: the fault is marked at its character, and its parameters follow from its names."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QColor, QFontDatabase, QTextCursor
from PyQt6.QtWidgets import QFormLayout, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout

from app.desktop import theme
from app.desktop.begin import BEGINNINGS
from app.desktop.editor import Editor
from app.desktop.form import SPECIAL, Fields
from app.desktop.number_box import NumberBox
from control.potentials.expression import RESERVED, FormulaError, assert_length, parse
from control.potentials.formula import VARIABLES, Formula, assert_parameters

NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


class FormulaText(QPlainTextEdit):
    """A few lines of formula; `mark` underlays one character in red."""

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
        if text != self.toPlainText():
            self._quiet = True
            self.setPlainText(text)
            self._quiet = False

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
    """The settings of a Formula."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.text, self.fault = FormulaText(), QLabel()
        self.fault.setWordWrap(True)
        self.fault.setStyleSheet(f"color: {theme.RED}")
        self.rest = Fields(cls, ("unit", "range_um"))
        self.numbers: dict[str, NumberBox] = {}
        self._parameters: dict[str, float] = {}
        self._rows = QFormLayout()
        self._rows.setSpacing(6)
        said = QLabel("V, of r, or of x and y, and of t in s")
        said.setStyleSheet(f"color: {theme.FAINT}")
        said.setToolTip("functions: " + ", ".join(sorted(RESERVED)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (said, self.text, self.fault):
            column.addWidget(widget)
        column.addLayout(self._rows)
        column.addWidget(self.rest)
        self.text.typed.connect(self._typed)
        self.rest.edited.connect(self.edited)

    def get(self) -> dict[str, Any]:
        return {"formula": self.text.toPlainText(), "parameters": dict(self._parameters), **self.rest.get()}

    def put(self, value: dict[str, Any]) -> None:
        self.text.put(value["formula"])
        self._parameters = dict(value["parameters"])
        self._show_parameters()
        self.rest.put({name: value[name] for name in ("unit", "range_um")})
        self._check()

    def _typed(self) -> None:
        """A new name is a new parameter, 1 at first; one that is not used any more goes.

        A text that is too long, or has too many names, is refused before a row is made; the parameters stay.
        """
        with suppress(ValueError):  # `_check` says why
            names = _parameters_in(self.text.toPlainText())
            self._parameters = {name: self._parameters.get(name, 1.0) for name in names}
            self._show_parameters()
        self._check()
        self.edited.emit()

    def _check(self) -> None:
        formula = self.text.toPlainText()
        try:
            _parameters_in(formula)
            parse(formula, (*VARIABLES, *self._parameters))
            Formula(**self._whole())
        except FormulaError as error:
            self._say(error.sentence, error.column)
        except (ValueError, TypeError) as error:
            self._say(str(error).splitlines()[0], None)
        else:
            self._say("", None)

    def _whole(self) -> dict[str, Any]:
        whole = self.get()
        if whole["range_um"] is not None:
            whole["range_um"] = tuple(float(number) for number in whole["range_um"])
        return whole

    def _say(self, sentence: str, column: int | None) -> None:
        self.fault.setText(sentence)
        self.fault.setVisible(bool(sentence))
        self.text.mark(column)

    def _show_parameters(self) -> None:
        for name in [name for name in self.numbers if name not in self._parameters]:
            self._rows.removeRow(self.numbers.pop(name))
        for name, value in self._parameters.items():
            if name not in self.numbers:
                box = NumberBox("")
                box.valueChanged.connect(lambda number, name=name: self._set(name, number))
                self.numbers[name] = box
                self._rows.addRow(name, box)
            box = self.numbers[name]
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _set(self, name: str, value: float) -> None:
        self._parameters[name] = value
        self._check()
        self.edited.emit()


def _parameters_in(text: str) -> list[str]:
    """The names in a formula that no function and no variable has, in their order. Raises ValueError for too many."""
    assert_length(text)
    names = [name for name in dict.fromkeys(NAME.findall(text)) if name.isascii()]
    names = [name for name in names if name not in (*VARIABLES, *RESERVED) and not name.startswith("_")]
    assert_parameters(len(names))
    return names


SPECIAL[Formula] = FormulaEditor
BEGINNINGS[Formula] = {"formula": "0.5*k*(r-R)**2", "parameters": {"k": 0.9, "R": 1.0}}

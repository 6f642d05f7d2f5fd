"""Editor of one value: the input is a value, or goes as text to the strict reader, which reports the error."""

from __future__ import annotations

from dataclasses import MISSING

import pytest
from PyQt6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.desktop.forms.value_editors import Single, yaml_line
from config.fields import FieldForm

FORM = FieldForm("points", tuple, "", "", MISSING, float("-inf"), float("inf"), ())


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("[1, 2.5]", [1, 2.5]), ("[1, 2", "[1, 2"), ("2020-99-99", "2020-99-99"), ("[" * 3000, "[" * 3000),
        ("\x07", "\x07"), ("[010, 20]", "[010, 20]"), ("[1:30, 5]", "[1:30, 5]"), ("[1_0, 5]", "[1_0, 5]"),
        ("[0.5, -0, 10]", [0.5, 0, 10]), ("{a: 0.05}", {"a": 0.05}), ("[1.0e-05, 2.05]", [1e-05, 2.05]),
    ],
)  # fmt: skip
def test_input_is_a_value_or_text(qtbot: QtBot, typed: str, value: object) -> None:
    editor = yaml_line(FORM)
    qtbot.addWidget(editor)
    assert isinstance(editor, Single)
    assert isinstance(editor.widget, QLineEdit)
    editor.widget.setText(typed)
    assert editor.get() == value

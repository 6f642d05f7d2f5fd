"""A formula typed in the window: no key is lost or delayed, parameters keep their values, a fault has one message."""

from __future__ import annotations

import time
from typing import Any

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QLabel, QWidget

from app.desktop.forms.formula_editor import FormulaEditor
from control.potentials.formula import Formula
from tests.app.desktop.forms.test_editing_keys import focused, typed
from tests.app.desktop.panels.test_potential_edits import choose, shape_of
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench

KEYS: Any = QTest  # its type stubs do not declare the functions as static
LONG = "k*r**2*exp(-r/3)*sin(3*t)**2+A*cos(x)*cos(y)*exp(-(x*x+y*y)/9)"


def formula(bench: Bench) -> FormulaEditor:
    editor = choose(bench.window.panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    focused(bench, editor.text)
    return editor


def checked(bench: Bench) -> None:
    bench.qtbot.waitUntil(lambda: not bench.window.panel.is_checking)


def at(widget: QWidget, inside: QWidget) -> QPoint:
    return widget.mapTo(inside, QPoint(0, 0))


def settled(widget: QWidget, inside: QWidget) -> None:
    """Wait until the widget has not moved in three checks, 40 ms apart."""
    stands = 0
    while stands < 3:
        before = at(widget, inside)
        KEYS.qWait(40)
        stands = stands + 1 if at(widget, inside) == before else 0


def test_fast_typing_loses_no_key_and_does_not_wait_for_the_check(bench: Bench) -> None:
    editor, panel = formula(bench), bench.window.panel
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.SelectAll))
    each_s = []
    for letter in LONG:
        began_s = time.thread_time()  # CPU time of the window's thread: other load of the computer does not count
        KEYS.keyClicks(editor.text, letter)
        each_s.append(time.thread_time() - began_s)
    began_s = time.thread_time()
    panel.read()  # the check for which each key waited in an earlier version
    whole_s = time.thread_time() - began_s
    print(f"keys: {1e3 * sorted(each_s)[-2]:.1f} ms at most but once, check {1e3 * whole_s:.0f} ms")
    assert editor.text.toPlainText() == LONG
    assert sorted(each_s)[-2] < 0.3 * whole_s
    checked(bench)
    found = shape_of(panel)
    assert isinstance(found, Formula)
    assert found.formula == LONG


def test_a_retyped_formula_keeps_parameter_values_and_is_applied_at_once(bench: Bench) -> None:
    editor, panel = formula(bench), bench.window.panel
    editor.numbers["k"].setValue(0.37)
    editor.numbers["R"].setValue(1.6)
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.SelectAll))
    KEYS.keyClicks(editor.text, "k*(r-R)**2+B*r")
    checked(bench)
    found = shape_of(panel)
    assert isinstance(found, Formula)
    assert found.parameters == {"k": 0.37, "R": 1.6, "B": 1.0}
    bench.qtbot.waitUntil(lambda: list(editor.numbers) == ["k", "R", "B"])
    assert [box.number() for box in editor.numbers.values()] == [0.37, 1.6, 1.0]
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.SelectAll))
    KEYS.keyClicks(editor.text, "0.25*k*r**2")
    KEYS.keyClick(editor.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)  # before it is checked
    shape = bench.window.session.plan.experiment.policy.forces[0].shape
    assert isinstance(shape, Formula)
    assert (shape.formula, shape.parameters) == ("0.25*k*r**2", {"k": 0.37})
    assert panel.apply_button.text() == "In force"


def test_a_fault_has_one_message_with_its_position_and_moves_no_widget(bench: Bench) -> None:
    editor, panel = formula(bench), bench.window.panel
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.SelectAll))
    KEYS.keyClicks(editor.text, "0.5*k*r**2")
    checked(bench)
    bench.qtbot.waitUntil(lambda: list(editor.numbers) == ["k"])
    settled(editor.numbers["k"], panel)
    place = at(editor.numbers["k"], panel)
    KEYS.keyClicks(editor.text, "+log(r-30)")
    checked(bench)
    settled(editor.numbers["k"], panel)
    said = [label.text() for label in panel.findChildren(QLabel) if label.isVisible() and "finite" in label.text()]
    assert said == [editor.fault.text()]
    assert said[0].startswith("character 12: ")
    assert editor.text.extraSelections()[0].cursor.selectionStart() == 11
    assert at(editor.numbers["k"], panel) == place
    assert not panel.trouble.text()
    for _ in "+log(r-30)":
        KEYS.keyClick(editor.text, Qt.Key.Key_Backspace)
    checked(bench)
    assert editor.fault.text() == ""
    assert not editor.text.extraSelections()


def test_the_cursor_stays_at_the_change_after_undo_and_redo(bench: Bench) -> None:
    """The next key is inserted there, not before the formula."""
    editor, panel = formula(bench), bench.window.panel
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.MoveToEndOfDocument))
    before = editor.text.toPlainText()
    KEYS.keyClicks(editor.text, "+k")
    panel.undo()
    assert (editor.text.toPlainText(), editor.text.textCursor().position()) == (before, len(before))
    panel.redo()
    KEYS.keyClicks(editor.text, "*r")
    assert editor.text.toPlainText() == f"{before}+k*r"


def test_undo_in_a_parameter_that_it_removes(bench: Bench) -> None:
    """The box was deleted while it had the focus and handled the key, which tripped a lit beam."""
    editor = formula(bench)
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.MoveToEndOfDocument))
    before = editor.text.toPlainText()
    KEYS.keyClicks(editor.text, "+a*r")
    bench.qtbot.waitUntil(lambda: "a" in editor.numbers)
    checked(bench)
    KEYS.keyClick(focused(bench, editor.numbers["a"]), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.qtbot.waitUntil(lambda: "a" not in editor.numbers)
    assert editor.text.toPlainText() == before
    assert "a" not in [label.text() for label in editor.findChildren(QLabel)]


def test_a_parameter_typed_right_after_the_formula_stays(bench: Bench) -> None:
    """The rows that come when the typing rests overwrote it."""
    editor = formula(bench)
    KEYS.keySequence(editor.text, QKeySequence(QKeySequence.StandardKey.MoveToEndOfDocument))
    KEYS.keyClicks(editor.text, "+a*r")
    box = editor.numbers["k"]
    typed(focused(bench, box), "7")
    editor._pause_timer.timeout.emit()  # also if it has come before, on a busy computer
    assert "a" in editor.numbers
    assert box.text() == "7"
    KEYS.keyClick(box, Qt.Key.Key_Return)
    found = shape_of(bench.window.panel)
    assert isinstance(found, Formula)
    assert found.parameters == {"k": 7.0, "R": 1.0, "a": 1.0}

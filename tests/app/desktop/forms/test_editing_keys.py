"""Ctrl+Enter, Ctrl+Z and Ctrl+Shift+Z in the fields of the window, by real key presses."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QInputMethodEvent, QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractSpinBox, QApplication, QDockWidget, QLineEdit, QToolTip, QWidget

from app.desktop.forms.editing_keys import line_of, uncommitted
from app.desktop.forms.form import Fields, Variant
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.forms.number_box import NumberBox
from app.desktop.forms.value_editors import Single
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.panels.undo_edits import Edit
from app.desktop.window.open import FIRST
from config.reader import plain
from control.experiment import Experiment
from control.policies.programmed_law import Programmed
from control.potentials.annular import Annular
from tests.app.desktop.panels.test_potential_edits import choose
from tests.app.desktop.test_wheel import turned
from tests.app.desktop.window.test_main_window import Bench, force, write
from tests.app.desktop.window.test_main_window import bench as bench

KEYS: Any = QTest  # its type stubs do not declare the functions as static
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def focused(bench: Bench, field: QWidget) -> QWidget:
    bench.window.activateWindow()
    field.setFocus()
    bench.qtbot.waitUntil(lambda: QApplication.focusWidget() is field)
    return field


def typed(field: QWidget, text: str) -> None:
    """Replace the text of the field by keys."""
    KEYS.keySequence(field, QKeySequence(QKeySequence.StandardKey.SelectAll))
    KEYS.keyClicks(field, text)


def radius_box(bench: Bench) -> NumberBox:
    shape = force(bench.window.panel).rows["shape"]
    assert isinstance(shape, Variant)
    assert isinstance(shape.fields, Fields)
    row = shape.fields.rows["radius_um"]
    assert isinstance(row, Single)
    assert isinstance(row.widget, NumberBox)
    return row.widget


def radius_um(experiment: Experiment) -> float:
    assert isinstance(experiment.policy, Programmed)
    shape = experiment.policy.forces[0].shape
    assert isinstance(shape, Annular)
    return shape.radius_um


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_a_typed_number_is_applied_by_ctrl_enter(bench: Bench, key: Qt.Key) -> None:
    panel, box = bench.window.panel, focused(bench, radius_box(bench))
    assert not panel.apply_button.isEnabled()
    typed(box, "1.25")
    bench.qtbot.waitUntil(panel.apply_button.isEnabled)
    assert panel.apply_button.text() == "Apply"
    KEYS.keyClick(box, key, CTRL)
    assert radius_um(bench.window.session.plan.experiment) == 1.25
    assert not panel.apply_button.isEnabled()


def test_a_double_click_selects_the_whole_number(bench: Bench) -> None:
    panel, box = bench.window.panel, focused(bench, radius_box(bench))
    typed(box, "0.925")
    line = line_of(box)
    assert line is not None
    line.setCursorPosition(len(line.text()))
    KEYS.mouseDClick(line, Qt.MouseButton.LeftButton, pos=QPoint(5, line.height() // 2))
    KEYS.keyClicks(line, "1.5")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert radius_um(bench.window.session.plan.experiment) == 1.5
    assert not panel.apply_button.isEnabled()


def test_a_number_from_paste_or_an_input_method_can_be_applied(bench: Bench) -> None:
    panel, box = bench.window.panel, focused(bench, radius_box(bench))
    line = line_of(box)
    assert line is not None
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    clipboard.setText("1.25")
    line.selectAll()
    line.paste()  # as the context menu does
    bench.qtbot.waitUntil(panel.apply_button.isEnabled)
    focused(bench, panel.apply_button)
    panel.apply_button.click()
    assert radius_um(bench.window.session.plan.experiment) == 1.25
    line = line_of(focused(bench, radius_box(bench)))
    assert line is not None
    assert not panel.apply_button.isEnabled()
    event = QInputMethodEvent()
    event.setCommitString("3", 0, 0)
    line.end(False)
    line.home(False)
    QApplication.sendEvent(line, event)
    bench.qtbot.waitUntil(panel.apply_button.isEnabled)
    KEYS.keyClick(radius_box(bench), Qt.Key.Key_Return, CTRL)
    assert radius_um(bench.window.session.plan.experiment) == 31.25


def test_the_same_number_typed_again_leaves_nothing_to_apply(bench: Bench) -> None:
    panel, box = bench.window.panel, focused(bench, radius_box(bench))
    typed(box, str(radius_um(panel.read())))
    bench.qtbot.waitUntil(panel.apply_button.isEnabled)
    KEYS.keyClick(box, Qt.Key.Key_Return)
    bench.qtbot.waitUntil(lambda: not panel.apply_button.isEnabled())
    assert not panel.undo_stack.canUndo()


def applications(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The experiments that the window puts in force from now on."""
    session, found = bench.window.session, list[object]()
    apply = session.apply

    def noted(experiment: Experiment) -> None:
        found.append(experiment)
        apply(experiment)

    monkeypatch.setattr(session, "apply", noted)
    return found


def test_ctrl_enter_after_text_that_changes_nothing_applies_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: an APPLY of the same settings was sent and reported, and the measured tracks were dropped."""
    window, panel = bench.window, bench.window.panel
    applied = applications(bench, monkeypatch)
    window.status.clearMessage()
    box = focused(bench, radius_box(bench))
    for text, said in (
        ("-3", "-3 µm is too small, the least is 0 µm"), ("1e17", "1e17 µm is too large"),
        ("abc", "“abc” is not a number"), ("1_0", "“1_0” is not a number"), ("1", ""),
    ):  # fmt: skip
        typed(box, text)
        bench.qtbot.waitUntil(lambda: panel.apply_button.isEnabled() and panel.trouble.text() == "")
        KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
        assert said in panel.trouble.text()
        assert bool(panel.trouble.text()) == bool(said)
        assert (QToolTip.text() == panel.trouble.text()) or not said
        assert applied == []
        assert "in force" not in window.status.currentMessage()
        assert (radius_box(bench).text(), panel.undo_stack.count()) == ("1 µm", 0)


def test_refused_text_in_a_field_holds_other_edits_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = applications(bench, monkeypatch)
    write(force(bench.window.panel).rows["delay_s"], 0.25)
    box = focused(bench, radius_box(bench))
    typed(box, "-3")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert applied == []
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert len(applied) == 1


@pytest.mark.parametrize("leave", [Qt.Key.Key_Return, Qt.Key.Key_Tab])
def test_refused_text_is_reported_for_each_key_that_ends_it(bench: Bench, leave: Qt.Key) -> None:
    box = focused(bench, radius_box(bench))
    typed(box, "-3")
    KEYS.keyClick(box, leave)
    assert "-3 µm is too small" in bench.window.panel.trouble.text()


@pytest.mark.parametrize("key", [CTRL, CTRL | SHIFT])
def test_undo_and_redo_first_remove_text_that_changes_nothing(bench: Bench, key: Any) -> None:
    """Regression: the law in force was undone as well, while the beam was on."""
    window, box = bench.window, focused(bench, radius_box(bench))
    for value in ("1.25", "1.5", "1.25"):
        typed(box, value)
        KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    if key != CTRL:
        KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
        KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    before = radius_um(window.session.plan.experiment)
    for text in ("abc", "-3", "1.25"):
        typed(box, text)
        KEYS.keyClick(box, Qt.Key.Key_Z, key)
        assert radius_um(window.session.plan.experiment) == before
        assert radius_box(bench).text() == "1.25 µm"
    KEYS.keyClick(box, Qt.Key.Key_Z, key)
    assert radius_um(window.session.plan.experiment) == 1.5


def test_a_whole_number_with_a_point_is_refused(bench: Bench) -> None:
    """Regression: Qt dropped the point, and 2.5 became 25."""
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    for dock in window.findChildren(QDockWidget):
        if dock.isAncestorOf(window.devices):
            dock.raise_()
    memory = window.devices.forms["tracking"].rows["memory"]
    assert isinstance(memory, Single)
    before = memory.get()
    box = focused(bench, memory.widget)
    typed(box, "2.5")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert window.session.plan.rig.tracking.memory == before
    assert "“2.5” is not a whole number" in window.devices.trouble.text()
    assert window.devices.edits() == {}


@pytest.mark.parametrize("kind", ["harmonic", "drawn"])
def test_tab_goes_through_the_fields_of_another_shape(bench: Bench, kind: str) -> None:
    shape = choose(bench.window.panel, kind)
    assert shape.fields is not None
    inside = shape.fields
    bench.qtbot.waitUntil(lambda: len(in_sight(inside, [])) > 1)
    focused(bench, shape.kind)
    for field in in_sight(inside, []):
        at = QApplication.focusWidget()
        assert at is not None
        KEYS.keyClick(at, Qt.Key.Key_Tab)
        assert QApplication.focusWidget() is field


def test_an_invalid_edit_is_not_reported_as_in_force(bench: Bench) -> None:
    window, box = bench.window, focused(bench, radius_box(bench))
    for text in ("1.25", "0"):
        typed(box, text)
        KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert "not applied" in window.status.currentMessage()
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert "undone in the form only" in window.status.currentMessage()
    assert radius_um(window.session.plan.experiment) == 1.25


def test_a_typed_number_is_applied_by_the_button(bench: Bench) -> None:
    panel, box = bench.window.panel, focused(bench, radius_box(bench))
    typed(box, "1.25")
    bench.qtbot.waitUntil(panel.apply_button.isEnabled)
    focused(bench, panel.apply_button)
    panel.apply_button.click()
    assert radius_um(bench.window.session.plan.experiment) == 1.25


def test_a_formula_is_applied_and_undone_from_its_own_field(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    panel.apply()
    before = window.session.plan.experiment
    field = focused(bench, editor.text)
    typed(field, "0.5*r**2")
    KEYS.keyClick(field, Qt.Key.Key_Return, CTRL)
    applied = window.session.plan.experiment
    assert editor.text.toPlainText() == "0.5*r**2"  # without a new line
    assert applied != before
    assert panel.undo_button.text() == "Undo, apply"
    KEYS.keyClick(field, Qt.Key.Key_Z, CTRL)
    assert window.session.plan.experiment == before
    assert panel.redo_button.text() == "Redo, apply"
    KEYS.keyClick(field, Qt.Key.Key_Z, CTRL | SHIFT)
    assert window.session.plan.experiment == applied


def test_undo_of_an_edit_that_is_not_applied_changes_the_form_only(bench: Bench) -> None:
    window, panel, box = bench.window, bench.window.panel, focused(bench, radius_box(bench))
    before = window.session.plan.experiment
    typed(box, "1.25")
    KEYS.keyClick(box, Qt.Key.Key_Return)
    assert radius_um(panel.read()) == 1.25
    assert panel.undo_button.text() == "Undo"
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert panel.read() == before
    assert window.session.plan.experiment is before
    KEYS.keyClick(box, Qt.Key.Key_Y, CTRL)
    assert radius_um(panel.read()) == 1.25


def test_an_edit_after_apply_is_a_separate_edit(bench: Bench) -> None:
    window, box = bench.window, focused(bench, radius_box(bench))
    for value in ("1.25", "1.35"):  # within a second, in which edits of one field are merged
        typed(box, value)
        KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert radius_um(window.session.plan.experiment) == 1.25


def test_undo_is_labelled_apply_only_if_it_restores_a_law_in_force(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    first = window.session.plan.experiment
    edit_delay(panel, 0.001)  # shorter than possible
    assert panel.undo_button.text() == "Undo"
    edit_delay(panel, 0.25)
    panel.apply()
    applied = window.session.plan.experiment
    assert applied != first
    assert panel.undo_button.text() == "Undo"  # the state before it is not valid
    panel.undo()
    assert panel.trouble.text() != ""
    assert window.session.plan.experiment is applied
    assert panel.undo_button.text() == "Undo, apply"
    panel.undo()
    assert window.session.plan.experiment == first
    assert panel.redo_button.text() == "Redo"
    panel.redo()
    assert window.session.plan.experiment == first
    assert panel.redo_button.text() == "Redo, apply"
    panel.redo()
    assert window.session.plan.experiment == applied


def edit_delay(panel: ExperimentPanel, delay_s: float) -> None:
    before = panel.undo_stack.index()
    write(force(panel).rows["delay_s"], delay_s)
    edit = panel.undo_stack.command(before)
    assert isinstance(edit, Edit)
    edit.at_s -= 10.0  # the next edit is then a separate one


def test_ctrl_enter_in_the_device_panel_applies_its_own_settings(bench: Bench) -> None:
    window = bench.window
    edited = radius_box(bench)
    edited.setValue(1.25)
    memory = window.devices.forms["tracking"].rows["memory"]
    window.devices.part.setCurrentText("tracking")
    for dock in window.findChildren(QWidget):
        if dock.isAncestorOf(window.devices) and hasattr(dock, "raise_"):
            dock.raise_()
    assert isinstance(memory, Single)
    field = focused(bench, memory.widget)
    typed(field, "7")
    KEYS.keyClick(field, Qt.Key.Key_Return, CTRL)
    assert window.session.plan.rig.tracking.memory == 7
    assert radius_um(window.session.plan.experiment) != 1.25
    assert not isinstance(field, QLineEdit)


@pytest.mark.parametrize("how", ["key", "wheel"])
def test_up_and_the_wheel_step_from_the_typed_value(bench: Bench, how: str) -> None:
    box = focused(bench, radius_box(bench))
    typed(box, "2.5")
    if how == "key":
        KEYS.keyClick(box, Qt.Key.Key_Up)
    else:
        turned(box, 1)
    assert radius_um(bench.window.panel.read()) == 2.6
    bench.window.panel.undo()
    assert radius_um(bench.window.panel.read()) == 1.0


@pytest.mark.parametrize(
    ("key", "modifiers"),
    [
        (Qt.Key.Key_Return, CTRL),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Z, CTRL),
        (Qt.Key.Key_Tab, Qt.KeyboardModifier.NoModifier),
    ],
)
def test_keys_in_an_untouched_field_change_nothing(bench: Bench, key: Qt.Key, modifiers: Any) -> None:
    """Its value has 16 digits, of which 8 are shown."""
    window, panel = bench.window, bench.window.panel
    window.files.open(FIRST.parent / "families" / "d_square.yaml")
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    before = window.session.plan.experiment
    panel.tabs.setCurrentIndex(1)
    trap = panel.carrying.rows["trap"]
    assert isinstance(trap, Fields)
    depth = trap.rows["depth_kt"]
    assert isinstance(depth, Single)
    assert isinstance(depth.widget, NumberBox)
    assert float(depth.widget.cleanText()) != before.trap.depth_kt
    KEYS.keyClick(focused(bench, depth.widget), key, modifiers)
    assert not panel.undo_stack.canUndo()
    assert panel.read() == before
    assert window.session.plan.experiment is before
    assert window.files.unsaved() is None


def in_sight(panel: QWidget, but: list[QWidget]) -> list[QWidget]:
    """Widgets that can have the keyboard focus, on screen or within reach of scrolling, except `but`."""
    return [
        one for one in panel.findChildren(QWidget)
        if one.isVisible() and one.isEnabled() and one.focusPolicy() & Qt.FocusPolicy.TabFocus
        and one.focusProxy() is None and one not in but
    ]  # fmt: skip


def typed_again(field: QWidget) -> None:
    """Type the present text of a text field again by keys; it is then uncommitted."""
    line = line_of(field)
    if line is not None and not line.isReadOnly() and not isinstance(field, QAbstractSpinBox):
        text = line.text()
        typed(field, text)
        assert uncommitted(field) == bool(text)


def test_ctrl_enter_applies_from_every_editor_and_changes_nothing_else(bench: Bench) -> None:
    """Another field has an edit that is not applied yet."""
    window, panel, devices = bench.window, bench.window.panel, bench.window.devices
    for dock in window.findChildren(QDockWidget):
        if dock.isAncestorOf(devices):
            dock.raise_()
    done: list[QWidget] = []
    delays_s, memories = cycle([0.25, 0.5]), cycle([7, 5])

    def apply_from(field: QWidget) -> None:
        typed_again(focused(bench, field))
        KEYS.keyClick(field, Qt.Key.Key_Return, CTRL)
        assert not uncommitted(field)
        done.append(field)

    def apply_from_each_of_the_experiment() -> None:
        for field in in_sight(panel, done):
            expected, delay_s = plain(window.session.plan.experiment), next(delays_s)
            expected["policy"]["forces"][0]["delay_s"] = delay_s
            write(force(panel).rows["delay_s"], delay_s)
            apply_from(field)
            assert plain(window.session.plan.experiment) == expected, field
            assert panel.data() == expected, field
            assert not panel.apply_button.isEnabled()

    for tab in reversed(range(panel.tabs.count())):
        panel.tabs.setCurrentIndex(tab)
        apply_from_each_of_the_experiment()
    for shape in ("formula", "drawn"):
        choose(panel, shape)
        bench.qtbot.waitUntil(lambda: not panel.is_checking)
        panel.apply()
        apply_from_each_of_the_experiment()
    for part in devices.forms:
        devices.part.setCurrentText(part)
        for field in in_sight(devices, done):
            expected, memory = plain(window.session.plan.rig), next(memories)
            expected["tracking"]["memory"] = memory
            write(devices.forms["tracking"].rows["memory"], memory)
            apply_from(field)
            assert plain(window.session.plan.rig) == expected, field
            assert devices.edits() == {}, field
    kinds = {"NumberBox", "CountBox", "ChoiceBox", "QCheckBox", "QLineEdit", "QGroupBox", "FormulaText", "QToolButton"}
    assert kinds <= {type(field).__name__ for field in done}
    assert len(done) > 140


def test_a_press_of_apply_that_ends_refused_text_applies_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other edits of the form came into force, though Ctrl+Enter holds them back."""
    panel, applied = bench.window.panel, applications(bench, monkeypatch)
    write(force(panel).rows["delay_s"], 0.25)
    typed(focused(bench, radius_box(bench)), "-3")
    KEYS.mouseClick(panel.apply_button, Qt.MouseButton.LeftButton)
    assert "-3 µm is too small" in bench.window.status.currentMessage()
    assert applied == []
    KEYS.mouseClick(panel.apply_button, Qt.MouseButton.LeftButton)
    assert len(applied) == 1


def test_a_press_of_undo_that_ends_refused_text_undoes_nothing(bench: Bench) -> None:
    window, box = bench.window, focused(bench, radius_box(bench))
    typed(box, "1.25")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    typed(box, "abc")
    KEYS.mouseClick(window.panel.undo_button, Qt.MouseButton.LeftButton)
    assert radius_um(window.session.plan.experiment) == 1.25
    KEYS.mouseClick(window.panel.undo_button, Qt.MouseButton.LeftButton)
    assert radius_um(window.session.plan.experiment) == 1.0

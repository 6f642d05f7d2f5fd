"""Potentials edited in the window: formulas whose faults are marked at their character, and curves that are dragged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.desktop.forms.defaults import begin
from app.desktop.forms.drawn_editor import DrawnEditor
from app.desktop.forms.form import Variant
from app.desktop.forms.formula_editor import REST_MS, FormulaEditor
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.panels.undo_edits import difference
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session
from control.policies.motile import Motile
from control.policies.programmed_law import Programmed
from control.potentials.drawn import Drawn
from control.potentials.formula import Formula
from tests.app.desktop.window.test_main_window import force, write


@pytest.fixture
def panel(qtbot: QtBot) -> ExperimentPanel:
    application()
    made = planner(None, FIRST)[1]
    opened = ExperimentPanel(made.experiment, Session(made).edits.conditions, Path("."))
    qtbot.addWidget(opened)
    opened.resize(300, 900)  # with room for the predictions
    opened.show()
    return opened


def checked(qtbot: QtBot, panel: ExperimentPanel) -> None:
    """Wait for the check of the formula, which runs outside the window's thread."""
    qtbot.waitUntil(lambda: not panel.is_checking)


def choose(panel: ExperimentPanel, kind: str) -> Variant:
    """Choose a shape from the list."""
    shape = force(panel).rows["shape"]
    assert isinstance(shape, Variant)
    shape.kind.setCurrentText(kind)
    shape.kind.activated.emit(shape.kind.currentIndex())
    return shape


def shape_of(panel: ExperimentPanel) -> object:
    policy = panel.read().policy
    assert isinstance(policy, Programmed)
    return policy.forces[0].shape


@pytest.mark.parametrize("kind", ["harmonic", "gaussian_ring", "double_ring", "yukawa", "wca"])
def test_every_shape_can_be_chosen_and_read(panel: ExperimentPanel, kind: str) -> None:
    choose(panel, kind)
    assert panel.trouble.text() == ""
    assert shape_of(panel).kind == kind  # type: ignore[attr-defined]


def test_a_formula_gets_its_parameters_from_its_names(panel: ExperimentPanel, qtbot: QtBot) -> None:
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    editor.text.setPlainText("0.5*k*(r-R)**2 + A*exp(-r)")
    qtbot.waitUntil(lambda: list(editor.numbers) == ["k", "R", "A"])
    editor.numbers["R"].setValue(1.5)
    found = shape_of(panel)
    assert isinstance(found, Formula)
    assert found.parameters == {"k": 0.9, "R": 1.5, "A": 1.0}
    editor.text.setPlainText("0.5*k*r**2")
    qtbot.waitUntil(lambda: list(editor.numbers) == ["k"])


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("0.5*k*(r-R)**2 +", None, ""),
        ("exp(r", 3, "("),
        ("__import__('os')", None, ""),
        ("log(r - 3)", None, ""),
        ("", None, "empty"),
    ],
)
def test_a_faulty_formula_is_marked_reported_once_and_not_applied(
    panel: ExperimentPanel, qtbot: QtBot, text: str, at: int | None, said: str
) -> None:
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    editor.text.setPlainText(text)
    checked(qtbot, panel)
    assert said in editor.fault.text()
    assert editor.fault.text().startswith("character ")
    marks = editor.text.extraSelections()
    assert len(marks) == 1
    if at is not None:
        assert marks[0].cursor.selectionStart() == at
    assert not panel.trouble.text()
    assert not panel.apply_button.isEnabled()
    panel.undo_button.click()
    checked(qtbot, panel)
    assert editor.fault.text() == ""
    assert panel.trouble.text() == ""
    assert not panel.undo_stack.canRedo() or panel.predicted.isVisible()


@pytest.mark.parametrize(
    ("names", "joined", "said"),
    [
        (33, "+", "33 parameters, and 32 are allowed"),
        (190, "+", "characters, and 400 are allowed"),
        (400, " ", "characters, and 400 are allowed"),
        pytest.param(20_000, "+", "characters, and 400 are allowed", marks=pytest.mark.slow),
    ],
)
def test_pasted_text_with_too_many_names_adds_no_rows(
    panel: ExperimentPanel, qtbot: QtBot, names: int, joined: str, said: str
) -> None:
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    editor.text.setPlainText("a0*r**2")
    qtbot.waitUntil(lambda: "a0" in editor.numbers)
    editor.numbers["a0"].setValue(3.5)
    row = editor.numbers["a0"]
    editor.text.setPlainText(joined.join(f"a{number}" for number in range(names)))
    checked(qtbot, panel)
    qtbot.wait(REST_MS + 100)
    assert said in editor.fault.text()
    assert len(editor.fault.text()) < 1500
    assert editor.numbers == {"a0": row}
    assert not panel.trouble.text()
    assert not panel.apply_button.isEnabled()
    editor.text.setPlainText("+".join(f"a{number}*r" for number in range(32)))
    checked(qtbot, panel)
    assert editor.fault.text() == ""
    qtbot.waitUntil(lambda: (len(editor.numbers), editor.numbers["a0"]) == (32, row))
    assert panel.trouble.text() == ""
    assert shape_of(panel).parameters["a0"] == 3.5  # type: ignore[attr-defined]


def test_typing_is_one_edit(panel: ExperimentPanel) -> None:
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    before = panel.undo_stack.count()
    for end in range(1, len("0.5*r**2") + 1):
        editor.text.setPlainText("0.5*r**2"[:end])
    assert panel.undo_stack.count() == before + 1


def test_a_drawn_curve_is_dragged_in_the_plot(panel: ExperimentPanel) -> None:
    editor = choose(panel, "drawn").fields
    assert isinstance(editor, DrawnEditor)
    panel.plot.points.move(2, 1.7, -14.0)
    found = shape_of(panel)
    assert isinstance(found, Drawn)
    assert found.radius_um == (0.0, 1.0, 1.7, 3.0)
    assert found.energy_kt == (0.0, -1.0, -14.0, 0.0)
    panel.plot.points.move(2, 7.0, -14.0)  # a point can't pass its neighbour
    assert shape_of(panel).radius_um[2] < 3.0  # type: ignore[attr-defined]
    panel.undo_stack.undo()
    panel.undo_stack.undo()
    assert np.array_equal(panel.plot.points.place, np.column_stack([[0, 1, 2, 3], [0, -1, -10, 0]]))


def test_points_are_added_and_removed(panel: ExperimentPanel) -> None:
    editor = choose(panel, "drawn").fields
    assert isinstance(editor, DrawnEditor)
    editor.more.click()
    assert shape_of(panel).radius_um == (0.0, 0.5, 1.0, 2.0, 3.0)  # type: ignore[attr-defined]
    for _ in range(3):
        editor.fewer.click()
    assert shape_of(panel).radius_um == (0.0, 3.0)  # type: ignore[attr-defined]
    assert not editor.fewer.isEnabled()


@pytest.mark.parametrize("typed", [[1.0], "abc", 5, None, [0.0, "far", 2.0, 3.0], [10**400, 1, 2, 3], [0.0, 1.0, 2.0]])
def test_points_can_not_be_added_to_an_invalid_curve(panel: ExperimentPanel, typed: object) -> None:
    """For any invalid text the buttons do nothing; after an undo they work again."""
    editor = choose(panel, "drawn").fields
    assert isinstance(editor, DrawnEditor)
    write(editor.numbers.rows["radius_um"], typed)
    before = panel.data()
    for button, step in ((editor.more, editor._add), (editor.fewer, editor._remove)):
        assert not button.isEnabled()
        step()  # as from a click before the text was committed
    assert panel.data() == before
    panel.undo()
    assert editor.more.isEnabled()
    assert editor.fewer.isEnabled()


def test_points_of_a_removed_curve_can_not_be_dragged(panel: ExperimentPanel) -> None:
    """While another force is not valid, the plot shows the last valid forces."""
    choose(panel, "drawn")
    forces = panel.data()["policy"]["forces"]
    other = {**forces[0], "shape": {**forces[0]["shape"], "energy_kt": [0.0, -2.0, -20.0, 0.0]}}
    panel.put_in_force({**panel.data(), "policy": {**panel.data()["policy"], "forces": [*forces, other]}})
    for left in ([other], []):
        data = panel.data()
        panel.show_data({**data, "mode": "none such", "policy": {**data["policy"], "forces": left}})
        assert panel.trouble.text()
        before = panel.data()
        panel.plot.points.move(2, 1.7, -14.0)
        assert panel.data() == before


def test_the_drag_of_a_point_ends_where_the_curve_gets_other_points(panel: ExperimentPanel) -> None:
    """They stayed in the plot as they were dragged."""
    editor, points = choose(panel, "drawn").fields, panel.plot.points
    assert isinstance(editor, DrawnEditor)
    editor.more.click()
    for left in (4, 0):
        points.held = True  # as in mid-drag
        panel.undo()
        assert not points.held
        assert len(points.place) == left


def test_difference_names_the_one_key() -> None:
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ("a", 1, "b")
    assert difference({"a": 1, "b": 1}, {"a": 2, "b": 2}) == ("a",)
    assert difference({"a": {"b": 1}}, {"a": {"c": 1}}) == ("a",)


def test_a_dragged_point_of_a_force_that_is_gone_changes_nothing(panel: ExperimentPanel) -> None:
    """The form has an error, so that the plot still shows the drawn curve: a drag raised a KeyError."""
    choose(panel, "drawn")
    data = panel.data()
    gone = {**data, "species": "abc", "policy": {**data["policy"], "forces": [begin(Motile)]}}
    panel.show_data(gone)
    panel.plot.points.move(2, 1.7, -14.0)
    assert panel.data()["policy"]["forces"] == gone["policy"]["forces"]

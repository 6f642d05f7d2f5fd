"""A mouse edit puts only its own change in force, and an undo reverts only this change."""

from __future__ import annotations

from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QToolButton

from app.desktop.forms.defaults import begin
from app.desktop.forms.form import Fields, Items, Variant
from app.desktop.forms.formula_editor import FormulaEditor
from app.desktop.panels.same_change import Unclear, changed_alike
from config.reader import plain
from control.policies.external import External
from control.potentials.gaussian import Gaussian
from tests.app.desktop.forms.test_editing_keys import CTRL, SHIFT, focused, radius_box, radius_um, typed
from tests.app.desktop.panels.test_potential_edits import choose
from tests.app.desktop.window.test_main_window import Bench, force, write
from tests.app.desktop.window.test_main_window import bench as bench

KEYS: Any = QTest


def forces_in_force(bench: Bench) -> list[Any]:
    return list(plain(bench.window.session.plan.experiment)["policy"]["forces"])


def handles(bench: Bench) -> int:
    return sum(handle.isVisible() for handle in bench.window.mouse_tools.traps)


def test_a_mouse_edit_does_not_apply_other_edits_of_the_form(bench: Bench) -> None:
    """Regression: a typed, unapplied radius came into force with a trap, and its undo left the trap lit."""
    window, panel, box = bench.window, bench.window.panel, focused(bench, radius_box(bench))
    typed(box, "1.25")
    KEYS.keyClick(box, Qt.Key.Key_Return)
    window.mouse_tools.drop_trap(12.0, 12.0)
    assert radius_um(window.session.plan.experiment) == 1.0
    assert len(forces_in_force(bench)) == 2
    assert radius_um(panel.read()) == 1.25
    assert "only this change is in force" in window.status.currentMessage()
    assert panel.apply_button.isEnabled()
    assert panel.undo_button.text() == "Undo, apply"
    view = focused(bench, window.view)
    for key, forces, radius in ((CTRL, 1, 1.25), (CTRL | SHIFT, 2, 1.25), (CTRL, 1, 1.25), (CTRL, 1, 1.0)):
        KEYS.keyClick(view, Qt.Key.Key_Z, key)
        assert len(forces_in_force(bench)) == forces
        assert handles(bench) == forces - 1
        assert radius_um(panel.read()) == radius
        assert radius_um(window.session.plan.experiment) == 1.0
    assert "undone in the form only" in window.status.currentMessage()


def test_the_undo_of_a_mouse_edit_keeps_later_applied_edits(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    radius_box(bench).setValue(1.25)
    window.mouse_tools.drop_trap(12.0, 12.0)
    panel.apply()
    assert radius_um(window.session.plan.experiment) == 1.25
    panel.undo()
    assert (radius_um(window.session.plan.experiment), len(forces_in_force(bench))) == (1.25, 1)
    assert not panel.apply_button.isEnabled()
    panel.undo()
    assert radius_um(window.session.plan.experiment) == 1.0


def test_a_trap_comes_into_force_beside_an_invalid_formula(bench: Bench) -> None:
    """Regression: the trap was added to the form only, without a message and without a handle."""
    window, panel = bench.window, bench.window.panel
    editor = choose(panel, "formula").fields
    assert isinstance(editor, FormulaEditor)
    editor.text.setPlainText("0.5*k*(r-R)**2 +")
    bench.qtbot.waitUntil(lambda: not panel.is_checking)
    window.mouse_tools.drop_trap(10.0, 10.0)
    assert len(forces_in_force(bench)) == 2
    assert handles(bench) == 1
    assert "only this change is in force" in window.status.currentMessage()
    panel.undo()
    assert len(forces_in_force(bench)) == 1


def test_a_mouse_edit_of_an_unapplied_force_changes_the_form_only(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    policy = panel.data()["policy"]
    trap = {**begin(External), "shape": begin(Gaussian), "centre_um": [5.0, 5.0]}
    forces = [*policy["forces"], {**policy["forces"][0], "delay_s": 0.25}, trap]
    write(panel.law.rows["policy"], {**policy, "forces": forces})
    before = forces_in_force(bench)
    window.mouse_tools.remove_trap(2)
    assert forces_in_force(bench) == before
    assert "in the form only" in window.status.currentMessage()
    assert "in the form only" in panel.trouble.text()
    assert panel.undo_button.text() == "Undo"


def test_a_dragged_trap_is_one_edit_also_right_after_a_typed_one(bench: Bench) -> None:
    """Edits of one field within a second are one edit."""
    window, panel = bench.window, bench.window.panel
    window.mouse_tools.drop_trap(12.0, 12.0)
    write(force(panel).rows["delay_s"], 0.25)
    for x_um in (5.0, 6.0):
        window.mouse_tools.move_trap(1, x_um, 12.0)
    panel.undo()
    assert forces_in_force(bench)[1]["centre_um"] == [5.0, 12.0]
    panel.undo()
    assert forces_in_force(bench)[1]["centre_um"] == [12.0, 12.0]
    assert panel.data()["policy"]["forces"][0]["delay_s"] == 0.25


def test_each_removed_force_is_a_separate_edit(bench: Bench) -> None:
    """Regression: one undo restored two forces that were removed within a second."""
    panel = bench.window.panel
    policy = panel.law.rows["policy"]
    assert isinstance(policy, Variant)
    assert isinstance(policy.fields, Fields)
    forces = policy.fields.rows["forces"]
    assert isinstance(forces, Items)
    for _ in range(2):
        forces.more.click()
    for _ in range(2):
        forces.findChildren(QToolButton)[-1].click()
    for count in (2, 3, 2, 1):
        panel.undo_button.click()
        assert len(panel.data()["policy"]["forces"]) == count


@pytest.mark.parametrize(
    ("data", "before", "after", "expected"),
    [
        ([{"a": 1}, {"a": 2}], [{"a": 5}, {"a": 2}], [{"a": 5}], [{"a": 1}]),
        ([{"a": 1}], [{"a": 5}], [{"a": 5}, {"a": 3}], [{"a": 1}, {"a": 3}]),
        ({"a": 1, "b": 2}, {"a": 5, "b": 2}, {"a": 5, "b": 3}, {"a": 1, "b": 3}),
        ({"a": 1, "b": [2]}, {"a": 5, "b": [2, 3]}, {"a": 5, "b": [2]}, {"a": 1, "b": [2]}),
        ([0], [1, 2], [1, 2, 3], None),
        ({"a": 1}, {"a": 2}, {"a": 3}, None),
    ],
)
def test_a_change_is_repeated_in_other_data_or_refused(data: Any, before: Any, after: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(Unclear):
            changed_alike(data, before, after)
    else:
        assert changed_alike(data, before, after) == expected

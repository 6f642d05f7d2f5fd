"""Changes of the rig by the window are undone and redone like those of the law, by Ctrl+Z from anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractSpinBox, QDockWidget, QWidget

from app.desktop.forms.value_editors import Single
from app.desktop.window.main_window import Window
from app.desktop.window.unsaved_edits import Unsaved
from config.refused import Refused
from tests.app.desktop.forms.test_editing_keys import CTRL, SHIFT, focused, radius_box, radius_um, typed
from tests.app.desktop.window.test_main_window import Bench, write
from tests.app.desktop.window.test_main_window import bench as bench

KEYS: Any = QTest  # whose stubs do not know that its functions are static


def test_ctrl_z_undoes_a_region_that_was_drawn_last_and_not_the_law_under_an_armed_beam(bench: Bench) -> None:
    window = bench.window
    box = focused(bench, radius_box(bench))
    before_um = radius_um(window.session.plan.experiment)
    typed(box, "1.25")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    bench.armed()
    window.hand.regions.add("ellipse", 5.0, 6.0)
    regions = regions_of(window)
    assert len(regions) == 1
    focused(bench, window.view)
    assert window.panel.undo_button.text() == "Undo, apply"
    KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL)
    assert regions_of(window) == ()
    assert window.hand.regions.shown == []
    assert radius_um(window.session.plan.experiment) == 1.25
    assert is_running(window)
    KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL | SHIFT)
    assert regions_of(window) == regions
    for _ in range(2):
        KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL)
    assert regions_of(window) == ()
    assert radius_um(window.session.plan.experiment) == before_um
    assert not window.panel.apply_button.isEnabled()
    assert not window.panel.undo_stack.canUndo()


def test_a_device_setting_is_undone_dark_and_one_that_is_refused_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, panel = bench.window, bench.window.panel
    before = window.session.plan.rig.camera
    exposure_s = before.exposure_s
    window.change_rig({"camera.exposure_s": 0.004}, True)
    window.change_rig({"tracking.memory": 7}, False)
    assert window.devices.edits() == {}
    bench.armed()
    panel.undo()  # of the memory, while the beam is on
    assert is_running(window)
    assert "tracking.memory" in window.status.currentMessage()
    assert "opened anew" in panel.undo_button.toolTip()
    panel.undo()
    assert not is_running(window)
    assert bench.toy.beam.closed
    assert window.session.plan.rig.camera.exposure_s == exposure_s
    panel.redo()
    assert window.session.plan.rig.camera.exposure_s == 0.004
    monkeypatch.setattr(window.session, "planned", _refusing)
    panel.undo()
    assert window.session.plan.rig.camera.exposure_s == 0.004
    assert panel.undo_stack.index() == 1


def _refusing(_: object) -> Any:
    raise Refused("not now")


def test_what_an_experiment_sets_no_more_is_as_it_was_before(bench: Bench) -> None:
    """As where edits that were kept in a file, with their `set`, are applied and undone."""
    window, panel = bench.window, bench.window.panel
    memory = window.session.plan.rig.tracking.memory
    copy = Unsaved(window.path, "a copy", {**panel.data(), "set": {"tracking.memory": memory + 4}}, {})
    window.resume(copy)
    bench.qtbot.waitUntil(lambda: window.reading is None)
    panel.apply()
    assert window.session.plan.rig.tracking.memory == memory + 4
    assert panel.undo_button.text() == "Undo, apply"
    panel.undo()
    assert window.session.plan.rig.tracking.memory == memory
    assert not panel.apply_button.isEnabled()
    panel.redo()
    assert window.session.plan.rig.tracking.memory == memory + 4


def test_kept_edits_that_are_applied_are_shown_as_they_are_in_force(bench: Bench) -> None:
    """A region in force that is not drawn would be replaced by the next one that is drawn."""
    window, panel = bench.window, bench.window.panel
    region = {"kind": "ellipse", "left_px": 20.0, "top_px": 30.0, "width_px": 40.0, "height_px": 40.0}
    values = {"tracking.excluded_regions": [region], "tracking.memory": 9}
    window.resume(Unsaved(window.path, "a copy", {**panel.data(), "set": {**panel.data()["set"], **values}}, {}))
    bench.qtbot.waitUntil(lambda: window.reading is None)
    bench.armed()
    write(window.devices.forms["tracking"].rows["minmass"], 777.0)
    panel.apply_button.click()
    assert is_running(window)
    assert len(regions_of(window)) == 1
    assert window.hand.regions.shown == [region]
    assert memory_box(bench).text() == "9"
    assert window.devices.edits() == {"tracking.minmass": 777.0}
    window.hand.regions.add("rectangle", 5.0, 6.0)
    assert len(regions_of(window)) == 2
    panel.undo()
    panel.undo()
    assert window.hand.regions.shown == []
    assert memory_box(bench).text() != "9"


def test_what_is_being_typed_outlives_a_correction_image_that_finishes(bench: Bench) -> None:
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    for panel, box in ((window.panel, radius_box(bench)), (window.devices, memory_box(bench))):
        show(window, panel)
        focused(bench, box)
        typed(box, "2")
        before = box.lineEdit().text()  # type: ignore[union-attr]
        window.change_rig({"tracking.search_px": 9.0 + (panel is window.panel)}, False)
        assert box.lineEdit().text() == before  # type: ignore[union-attr]
        button = window.panel.apply_button if panel is window.panel else window.devices.button
        bench.qtbot.waitUntil(button.isEnabled)
        KEYS.keyClicks(box, "5")
        KEYS.keyClick(box, Qt.Key.Key_Return)
    assert radius_um(window.panel.read()) == 25.0
    assert window.devices.edits() == {"tracking.memory": 25}


def test_a_correction_image_that_is_refused_is_not_said_to_be_in_force(bench: Bench) -> None:
    window = bench.window
    window.taking.taken.emit({"tracking.background_file": "there/is/no.tif"}, "the background was taken")
    said = window.log.read()[-1]
    assert "not in force" in said
    assert "there/is/no.tif" in said
    assert not window.panel.undo_stack.canUndo()


def memory_box(bench: Bench) -> QAbstractSpinBox:
    memory = bench.window.devices.forms["tracking"].rows["memory"]
    assert isinstance(memory, Single)
    assert isinstance(memory.widget, QAbstractSpinBox)
    return memory.widget


def show(window: QWidget, panel: QWidget) -> None:
    for dock in window.findChildren(QDockWidget):
        if dock.isAncestorOf(panel):
            dock.raise_()


def regions_of(window: Window) -> tuple[object, ...]:
    return window.session.plan.rig.tracking.excluded_regions


def is_running(window: Window) -> bool:
    return window.session.running


def test_ctrl_z_in_a_field_of_a_device_undoes_what_was_applied_there(bench: Bench) -> None:
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    show(window, window.devices)
    box = focused(bench, memory_box(bench))
    before = window.session.plan.rig.tracking.memory
    typed(box, "7")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert window.session.plan.rig.tracking.memory == 7
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert window.session.plan.rig.tracking.memory == before
    assert (memory_box(bench).text(), window.devices.edits()) == (str(before), {})
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL | SHIFT)
    assert window.session.plan.rig.tracking.memory == 7
    typed(box, "9")  # and not applied: this goes first
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert (memory_box(bench).text(), window.devices.edits()) == ("7", {})
    assert window.session.plan.rig.tracking.memory == 7


@pytest.mark.parametrize("how", ["put away", "floating"])
def test_ctrl_z_from_the_image_wherever_the_panel_is(bench: Bench, how: str) -> None:
    window = bench.window
    panel = window.findChild(QDockWidget, "Experiment")
    assert panel is not None
    if how == "floating":
        panel.setFloating(True)
    else:
        panel.hide()
    window.hand.regions.add("ellipse", 5.0, 6.0)
    assert len(regions_of(window)) == 1
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, CTRL)
    assert regions_of(window) == ()


def test_ctrl_enter_applies_nothing_that_can_not_be_seen(bench: Bench) -> None:
    window = bench.window
    radius_box(bench).setValue(1.25)
    panel = window.findChild(QDockWidget, "Experiment")
    assert panel is not None
    panel.hide()
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Return, CTRL)
    assert radius_um(window.session.plan.experiment) == 1.0
    panel.show()
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Return, CTRL)
    assert radius_um(window.session.plan.experiment) == 1.25

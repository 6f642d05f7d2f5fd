"""Changes of the rig in the window are undone and redone like those of the law, by Ctrl+Z with any focus."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractSpinBox, QApplication, QDockWidget, QWidget
from pytestqt.qtbot import QtBot

from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.assembly.rig import Plan
from app.desktop.forms.form import Fields, OptionalGroup
from app.desktop.forms.value_editors import Single
from app.desktop.panels.device_panel import with_edits
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session, Wiring
from app.desktop.window.unsaved_edits import Unsaved
from app.running import process_side
from config.reader import read
from config.refused import Refused
from control.contract import Level
from tests.app.desktop.forms.test_editing_keys import CTRL, SHIFT, focused, radius_box, radius_um, typed
from tests.app.desktop.image.test_excluded_regions import choose
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.panels.test_tuning_panel import suggested
from tests.app.desktop.test_whole_evening import SETS
from tests.app.desktop.toy import SIZE_PX, click
from tests.app.desktop.window.test_main_window import Bench, delay_s, force, write
from tests.app.desktop.window.test_main_window import bench as bench
from tests.app.desktop.window.test_overload_notice import slow

KEYS: Any = QTest  # its type stubs do not declare the functions as static


def test_ctrl_z_while_armed_undoes_the_last_region_and_not_the_law(bench: Bench) -> None:
    window = bench.window
    box = focused(bench, radius_box(bench))
    before_um = radius_um(window.session.plan.experiment)
    typed(box, "1.25")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    bench.armed()
    window.mouse_tools.regions.add("ellipse", 5.0, 6.0)
    regions = regions_of(window)
    assert len(regions) == 1
    focused(bench, window.view)
    assert window.panel.undo_button.text() == "Undo, apply"
    KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL)
    assert regions_of(window) == ()
    assert window.mouse_tools.regions.shown == []
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


def test_undo_of_a_device_setting_is_dark_and_may_be_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    window, panel = bench.window, bench.window.panel
    before = window.session.plan.rig.camera
    exposure_s = before.exposure_s
    window.settings.change_rig({"camera.exposure_s": 0.004}, True)
    window.settings.change_rig({"tracking.memory": 7}, False)
    assert window.devices.edits() == {}
    bench.armed()
    panel.undo()  # of tracking.memory, while the beam is on
    assert is_running(window)
    assert "tracking.memory" in window.status.currentMessage()
    assert "opened anew" in panel.undo_button.toolTip()
    panel.undo()
    assert not is_running(window)
    assert bench.toy.beam.closed
    assert window.session.plan.rig.camera.exposure_s == exposure_s
    panel.redo()
    assert window.session.plan.rig.camera.exposure_s == 0.004
    monkeypatch.setattr(window.session.edits, "planned", _refusing)
    panel.undo()
    assert window.session.plan.rig.camera.exposure_s == 0.004
    assert panel.undo_stack.index() == 1


def _refusing(*_: object) -> Any:
    raise Refused("not now")


def test_ctrl_z_undoes_changes_by_panels_and_the_mouse(bench: Bench, tmp_path: Path) -> None:
    """In flight: Use these, a correction image, an overload offer, a species by mouse. Redo repeats them."""
    window = bench.window
    bench.armed()

    def use_these() -> None:
        suggested(bench)
        click(window.tuning.use_button)

    def correct() -> None:
        tifffile.imwrite(tmp_path / "dark.tif", np.zeros((SIZE_PX, SIZE_PX), np.uint16))
        window.correction_capture.taken.emit({"tracking.dark_file": str(tmp_path / "dark.tif")}, "dark frame")

    def take_an_offer() -> None:
        (offer,) = [one for one in slow(window.session.plan.rig).offers if not one.reopens]
        window.live_view.too_slow.chosen.emit(offer.edits, offer.reopens)

    def give_a_species() -> None:
        x_um, y_um = bench.toy.camera.place_um[0]
        choose(bench, x_um, y_um, "Species of particle 10", "2")

    states = [in_force(window)]
    for act in (use_these, correct, take_an_offer, give_a_species):
        act()
        states.append(in_force(window))
        assert states[-1] != states[-2], act
    assert states[-1][1][10] == 2
    for key, expected in ((CTRL, states[-2::-1]), (CTRL | SHIFT, states[1:])):
        for state in expected:
            KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, key)
            assert in_force(window) == state
    assert is_running(window)
    assert len(bench.toys) == 1
    assert not window.panel.undo_stack.canRedo()


def in_force(window: Window) -> tuple[object, tuple[int, ...], object, list[str]]:
    """The rig, the species, the law and the correction images."""
    plan = window.session.plan
    return plan.rig, tuple(plan.experiment.species), plan.experiment.policy, list(plan.corrections)


def test_an_undone_value_of_the_rig_is_not_left_in_the_experiment(bench: Bench, tmp_path: Path) -> None:
    """It would be saved, and counted as unsaved. Undo and redo change only the values of their own edit."""
    window, panel = bench.window, bench.window.panel
    before, own = window.session.plan.rig, panel.data()["set"]
    bench.armed()
    window.settings.change_rig({"tracking.memory": 7}, False)
    panel.undo()
    assert window.session.plan.rig == before
    assert panel.data()["set"] == panel.in_force.set == own
    assert window.files.unsaved() is None
    panel.redo()
    window.settings.change_rig({"tracking.memory": 5, "tracking.minmass": 300.0}, False)
    panel.undo()
    assert panel.data()["set"] == {**own, "tracking.memory": 7}
    panel.undo()
    window.settings.change_rig({"tracking.minmass": 300.0}, False)
    assert panel.data()["set"] == {**own, "tracking.minmass": 300.0}
    panel.undo()
    assert window.session.plan.rig == before
    write(force(panel).rows["delay_s"], 0.25)
    panel.apply()
    assert is_running(window)
    assert window.session.plan.rig == before
    assert not panel.apply_button.isEnabled()
    window.save(tmp_path / "law.yaml")
    bench.qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    assert read(tmp_path / "law.yaml").data["set"] == own
    assert window.files.unsaved() is None


def test_an_undone_device_setting_is_not_left_in_the_experiment(bench: Bench) -> None:
    window, panel = bench.window, bench.window.panel
    before, own = window.session.plan.rig, panel.data()["set"]
    window.settings.change_rig({"camera.fps": 40.0}, True)
    assert panel.data()["set"] == {**own, "camera.fps": 40.0}
    panel.undo()
    assert (window.session.plan.rig, panel.data()["set"]) == (before, own)
    write(force(panel).rows["delay_s"], 0.25)
    panel.apply()
    assert window.session.plan.rig == before
    assert delay_s(window.session.plan.experiment) == 0.25


def test_a_value_that_is_no_longer_set_gets_its_earlier_value(bench: Bench) -> None:
    """Example: edits kept in a file, with their `set`, are applied and undone."""
    window, panel = bench.window, bench.window.panel
    memory = window.session.plan.rig.tracking.memory
    copy = Unsaved(window.path, "a copy", {**panel.data(), "set": {"tracking.memory": memory + 4}}, {})
    window.files.resume(copy)
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    panel.apply()
    assert window.session.plan.rig.tracking.memory == memory + 4
    assert panel.undo_button.text() == "Undo, apply"
    panel.undo()
    assert window.session.plan.rig.tracking.memory == memory
    assert not panel.apply_button.isEnabled()
    panel.redo()
    assert window.session.plan.rig.tracking.memory == memory + 4


def test_device_settings_of_kept_edits_close_the_devices_dark(bench: Bench) -> None:
    """Regression: Apply put them in force in flight, in the loop but not in the devices and the guard."""
    window, panel, scale = bench.window, bench.window.panel, bench.window.session.plan.rig.optics.um_per_px
    window.files.resume(Unsaved(window.path, "a copy", {**panel.data(), "set": {"optics.um_per_px": 2 * scale}}, {}))
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    bench.armed()
    panel.apply()
    assert not is_running(window)
    assert bench.toy.beam.closed
    assert window.session.plan.rig.optics.um_per_px == 2 * scale
    assert "opened anew" in window.status.currentMessage()
    assert not panel.apply_button.isEnabled()
    assert window.devices.edits() == {}
    bench.armed()
    assert bench.toy.plan.rig.optics.um_per_px == 2 * scale
    panel.undo()
    assert not is_running(window)
    assert window.session.plan.rig.optics.um_per_px == scale


@pytest.mark.parametrize("when", ["opening", "running"])
def test_a_session_refuses_other_settings_of_open_devices(bench: Bench, when: str) -> None:
    session = bench.window.session
    before = session.plan
    if when == "running":
        bench.armed()
    else:
        session.start()
    with pytest.raises(Refused, match="opened anew, dark: optics, camera"):
        session.apply(with_edits(before.experiment, {"camera.exposure_s": 0.004, "optics.um_per_px": 0.2}))
    assert session.plan is before


def test_a_law_that_fails_as_the_rig_opens_leaves_it_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a law applied during the opening failed, and the loop ran another law than the window showed."""
    session = bench.window.session
    session.start()
    session.plan = replace(session.plan)
    monkeypatch.setattr(session, "wiring", replace(session.wiring, build_machine=_unbuilt))
    with pytest.raises(Refused, match="not now"):
        session.wait()
    assert session.live is None
    assert bench.toy.beam.closed


def _unbuilt(made: object, source: str) -> Any:
    raise Refused("not now")


def fails_once(made: Plan) -> Instrument:
    """Open an instrument in the loop's process, where the first applied settings fail."""
    names = vars(process_side)
    build = names["build_machine"]

    def once(plan: Plan, source: str) -> Any:
        names["build_machine"] = build
        raise Refused("the disk is full")

    names["build_machine"] = once
    return open_instrument(made)


def test_after_a_failed_apply_arm_waits_for_another_apply(qtbot: QtBot, tmp_path: Path) -> None:
    application()
    path, made = planner(None, FIRST, SETS)
    session = Session(made, Wiring(apart=fails_once))
    window = Window(session, path, tmp_path, lambda chosen: planner(chosen, None, ())[1])
    qtbot.addWidget(window)
    window.show()
    acts, panel, before = window.actions_bar, window.panel, session.plan.experiment

    def level() -> Level | None:
        return session.newest.level if session.newest is not None else None

    def reset() -> None:
        qtbot.waitUntil(acts.reset.isEnabled)
        acts.reset.trigger()
        qtbot.waitUntil(lambda: level() is Level.SAFE)

    acts.start.trigger()
    qtbot.waitUntil(acts.arm.isEnabled)
    arm_until_lit(qtbot, session)
    write(force(panel).rows["delay_s"], 0.25)
    panel.apply()
    assert session.plan.experiment != before
    qtbot.waitUntil(lambda: session.plan.experiment == before)
    assert panel.in_force == before
    assert panel.read() != before
    assert panel.apply_button.isEnabled()
    assert any("those before are in force, and Arm waits for Apply" in line for line in window.log.read())
    panel.undo_stack.undo()
    assert panel.read() == before
    assert panel.apply_button.isEnabled()
    assert panel.apply_button.text() == "Apply"
    reset()
    asked_s = float("-inf")

    def refused() -> bool:
        """Send ARM every 2 s until the level is TRIPPED: an ARM that comes too late is not obeyed."""
        nonlocal asked_s
        if time.monotonic() - asked_s > 2.0:
            asked_s = time.monotonic()
            session.arm()
        return level() is Level.TRIPPED

    qtbot.waitUntil(refused)
    assert "ARM was not obeyed" in session.newest.reason  # type: ignore[union-attr]
    panel.apply()  # the old law, on purpose
    assert panel.apply_button.text() == "In force"
    reset()
    arm_until_lit(qtbot, session)
    window.close()


def test_kept_edits_in_force_are_shown_in_the_panels_and_the_image(bench: Bench) -> None:
    """A region in force that is not shown would be replaced by the next drawn region."""
    window, panel = bench.window, bench.window.panel
    region = {"kind": "ellipse", "left_px": 20.0, "top_px": 30.0, "width_px": 40.0, "height_px": 40.0}
    values = {"tracking.excluded_regions": [region], "tracking.memory": 9}
    window.files.resume(Unsaved(window.path, "a copy", {**panel.data(), "set": {**panel.data()["set"], **values}}, {}))
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    bench.armed()
    write(window.devices.forms["tracking"].rows["minmass"], 777.0)
    panel.apply_button.click()
    assert is_running(window)
    assert len(regions_of(window)) == 1
    assert window.mouse_tools.regions.shown == [region]
    assert memory_box(bench).text() == "9"
    assert window.devices.edits() == {"tracking.minmass": 777.0}
    window.mouse_tools.regions.add("rectangle", 5.0, 6.0)
    assert len(regions_of(window)) == 2
    panel.undo()
    panel.undo()  # of the typed value that is not in force
    assert window.devices.edits() == {}
    panel.undo()
    assert window.mouse_tools.regions.shown == []
    assert memory_box(bench).text() != "9"


def test_text_being_typed_survives_a_change_of_other_settings(bench: Bench) -> None:
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    for panel, box in ((window.panel, radius_box(bench)), (window.devices, memory_box(bench))):
        show(window, panel)
        focused(bench, box)
        typed(box, "2")
        before = box.lineEdit().text()  # type: ignore[union-attr]
        window.settings.change_rig({"tracking.search_px": 9.0 + (panel is window.panel)}, False)
        assert box.lineEdit().text() == before  # type: ignore[union-attr]
        button = window.panel.apply_button if panel is window.panel else window.devices.button
        bench.qtbot.waitUntil(button.isEnabled)
        KEYS.keyClicks(box, "5")
        KEYS.keyClick(box, Qt.Key.Key_Return)
    assert radius_um(window.panel.read()) == 25.0
    assert window.devices.edits() == {"tracking.memory": 25}


def test_a_refused_correction_image_is_reported_as_not_in_force(bench: Bench) -> None:
    window = bench.window
    window.correction_capture.taken.emit({"tracking.background_file": "there/is/no.tif"}, "the background was taken")
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


def test_ctrl_z_in_a_device_field_undoes_its_applied_value(bench: Bench) -> None:
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
    typed(box, "9")  # not applied: this edit is undone first
    KEYS.keyClick(box, Qt.Key.Key_Z, CTRL)
    assert (memory_box(bench).text(), window.devices.edits()) == ("7", {})
    assert window.session.plan.rig.tracking.memory == 7


def exposure_box(bench: Bench) -> QAbstractSpinBox:
    """The field of the exposure; Tab moves from it to another field."""
    window = bench.window
    window.devices.part.setCurrentText("camera")
    show(window, window.devices)
    exposure = window.devices.forms["camera"].rows["exposure_s"]
    assert isinstance(exposure, Single)
    assert isinstance(exposure.widget, QAbstractSpinBox)
    return exposure.widget


def test_unapplied_device_settings_are_undone_and_redone_in_order(bench: Bench) -> None:
    """Regression: Ctrl+Z in the next field kept the exposure and undid the law in force while the beam was on."""
    window, law = bench.window, focused(bench, radius_box(bench))
    typed(law, "1.25")
    KEYS.keyClick(law, Qt.Key.Key_Return, CTRL)
    exposure = focused(bench, exposure_box(bench))
    typed(exposure, "0.004")
    KEYS.keyClick(exposure, Qt.Key.Key_Tab)
    edits = {"camera.exposure_s": 0.004}
    assert window.devices.edits() == edits
    assert QApplication.focusWidget() is not exposure
    for expected, radius, key in (
        ({}, 1.25, CTRL), ({}, 1.0, CTRL), ({}, 1.25, CTRL | SHIFT), (edits, 1.25, CTRL | SHIFT), ({}, 1.25, CTRL),
    ):  # fmt: skip
        KEYS.keyClick(QApplication.focusWidget(), Qt.Key.Key_Z, key)
        assert (window.devices.edits(), radius_um(window.session.plan.experiment)) == (expected, radius)


def test_a_redo_in_a_device_field_restores_its_undone_value(bench: Bench) -> None:
    """Regression: the redo applied an older law that had been undone."""
    window, law = bench.window, focused(bench, radius_box(bench))
    typed(law, "1.25")
    KEYS.keyClick(law, Qt.Key.Key_Return, CTRL)
    KEYS.keyClick(law, Qt.Key.Key_Z, CTRL)
    exposure = focused(bench, exposure_box(bench))
    typed(exposure, "0.004")
    KEYS.keyClick(exposure, Qt.Key.Key_Return)
    KEYS.keyClick(exposure, Qt.Key.Key_Z, CTRL)
    assert window.devices.edits() == {}
    KEYS.keyClick(exposure, Qt.Key.Key_Z, CTRL | SHIFT)
    assert window.devices.edits() == {"camera.exposure_s": 0.004}
    assert radius_um(window.session.plan.experiment) == 1.0


def test_ctrl_z_undoes_text_typed_before_other_settings_were_applied(bench: Bench) -> None:
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    show(window, window.devices)
    row = window.devices.forms["tracking"].rows["dark_file"]
    assert isinstance(row, Single)
    typed(focused(bench, row.widget), "dark.tif")
    window.settings.change_rig({"tracking.search_px": 9.0}, False)
    KEYS.keyClick(row.widget, Qt.Key.Key_Return)
    assert window.devices.edits() == {"tracking.dark_file": "dark.tif"}
    KEYS.keyClick(row.widget, Qt.Key.Key_Z, CTRL)
    assert window.devices.edits() == {}
    assert window.session.plan.rig.tracking.search_px == 9.0


def test_an_applied_device_setting_is_one_step_of_undo(bench: Bench) -> None:
    window, box = bench.window, exposure_box(bench)
    before = window.session.plan.rig.camera.exposure_s
    typed(focused(bench, box), "0.004")
    KEYS.keyClick(box, Qt.Key.Key_Return)
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    assert window.session.plan.rig.camera.exposure_s == 0.004
    KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL)
    assert window.session.plan.rig.camera.exposure_s == before
    assert not window.panel.undo_stack.canUndo()


def test_values_typed_over_applied_ones_are_undone_first(bench: Bench) -> None:
    """Regression: Ctrl+Z undid the applied value, and the typed one vanished with it."""
    window = bench.window
    window.devices.part.setCurrentText("tracking")
    show(window, window.devices)
    box = memory_box(bench)
    for text, key in (("7", CTRL), ("9", Qt.KeyboardModifier.NoModifier)):
        typed(focused(bench, box), text)
        KEYS.keyClick(box, Qt.Key.Key_Return, key)
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, CTRL)
    assert (window.session.plan.rig.tracking.memory, window.devices.edits()) == (7, {})
    KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL | SHIFT)
    assert (window.session.plan.rig.tracking.memory, window.devices.edits()) == (7, {"tracking.memory": 9})


def test_values_that_a_mouse_edit_replaces_are_named(bench: Bench) -> None:
    window = bench.window
    window.mouse_tools.regions.add("ellipse", 5.0, 6.0)
    regions = window.devices.forms["tracking"].rows["excluded_regions"]
    write(regions, [{**regions.get()[0], "width_px": 77.0}])
    assert window.devices.edits() != {}
    window.mouse_tools.regions.add("rectangle", 15.0, 16.0)
    assert "tracking.excluded_regions: the values typed" in window.status.currentMessage()
    assert any("not applied, are dropped" in line for line in window.log.read())
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, CTRL)
    assert len(regions_of(window)) == 1


@pytest.mark.parametrize("how", ["put away", "floating"])
def test_ctrl_z_in_the_image_works_with_a_hidden_or_floating_panel(bench: Bench, how: str) -> None:
    window = bench.window
    panel = window.findChild(QDockWidget, "Experiment")
    assert panel is not None
    if how == "floating":
        panel.setFloating(True)
    else:
        panel.hide()
    window.mouse_tools.regions.add("ellipse", 5.0, 6.0)
    assert len(regions_of(window)) == 1
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, CTRL)
    assert regions_of(window) == ()


def test_ctrl_enter_applies_nothing_from_a_hidden_panel(bench: Bench) -> None:
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


def test_a_press_of_apply_that_ends_refused_text_leaves_the_devices_open(bench: Bench) -> None:
    window = bench.window
    box = focused(bench, memory_box(bench))
    typed(box, "7")
    KEYS.keyClick(box, Qt.Key.Key_Return)
    typed(focused(bench, exposure_box(bench)), "-1")
    before = window.session.plan.rig.tracking.memory
    KEYS.mouseClick(window.devices.button, Qt.MouseButton.LeftButton)
    assert window.session.plan.rig.tracking.memory == before
    KEYS.mouseClick(window.devices.button, Qt.MouseButton.LeftButton)
    assert window.session.plan.rig.tracking.memory == 7


def test_an_apply_of_the_law_keeps_a_device_value_typed_after_an_undo(bench: Bench) -> None:
    """The undone value stood in the plan's `set` and not in the form's, which counted as a change of that key."""
    window = bench.window
    box = focused(bench, memory_box(bench))
    typed(box, "7")
    KEYS.keyClick(box, Qt.Key.Key_Return, CTRL)
    KEYS.keyClick(focused(bench, window.view), Qt.Key.Key_Z, CTRL)
    typed(focused(bench, memory_box(bench)), "9")
    KEYS.keyClick(box, Qt.Key.Key_Return)
    assert window.devices.edits() == {"tracking.memory": 9}
    write(force(window.panel).rows["delay_s"], 0.25)
    window.panel.apply()
    assert delay_s(window.session.plan.experiment) == 0.25
    assert window.devices.edits() == {"tracking.memory": 9}
    assert not any("not applied, are dropped" in line for line in window.log.read())


def test_a_classifier_is_filled_in_and_taken_out_in_the_device_panel(bench: Bench) -> None:
    """Its fields stayed disabled after it was ticked."""
    window, devices = bench.window, bench.window.devices
    group = devices.forms["tracking"].rows["classifier"]
    assert isinstance(group, OptionalGroup)
    assert isinstance(group.inner, Fields)
    card = group.inner.rows["checkpoint"]
    assert isinstance(card, Single)
    devices.part.setCurrentText("tracking")
    show(window, devices)
    for ticked in (True, False, True):
        KEYS.keyClick(group.box, Qt.Key.Key_Space)
        assert (group.box.isChecked(), card.widget.isEnabled()) == (ticked, ticked)
    typed(focused(bench, card.widget), "mine.json")
    KEYS.keyClick(card.widget, Qt.Key.Key_Return)
    assert devices.edits()["tracking.classifier"]["checkpoint"] == "mine.json"
    focused(bench, window.view)
    while window.panel.undo_stack.canUndo():
        KEYS.keyClick(window.view, Qt.Key.Key_Z, CTRL)
    assert devices.edits() == {}
    assert not card.widget.isEnabled()

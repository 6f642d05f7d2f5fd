"""Edits while a recording is read again with another camera setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from app.desktop.window.main_window import Window
from tests.app.desktop.forms.test_editing_keys import radius_box, radius_um, typed
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench
from tests.tracking.footage import spots

KEYS: Any = QTest
PLACES_PX = np.array([[30.0, 30.0], [90.0, 60.0]])


@pytest.fixture
def recording(bench: Bench, tmp_path: Path) -> Window:
    images = [spots((96, 128), PLACES_PX + number, noise=0.0) for number in range(4)]
    tifffile.imwrite(tmp_path / "a.tif", np.array(images), photometric="minisblack")
    bench.window.files.open(tmp_path / "a.tif")
    read(bench)
    return bench.window


def read(bench: Bench) -> None:
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)
    bench.window.video_questions.reject()


def type_radius(bench: Bench, text: str) -> None:
    """Type without waiting for the focus, since the recording is read meanwhile."""
    box = radius_box(bench)
    box.setFocus()
    typed(box, text)
    KEYS.keyClick(box, Qt.Key.Key_Return)


def fps(window: Window) -> float:
    return window.session.plan.rig.camera.fps


def test_an_undo_that_rereads_keeps_a_law_typed_meanwhile(bench: Bench, recording: Window) -> None:
    """Regression: the step of the undo stack after the reading was that of the typed law."""
    window, panel = recording, recording.panel
    before = fps(window)
    window.settings.change_rig({"camera.fps": 50.0}, True)
    read(bench)
    panel.undo_button.click()
    assert window.files.rereading
    type_radius(bench, "1.25")
    assert window.files.rereading
    read(bench)
    assert fps(window) == before
    assert radius_um(panel.read()) == 1.25
    panel.undo_button.click()  # reverts the undo, which came last
    read(bench)
    assert fps(window) == 50.0
    panel.undo_button.click()
    assert radius_um(panel.read()) == 1.0


def test_a_redo_that_rereads_keeps_the_undo_stack(bench: Bench, recording: Window) -> None:
    window, panel = recording, recording.panel
    type_radius(bench, "1.25")
    window.settings.change_rig({"camera.fps": 50.0}, True)
    read(bench)
    panel.undo_button.click()
    read(bench)
    panel.redo_button.click()
    panel.undo_button.click()  # while it is read
    assert "is being read again" in window.status.currentMessage()
    assert radius_um(panel.read()) == 1.25
    read(bench)
    assert (fps(window), panel.undo_stack.index(), panel.undo_stack.count()) == (50.0, 2, 2)


def test_edits_are_refused_in_a_sentence_while_a_recording_is_read_again(bench: Bench, recording: Window) -> None:
    """Regression: the edits were reported as in force, and were lost after the reading."""
    window, panel = recording, recording.panel
    window.settings.change_rig({"camera.fps": 50.0}, True)
    plan = window.session.plan
    type_radius(bench, "1.25")
    for act in (
        panel.apply_button.click,
        lambda: window.settings.change_rig({"tracking.memory": 9}, False),
        lambda: window.settings.change_rig({"optics.um_per_px": 0.2}, True),
        lambda: window.mouse_tools.regions.add("ellipse", 3.0, 3.0),
        lambda: window.mouse_tools.drop_trap(3.0, 3.0),
    ):
        window.status.clearMessage()
        act()
        assert "is being read again" in window.status.currentMessage()
        assert window.session.plan is plan
    assert window.files.rereading
    read(bench)
    assert "is being read again" in window.status.currentMessage()
    assert fps(window) == 50.0
    assert window.mouse_tools.regions.shown == []
    assert sum(handle.isVisible() for handle in window.mouse_tools.traps) == 0
    assert panel.undo_stack.count() == 2  # the typed radius and the frame rate
    assert panel.apply_button.isEnabled()
    assert (radius_um(panel.read()), window.devices.edits()) == (1.25, {})


@pytest.mark.parametrize("of_rig", [True, False])
def test_a_change_that_a_recording_refuses_is_not_in_force(recording: Window, of_rig: bool) -> None:
    """Regression: it was in the plan, and the next change brought it into force."""
    window = recording
    plan, path = window.session.plan, window.path
    path.rename(path.with_name("moved.tif"))
    if of_rig:
        assert not window.settings.change_rig({"tracking.minmass": 321.0}, False)
    else:
        window.settings.apply(replace(plan.experiment, seconds=7.0))
    assert window.session.plan is plan
    path.with_name("moved.tif").rename(path)

"""The keys of the playback act if the focused widget does not use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tifffile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session
from tests.tracking.footage import spots

IMAGES = np.array([spots((96, 128), np.array([[60.0 + k, 40.0]]), seed=k) for k in range(5)])


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    application()
    said = {"axes": "TYX", "TimeIncrement": 0.02, "PhysicalSizeX": 0.13, "PhysicalSizeY": 0.13}
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGES, ome=True, photometric="minisblack", metadata=said)
    path, made = planner(tmp_path / "a.ome.tif", None)
    opened = Window(Session(made), path, tmp_path, lambda file, *more: planner(file, None, more)[1])
    qtbot.addWidget(opened)
    opened.show()
    qtbot.waitUntil(lambda: opened.playback.shown is not None and not opened.playback.reel.busy)  # type: ignore[union-attr]
    yield opened
    opened.close()


def press(widget: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    widget.activateWindow()
    widget.setFocus()
    QTest.keyClick(widget, key, modifier)  # type: ignore[call-overload]  # the type stubs expect `self`


def test_keys_control_the_playback_unless_the_focused_widget_uses_them(window: Window) -> None:
    transport, box, tabs = window.transport, window.devices.candidates, window.panel.tabs
    press(window.view, Qt.Key.Key_Right)
    assert transport.position == 1.0
    press(window.view, Qt.Key.Key_Left)
    assert transport.position == 0.0
    press(window.view, Qt.Key.Key_Space)
    plays = [transport.playing]
    press(window.view, Qt.Key.Key_Space)
    assert [*plays, transport.playing] == [True, False]
    place, checked = transport.position, box.isChecked()
    press(window.view, Qt.Key.Key_Space, Qt.KeyboardModifier.ControlModifier)
    press(box, Qt.Key.Key_Space)
    assert box.isChecked() != checked
    bar = tabs.tabBar()
    assert bar is not None
    press(bar, Qt.Key.Key_Right)
    assert tabs.currentIndex() == 1
    assert (transport.playing, transport.position) == (False, place)
    press(bar, Qt.Key.Key_Space)  # tabs do not use Space
    assert transport.playing


def test_playback_waits_while_the_tracking_begins_anew(window: Window) -> None:
    """Regression: without any turn it raised IndexError and continued at the first frame."""
    transport = window.transport
    press(window.view, Qt.Key.Key_Right)
    press(window.view, Qt.Key.Key_Space)
    full = transport.reel
    assert full is not None
    moved: list[int] = []
    transport.moved.connect(moved.append)
    transport.reel = cast("Any", SimpleNamespace(ready=0, edited=None, busy=True, fps=full.fps))
    transport._last_s -= 0.05
    transport.tick()
    transport.reel = full
    assert (moved, transport.position, transport.playing) == ([], 1.0, True)
    window.playback.show_turn(-1)
    assert window.playback.shown is not None

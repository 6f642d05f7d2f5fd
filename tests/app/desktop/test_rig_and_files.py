"""The rig is closed and opened again; dialogs do not affect the beam; floating panels are brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt, QTimer
from PyQt6.QtGui import QAction
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QApplication,
    QDialogButtonBox,
    QDockWidget,
    QLineEdit,
    QListView,
    QMenu,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.desktop.plots.plot_curves import Drawing, PlotCurve
from app.desktop.window import theme
from app.desktop.window.docks import Panels
from app.desktop.window.file_dialog import FileDialog, Replace
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.remembered_layout import RememberedLayout
from app.desktop.window.session import Session
from app.running.headless import fly
from app.running.overload import Offer, Overload
from app.running.thread import beam_is_on
from control.contract import Level
from tests.app.desktop.window.test_main_window import Bench, delay_s, force, write
from tests.app.desktop.window.test_main_window import bench as bench
from tests.app.desktop.window.test_playback_view import SMALL

REAL: Any = QTest  # its type stubs do not declare the functions as static


def press(window: Window, action: QAction) -> None:
    """Click the button of an action with the mouse."""
    button = window.actions_bar.widgetForAction(action)
    assert button is not None
    assert button.isEnabled()
    REAL.mouseClick(button, Qt.MouseButton.LeftButton)


def click(menu: QMenu, action: QAction) -> None:
    """Click a row of an open menu with the mouse."""
    REAL.mouseMove(menu, menu.actionGeometry(action).center())
    REAL.mouseClick(
        menu, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, menu.actionGeometry(action).center()
    )


def test_the_rig_is_closed_dark_opened_again_and_reconnected(bench: Bench) -> None:
    window, acts = bench.window, bench.window.actions_bar
    assert not acts.close_rig.isEnabled()
    assert not acts.reconnect.isEnabled()
    bench.armed()
    press(window, acts.record)
    bench.qtbot.waitUntil(lambda: window.strip.record.word.startswith("REC"))
    press(window, acts.close_rig)
    assert bench.toy.beam.closed
    assert bench.toy.camera.closed.is_set()
    assert bench.recorders[0].closed
    assert (window.strip.level.word, window.strip.record.word) == ("OFF", "no record")
    assert "closed" in window.strip.reason.whole
    assert not window.session.running
    assert not acts.close_rig.isEnabled()
    REAL.qWait(100)
    press(window, acts.start)
    bench.qtbot.waitUntil(acts.arm.isEnabled)
    assert len(bench.toys) == 2
    assert bench.level is Level.SAFE
    gone = bench.toy
    gone.camera.fault = "the cable is out"
    bench.qtbot.waitUntil(lambda: bench.level is Level.TRIPPED)
    press(window, acts.reconnect)
    bench.qtbot.waitUntil(lambda: len(bench.toys) == 3 and bench.level is Level.SAFE)
    assert gone.beam.closed
    bench.qtbot.waitUntil(lambda: acts.arm.isEnabled() and window.strip.level.word == "SAFE")


def test_closing_the_rig_clears_everything_except_the_log(bench: Bench) -> None:
    window, acts = bench.window, bench.window.actions_bar
    bench.armed()
    window.devices.answers.show_returned(window.session.returned)
    bench.toy.camera.fault = "the cable is out"
    bench.qtbot.waitUntil(lambda: window.log.trip.isVisibleTo(window.log))
    window.live_view.too_slow.show_overload(Overload("slow", "tracker", (Offer("1 fps", {"camera.fps": 1.0}, True),)))
    window.plots.latency.show_drawing(Drawing((PlotCurve("measured", np.arange(3.0), np.arange(3.0), "#ffffff"),)))
    assert window.status.numbers["frame"].text() != ""
    press(window, acts.close_rig)
    assert not window.live_view.too_slow.isVisible()
    assert not window.log.trip.isVisibleTo(window.log)
    assert any("the cable is out" in line for line in window.log.read())
    assert [window.status.numbers[name].text() for name in ("frame", "rate", "drops", "latency", "identities")] == [
        ""
    ] * 5
    assert window.plots.latency.curves == {}
    assert window.view.image.image is None
    assert len(window.view.good.data) == 0
    bench.qtbot.wait(300)
    assert not window.live_view.too_slow.isVisible()


def test_a_file_dialog_blocks_neither_the_beam_nor_the_window(bench: Bench, tmp_path: Path) -> None:
    window, listed = bench.window, bench.window.panel.list
    bench.armed()
    REAL.mouseClick(listed.open_button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(8, 8))
    dialog = listed.dialog
    assert isinstance(dialog, FileDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert Path(dialog.directory().absolutePath()) == tmp_path  # the runs folder
    turns = window.session.newest.number  # type: ignore[union-attr]
    bench.qtbot.waitUntil(lambda: window.session.newest.number > turns + 10)  # type: ignore[union-attr]
    assert beam_is_on(window.session.newest)
    write(force(window.panel).rows["delay_s"], 0.25)
    REAL.mouseClick(window.panel.apply_button, Qt.MouseButton.LeftButton)
    assert delay_s(window.session.plan.experiment) == 0.25
    REAL.keyClick(dialog, Qt.Key.Key_Escape)
    bench.qtbot.waitUntil(lambda: bench.level is Level.SAFE)
    assert listed.dialog is None


def named(bench: Bench, dialog: object, name: str) -> None:
    """Type the name into the dialog and click Save."""
    assert isinstance(dialog, FileDialog)
    line = dialog.findChild(QLineEdit)
    assert line is not None
    dialog.activateWindow()
    line.setFocus()
    bench.qtbot.waitUntil(line.hasFocus)
    line.selectAll()
    REAL.keyClicks(line, name)
    buttons = dialog.findChild(QDialogButtonBox)
    assert buttons is not None
    REAL.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), Qt.MouseButton.LeftButton)


def test_save_asks_before_it_replaces_and_lists_recent_files(bench: Bench, tmp_path: Path) -> None:
    window, listed = bench.window, bench.window.panel.list
    bench.armed()
    mine = tmp_path / "mine.yaml"
    for value in (0.75, 0.25):
        write(force(window.panel).rows["delay_s"], value)
        REAL.mouseClick(listed.save_button, Qt.MouseButton.LeftButton)
        named(bench, listed.dialog, "mine")
        bench.qtbot.waitUntil(mine.exists)
    question = listed.dialog
    assert isinstance(question, Replace)
    assert not question.isModal()
    assert "delay_s: 0.75" in mine.read_text()
    assert beam_is_on(window.session.newest)
    assert question.replace is not None
    REAL.mouseClick(question.replace, Qt.MouseButton.LeftButton)
    bench.qtbot.waitUntil(lambda: "delay_s: 0.25" in mine.read_text())
    bench.qtbot.waitUntil(lambda: window.saving._job is None)  # it enters the list before the next file
    assert listed.recent[0] == mine
    window.files.open(FIRST.parent / "ring_crystal.yaml")
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    assert [path.name for path in listed.recent[:2]] == ["ring_crystal.yaml", "mine.yaml"]
    memory = RememberedLayout(tmp_path / "memory")
    memory.keep(window, "", listed.recent)
    assert RememberedLayout(tmp_path / "memory").recent == listed.recent
    row = listed.recent_menu.actions()[1]
    assert row.text().startswith("mine.yaml")
    listed.recent_menu.popup(listed.open_button.mapToGlobal(QPoint(0, 0)))
    click(listed.recent_menu, row)
    bench.qtbot.waitUntil(lambda: window.files.reading is None and window.path == mine)
    assert delay_s(window.session.plan.experiment) == 0.25


@pytest.fixture
def recording(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    """A window with the recording of an armed run."""
    application()
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL), 0.6, tmp_path / "run.h5", True, "a run")
    path, made = planner(tmp_path / "run.h5", None)
    window = Window(Session(made), path, tmp_path, lambda chosen: planner(chosen, None)[1])
    qtbot.addWidget(window)
    window.show()
    yield window
    window.close()


def test_a_replay_shows_no_amber_armed(recording: Window, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: recording.playback.shown is not None)
    reel = recording.playback.reel
    assert reel is not None
    qtbot.waitUntil(lambda: reel.ready == len(reel))
    recording.transport.go(len(reel) - 1)
    assert recording.playback.shown is not None
    assert recording.playback.shown.level is Level.ARMED
    badge = recording.strip.level
    assert badge.word == "was ARMED"
    assert badge.colour == theme.CALM
    assert badge.quiet
    assert not recording.actions_bar.reconnect.isEnabled()


def test_a_lost_floating_panel_is_brought_back(bench: Bench) -> None:
    window = bench.window
    docks = {dock.windowTitle(): dock for dock in window.findChildren(QDockWidget)}
    lost = docks["Log"]
    lost.setFloating(True)
    lost.hide()
    lost.move(-5000, -5000)
    lost.show()  # beyond all screens: it is moved over the window
    bench.qtbot.waitUntil(lambda: window.geometry().intersects(lost.frameGeometry()))
    lost.move(-5000, -5000)
    docks["Devices"].close()
    panels = window.findChild(Panels)
    assert isinstance(panels, QToolButton)
    seen: list[str] = []

    def choose() -> None:
        seen.extend(action.text() for action in panels.list.actions())
        click(panels.list, panels.put_back)

    QTimer.singleShot(200, choose)
    REAL.mouseClick(panels, Qt.MouseButton.LeftButton)
    assert "Log, floating" in seen
    REAL.qWait(50)
    for name in ("Log", "Devices", "Experiment", "Observables"):
        assert not docks[name].isFloating()
        assert docks[name].isVisible() or name == "Devices"
        assert inside(docks[name], window)


def inside(widget: QWidget, window: Window) -> bool:
    return window.rect().contains(widget.mapTo(window, QPoint(1, 1)))


def asked_modally(bench: Bench, press: Callable[[], None]) -> list[QWidget | None]:
    """The modal boxes that are open half a second after `press`; they are closed."""
    seen: list[QWidget | None] = []

    def look() -> None:
        seen.append(QApplication.activeModalWidget())
        if seen[0] is not None:
            seen[0].close()

    QTimer.singleShot(500, look)
    press()
    bench.qtbot.waitUntil(lambda: bool(seen))
    return [one for one in seen if one is not None]


def test_a_missing_file_opens_no_modal_box(bench: Bench) -> None:
    window, listed = bench.window, bench.window.panel.list
    bench.armed()
    REAL.mouseClick(listed.open_button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(8, 8))
    assert isinstance(listed.dialog, FileDialog)
    line = listed.dialog.findChild(QLineEdit)
    assert line is not None
    line.setFocus()
    line.setText("no_such_run.h5")
    assert asked_modally(bench, lambda: REAL.keyClick(line, Qt.Key.Key_Return)) == []
    bench.qtbot.waitUntil(lambda: "no_such_run.h5: there is no such file" in window.status.currentMessage())
    assert beam_is_on(window.session.newest)


def test_a_run_is_not_deleted_by_a_key_in_the_dialog(bench: Bench, tmp_path: Path) -> None:
    run = tmp_path / "run.h5"
    run.write_bytes(b"")
    REAL.mouseClick(
        bench.window.panel.list.open_button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(8, 8)
    )
    dialog = bench.window.panel.list.dialog
    assert isinstance(dialog, FileDialog)
    rows = dialog.findChild(QListView, "listView")
    assert rows is not None
    model = rows.model()
    assert model is not None
    bench.qtbot.waitUntil(lambda: model.rowCount(rows.rootIndex()) == 1)
    rows.setFocus()
    rows.setCurrentIndex(model.index(0, 0, rows.rootIndex()))
    assert asked_modally(bench, lambda: REAL.keyClick(rows, Qt.Key.Key_Delete)) == []
    assert run.exists()

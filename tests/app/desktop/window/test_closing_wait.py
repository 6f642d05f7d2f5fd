"""A rig that closes slowly does not block the window; clicks and keys during the closing have no effect."""

from __future__ import annotations

import threading

import pytest
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.desktop.window.closing_wait import wait_painting
from app.running.thread import begun
from control.contract import STILL_LIT, Fault
from tests.app.desktop.toy import Recorder
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench
from tests.patience import PATIENCE_S


class Typed(QWidget):
    """Counts the keys A that it receives, and the activations of a shortcut."""

    keys = shortcuts = 0

    def count(self) -> None:
        self.shortcuts += 1

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        self.keys += event is not None and event.key() == Qt.Key.Key_A


class Held:
    """Holds the closing of a rig that is open in this process, until `released` is set."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.armed()
        self.window, self.released, self.seen = bench.window, threading.Event(), list[tuple[str, str]]()
        self.kept: list[str] = []
        self.fails: Fault | None = None
        live = self.window.session.live
        assert live is not None
        self.close = live.close
        monkeypatch.setattr(live, "close", self._close)
        QTimer.singleShot(400, self._look)

    def _close(self) -> None:
        assert self.released.wait(PATIENCE_S)
        self.close()
        if self.fails is not None:
            raise self.fails

    def _look(self) -> None:
        """A timer of the window; it runs while the rig is being closed."""
        self.seen.append((self.window.strip.reason.whole, self.window.strip.beam.word))
        self.released.set()


def test_the_window_shows_that_a_rig_is_being_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(bench, monkeypatch)
    bench.window.close_rig()
    assert held.seen == [("the rig is being closed", "dark")]  # a simulated laser
    assert bench.window.strip.reason.whole == "the rig is closed; Start opens it again"
    assert bench.window.strip.beam.word == "dark"
    assert bench.window.refresh_timer.active
    bench.armed()  # it opens again


def test_a_window_closed_meanwhile_ends_after_its_rig(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a signal; Reconnect then opens no rig."""
    held, opened = Held(bench, monkeypatch), len(bench.toys)
    QTimer.singleShot(300, bench.window.close)
    bench.window.reconnect()
    assert held.seen
    bench.qtbot.waitUntil(lambda: bench.window._has_ended)
    bench.qtbot.waitUntil(lambda: not bench.window.isVisible())
    assert bench.toy.beam.closed
    assert not bench.window.session.running
    assert not bench.window.refresh_timer.active
    assert len(bench.toys) == opened


def test_a_window_whose_close_was_refused_does_not_close_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: its edits could not be kept; an hour later, Close rig ended the window, and they were lost."""
    window = bench.window

    def full() -> None:
        raise OSError("no space left")

    monkeypatch.setattr(window.files.copies, "keep", full)
    Held(bench, monkeypatch)
    QTimer.singleShot(300, window.close)
    window.close_rig()
    bench.qtbot.waitUntil(lambda: "the edits can't be kept" in window.strip.reason.whole)
    Held(bench, monkeypatch)
    window.close_rig()
    bench.qtbot.wait(100)
    assert window.isVisible()
    assert not window._has_ended


def test_the_rig_is_closed_if_another_part_fails_at_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: an error of another part skipped the closing, and the exit code was 0."""
    bench.armed()

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.window.video_questions, "close", broken)
    with pytest.raises(ZeroDivisionError):
        bench.window._end()
    assert bench.toy.beam.closed
    monkeypatch.undo()


def test_a_record_that_could_not_be_closed_is_reported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: Recorder) -> None:
        raise Fault("no space left")

    monkeypatch.setattr(Recorder, "close", fails)
    for end in (lambda: bench.window.show_plan(bench.window.session.plan), bench.window.close):
        bench.armed()
        bench.window.actions_bar.record.trigger()
        bench.qtbot.waitUntil(lambda: bool(bench.recorders) and len(bench.recorders[-1].turns) > 2)
        end()
    assert [line for line in bench.window.log.read() if "the record was not closed: no space left" in line]
    assert bench.window.end_trouble == "the record was not closed: no space left"
    assert "cybloids: the record was not closed: no space left" in capsys.readouterr().err


def test_a_laser_that_may_be_on_is_reported_at_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is closed while its rig is being closed."""
    held = Held(bench, monkeypatch)
    monkeypatch.setattr(bench.window.session, "_keep_doubt", lambda ended, plan, why: held.kept.append(why))
    held.fails = Fault(STILL_LIT)
    QTimer.singleShot(300, bench.window.close)
    bench.window.close_rig()
    assert held.kept == [STILL_LIT]
    bench.qtbot.waitUntil(lambda: bench.window._has_ended)


def test_keys_during_the_wait_are_dropped(qtbot: QtBot) -> None:
    typed, released, shown = Typed(), threading.Event(), [0]
    qtbot.addWidget(typed)
    shortcut = QShortcut(QKeySequence("Ctrl+Shift+N"), typed)
    shortcut.activated.connect(typed.count)
    typed.show()
    control = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier

    def type_one() -> None:
        qtbot.keyClick(typed, Qt.Key.Key_A)  # type: ignore[no-untyped-call]
        qtbot.keyClick(typed, Qt.Key.Key_N, control)  # type: ignore[no-untyped-call]
        released.set()

    def wait_and_fail() -> None:
        assert released.wait(PATIENCE_S)
        raise Fault("not closed")

    QTimer.singleShot(300, type_one)
    closing = begun(wait_and_fail)
    wait_painting(closing, lambda: shown.append(1))
    assert isinstance(closing.exception(), Fault)
    assert (typed.keys, typed.shortcuts) == (0, 0)
    assert len(shown) > 1
    qtbot.keyClick(typed, Qt.Key.Key_A)  # type: ignore[no-untyped-call]
    qtbot.keyClick(typed, Qt.Key.Key_N, control)  # type: ignore[no-untyped-call]
    assert (typed.keys, typed.shortcuts) == (1, 1)

"""A rig that takes its time to close does not block the window, and no click of meanwhile acts after it."""

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
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench
from tests.patience import PATIENCE_S


class Typed(QWidget):
    """It counts the keys that reach it, and those of a shortcut."""

    keys = shortcuts = 0

    def count(self) -> None:
        self.shortcuts += 1

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        self.keys += event is not None and event.key() == Qt.Key.Key_A


class Held:
    """The closing of a rig that is open in this process, which waits until it is released."""

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
    assert held.seen == [("the rig is being closed", "unknown")]
    assert bench.window.strip.reason.whole == "the rig is closed; Start opens it again"
    assert bench.window.strip.beam.word == "dark"
    assert bench.window.pulse.active
    bench.armed()  # it opens again


def test_a_window_that_is_closed_meanwhile_ends_after_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signal closes it; Reconnect then opens nothing that stays."""
    held = Held(bench, monkeypatch)
    QTimer.singleShot(300, bench.window.close)
    bench.window.reconnect()
    assert held.seen
    bench.qtbot.waitUntil(lambda: bench.window._has_ended)
    bench.qtbot.waitUntil(lambda: not bench.window.isVisible())
    assert bench.toy.beam.closed
    assert not bench.window.session.running
    assert not bench.window.pulse.active


def test_what_was_not_put_out_is_said_at_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that is closed while its rig is being closed."""
    held = Held(bench, monkeypatch)
    monkeypatch.setattr(bench.window.session, "_keep_doubt", lambda ended, plan, why: held.kept.append(why))
    held.fails = Fault(STILL_LIT)
    QTimer.singleShot(300, bench.window.close)
    bench.window.close_rig()
    assert held.kept == [STILL_LIT]
    bench.qtbot.waitUntil(lambda: bench.window._has_ended)


def test_keys_of_meanwhile_are_dropped(qtbot: QtBot) -> None:
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

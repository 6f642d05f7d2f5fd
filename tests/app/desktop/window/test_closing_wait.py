"""A rig that takes its time to close does not block the window, and no click of meanwhile acts after it."""

from __future__ import annotations

import threading

import pytest
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.desktop.window.closing_wait import wait_painting
from app.running.thread import begun
from control.contract import Fault
from tests.app.desktop.window.test_main_window import Bench
from tests.app.desktop.window.test_main_window import bench as bench
from tests.patience import PATIENCE_S


class Typed(QWidget):
    """It counts the keys that reach it."""

    keys = 0

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        self.keys += 1


class Held:
    """The closing of a rig that is open in this process, which waits until it is released."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.armed()
        self.window, self.released, self.seen = bench.window, threading.Event(), list[tuple[str, str]]()
        live = self.window.session.live
        assert live is not None
        self.close = live.close
        monkeypatch.setattr(live, "close", self._close)
        QTimer.singleShot(400, self._look)

    def _close(self) -> None:
        assert self.released.wait(PATIENCE_S)
        self.close()

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


def test_a_window_that_is_closed_meanwhile_waits_for_the_rig(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signal closes it."""
    held, closed = Held(bench, monkeypatch), list[bool]()

    def close() -> None:
        bench.window.close()
        closed.append(held.window.session._closed_live is None or bench.toy.beam.closed)

    QTimer.singleShot(300, close)
    bench.window.close_rig()
    assert held.seen
    assert closed == [True]
    assert not bench.window.pulse.active


def test_keys_of_meanwhile_are_dropped(qtbot: QtBot) -> None:
    typed, released, shown = Typed(), threading.Event(), [0]
    qtbot.addWidget(typed)
    typed.show()

    def type_one() -> None:
        qtbot.keyClick(typed, Qt.Key.Key_A)  # type: ignore[no-untyped-call]
        released.set()

    def wait_and_fail() -> None:
        assert released.wait(PATIENCE_S)
        raise Fault("not closed")

    QTimer.singleShot(300, type_one)
    closing = begun(wait_and_fail)
    wait_painting(closing, lambda: shown.append(1))
    assert isinstance(closing.exception(), Fault)
    assert typed.keys == 0
    assert len(shown) > 1
    qtbot.keyClick(typed, Qt.Key.Key_A)  # type: ignore[no-untyped-call]
    assert typed.keys == 1

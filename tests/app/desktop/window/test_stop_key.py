"""Time from Escape to STOP in the loop's pipe during the heaviest work of the window; a loop that is silent or killed.

The tests limit the CPU time of the window's thread, since this does not depend on other load of the computer.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.analysis.recent_turns import MOST
from app.assembly.open import open_instrument
from app.assembly.rig import EXPERIMENTS
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session, Wiring
from app.running.plan_check import at_once
from app.running.process import LoopProcess
from control.contract import Level, Order, OrderKind
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.test_learned import RING, SETS, choose
from tests.app.desktop.window.test_main_window import write
from tests.patience import PATIENCE_MS

MOST_S = 0.2  # of CPU, from Escape to STOP
THREAD_CLOCKS = pytest.mark.skipif(
    not hasattr(time, "pthread_getcpuclockid"), reason="this system has no CPU clock of another thread"
)


class Flight:
    """A window and a loop in its own process; notes when STOP or the order to end is in the pipe to that process."""

    def __init__(self, qtbot: QtBot, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        application()
        path, made = planner(None, RING, SETS, at_once)
        self.qtbot, self.session = qtbot, Session(made, Wiring(apart=open_instrument))
        self.window = Window(self.session, path, runs, lambda chosen: planner(chosen, None, SETS, at_once)[1])
        self.sent_s: list[float] = []  # CPU time of this thread when it was sent
        say = LoopProcess._say

        def noted(live: LoopProcess, told: object) -> None:
            say(live, told)  # type: ignore[arg-type]
            if told is None or (isinstance(told, Order) and told.kind is OrderKind.STOP):
                self.sent_s.append(time.thread_time())

        monkeypatch.setattr(LoopProcess, "_say", noted)
        qtbot.addWidget(self.window)
        self.window.show()
        self.start()

    def start(self) -> None:
        self.window.actions_bar.start.trigger()
        self.qtbot.waitUntil(self.window.actions_bar.arm.isEnabled)

    def lit(self) -> None:
        arm_until_lit(self.qtbot, self.session)

    @property
    def pid(self) -> int:
        live = self.session.live
        assert isinstance(live, LoopProcess)
        assert live.pid is not None
        return live.pid

    def fill(self) -> None:
        """Add as many turns to the plots as they keep, as after hours of running."""
        newest = self.session.newest
        assert newest is not None
        turns = []
        for index in range(MOST, 0, -1):
            tracks = replace(newest.tracks, time_s=newest.tracks.time_s - 0.01 * index)
            turns.append(replace(newest, frame=None, now_s=newest.now_s - 0.01 * index, tracks=tracks))
        self.window.plots.clear_tracks()
        self.window.plots.add(turns)

    def press(self) -> None:
        """Post Escape from another thread: the event waits in the queue of this one."""
        self.window.escape._last = -1  # an artificial event has no timestamp: it shall count as a new press

        def post() -> None:
            key = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
            QApplication.postEvent(self.window, key)

        keyboard = threading.Thread(target=post)
        keyboard.start()
        keyboard.join()

    def escaped_s(self, work: Callable[[], object]) -> float:
        """CPU time (s) of the window's thread from an Escape at the start of `work` to the order in the pipe."""
        self.qtbot.wait(50)  # the rest of the previous work is done
        self.sent_s.clear()
        self.press()
        began_s = time.thread_time()
        work()
        self.qtbot.waitUntil(lambda: bool(self.sent_s))
        return self.sent_s[0] - began_s


@pytest.fixture
def flight(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flight]:
    made = Flight(qtbot, tmp_path, monkeypatch)
    yield made
    made.window.close()


def heavy(window: Window) -> dict[str, Callable[[], object]]:
    """User actions by name, in the order of the test."""
    plots, panel, devices = window.plots, window.panel, window.devices
    tabs = {plots.tabText(index): index for index in range(plots.count())}

    def look(index: int) -> None:
        plots.setCurrentIndex(index)
        plots.draw()

    def track() -> None:
        write(devices.forms["tracking"].rows["minmass"], 120.0)
        devices.apply()

    looks = {f"tab {name}": partial(look, index) for name, index in tabs.items()}
    return {
        "predict": panel.refresh,
        "apply": panel.apply,
        "tracking": track,
        "candidates": lambda: devices.candidates.setChecked(True),
        **looks,
        "suggest": window.tuning.look,
        "record": window.actions_bar.record.trigger,
        "learned": lambda: choose(panel, "../checkpoints/ring_egnn.json"),
        "save": lambda: window.save(window.runs / "saved.yaml"),
        "each second": window.each_second,
    }


@THREAD_CLOCKS
def test_escape_reaches_the_loop_during_each_heavy_action(flight: Flight) -> None:
    """Regression: the tab Numbers took 0.3 s of CPU time, an Apply of other tracking settings 0.25 s."""
    window, found = flight.window, dict[str, float]()
    for name, work in heavy(window).items():
        flight.lit()
        if name.startswith("tab"):
            flight.fill()
        found[name] = flight.escaped_s(work)
        flight.qtbot.waitUntil(
            lambda: flight.session.newest is not None and flight.session.newest.level is Level.SAFE, timeout=PATIENCE_MS
        )
    flight.lit()
    found["another experiment"] = flight.escaped_s(lambda: window.files.open(EXPERIMENTS / "annular_activity.yaml"))
    assert {name: took_s for name, took_s in found.items() if took_s > MOST_S} == {}, found


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system does not stop processes")
def test_a_silent_or_killed_loop_is_shown_and_blocks_no_order(flight: Flight) -> None:
    """Regression: the window waited 15 s for the answer to Record, and showed the last level as the present one."""
    window, session = flight.window, flight.session
    flight.lit()
    flight.sent_s.clear()
    os.kill(flight.pid, signal.SIGSTOP)
    try:
        window.actions_bar.record.trigger()
        assert session.asked_to_record  # no answer yet, and the window goes on
        flight.press()
        flight.qtbot.waitUntil(lambda: bool(flight.sent_s))
        flight.qtbot.waitUntil(lambda: window.strip.level.word == "NO ANSWER")
        assert window.strip.reason.whole.startswith("the loop does not answer for 2.")
        assert "laser: simulated: its light ends with the program" in window.strip.reason.whole
        assert window.strip.beam.word == "unknown"
        assert not window.actions_bar.record.isEnabled()
        flight.press()
        flight.qtbot.waitUntil(lambda: "STOP was sent, but" in window.status.currentMessage())
    finally:
        os.kill(flight.pid, signal.SIGCONT)
    flight.qtbot.waitUntil(lambda: window.strip.level.word == "SAFE")
    flight.qtbot.waitUntil(lambda: not session.asked_to_record)
    flight.qtbot.waitUntil(lambda: session.live is not None and session.live.recording)
    assert any("the loop answers again" in line for line in window.log.read())

    assert_a_killed_loop_is_shown(flight)


def assert_a_killed_loop_is_shown(flight: Flight) -> None:
    """Killed while the beam is on: the window shows OFF, how the loop ended, and the state of the laser."""
    window = flight.window
    flight.lit()
    flight.qtbot.waitUntil(lambda: window.strip.beam.word.startswith("BEAM ON"))
    os.kill(flight.pid, signal.SIGKILL)
    flight.qtbot.waitUntil(lambda: window.strip.level.word == "OFF")
    flight.qtbot.waitUntil(lambda: window.strip.beam.word == "dark")
    assert "the loop's process was killed by SIGKILL" in window.strip.reason.whole
    assert "laser: simulated: its light ends with the program" in window.strip.reason.whole
    assert not window.actions_bar.arm.isEnabled()
    assert any("killed by SIGKILL" in line for line in window.log.read())

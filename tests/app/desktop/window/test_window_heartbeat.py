"""If the window does not answer, the interlock trips with this reason, unless the rig sets no timeout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session
from app.desktop.window.window_heartbeat import AFTER_S, STALL_S
from app.running.heartbeat import BEAT_S, Heartbeat
from app.running.thread import beam_is_on
from control.contract import Level, Turn
from drivers.emulate.child import ROOT, Child
from tests.app.desktop.toy import Toy, planned, wiring
from tests.patience import PATIENCE_S, until


class Bench:
    """A window with a simulated instrument in one process, and this timeout."""

    def __init__(self, qtbot: QtBot, runs: Path, timeout_s: float | None, *, beating: bool = True) -> None:
        application()
        made = planned()
        loop = replace(made.rig.loop, window_timeout_s=timeout_s)
        wires, self.toys, _ = wiring()
        session = Session(replace(made, rig=replace(made.rig, loop=loop)), wires)
        self.qtbot, self.window = qtbot, Window(session, FIRST, runs, lambda path: planner(path, None)[1])
        qtbot.addWidget(self.window)
        if not beating:
            self.window.heartbeat.stop()
        self.window.show()
        self.window.actions_bar.start.trigger()
        qtbot.waitUntil(self.window.actions_bar.arm.isEnabled)

    @property
    def toy(self) -> Toy:
        return self.toys[-1]

    @property
    def newest(self) -> Turn:
        newest = self.window.session.newest
        assert newest is not None
        return newest

    def arm(self) -> None:
        self.window.session.arm()
        self.qtbot.waitUntil(lambda: beam_is_on(self.newest))


def test_a_window_that_hangs_trips(qtbot: QtBot, tmp_path: Path) -> None:
    """The test runs in the window's thread: while the test waits, the window hangs."""
    bench = Bench(qtbot, tmp_path, 5.0)
    bench.arm()
    until(lambda: bench.newest.level is Level.TRIPPED, PATIENCE_S)
    assert bench.newest.reason == "the window did not answer for 5.0 s"
    assert len(bench.toy.beam.last) == 0
    bench.qtbot.waitUntil(lambda: "did not answer" in bench.window.strip.reason.whole)
    bench.window.close()


def test_a_window_that_hangs_before_its_first_beat_trips(qtbot: QtBot, tmp_path: Path) -> None:
    """An ARM may come before the first beat of the timer."""
    bench = Bench(qtbot, tmp_path, 1.0, beating=False)
    bench.window.session.arm()
    until(lambda: bench.newest.level is Level.TRIPPED, PATIENCE_S)
    assert bench.newest.reason == "the window did not answer for 1.0 s"
    bench.window.close()


def test_a_window_that_answers_does_not_trip_also_with_an_open_dialog(qtbot: QtBot, tmp_path: Path) -> None:
    bench = Bench(qtbot, tmp_path, 5.0)
    bench.arm()
    dialog = QFileDialog(bench.window)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    QTimer.singleShot(7000, dialog.reject)
    dialog.exec()  # an event loop within the event loop
    assert bench.newest.level is Level.ARMED
    bench.window.close()


def test_without_a_timeout_nothing_trips_and_the_strip_shows_this(qtbot: QtBot, tmp_path: Path) -> None:
    bench = Bench(qtbot, tmp_path, None)
    assert bench.window.strip.watch.isVisible()
    bench.arm()
    time.sleep(3.0)
    assert bench.newest.level is Level.ARMED
    bench.window.close()


def test_an_arm_that_waited_while_the_window_was_busy_is_not_obeyed(qtbot: QtBot, tmp_path: Path) -> None:
    bench = Bench(qtbot, tmp_path, 60.0)
    window = bench.window
    assert not window.strip.watch.isVisible()
    time.sleep(1.2 * STALL_S)  # like a click during this pause, which is handled after it
    window.actions_bar.arm.trigger()
    assert "busy" in window.status.currentMessage()
    qtbot.wait(300)
    assert bench.newest.level is Level.SAFE
    qtbot.waitUntil(lambda: not window.heartbeat.stalled)
    window.actions_bar.arm.trigger()
    qtbot.waitUntil(lambda: beam_is_on(bench.newest))
    window.close()


def test_heartbeat_begins_with_the_first_beat_and_needs_light(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, beats = [0.0], [0]
    trips: list[str] = []
    turn = Turn(0, None, 0.0, (), None, None, None, None, Level.SAFE, "", 0.0)  # type: ignore[arg-type]
    level = [Level.ARMED]
    heartbeat = Heartbeat(2.0, lambda: beats[0], lambda: replace(turn, level=level[0]), trips.append)
    monkeypatch.setattr("app.running.heartbeat.time.monotonic", lambda: now_s[0])

    def looked(at_s: float, count: int) -> list[str]:
        now_s[0], beats[0] = at_s, count
        heartbeat.look()
        return list(trips)

    assert looked(50.0, 0) == []  # no window
    assert looked(51.0, 1) == []
    assert looked(53.0, 1) == []  # just in time
    level[0] = Level.SAFE
    assert looked(54.0, 1) == []  # already dark
    level[0] = Level.ARMED
    assert looked(54.1, 1) == ["the window did not answer for 2.0 s"]
    assert len(looked(60.0, 1)) == 1  # reported once
    assert len(looked(70.0, 2)) == 1  # the computer slept, and the window beats again
    assert len(looked(72.1, 2)) == 2
    assert BEAT_S < 2.0 / 5
    assert AFTER_S > BEAT_S


WINDOW = """
import sys
from pathlib import Path
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session, Wiring
from app.desktop.window.main_window import Window
from app.assembly.open import open_instrument
from control.contract import OrderKind
from PyQt6.QtCore import QTimer

app = application()
path, made = planner(Path(sys.argv[1]), FIRST, tuple(sys.argv[2:]))
session = Session(made, Wiring(apart=open_instrument))
window = Window(session, path, Path("runs"), lambda chosen: planner(chosen, None)[1])
window.show()
said = []

def look():
    newest = session.newest
    if newest is None:
        return
    if not said:
        said.append("armed")
        session.arm()
    if newest.level == "TRIPPED" and len(said) == 1:
        said.append("tripped")
        print(newest.reason, flush=True)
        window.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
window.start()
app.exec()
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_a_stopped_window_over_serial_devices_is_dark(tmp_path: Path) -> None:
    """SIGSTOP of the window's process alone: the emulated laser goes off; the reason is printed after SIGCONT."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        sets = (
            f"deflector.port={galvo.link}", f"laser.port={laser.link}", "emulated.start=false",
            f"emulated.galvo_stream={galvo.stream_port}", f"emulated.laser_stream={laser.stream_port}",
            "loop.stale_periods=500", "deflector.watchdog_s=1.0", "deflector.timeout_s=1.0", "laser.timeout_s=1.0",
        )  # fmt: skip
        rig = ROOT / "config" / "rigs" / "serial_simulated.yaml"
        command = [sys.executable, "-c", WINDOW, str(rig), *sets]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as window:
            try:
                assert laser.wait_for("lit", PATIENCE_S) is not None
                window.send_signal(signal.SIGSTOP)
                off = laser.wait_for("off", PATIENCE_S, why="l0")
                window.send_signal(signal.SIGCONT)
                assert off is not None, (laser.process.poll(), laser.events[-5:])
                said = window.communicate(timeout=PATIENCE_S)[0]
            finally:
                window.kill()
        assert "the window did not answer for 2.0 s" in said

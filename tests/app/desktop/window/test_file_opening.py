"""Files are read in another thread: one that hangs or takes long blocks neither STOP nor the next file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.assembly.rig import Plan
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session
from app.running.file_reading import Reading
from app.running.thread import beam_is_on
from config.refused import Refused
from control.contract import Fault, Level
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.toy import planned, wiring
from tests.app.desktop.window.test_main_window import press_escape
from tests.patience import PATIENCE_MS, PATIENCE_S, until

RING = FIRST.parent / "ring_crystal.yaml"


class Slow:
    """A window whose files hang and work block until `released` is set; its files refused and fault raise."""

    def __init__(self, qtbot: QtBot, runs: Path) -> None:
        application()
        self.released, self.asked = threading.Event(), list[str]()
        wires, _, _ = wiring()
        self.qtbot, self.session = qtbot, Session(planned(), wires)
        self.window = Window(self.session, FIRST, runs, self.plan)
        qtbot.addWidget(self.window)
        self.window.show()

    def plan(self, path: Path) -> Plan:
        self.asked.append(path.name)
        if path.name == "hang":
            assert self.released.wait(600.0)
        while path.name == "work" and not self.released.is_set():
            sum(range(1000))  # pure Python, which holds the GIL
        if path.name == "refused":
            raise Refused("line 3 is not for this program")
        if path.name == "fault":
            raise Fault("the disk has gone")
        return planner(path if path.exists() else FIRST, None)[1]

    def lit(self) -> None:
        acts = self.window.actions_bar
        acts.start.trigger()
        self.qtbot.waitUntil(acts.arm.isEnabled)
        arm_until_lit(self.qtbot, self.session)

    def safe(self) -> bool:
        return self.session.newest is not None and self.session.newest.level is Level.SAFE


@pytest.fixture
def slow(qtbot: QtBot, tmp_path: Path) -> Iterator[Slow]:
    made = Slow(qtbot, tmp_path)
    yield made
    made.released.set()
    made.window.close()


@pytest.mark.parametrize("name", ["hang", "work"])
def test_escape_works_while_a_file_is_read_and_ends_the_reading(slow: Slow, name: str) -> None:
    window = slow.window
    slow.lit()
    window.heartbeat.longest_s = 0.0
    window.files.open(Path(name))
    assert f"reading {name}" in window.status.currentMessage()
    slow.qtbot.waitUntil(lambda: slow.asked == [name])
    turns = slow.session.newest.number if slow.session.newest is not None else 0
    slow.qtbot.waitUntil(
        lambda: slow.session.newest is not None and slow.session.newest.number > turns + 50, timeout=PATIENCE_MS
    )
    assert beam_is_on(slow.session.newest)
    began_s = time.monotonic()
    press_escape(window.panel)
    slow.qtbot.waitUntil(slow.safe)
    print(
        f"{name}: dark {time.monotonic() - began_s:.3f} s after Escape, "
        f"longest pause {window.heartbeat.longest_s:.2f} s"
    )
    assert window.heartbeat.longest_s < 1.5
    assert window.files.reading is None
    assert f"{name} is not opened" in window.status.currentMessage()
    slow.released.set()
    slow.qtbot.wait(100)
    assert window.path == FIRST


def test_a_second_file_replaces_one_that_hangs(slow: Slow) -> None:
    window = slow.window
    window.files.open(Path("hang"))
    window.files.open(RING)
    slow.qtbot.waitUntil(lambda: window.files.reading is None)
    assert slow.session.plan.experiment.title == "Ring crystal"
    slow.released.set()
    slow.qtbot.wait(200)
    assert window.path == RING
    assert slow.session.plan.experiment.title == "Ring crystal"


@pytest.mark.parametrize(("name", "said"), [("refused", "line 3 is not"), ("fault", "the disk has gone")])
def test_an_unreadable_file_is_reported_and_the_run_goes_on(slow: Slow, name: str, said: str) -> None:
    slow.lit()
    slow.window.files.open(Path(name))
    slow.qtbot.waitUntil(lambda: slow.window.files.reading is None)
    assert said in slow.window.status.currentMessage()
    assert any(said in line for line in slow.window.log.read())
    assert beam_is_on(slow.session.newest)


def test_closing_the_window_does_not_wait_for_a_file_that_hangs(slow: Slow) -> None:
    slow.window.files.open(Path("hang"))
    slow.window.close()
    assert slow.window.files.reading is None
    assert not slow.released.is_set()


class Closing:
    """Stands in for a reel."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize("early", [True, False])
def test_a_dropped_recording_is_closed(early: bool) -> None:
    """Dropped before it is read, or after."""
    go, reel = threading.Event(), Closing()

    def read(path: Path) -> tuple[Plan, Closing]:
        assert go.wait(PATIENCE_S)
        return planned(), reel

    reading = Reading(Path("any"), read)  # type: ignore[arg-type]
    if early:
        reading.drop()
    go.set()
    if not early:
        until(lambda: reading.taken() is not None, 60.0)
        reading.drop()
    assert reel.closed.wait(PATIENCE_S)

"""Each laser that may be on is remembered until it confirms that it is off."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.desktop.window import laser_doubts
from app.desktop.window.laser_doubts import LaserDoubts
from control.contract import STILL_LIT, Fault


def with_laser(port: str) -> Plan:
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml")
    laser: Any = made.rig.laser
    return replace(made, rig=replace(made.rig, laser=replace(laser, port=port)))


def test_a_second_doubt_does_not_hide_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: after an answer of the second laser, the window ended with "dark" and exit code 0."""
    first, second = with_laser("/dev/a"), with_laser("/dev/b")
    doubts, silent = LaserDoubts(), {"/dev/a"}
    doubts.add(first, "A may be on")
    doubts.add(second, "B may be on")
    assert doubts.text == "A may be on; B may be on"

    def put_out(made: Plan) -> str:
        return f"{STILL_LIT} from here" if made.rig.laser.address in silent else "the laser is off"

    monkeypatch.setattr(laser_doubts, "switch_off_in_time", put_out)
    for _ in range(2):  # a second query does not repeat the reason
        with pytest.raises(Fault, match=f"^A may be on; {STILL_LIT} from here$"):
            doubts.settle()
    silent.clear()
    doubts.settle()
    assert doubts.text == ""


def test_a_laser_that_answers_its_driver_is_no_longer_in_doubt() -> None:
    doubts = LaserDoubts()
    doubts.add(with_laser("/dev/a"), "A may be on")
    doubts.remove(with_laser("/dev/b"))
    assert doubts.text == "A may be on"
    doubts.remove(with_laser("/dev/a"))
    assert doubts.text == ""
    doubts.settle()


def test_a_doubt_may_be_added_by_another_thread_while_the_window_reads() -> None:
    """Python's error "dictionary changed size during iteration" would stop the window."""
    doubts, plans, errors = LaserDoubts(), [with_laser(f"/dev/{number}") for number in range(100)], list[Exception]()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                assert doubts.text.count("on") <= len(plans)
        except Exception as error:  # noqa: BLE001  checked below
            errors.append(error)

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    reader = threading.Thread(target=read)
    try:
        reader.start()
        for _ in range(20):
            for number, made in enumerate(plans):
                doubts.add(made, f"{number} may be on")
            for made in plans:
                doubts.remove(made)
    finally:
        done.set()
        reader.join()
        sys.setswitchinterval(interval_s)
    assert errors == []
    assert doubts.text == ""

"""Switching a laser off from outside the loop takes limited time."""

from __future__ import annotations

import threading

import pytest

from app.assembly.rig import Plan
from app.running import rescue
from app.running.rescue import switch_off_in_time
from control.contract import STILL_LIT
from tests.app.desktop.toy import planned
from tests.patience import PATIENCE_S


def test_a_hanging_port_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: closing the window waited for the port without limit."""
    released = threading.Event()

    def hangs(made: Plan) -> str:
        released.wait(PATIENCE_S)
        return "the laser is off"

    monkeypatch.setattr(rescue, "RESCUE_S", 0.05)
    said = switch_off_in_time(planned(), hangs)
    released.set()
    assert said.startswith(STILL_LIT)


def test_the_result_of_the_call_is_returned() -> None:
    assert switch_off_in_time(planned(), lambda made: f"the laser of {made.rig.title} is off") == (
        f"the laser of {planned().rig.title} is off"
    )
    assert switch_off_in_time(planned()) == ""  # simulated

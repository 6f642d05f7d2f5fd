"""The window shows that a laser may be on until the laser confirms that it is off."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS
from app.desktop.window.main_window import Window
from app.desktop.window.open import application
from app.desktop.window.session import Session, Wiring
from app.desktop.window.state_strip import StateStrip
from control.contract import STILL_LIT, Fault, Forces, Level, Tracks, Turn, dark
from drivers.emulate.child import Child
from tests.app.running.test_process import never, planned, serial
from tests.patience import PATIENCE_S, until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals"),
    pytest.mark.usefixtures("qapp"),
]


def light(session: Session) -> str:
    return session.light


def test_a_silent_laser_may_be_on_until_it_answers(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        session = Session(serial(galvo, laser), Wiring(apart=never))
        assert light(session) == "not asked"
        laser.order("silence")
        assert laser.wait_for("order", PATIENCE_S, order="silence") is not None
        for _ in range(2):  # a second cancelled opening does not clear the doubt
            session.start()
            assert session.cancel()
            until(session.opening.cancelled)
            assert light(session) == "may be on"
            assert STILL_LIT in session.doubt
        session.open(planned())
        assert light(session) == "may be on"
        with pytest.raises(Fault, match=STILL_LIT):
            session.close_helpers()
        laser.order("well")
        assert laser.wait_for("order", PATIENCE_S, order="well") is not None
        session.close_helpers()
        assert (session.doubt, light(session)) == ("", "dark")


def test_the_strip_shows_in_every_state_that_the_laser_may_be_on() -> None:
    strip = StateStrip("SIMULATED")
    strip.doubt = f"{STILL_LIT}: no answer"
    strip.show_turn(Turn(1, None, 0.0, (), Tracks(0.0), Forces(), dark(""), dark(""), Level.SAFE, "", 0.0))
    assert strip.beam.word == "MAY BE ON"
    strip.show_stopped("not started")
    assert strip.beam.word == "MAY BE ON"
    assert strip.reason.whole == f"switch the laser off by hand: {STILL_LIT}: no answer; not started"
    strip.doubt = ""
    strip.show_stopped("not started")
    assert (strip.beam.word, strip.reason.whole) == ("dark", "not started")


def test_a_real_laser_is_not_shown_dark_before_its_first_query(qtbot: QtBot, tmp_path: Path) -> None:
    application()
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml")
    window = Window(Session(made), EXPERIMENTS / "annular_activity.yaml", tmp_path, lambda path: made)
    qtbot.addWidget(window)
    assert window.strip.beam.word == "not asked"


def test_a_real_laser_is_not_shown_dark_while_it_is_switched_off() -> None:
    session = Session(plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml"))
    for closed, lit, light_now in ((False, False, "unknown"), (True, True, "unknown"), (True, False, "dark")):
        session._closed_live = SimpleNamespace(dark=closed, lit=lit)
        assert light(session) == light_now

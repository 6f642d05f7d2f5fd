"""The state strip: the state of the beam in flight and without a loop; words fit into their badges."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from app.desktop.window import theme
from app.desktop.window.state_strip import StateStrip
from control.contract import STILL_LIT, Command, Forces, Level, Tracks, Turn, dark


def test_a_laser_that_may_still_be_lit_is_not_shown_dark(qtbot: QtBot) -> None:
    strip = StateStrip("REAL")
    qtbot.addWidget(strip)
    killed = "the loop's process was killed by SIGKILL"
    strip.show_stopped(f"{killed}; {STILL_LIT} from here (no answer)", trouble=True, light="may be on")
    assert strip.beam.word == "MAY BE ON"
    assert strip.reason.whole.startswith("switch the laser off by hand: ")
    strip.show_stopped(f"{killed}; the laser is being put out from here", trouble=True, light="unknown")
    assert strip.beam.word == "unknown"
    strip.show_stopped("the laser was put out from here", trouble=True)
    assert strip.beam.word == "dark"
    strip.show_opening(1.0, light="not asked")
    assert strip.beam.word == "not asked"


def test_a_laser_that_did_not_answer_in_flight_is_not_shown_dark(qtbot: QtBot) -> None:
    strip = StateStrip("REAL")
    qtbot.addWidget(strip)
    reason = f"beam: no answer; {STILL_LIT}: no answer"

    def tripped(sent: Command) -> Turn:
        return Turn(1, None, 0.0, (), Tracks(0.0), Forces(), dark(reason), sent, Level.TRIPPED, reason, 0.0)

    strip.show_turn(tripped(Command(reason=reason, may_be_lit=True)))
    assert strip.beam.word == "MAY BE ON"
    assert strip.reason.whole.startswith("switch the laser off by hand: ")
    strip.show_turn(tripped(dark(reason)))  # it confirmed that it is off in a later turn
    assert strip.beam.word == "dark"


def test_every_word_fits_into_its_badge(qtbot: QtBot) -> None:
    strip = StateStrip("SIMULATED")
    qtbot.addWidget(strip)

    def room_px() -> int:
        badges = strip.kind, strip.map, strip.level, strip.watch, strip.beam, strip.record
        return min(badge.sizeHint().width() - badge.fontMetrics().horizontalAdvance(badge.word) for badge in badges)

    for level in Level:
        strip.show_turn(Turn(1, None, 0.0, (), Tracks(0.0), Forces(), dark(""), dark(""), level, "", 0.0))
        assert room_px() >= 40  # shape and margins
    for show in (strip.show_silent, lambda why: strip.show_opening(3.0, why), strip.show_stopped):
        show("no message for 2 s")
        assert room_px() >= 40


def test_a_simulated_beam_with_a_real_camera_is_shown_as_no_light(qtbot: QtBot) -> None:
    strip = StateStrip("WATCH ONLY")
    qtbot.addWidget(strip)
    spot = Command(np.zeros((1, 2)), np.array([5.0]), np.array([1e-3]), np.array([0]))
    armed = Turn(1, None, 0.0, (), Tracks(0.0), Forces(), spot, spot, Level.ARMED, "armed by the operator", 0.0)
    strip.show_turn(armed)
    assert (strip.kind.word, strip.level.word, strip.beam.word) == ("WATCH ONLY", "ARMED", "no light")
    assert (strip.level.colour, strip.level.quiet) == (theme.CALM, True)  # not the amber of a beam that may be lit
    assert strip.reason.whole == "no light exists (watch only): armed by the operator"
    strip.doubt = "the laser could not be put out"  # that of the previous rig
    strip.show_turn(armed)
    assert strip.beam.word == "MAY BE ON"
    strip.doubt = ""
    strip.show_kind("REAL")
    strip.show_turn(armed)
    assert strip.level.colour == theme.AMBER
    assert strip.beam.word.startswith("BEAM ON")

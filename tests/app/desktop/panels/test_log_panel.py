"""The log: a trip stays visible, repeated messages are one line, an APPLY lists its changes, reasons are complete."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.analysis.run_events import EventKind
from app.analysis.trip_advice import advice
from control.contract import DARK, Forces, Level, OrderKind, Tracks, Turn
from tests.app.analysis.test_trip_advice import REASONS
from tests.app.desktop.toy import click
from tests.app.desktop.window.test_main_window import Bench, force, write


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.window.close()


def turns(number: int, level: Level = Level.SAFE, reason: str = "not yet armed") -> list[Turn]:
    """A turn every 10 ms from 100 s on; each has one particle that is new."""
    found = []
    for index in range(number):
        now_s = 100.0 + 0.01 * index
        made = Turn(index, None, now_s, (), Tracks(now_s), Forces(), DARK, DARK, level, reason, now_s)
        found.append(dataclasses.replace(made, withheld=((1000 + index, "new"),)))
    return found


def lines_with(bench: Bench, words: str) -> list[str]:
    return [line for line in bench.window.log.read() if words in line]


def test_a_lasting_trip_is_one_line_and_stays_visible(bench: Bench) -> None:
    window, log = bench.window, bench.window.log
    bench.armed()
    bench.toy.camera.fault = "the camera gives no more frames"
    count = 0

    def gone_on() -> bool:
        nonlocal count
        newest = window.session.newest
        count += newest is not None and newest.frame is None
        return count > 40

    bench.qtbot.waitUntil(gone_on)
    bench.qtbot.waitUntil(lambda: window.strip.level.word == "TRIPPED")
    assert len(lines_with(bench, "gives no more frames")) == 1
    log.add(turns(300, Level.TRIPPED, "camera: the camera gives no more frames"))
    assert log.trip.isVisible()
    assert "TRIPPED: camera: the camera gives no more frames" in log.trip.text()
    assert "Reconnect" in log.trip.text()
    assert "Reconnect" in window.strip.reason.whole
    bench.toy.camera.fault = ""
    window.actions_bar.reset.trigger()
    bench.qtbot.waitUntil(lambda: bench.level is Level.SAFE)
    bench.qtbot.waitUntil(lambda: not log.trip.isVisible())
    assert len(lines_with(bench, "gives no more frames")) == 1


def test_the_advice_in_the_log_and_in_the_state_strip_fits_the_fault(bench: Bench) -> None:
    log, strip = bench.window.log, bench.window.strip
    for reason, word in REASONS:
        (turn,) = turns(1, Level.TRIPPED, reason)
        log.add([turn])
        strip.show_turn(turn)
        for said in (log.trip.text(), strip.reason.whole):
            assert reason in said
            assert word in said
            assert advice(reason) in said
        assert log.trip.isVisible()
        assert strip.reason.isVisible()


def test_another_fault_right_after_a_reset_is_reported(bench: Bench) -> None:
    window, log = bench.window, bench.window.log
    bench.armed()
    window.session.order(OrderKind.TRIP, "beam: a spot's power is negative: -1 mW")
    bench.qtbot.waitUntil(lambda: "negative" in log.trip.text())
    bench.toy.camera.fault = "the camera gives no more frames"
    bench.qtbot.waitUntil(lambda: window.session.newest.frame is None)  # type: ignore[union-attr]
    assert "negative" in window.session.newest.reason  # type: ignore[union-attr]
    bench.qtbot.waitUntil(window.actions_bar.reset.isEnabled)
    window.actions_bar.reset.trigger()
    bench.qtbot.waitUntil(lambda: "Reconnect" in window.strip.reason.whole)
    assert bench.level is Level.TRIPPED
    assert log.trip.text().endswith("the camera gives no more frames; look at its cable and power, then Reconnect")
    assert len(lines_with(bench, "gives no more frames")) == 2  # before the reset, and the trip after it


def test_many_new_particles_are_one_line(bench: Bench) -> None:
    bench.window.log.add(turns(300))
    (line,) = lines_with(bench, "no light")
    assert "no light for 300 new particles" in line


def test_remarks_do_not_displace_faults_orders_and_levels(bench: Bench) -> None:
    log = bench.window.log
    log.add(turns(1, Level.TRIPPED, "beam: the interlock is open"))
    for index in range(8000):
        log.say(f"remark {chr(97 + index % 26)} {index}")
    assert len(lines_with(bench, "beam: the interlock is open")) == 1
    assert len(log.read()) < 5000


def test_an_apply_lists_its_changes(bench: Bench) -> None:
    window = bench.window
    bench.armed()
    bench.qtbot.waitUntil(lambda: bool(lines_with(bench, "ARMED: armed by the operator")))
    write(force(window.panel).rows["delay_s"], 0.25)
    window.panel.apply_button.click()
    bench.qtbot.waitUntil(lambda: bool(lines_with(bench, "APPLY: policy.forces.0.delay_s 0.5 → 0.25")))
    before = window.session.plan.rig.tracking.minmass
    write(window.devices.forms["tracking"].rows["minmass"], 777.0)
    window.devices.button.click()
    bench.qtbot.waitUntil(lambda: bool(lines_with(bench, f"APPLY: tracking.minmass {before:g} → 777")))


def test_the_log_is_filtered_by_kind(bench: Bench) -> None:
    log = bench.window.log
    log.add(turns(1, Level.TRIPPED, "beam: the interlock is open"))
    log.say("a remark")
    for kind, words in ((EventKind.DARK, "no light"), (EventKind.FAULT, "interlock"), (EventKind.NOTE, "remark")):
        assert lines_with(bench, words)
        click(log.kinds[kind])
        assert not lines_with(bench, words)
        assert words not in log.text.toPlainText()
        click(log.kinds[kind])
        assert words in log.text.toPlainText()


def test_a_long_reason_is_fully_shown(bench: Bench) -> None:
    window = bench.window
    window.resize(1100, 700)
    reason = " ".join(f"the spot {index} lies outside of the field that the beam may visit;" for index in range(3))
    window.log.add(turns(1, Level.TRIPPED, reason))
    window.strip.show_turn(turns(1, Level.TRIPPED, reason)[0])
    bench.qtbot.wait(50)
    assert window.strip.reason.text() == window.strip.reason.whole
    assert reason in window.strip.reason.text()
    strip_px = window.strip.height()
    bar = window.log.text.horizontalScrollBar()
    assert bar is not None
    assert bar.maximum() == 0
    assert reason in window.log.text.toPlainText()
    window.strip.show_stopped("not started")
    assert window.strip.height() == strip_px

"""The loop in its thread: it obeys orders, returns turns, and always ends dark."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from app.running.thread import LoopThread, beam_is_on
from control.contract import Level, OrderKind
from tests.app.desktop.toy import Recorder, Toy, planned
from tests.patience import until


def opened() -> tuple[Toy, LoopThread]:
    toy = Toy(planned())
    return toy, LoopThread(toy.machine, toy.camera, toy.beam, toy.clock)


def level(live: LoopThread) -> Level | None:
    return live.newest.level if live.newest is not None else None


def test_orders_are_obeyed_and_close_is_dark() -> None:
    toy, live = opened()
    with live:
        until(lambda: level(live) is Level.SAFE)
        assert not beam_is_on(live.newest)
        live.order(OrderKind.ARM)
        until(lambda: beam_is_on(live.newest))
        live.order(OrderKind.STOP)
        until(lambda: level(live) is Level.SAFE)
        assert toy.beam.last.reason
        live.order(OrderKind.ARM)
        until(lambda: level(live) is Level.ARMED)
    assert toy.beam.closed
    assert len(toy.beam.last) == 0
    assert not live.running


def test_a_camera_fault_trips_and_only_reset_then_arm_leaves_it() -> None:
    toy, live = opened()
    with live:
        live.order(OrderKind.ARM)
        until(lambda: level(live) is Level.ARMED)
        toy.camera.fault = "the cable is out"
        until(lambda: level(live) is Level.TRIPPED)
        assert live.newest is not None
        assert "the cable is out" in live.newest.reason
        toy.camera.fault = ""
        live.order(OrderKind.ARM)
        until(lambda: live.newest is not None and live.newest.frame is not None)
        assert level(live) is Level.TRIPPED
        live.order(OrderKind.RESET)
        live.order(OrderKind.ARM)
        until(lambda: beam_is_on(live.newest))


def test_an_exception_in_the_law_ends_the_loop_dark_with_a_message() -> None:
    toy, live = opened()

    class Broken:
        longest_delay_s = 0.0

        def start(self) -> None:
            return None

        def step(self, memory: None, seen: object) -> None:
            raise ZeroDivisionError("no law without a number")

    with live:
        live.order(OrderKind.ARM)
        until(lambda: beam_is_on(live.newest))
        live.apply(replace(toy.machine, policy=Broken()), "broken: true")  # type: ignore[arg-type]
        until(lambda: not live.running)
        assert live.trouble == "ZeroDivisionError: no law without a number"
        assert "step" in live.details
    assert toy.beam.closed
    assert len(toy.beam.last) == 0


def test_consecutive_records_have_no_gap_and_the_level_stays() -> None:
    _, live = opened()
    first, second = Recorder(), Recorder()
    with live:
        live.order(OrderKind.ARM)
        until(lambda: level(live) is Level.ARMED)
        live.record(first)
        until(lambda: len(first.turns) > 5)
        assert live.recording
        live.record(second)
        until(lambda: len(second.turns) > 3)
        assert first.closed
        live.record(None)
        until(lambda: second.closed and not live.recording)
    turns = [*first.turns, *second.turns]
    assert [turn.number for turn in turns] == list(range(turns[0].number, turns[0].number + len(turns)))
    assert {(turn.level, turn.orders) for turn in turns} <= {(Level.ARMED, ()), (Level.ARMED, turns[0].orders)}


def test_recent_turns_are_each_given_once() -> None:
    _, live = opened()
    seen: list[int] = []
    with live:
        while len(seen) < 20:
            fresh = live.recent(seen[-1] if seen else 0)
            seen += [count for count, _ in fresh]
            time.sleep(0.03)
    assert seen == list(range(1, len(seen) + 1))


def test_pace_counts_frames_and_latency() -> None:
    _, live = opened()
    with live:
        until(lambda: live.pace().turns > 10)
        pace = live.pace()
    assert pace.rate_hz > 0
    assert 0 < pace.latency_p50_s <= pace.latency_p99_s
    assert pace.dropped == 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_loop_that_never_started_closes_dark(times: int) -> None:
    toy, live = opened()
    for _ in range(times):
        live.close()
    assert toy.beam.closed

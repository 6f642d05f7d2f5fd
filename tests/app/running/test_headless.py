"""Runs without a window: expected number of turns, errors at closing, and signals."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import app.running.headless
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.running import stop_signals as signals
from app.running.headless import expected_turns, flown, fly, no_frame, too_few
from app.running.stop_signals import Stopped
from config.refused import Refused
from control.contract import STILL_LIT, Fault, Forces, Policy, Seen, Turn
from drivers.journal import Journal, read_run
from tests.drivers.turns import plausible

SLOW = ("rate=real time", "camera.fps=20", "loop.stale_periods=100")
PERIOD_S = 0.05


@dataclass(frozen=True)
class Late:
    """A policy whose step takes `takes_s`, several frame intervals."""

    policy: Policy
    takes_s: float

    @property
    def longest_delay_s(self) -> float:
        return self.policy.longest_delay_s

    def start(self) -> Any:
        return self.policy.start()

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
        time.sleep(self.takes_s)
        return self.policy.step(memory, seen)


def late(made: Plan, takes_s: float) -> Any:
    instrument = open_instrument(made)
    return replace(instrument, machine=replace(instrument.machine, policy=Late(instrument.machine.policy, takes_s)))


def test_fewer_than_half_of_the_turns_give_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app.running.headless, "open_instrument", lambda made: late(made, 5.0 * PERIOD_S))
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SLOW)
    assert flown(made, 3.0, tmp_path / "run.h5", False, None) == 1
    said = capsys.readouterr().err
    found = re.search(r"only (\d+) of (\d+) turns: the computer or the camera was too slow", said)
    assert found is not None, said
    assert 40 <= int(found[2]) <= 60  # a busy machine delays the first turn
    assert (tmp_path / "run.h5").exists()


def test_a_run_shorter_than_its_first_turn_gives_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: with an empty numba cache there was one turn, and exit code 0."""
    monkeypatch.setattr(app.running.headless, "open_instrument", lambda made: late(made, 2.0))
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SLOW)
    assert flown(made, 1.5, tmp_path / "run.h5", False, None) == 1
    assert "made only 1 of 30 turns" in capsys.readouterr().err


def test_a_run_in_time_and_a_run_in_lockstep_are_complete(tmp_path: Path) -> None:
    slow = plan(EXPERIMENTS / "annular_activity.yaml", None, ("rate=real time", "camera.fps=2"))
    done = fly(slow, 3.0, None, False, "")
    assert done["turns_expected"] == 6
    assert too_few(done) == ""
    dropping = plan(EXPERIMENTS / "annular_activity.yaml", None, ("camera.drop=0.9",))
    assert flown(dropping, 2.0, tmp_path / "run.h5", False, None, armed=False) == 0


def test_a_run_that_ends_early_is_compared_with_its_actual_duration() -> None:
    made = plan(EXPERIMENTS / "annular_activity.yaml", None, SLOW)
    assert expected_turns(made, 60.0, 2.0) == 40  # a film that ended
    assert expected_turns(made, 60.0, 61.0) == 1200
    assert expected_turns(made, None, 3.0) == 60
    assert too_few({"turns": 30, "turns_expected": 60}) == ""
    assert "29 of 60" in too_few({"turns": 29, "turns_expected": 60})


def test_a_run_without_a_frame_states_the_frame_interval() -> None:
    assert no_frame(1e-9, 100.0) == (
        "there was not one frame in 1e-09 s (--seconds): at camera.fps 100 one comes every 0.01 s"
    )
    with pytest.raises(Refused, match="not one frame in 1e-09 s"):
        fly(plan(EXPERIMENTS / "annular_activity.yaml"), 1e-9, None, False, "nothing")


@dataclass
class Ends:
    """A beam or a recorder that raises a Fault at closing if `trouble` is set."""

    trouble: str

    def close(self) -> None:
        if self.trouble:
            raise Fault(self.trouble)


@pytest.mark.parametrize(("light", "record"), [("hung", "full"), ("hung", ""), ("", "full")])
def test_a_failed_record_keeps_the_laser_warning(light: str, record: str) -> None:
    closed: list[Path] = []
    lit = f"{STILL_LIT}: {light}" if light else ""
    with pytest.raises(Fault) as raised:
        app.running.headless.close_dark(Ends(lit), Ends(record), (), [Path("run.h5")], closed)  # type: ignore[arg-type]
    assert lit in str(raised.value)
    assert record in str(raised.value)
    assert bool(closed) is not bool(record)


def test_any_error_of_the_record_keeps_the_laser_warning() -> None:
    def fail() -> None:
        raise RuntimeError("a fault of the disk")

    broken = type("Broken", (), {"close": staticmethod(fail)})()
    with pytest.raises(Fault, match=f"^{STILL_LIT}: hung; RuntimeError: a fault of the disk$"):
        app.running.headless.close_dark(Ends(f"{STILL_LIT}: hung"), broken, (), [], [])  # type: ignore[arg-type]


@pytest.mark.parametrize("trip", ["the galvo at /dev/a is gone", ""])
def test_the_laser_warning_does_not_hide_a_trip(trip: str) -> None:
    trips = (trip,) if trip else ()
    with pytest.raises(Fault, match=f"{f'the interlock tripped: {trip}; ' if trip else '^'}{STILL_LIT}: hung$"):
        app.running.headless.close_dark(Ends(f"{STILL_LIT}: hung"), Ends(""), trips, [], [])  # type: ignore[arg-type]


def test_a_trip_with_the_laser_warning_is_reported_once() -> None:
    lit = f"{STILL_LIT}: hung"
    with pytest.raises(Fault, match=f"^{lit}$"):
        app.running.headless.close_dark(Ends(lit), Ends(""), (f"late; {lit}",), [], [])  # type: ignore[arg-type]


def test_a_camera_error_at_closing_keeps_the_laser_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the error of the camera replaced the message that the laser may be on."""
    made = plan(
        EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=1", "camera.width_px=64", "camera.height_px=64"]
    )
    monkeypatch.setattr("app.assembly.open.warm_up_once", lambda plan, machine: None)
    instrument = open_instrument(made)
    real = instrument.beam.close

    def unplugged() -> None:
        raise OSError("it was unplugged")

    def hung() -> None:
        instrument.beam.close = real  # type: ignore[method-assign]
        real()
        raise Fault(f"{STILL_LIT}: hung")

    instrument.beam.close = hung  # type: ignore[method-assign]
    instrument.camera.close = unplugged  # type: ignore[method-assign]
    monkeypatch.setattr(app.running.headless, "open_instrument", lambda made: instrument)
    with pytest.raises(Fault, match=rf"^{STILL_LIT}: hung; the camera was not closed \(OSError: it was unplugged\)$"):
        fly(made, 0.05, None, False, "")


@pytest.mark.parametrize(
    ("hangs", "said"),
    [
        ("record", "a second signal ended the wait for the record {}, whose end is not known; the laser is dark"),
        ("camera", "the laser is dark; the record is closed: {}; a second signal ended the wait for the camera, whose "
                   "end is not known"),
    ],
)  # fmt: skip
def test_a_second_signal_ends_a_closing_that_hangs(
    hangs: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(
        EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=1", "camera.width_px=64", "camera.height_px=64"]
    )
    monkeypatch.setattr("app.assembly.open.warm_up_once", lambda plan, machine: None)
    instrument = open_instrument(made)
    monkeypatch.setattr(app.running.headless, "open_instrument", lambda made: instrument)
    journals: list[Any] = []

    def opened(*asked: Any, **settings: Any) -> Any:
        journals.append(open_recorder(*asked, **settings))
        if hangs == "record":
            monkeypatch.setattr(journals[0], "close", hang)
        return journals[0]

    def hang() -> None:
        if not signals.came():
            signal.raise_signal(signal.SIGTERM)
        signals._state.at_s -= signals.PATIENCE_S
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("it hung")

    reads = instrument.camera.read

    def read() -> Any:
        if instrument.clock.now_s() > 0.05:
            signal.raise_signal(signal.SIGTERM)
        return reads()

    monkeypatch.setattr(app.running.headless, "open_recorder", opened)
    instrument.camera.read = read  # type: ignore[method-assign]
    if hangs == "camera":
        instrument.camera.close = hang  # type: ignore[method-assign]
    out = tmp_path / "run.h5"
    with pytest.raises(Stopped) as ended, signals.caught_in_program():
        fly(made, 10.0, out, False, "")
    assert str(ended.value) == f"stopped by SIGTERM; {said.format(out)}"
    monkeypatch.undo()
    journals[0].close()


def test_any_error_at_closing_reports_that_the_laser_may_be_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Ends) -> None:
        raise RuntimeError("a fault of a driver")

    monkeypatch.setattr(Ends, "close", fail)
    closed: list[Path] = []
    whole = type("Whole", (), {"close": lambda self: None})()
    with pytest.raises(Fault, match=f"{STILL_LIT}: RuntimeError: a fault of a driver"):
        app.running.headless.close_dark(Ends(""), whole, (), [Path("run.h5")], closed)  # type: ignore[arg-type]
    assert closed == [Path("run.h5")]


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, SystemExit])
def test_the_record_of_a_crashed_run_is_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def crash(instrument: Any, recorder: Any, *others: Any) -> Any:
        recorder.write(replace(plausible(0), frame=None))
        raise error("a fault of the program")

    monkeypatch.setattr("app.running.headless._fly", crash)
    monkeypatch.setattr("app.assembly.open.warm_up_once", lambda plan, machine: None)
    sizes = ["camera.width_px=64", "camera.height_px=64"]
    made = plan(EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=1", *sizes])
    with pytest.raises(error, match="a fault of the program"):
        fly(made, 0.1, tmp_path / "g.h5", True, "crashed")
    with read_run(tmp_path / "g.h5") as run:
        assert not run.ended_cleanly
        assert len(run) == 1


@pytest.mark.parametrize("error", [SystemError("a kernel lost it"), Refused("a plug-in"), Fault("no galvo")])
def test_a_signal_while_a_rig_opens_switches_the_laser_off(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Regression: a SystemError gave a traceback, and light from before stayed on."""

    def fails(made: Plan) -> Any:
        with signals.held():
            signal.raise_signal(signal.SIGTERM)
        raise error

    monkeypatch.setattr("app.running.headless.open_instrument", fails)
    monkeypatch.setattr("app.running.headless.put_out", lambda made: "the laser was put out from here")
    with pytest.raises(Stopped, match=r"; the laser was put out from here$"), signals.caught_in_program():
        fly(plan(EXPERIMENTS / "ring_crystal.yaml"), 0.1, None, False, "")


def test_a_turn_cut_by_a_second_signal_leaves_the_record_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of turn 5 is sent, but its row is not written."""
    real = Journal.write

    def cut(journal: Journal, turn: Turn) -> None:
        if turn.number == 5:
            raise Stopped(signal.SIGTERM)
        real(journal, turn)

    monkeypatch.setattr(Journal, "write", cut)
    monkeypatch.setattr("app.assembly.open.warm_up_once", lambda plan, machine: None)
    sizes = ["camera.width_px=64", "camera.height_px=64"]
    made = plan(EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=1", *sizes])
    with pytest.raises(Stopped) as raised:
        fly(made, 1.0, tmp_path / "cut.h5", False, "cut")
    assert str(raised.value).startswith("stopped by SIGTERM; the laser is dark; the record ends before the turn")
    with read_run(tmp_path / "cut.h5") as run:
        assert not run.ended_cleanly
        assert len(run) == 5

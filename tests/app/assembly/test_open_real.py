"""The instrument over serial lines: emulated galvo and laser, each in its own process, with the simulated sample."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial

from app.analysis.run_description import device_facts
from app.analysis.trajectories import speeds
from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.plane import StoredMap
from app.assembly.probe_move import ProbeMove, devices_of
from app.assembly.rig import EXPERIMENTS, Plan
from app.running.headless import fly
from app.running.thread import LoopThread
from config.reader import plain
from config.refused import Refused
from control.contract import STILL_LIT, Fault, Level, OrderKind, Turn
from drivers.emulate.child import ROOT, Child
from drivers.journal import read_run
from drivers.journal.tidy import tidy_tracks
from drivers.real_bench import FinalDarkening
from tests.drivers.emulated import beam_of
from tests.patience import PATIENCE_S

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals"),
]

RIG = ROOT / "config" / "rigs" / "serial_simulated.yaml"
PATIENT = ("loop.stale_periods=50", "deflector.watchdog_s=0.8", "deflector.timeout_s=1.0", "laser.timeout_s=1.0")
TAU_S = 0.5


def sets_for(galvo: Child, laser: Child) -> tuple[str, ...]:
    """For emulators that already run; the timeouts allow for a busy computer."""
    return (
        f"deflector.port={galvo.link}", f"laser.port={laser.link}", "emulated.start=false",
        f"emulated.galvo_stream={galvo.stream_port}", f"emulated.laser_stream={laser.stream_port}", *PATIENT,
    )  # fmt: skip


def planned(*sets: str) -> Plan:
    return plan(EXPERIMENTS / "annular_activity.yaml", RIG, sets)


def eventually(true: Callable[[], Any], timeout_s: float = PATIENCE_S) -> bool:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if true():
            return True
        time.sleep(0.005)
    return bool(true())


def some_turns_later(live: LoopThread, number: int = 50) -> bool:
    """Waits long enough for a device to be found again."""
    count = live.pace().turns
    return eventually(lambda: live.pace().turns > count + number)


def lit(turn: Turn | None) -> bool:
    return turn is not None and len(turn.sent) > 0


def test_the_rig_starts_its_emulators_and_ends_them(tmp_path: Path) -> None:
    ports = (f"deflector.port={tmp_path / 'galvo'}", f"laser.port={tmp_path / 'laser'}")
    out = tmp_path / "run.h5"
    done = fly(planned(*PATIENT, *ports), 3.0, out, False, "serial")
    assert done["trips"] == []
    assert done["turns"] - done["dark_turns"] > 3  # some 60 on an idle computer
    assert not (tmp_path / "galvo").is_symlink()
    assert not (tmp_path / "laser").is_symlink()
    with read_run(out) as run:
        sent = [turn.sent for turn in run.turns() if len(turn.sent)]
        facts = device_facts(run.header.extra)
    assert "firmware" in facts["firmware"]["laser"]
    assert facts["firmware"]["deflector"]
    read_back = {one["name"]: one["returned"] for one in facts["returned"]}
    assert read_back["laser.max_power_mw"] > 0.0
    assert {"deflector.range_v", "deflector.delay_s"} < set(read_back)
    assert "Heun steps" in facts["world"]
    assert all(np.isfinite(command.effect_s) for command in sent)


def test_after_kill_9_the_beam_is_dark_within_the_watchdog_time(tmp_path: Path) -> None:
    """From the emulator's log: the emulator blanks the beam one watchdog time after the last batch received."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        command = [sys.executable, "main.py", "run", "config/experiments/annular_activity.yaml", "--rig", str(RIG)]
        command += ["--out", str(tmp_path / "run.h5"), "--no-frames", "--seconds", "600"]
        for item in sets_for(galvo, laser):
            command += ["--set", item]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet) as application:
            assert galvo.wait_for("batch", PATIENCE_S) is not None
            assert galvo.wait_for("batch", PATIENCE_S) is not None
            application.send_signal(signal.SIGKILL)
            killed_ns = time.monotonic_ns()
        dark = galvo.wait_for("dark", PATIENCE_S, cause="WATCHDOG")
        assert dark is not None
        batches = [event for event in galvo.events if event["event"] == "batch"]
        assert dark["time_ns"] == batches[-1]["received_ns"] + 800_000_000
        assert dark["time_ns"] <= killed_ns + 800_000_000
        assert galvo.events[-1]["event"] == "dark"  # no event follows


@pytest.mark.parametrize("which", ["galvo", "laser"])
def test_an_emulator_killed_in_a_run(tmp_path: Path, which: str) -> None:
    """Dark within two frames, with the reason in the Turn. After the device returns, Reset and Arm are needed. The
    record continues."""
    made_of = {"galvo": "galvo", "laser": "cobolt"}
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        made = planned(*sets_for(galvo, laser))
        instrument = open_instrument(made)
        assert isinstance(instrument.beam, FinalDarkening)
        with LoopThread(instrument.machine, instrument.camera, instrument.beam, instrument.clock) as live:
            live.record(open_recorder(instrument, tmp_path / "run.h5", frames=False))
            live.order(OrderKind.ARM)
            assert eventually(lambda: lit(live.newest))
            victim = galvo if which == "galvo" else laser
            victim.kill()
            killed_s = instrument.clock.now_s()
            assert eventually(lambda: live.newest is not None and live.newest.level is Level.TRIPPED)
            assert live.newest is not None
            assert f"the {which} at" in live.newest.reason
            live.order(OrderKind.RESET)
            live.order(OrderKind.ARM)
            assert eventually(lambda: live.newest is not None and live.newest.level is Level.TRIPPED)
            with Child(made_of[which], victim.link, stream_port=victim.stream_port):
                assert some_turns_later(live)
                assert live.newest.level is Level.TRIPPED
                assert not lit(live.newest)
                live.order(OrderKind.RESET)
                live.order(OrderKind.ARM)
                assert eventually(lambda: lit(live.newest))
                live.record(None)
                assert eventually(lambda: not live.recording)
    with read_run(tmp_path / "run.h5") as run:
        turns = list(run.turns())
    begin = turns[0].number  # the record begins in flight
    assert [turn.number for turn in turns] == list(range(begin, begin + len(turns)))
    after = [turn for turn in turns if turn.frame is not None and turn.now_s > killed_s]
    levels = [turn.level for turn in turns]
    first = levels.index(Level.TRIPPED)
    dark = next(index for index, turn in enumerate(turns) if turn.now_s > killed_s and not lit(turn))
    assert sum(turn.now_s > killed_s for turn in turns[: dark + 1]) <= 2
    assert first <= dark + 1
    assert f"the {which} at" in turns[first].reason
    assert lit(turns[-1]) or any(lit(turn) for turn in turns[first:])
    assert len(after) > 40


QUICK = (
    ("galvo", "silence", "well"), ("laser", "interlock open", "interlock closed"), ("laser", "power 10", "power 1"),
    ("laser", "mode 0", "well"),
)  # fmt: skip
OTHERS = (
    ("galvo", "garbage", "well"), ("galvo", "half", "well"), ("galvo", "late 1", "well"),
    ("galvo", "disconnect", "connect"), ("laser", "silence", "well"), ("laser", "garbage", "well"),
    ("laser", "power 0", "power 1"), ("laser", "half", "well"), ("laser", "late 1", "well"),
    ("laser", "disconnect", "connect"),
)  # fmt: skip


@pytest.mark.parametrize("faults", [QUICK, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["quick", "others"])
def test_injected_faults_trip_and_can_be_reset(tmp_path: Path, faults: tuple[tuple[str, str, str], ...]) -> None:
    """Each fault trips the interlock with the name of the device and makes the beam dark. After the fault, Reset and
    Arm work."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        sets = (*sets_for(galvo, laser), "deflector.timeout_s=0.5", "laser.timeout_s=0.5")
        instrument = open_instrument(planned(*sets))
        with LoopThread(instrument.machine, instrument.camera, instrument.beam, instrument.clock) as live:
            for which, fault, cure in faults:
                live.order(OrderKind.RESET)
                live.order(OrderKind.ARM)
                assert eventually(lambda: lit(live.newest)), (
                    f"after {which} {fault}: {live.newest and live.newest.reason}"
                )
                child = galvo if which == "galvo" else laser
                child.order(fault)
                assert eventually(lambda: live.newest is not None and live.newest.level is Level.TRIPPED)
                assert live.newest is not None
                assert which in live.newest.reason
                assert eventually(lambda: beam_of(galvo)["beam"] == "dark" or beam_of(laser)["beam"] == "dark")
                child.order(cure)
                assert some_turns_later(live)
                assert not lit(live.newest)
            assert live.running
            assert live.trouble == ""


def test_incompatible_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'real time'"):
        open_instrument(planned("rate=lockstep"))
    with pytest.raises(Refused, match="serial_galvo deflector and a simulated laser"):
        open_instrument(planned("laser={kind: simulated}"))
    with pytest.raises(Refused, match="needs 'emulated'"):
        open_instrument(planned("emulated=null"))
    with pytest.raises(Refused, match="real camera"):
        open_instrument(
            plan(EXPERIMENTS / "annular_activity.yaml", None, ["camera={kind: opencv, width_px: 64, height_px: 64}"])
        )


def test_a_map_of_another_laser_is_refused_and_its_ports_are_free_again(tmp_path: Path) -> None:
    """Same port, other serial number: it is known only when the devices answer."""
    plane = StoredMap(matrix_v_per_px=((0.025, 0.0), (0.0, 0.025)), shift_v=(-3.2, -3.2))
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        rig = planned(*sets_for(galvo, laser)).rig
        for serial_number, fine in (("EMULATED", True), ("OTHER", False)):
            device = f"Cobolt 0488-06-01-0200-100, serial number {serial_number}"
            known = {**devices_of(rig), "laser.device": device, "deflector.device": "Cybloids emulated galvo 1.0"}
            probe = ProbeMove(date="today", slopes=((1.0, 0.0), (0.0, 1.0)), run="probe-001.h5", rig=known)
            values = {"map": "confirmed", "plane": plain(plane), "probe": plain(probe.sealed(plane))}
            made = planned(*sets_for(galvo, laser), f"calibration={json.dumps(values)}")
            assert made.rig.confirmed
            if fine:
                open_instrument(made).close()
            else:
                with pytest.raises(Refused, match=f"confirmed with laser.device {device}, and this rig has .*EMULATED"):
                    open_instrument(made)
        open_instrument(planned(*sets_for(galvo, laser))).close()


def test_the_real_rig_names_the_missing_device(tmp_path: Path) -> None:
    """The laser first: an unreachable laser may be on, and no message may state that it is dark."""
    sets = (
        "camera.source=no camera", f"deflector.port={tmp_path / 'galvo'}", f"laser.port={tmp_path / 'laser'}",
        "deflector.timeout_s=1.0", "laser.timeout_s=1.0",
    )  # fmt: skip
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIG.with_name("serial.yaml"), sets)
    assert made.kind == "REAL"
    with pytest.raises(Fault, match=STILL_LIT) as none_there:
        open_instrument(made)
    assert "the galvo at " in str(none_there.value)
    with (
        Child("galvo", tmp_path / "galvo"),
        Child("cobolt", tmp_path / "laser"),
        pytest.raises(Fault, match=r"^the camera 'no camera' can't be opened") as no_camera,
    ):
        open_instrument(made)
    assert STILL_LIT not in str(no_camera.value)


def test_a_lit_laser_is_switched_off_if_the_galvo_is_missing(tmp_path: Path) -> None:
    sets = (
        "camera.source=no camera", f"deflector.port={tmp_path / 'galvo'}", f"laser.port={tmp_path / 'laser'}",
        "deflector.timeout_s=1.0", "laser.timeout_s=1.0",
    )  # fmt: skip
    made = plan(EXPERIMENTS / "annular_activity.yaml", RIG.with_name("serial.yaml"), sets)
    with Child("cobolt", tmp_path / "laser") as laser:
        with serial.Serial(str(laser.link), 115200, timeout=5.0) as line:
            line.write(b"l1\r")
            assert line.read_until(b"\r\n") == b"OK\r\n"
        assert eventually(lambda: beam_of(laser)["beam"] == "lit")
        with pytest.raises(Fault, match=r"^the galvo at .* can't be opened") as raised:
            open_instrument(made)
        assert eventually(lambda: beam_of(laser)["beam"] == "dark")
    assert STILL_LIT not in str(raised.value)


def speed_um_per_s(made: Plan, path: Path, seconds: float) -> tuple[float, float]:
    """Mean |r(t) - r(t - tau)| / tau of free running, and its standard error from blocks of 3 s."""
    done = fly(made, seconds, path, False, "annular")
    assert done["trips"] == []
    with read_run(path) as run:
        free = speeds(tidy_tracks(run), TAU_S, settle_s=TAU_S)
    time_s, speed = (free[name].to_numpy(np.float64) for name in ("time_s", "speed_um_per_s"))
    speed[time_s < 3.0 * TAU_S] = np.nan
    block = (time_s // 3.0).astype(np.int64)
    means = np.array([np.nanmean(speed[block == one]) for one in np.unique(block)])
    mean, error = float(means.mean()), float(means.std() / np.sqrt(len(means)))
    print(
        f"{path.stem}: {mean:.3f} +- {error:.3f} um/s; {done['turns']} turns, {done['dropped_frames']} frames dropped"
    )
    return mean, error


@pytest.mark.slow
def test_the_speed_over_serial_lines_equals_the_simulated_speed(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        serial = speed_um_per_s(planned(*sets_for(galvo, laser)), tmp_path / "serial.h5", 120.0)
    simulated = plan(
        EXPERIMENTS / "annular_activity.yaml", None,
        ["camera.fps=50", "tracking.search_px=11", "loop.latency_s=0.004", "deflector.delay_s=0.001"],
    )  # fmt: skip
    alone = speed_um_per_s(simulated, tmp_path / "simulated.h5", 600.0)
    assert abs(serial[0] - alone[0]) < 3.0 * np.hypot(serial[1], alone[1])


@pytest.mark.parametrize("trouble", [Fault("no answer"), RuntimeError("bug")])
def test_a_rig_is_closed_if_its_devices_do_not_identify_themselves(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Regression: the rig stayed open and kept its ports."""
    closed: list[int] = []

    class Bench:
        def identities(self) -> dict[str, str]:
            raise trouble

        def close(self) -> None:
            closed.append(1)

    monkeypatch.setattr("app.assembly.open_real.warm_up", lambda *_: None)
    monkeypatch.setattr("app.assembly.open_real.open_emulated_bench", lambda *_, **__: Bench())
    with pytest.raises(type(trouble), match=str(trouble)):
        open_instrument(planned())
    assert closed == [1]

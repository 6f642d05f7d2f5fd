"""The emulators as processes: orders, logs, lost lines; and their light in the simulated world."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from app.commands.emulate import emulate_device
from config.geometry import Affine
from config.reader import build, parse
from config.refused import Refused
from control.contract import Command, Fault
from drivers import galvo_protocol as protocol
from drivers.deflectors.serial_galvo import SerialGalvo
from drivers.emulate.child import ROOT, Child
from drivers.emulate.cobolt import CoboltDevice
from drivers.emulate.faults import Trouble, ordered
from drivers.emulate.kinds import KINDS, galvo
from drivers.emulate.light_path import LightPath, Listener
from drivers.emulate.process import LOOPBACK, Emulator, Options
from drivers.emulate.settings import Emulated as EmulatedRig
from drivers.galvo_protocol import Packet
from drivers.guard import Guard, GuardLimits
from drivers.lasers.cobolt import Cobolt, CoboltDriver
from drivers.real_bench import BenchSettings, RealBench, open_emulated_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import PacedClock
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage
from drivers.sim.world import World
from tests.drivers.emulated import Emulated, beam_of, eventually
from tests.patience import PATIENCE_S

CAMERA = SimulatedCamera(fps=100.0, exposure_s=0.002, readout_s=0.001, width_px=64, height_px=64)
MEANS = BenchSettings(um_per_px=0.1, field_um=((0.0, 0.0), (6.3, 6.3)), power_cap_mw=100.0, heartbeat_s=1.0)
MIDDLE_UM = 3.15

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("silence", Trouble("silence")),
        ("garbage", Trouble("garbage")),
        ("half", Trouble("half")),
        ("late 0.5", Trouble("late", 0.5)),
        ("well", Trouble()),
        ("disconnect", Trouble(plugged=False)),
        ("interlock open", Trouble(interlock_closed=False)),
        ("power 10", Trouble(power_factor=10.0)),
        ("power 0", Trouble(power_factor=0.0)),
        ("mode 0", Trouble(mode=0)),
        ("end", Trouble(ended=True)),
    ],
)
def test_each_order_changes_the_faults_of_the_emulator(words: str, after: Trouble) -> None:
    assert ordered(Trouble(), words) == after


@pytest.mark.parametrize(
    "words",
    [
        "", "late", "late x", "late -1", "late nan", "interlock", "interlock ajar", "dance", "power", "power x",
        "power -1", "power nan", "power 1e9", "mode", "mode 3", "mode 1.0",
    ],
)  # fmt: skip
def test_an_unknown_order_is_refused(words: str) -> None:
    with pytest.raises(Refused):
        ordered(Trouble(), words)


def test_an_unknown_fault_is_refused_before_the_emulator_starts(tmp_path: Path) -> None:
    link, log = tmp_path / "galvo", tmp_path / "log"
    with pytest.raises(Refused, match="--fault: 'dance' is not an order to an emulator"):
        emulate_device("galvo", link, 0, log, ("late 1", "dance"))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_order_is_logged_without_effect(emulated: Emulated) -> None:
    emulated.galvo.order("dance")
    said = emulated.galvo.wait_for("refused")
    assert said is not None
    assert "'dance' is not an order" in said["why"]
    emulated.open_galvo().close()


def test_several_orders_in_one_line(emulated: Emulated) -> None:
    emulated.galvo.order("silence\nhalf\nwell")
    for words in ("silence", "half", "well"):
        assert emulated.galvo.wait_for("order", order=words) is not None


def test_answers_keep_the_order_of_their_requests(emulated: Emulated) -> None:
    """As on any serial line. Before, late answers came seconds later, in the middle of the next test."""
    emulated.order(emulated.laser, "late 0.2")
    with serial.Serial(str(emulated.laser.link), timeout=PATIENCE_S) as line:
        line.write(b"l1\r")
        assert emulated.laser.wait_for("lit") is not None
        emulated.order(emulated.laser, "well")
        line.write(b"sn?\rl0\r")
        assert [line.read_until(b"\r\n") for _ in range(3)] == [b"OK\r\n", b"EMULATED\r\n", b"OK\r\n"]


def test_faults_may_be_ordered_from_the_beginning(tmp_path: Path) -> None:
    with Child("cobolt", tmp_path / "laser", faults=("interlock open",)) as laser:
        assert laser.wait_for("order", order="interlock open") is not None


def test_the_link_of_a_killed_emulator_is_reused_and_no_file_is_lost(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "link") as first:
        first.kill()
        with Child("galvo", tmp_path / "link"):
            assert (tmp_path / "link").resolve().exists()
    assert not (tmp_path / "link").is_symlink()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(Fault, match="there is a file of this name"):
        Child("galvo", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("target", ["file", "/dev/pts/0", "/dev/null", "gone"])
def test_a_link_not_made_by_an_emulator_is_unchanged(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(Fault, match=f"a link of this name to {target}, and no emulator made it"):
        Child("galvo", tmp_path / "link")
    assert os.readlink(tmp_path / "link") == target
    assert (tmp_path / "file").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_a_redirected_link_of_an_emulator_is_unchanged(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "link") as first:
        first.kill()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Fault, match="no emulator made it"):
        Child("galvo", tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "elsewhere"


def test_an_ended_emulator_leaves_no_files(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "galvo"):
        assert (tmp_path / "galvo").is_symlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["deflector", "laser"])
@pytest.mark.parametrize(
    "place", ["outside/new/link", "runs/link", "runs/emulated/../../link", "runs/emulated/out/link"]
)
def test_a_rig_makes_links_only_in_runs_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, place: str
) -> None:
    """A rig file names them; opening it must not make folders or replace links anywhere else."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "emulated").mkdir(parents=True)
    (tmp_path / "runs" / "emulated" / "out").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to("elsewhere")
    before = sorted(tmp_path.rglob("*"))
    ports = {"deflector": "runs/emulated/galvo", "laser": "runs/emulated/laser", which: place}
    galvo, laser = SerialGalvo(port=ports["deflector"]), Cobolt(port=ports["laser"])
    with pytest.raises(Refused, match=rf"{which}\.port: found '{place}', and a rig .* only in runs/emulated"):
        open_emulated_bench(Sample(), CAMERA, galvo, laser, EmulatedRig(), MEANS, seed=3)
    assert sorted(tmp_path.rglob("*")) == before
    assert os.readlink(tmp_path / "link") == "elsewhere"


def test_the_verb_emulate(tmp_path: Path) -> None:
    command = [sys.executable, "main.py", "emulate", "galvo", "--link", str(tmp_path / "g"), "--fault", "silence"]
    done = subprocess.run(command, input="end\n", cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert '"event": "ready"' in done.stdout
    assert '"event": "ended"' in done.stdout
    done = subprocess.run([*command[:3], "laser"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "found 'laser' (allowed: galvo, cobolt)" in done.stderr


def emulate(kind: str, log: Path, link: Path) -> Emulator:
    return Emulator(KINDS[kind], Options(link, 0, log, ("end",)))


@pytest.mark.parametrize("room_bytes", [20, 100, 300])
@pytest.mark.parametrize("before", [None, b'{"logged_ns": 1}\n'])
def test_a_log_on_a_full_disk_leaves_no_link_and_no_partial_line(
    tmp_path: Path, room_bytes: int, before: bytes | None
) -> None:
    """A limit on the file size instead of a full disk: a write beyond it is cut short, then refused."""
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    log, link = tmp_path / "log.jsonl", tmp_path / "lk"
    if before is not None:
        log.write_bytes(before)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before or b"") + room_bytes, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            emulate("cobolt", log, link).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert failed.value.filename == str(log)
    assert {path.name for path in tmp_path.iterdir()} == ({"log.jsonl"} if before or room_bytes == 300 else set())
    if log.exists():
        kept = log.read_bytes()
        assert kept.startswith(before or b"")
        assert [json.loads(line)["logged_ns"] for line in kept.splitlines()]
        assert kept.endswith(b"\n")


def test_a_log_is_continued_on_a_new_line_in_a_new_folder(tmp_path: Path) -> None:
    log = tmp_path / "new" / "folder" / "log.jsonl"
    emulate("galvo", log, tmp_path / "lk").run()
    first = log.read_text()
    log.write_text(f'{first}{{"event": "be')
    emulate("galvo", log, tmp_path / "lk").run()
    lines = log.read_text().splitlines()
    assert lines[: first.count("\n") + 1] == [*first.splitlines(), '{"event": "be']
    again = [json.loads(line)["event"] for line in lines[first.count("\n") + 1 :]]
    assert again == [json.loads(line)["event"] for line in first.splitlines()]
    assert (again[-1], {path.name for path in tmp_path.iterdir()}) == ("ended", {"new"})


def test_a_failed_link_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "symlink_to", full)
    with pytest.raises(Refused, match="this link can't be made"):
        emulate("galvo", tmp_path / "log.jsonl", tmp_path / "lk")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_emulator_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.emulate.light_path.BEGIN_S", 0.2)
    heard: list[Any] = []
    with pytest.raises(Fault, match="no emulator streams at"):
        Listener("the galvo", 1, heard.append).start()
    assert set(heard) == {None}


codes = st.integers(-32768, 32767)
rows = st.tuples(codes, codes, st.integers(0, 65535), st.integers(10**4, 10**6))


def visits_at(world: World, at_ns: int) -> int:
    world.advance(at_ns)
    return len(world.visits.depth_kt)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "does not say which port it has; start it anew"),
        ({"port": 7}, "does not say which port it has; start it anew"),
        ({"port": "/dev/pts/900000"}, r"is not the device at deflector\.port '.*': it has '/dev/pts/900000'"),
    ],
)
def test_the_stream_of_another_device_is_refused(stated: dict[str, Any], said: str, tmp_path: Path) -> None:
    """The light would come from the device at the port, and a rig with real light would count as simulated."""
    heard: list[Any] = []
    dark = {"beam": "dark", "time_ns": 0}
    with socket.create_server((LOOPBACK, 0)) as server:
        listener = Listener("the galvo", server.getsockname()[1], heard.append)
        opening = threading.Thread(target=listener.start)
        opening.start()
        line, _ = server.accept()
        with line:
            line.sendall(json.dumps({**stated, **dark}).encode() + b"\n")
            opening.join()
            with pytest.raises(Refused, match=said):
                listener.require_device_at("deflector.port", str(tmp_path))
            listener.close()
    assert heard[0] == {**stated, **dark}  # an emulator of an earlier version can still be read


def test_a_rig_whose_streams_do_not_match_its_ports_is_refused_dark(emulated: Emulated) -> None:
    before = len(emulated.galvo.events)
    galvo, laser = SerialGalvo(port=os.devnull), Cobolt(port=str(emulated.laser.link), timeout_s=0.25)
    streams = EmulatedRig(start=False, galvo_stream=emulated.galvo.stream_port, laser_stream=emulated.laser.stream_port)
    with pytest.raises(Refused, match=r"^the galvo: the emulator that streams at .* is not the device at deflector"):
        open_emulated_bench(Sample(), CAMERA, galvo, laser, streams, MEANS)
    assert emulated.galvo.events[before:] == []
    assert beam_of(emulated.laser)["beam"] == "dark"


@pytest.mark.parametrize("nonsense", [b"{\n", b"7\n", b'{"beam": "lit"}\n', b"\xff\xfe\n", b""])
def test_a_malformed_stream_is_dark(nonsense: bytes) -> None:
    world = World(Sample(), Stage())
    clock = PacedClock(1.0)
    path = LightPath(world, clock, Affine.scale("v", "um", 1.0), 5.0)
    path.hear_laser({"time_ns": 0, "power_mw": 100.0})
    lit = {
        "beam": "lit", "time_ns": 0, "position_v": [[0, 0]], "fraction": [0.5], "dwell_ns": [1000], "settle_ns": 0,
        "until_ns": 2**61,
    }  # fmt: skip
    with socket.create_server((LOOPBACK, 0)) as server:
        listener = Listener("the galvo", server.getsockname()[1], path.hear_galvo)
        opening = threading.Thread(target=listener.start)
        opening.start()
        line, _ = server.accept()
        with line:
            line.sendall(json.dumps(lit).encode() + b"\n")
            opening.join()
            world.advance(1_000_000)
            assert world.visits.depth_kt.tolist() == [250.0]
            line.sendall(nonsense)
            if not nonsense:
                line.close()
            assert eventually(lambda: visits_at(world, max(clock.now_ns(), 1_000_000)) == 0)
        listener.close()


words = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda kind, sequence, watchdog_ms, rows: protocol.frame(
            Packet(kind, sequence, protocol.batch(watchdog_ms, np.array(rows, protocol.SPOT)) if kind == 2 else b"")
        ),
        st.integers(0, 5), st.integers(0, 3), st.integers(0, 1200),
        st.lists(rows, max_size=4),
    ),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 10**9), words), max_size=30))
def test_for_any_input_a_galvo_is_lit_by_whole_batches_for_a_limited_time(
    said: list[tuple[int, bytes]],
) -> None:
    told: list[dict[str, Any]] = []
    device = galvo(told.append, 0)
    now_ns = 0
    for wait_ns, data in said:
        now_ns += wait_ns
        before = device.deadline_ns
        for answer in device.receive(data, now_ns):
            (packet,) = protocol.Reader().feed(answer)
            if packet.kind == protocol.Message.DONE:
                assert protocol.undone(packet.payload).lit == (device.deadline_ns is not None)
        if before is not None and now_ns >= before:
            assert any(event.get("cause") == "WATCHDOG" and event["time_ns"] == before for event in told)
        if device.deadline_ns is not None:
            assert now_ns < device.deadline_ns <= now_ns + 10**9
            assert device.state()["beam"] == "lit"
            low_v, high_v = -10.0, 10.0
            assert all(low_v <= v <= high_v for place in device.state()["position_v"] for v in place)


@given(
    st.lists(st.one_of(st.binary(max_size=12), st.sampled_from([b"l1\r", b"l0\r", b"p 0.1\r", b"cf\r", b"@cob1\r"])))
)
def test_for_any_input_a_laser_with_open_interlock_is_dark(said: list[bytes]) -> None:
    device = CoboltDevice(200.0, lambda event: None, 0)
    device.interlock(False, 0)
    for data in said:
        for answer in device.receive(data, 1):
            assert answer.endswith(b"\r\n")
        assert device.state()["power_mw"] == 0.0


@pytest.mark.slow
def test_the_ports_are_free_when_close_returns(emulated: Emulated) -> None:
    """Two threads close at the same time; the devices answer late and are opened at once. Fifty times."""
    for child in (emulated.galvo, emulated.laser):
        emulated.order(child, "late 0.005")
    for _ in range(50):
        galvo = emulated.open_galvo()
        laser = emulated.open_laser(galvo, max_power_mw=150.0)
        bounds = GuardLimits(low_um=(0.0, 0.0), high_um=(6.3, 6.3), power_mw=100.0, heartbeat_s=60.0)
        guard = Guard(galvo, laser, PacedClock(1.0), Affine.scale("um", "v", 0.25), bounds, watch=True)
        guard.send(spot())
        closing, blank = threading.Event(), galvo.blank

        def slowly(closing: threading.Event = closing, blank: Callable[[], None] = blank) -> None:
            closing.set()
            blank()

        galvo.blank = slowly  # type: ignore[method-assign]
        other = threading.Thread(target=guard.close)
        other.start()
        assert closing.wait(60.0)
        guard.close()
        emulated.open_galvo().close()
        emulated.open_laser(galvo).close()
        other.join(60.0)


@pytest.fixture
def bench(emulated: Emulated) -> Iterator[RealBench]:
    with open_with(emulated) as opened:
        yield opened


def open_with(emulated: Emulated, **changes: Any) -> RealBench:
    galvo = SerialGalvo(port=str(emulated.galvo.link), timeout_s=0.25, watchdog_s=1.0, **changes)
    laser = Cobolt(port=str(emulated.laser.link), timeout_s=0.25, max_power_mw=150.0)
    streams = EmulatedRig(start=False, galvo_stream=emulated.galvo.stream_port, laser_stream=emulated.laser.stream_port)
    opened = open_emulated_bench(Sample(), CAMERA, galvo, laser, streams, MEANS, seed=3)
    assert isinstance(opened.laser, CoboltDriver)
    try:
        opened.laser.reset()
    except BaseException:
        opened.close()  # otherwise the ports are taken at the next attempt
        raise
    return opened


def spot(x_um: float = MIDDLE_UM, y_um: float = MIDDLE_UM, power_mw: float = 4.0) -> Command:
    return Command(np.array([[x_um, y_um]]), np.array([power_mw]), np.array([1e-3]), np.array([0]))


def depth_kt(bench: RealBench) -> Any:
    """Depths of the light that acts on the world now."""
    assert bench.world is not None
    bench.world.advance(bench.clock.now_ns())
    return bench.world.visits.depth_kt


def test_light_of_the_emulators_acts_on_the_world(bench: RealBench) -> None:
    assert bench.world is not None
    sent = bench.beam.send(spot(2.0, 4.0))
    assert eventually(lambda: len(depth_kt(bench)) == 1)
    np.testing.assert_allclose(bench.world.visits.spot_um, sent.position_um, atol=1e-9)
    assert depth_kt(bench) == pytest.approx(5.0 * sent.power_mw, rel=1e-6)
    bench.beam.dark("enough")
    assert eventually(lambda: len(depth_kt(bench)) == 0)


def test_a_particle_follows_the_light(bench: RealBench) -> None:
    """A trap of 20 kT pulls it 1 um away in steps of 0.2 um; the rms of a free particle over this time is 0.5 um."""
    assert bench.world is not None
    for step in range(60):
        frame = bench.camera.read()
        assert frame is not None
        bench.beam.send(spot(MIDDLE_UM + 0.2 * min(step // 10, 5)))
    assert np.abs(bench.world.position_um[0] - [MIDDLE_UM + 1.0, MIDDLE_UM]).max() < 0.5


@pytest.mark.parametrize("which", ["galvo", "laser"])
def test_a_killed_emulator_is_dark_and_a_fault_until_it_restarts(tmp_path: Path, which: str) -> None:
    kinds = {"galvo": "galvo", "laser": "cobolt"}
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        pair = Emulated(galvo, laser)
        with open_with(pair) as bench:
            bench.beam.send(spot())
            assert eventually(lambda: len(depth_kt(bench)) == 1)
            victim: Child = getattr(pair, which)
            victim.kill()
            assert eventually(lambda: len(depth_kt(bench)) == 0)
            with pytest.raises(Fault, match=f"the {which} at"):
                bench.beam.send(spot())
            with pytest.raises(Fault, match=f"the {which} at"):
                bench.beam.send(spot())
            with Child(kinds[which], victim.link, stream_port=victim.stream_port) as again:
                assert eventually(lambda: (bench.beam.dark("tripped"), bench.laser.status())[1] == "ready")
                assert eventually(lambda: bench.deflector.status() == "ready")
                assert beam_of(again)["beam"] == "dark"
                bench.beam.send(spot())
                assert eventually(lambda: len(depth_kt(bench)) == 1)
                bench.beam.close()  # while the laser can confirm it


def test_a_restarted_galvo_gives_no_light(emulated: Emulated) -> None:
    """A different boot number shows the restart even if the line was not lost."""
    galvo = emulated.open_galvo()
    galvo._info = replace(galvo.info, boot=galvo.info.boot ^ 1)
    galvo.steer(np.zeros((1, 2)), np.array([1e-4]))
    with pytest.raises(Fault, match="started anew"):
        galvo.modulate(np.ones(1), 1.0)
    assert eventually(lambda: galvo.status() == "ready")
    galvo.close()


def test_the_settings_of_the_list_pages_are_read_from_yaml() -> None:
    from drivers.deflectors import AnyDeflector
    from drivers.lasers import AnyLaser

    assert build(parse("kind: serial_galvo\nport: COM3\n", "rig.yaml"), AnyDeflector) == SerialGalvo(port="COM3")
    assert build(parse("kind: cobolt\nport: COM4\n", "rig.yaml"), AnyLaser) == Cobolt(port="COM4")
    with pytest.raises(Refused, match="did you mean 'serial_galvo'"):
        build(parse("kind: serial_galvos\nport: COM3\n", "rig.yaml"), AnyDeflector)

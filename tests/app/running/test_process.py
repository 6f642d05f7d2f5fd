"""The loop in its own process: the same turns, the same orders, and dark when either process dies."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import Pipe, active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, plan_after
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.assembly.warm_up import note
from app.commands.verify import first_difference
from app.running import process as process_module
from app.running import process_side as host_module
from app.running.process import HEAR_S, LoopProcess
from app.running.process_side import Host, News, PlanTexts
from app.running.shared_images import Ring
from app.running.thread import LoopThread, beam_is_on
from config.reader import write
from config.refused import Refused
from control.contract import STILL_LIT, Beam, Camera, Command, Ended, Fault, Frame, Level, Order, OrderKind, Turn
from control.loop import Machine
from drivers.emulate.child import Child
from drivers.journal import compare, read_run
from drivers.journal.growing import GrowingFile
from drivers.readback import Returned
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_time

SIZE = ("camera.width_px=96", "camera.height_px=96", "camera.fps=50")
PATIENT = ("rate=real time", "loop.stale_periods=500")
RETURNED = Returned("camera.exposure_s", 0.005, 0.0049)


def planned(*sets: str) -> Plan:
    """More particles than the experiment sets: settings by hand must reach the other process."""
    return plan(
        EXPERIMENTS / "annular_activity.yaml", None, (*SIZE, "sample.number=2", "sample.arrangement=line", *sets)
    )


@dataclass
class Counted:
    """A camera that ends after `left` frames."""

    camera: Camera
    left: int

    def read(self) -> Frame | None:
        self.left -= 1
        if self.left < 0:
            raise Ended
        return self.camera.read()

    def close(self) -> None:
        self.camera.close()


@dataclass
class Watched:
    """A beam that writes to a file when it is closed."""

    beam: Beam
    log: Path

    def send(self, command: Command) -> Command:
        return self.beam.send(command)

    def dark(self, reason: str) -> Command:
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()
        self.log.write_text("dark")


class Broken:
    longest_delay_s = 0.0

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: object) -> None:
        raise ZeroDivisionError("no law without a number")


def counted(made: Plan, frames: int) -> Instrument:
    opened = open_instrument(made)
    return replace(opened, camera=Counted(opened.camera, frames))


def watched(made: Plan, log: Path) -> Instrument:
    opened = open_instrument(made)
    return replace(opened, beam=Watched(opened.beam, log), returned=lambda: (RETURNED,))


def broken(made: Plan) -> Instrument:
    opened = open_instrument(made)
    return replace(opened, machine=replace(opened.machine, policy=Broken()))  # type: ignore[arg-type]


def never(made: Plan) -> Instrument:
    """A rig whose opening takes longer than any wait."""
    time.sleep(600.0)
    raise AssertionError


def absent(made: Plan) -> Instrument:
    raise Refused("there is no such bench")


def test_a_loop_process_gives_the_turns_of_a_loop_thread() -> None:
    made = planned()
    opened = counted(made, 40)
    here = LoopThread(opened.machine, opened.camera, opened.beam, opened.clock)
    there = LoopProcess(made, partial(counted, frames=40))
    for live in (here, there):
        live.order(OrderKind.ARM, "before the start")
        live.start()
        until(lambda live=live: not live.running)  # type: ignore[misc]
        live.close()
    ours, theirs = ([turn for _, turn in live.recent()] for live in (here, there))
    assert len(ours) == len(theirs) == 40
    assert [compare(a, b) for a, b in zip(ours, theirs, strict=True)] == [None] * 40
    assert any(beam_is_on(turn) for turn in theirs)
    assert max(len(turn.tracks) for turn in theirs) == 2
    assert here.newest is not None
    assert here.newest.frame is not None
    assert there.newest is not None
    assert there.newest.frame is not None
    np.testing.assert_array_equal(here.newest.frame.image, there.newest.frame.image)
    np.testing.assert_array_equal(here.latencies_s(), there.latencies_s())
    assert here.pace() == there.pace()
    assert there.trouble == ""


def test_orders_are_executed_and_the_record_verifies(tmp_path: Path) -> None:
    made = planned(*PATIENT)
    out, log = tmp_path / "run.h5", tmp_path / "log"

    def level() -> Level | None:
        return live.newest.level if live.newest is not None else None

    def number() -> int:
        return live.newest.number if live.newest is not None else -1

    with LoopProcess(made, partial(watched, log=log)) as live:
        until(lambda: level() is Level.SAFE)
        live.order(OrderKind.ARM)
        until(lambda: beam_is_on(live.newest))
        live.record(out)
        until(lambda: live.recording and number() > 5)
        with pytest.raises((Refused, Fault), match=r"run\.h5"):
            live.record(out)
        other = replace(made.experiment, trap=replace(made.experiment.trap, depth_kt=made.experiment.trap.depth_kt / 2))
        other = replace(other, set={**other.set, "tracking.minmass": 150.0})
        live.apply(replace(made, experiment=other))
        until(lambda: any(order.kind is OrderKind.APPLY for _, turn in live.recent() for order in turn.orders))
        applied = number()
        until(lambda: number() > applied + 5)
        live.order(OrderKind.STOP)
        until(lambda: level() is Level.SAFE)
        live.record(None)
        until(lambda: not live.recording)
        live.order(OrderKind.APPLY, "title: nothing else")
        until(lambda: level() is Level.TRIPPED)
        assert live.newest is not None
        assert live.newest.reason.startswith("the new settings are not in force")
        assert live.returned() == (RETURNED,)
        until(lambda: live.pace().rate_hz > 0)  # measured again after the end of the record
    assert not live.running
    assert (live.trouble, live.recorder_trouble) == ("", "")
    assert log.read_text() == "dark"
    with read_run(out) as run:
        assert run.ended_cleanly
        assert first_difference(run) is None
        assert OrderKind.APPLY in {order.kind for turn in run.turns() for order in turn.orders}


def test_ten_records_in_flight_change_nothing_and_each_verifies(tmp_path: Path) -> None:
    """Identities, species given by hand, level and law stay, no turn is dark, and each record verifies."""
    made = planned(*PATIENT, "species=[4, 2]")
    seen: list[Turn] = []

    def taken() -> list[Turn]:
        """All turns so far, each once and in order."""
        seen.extend(turn for _, turn in live.recent(len(seen)))
        return seen

    with LoopProcess(made) as live:
        live.order(OrderKind.ARM)
        until(lambda: bool(taken()) and beam_is_on(seen[-1]) and len(seen) > 60)
        began = len(seen)
        for one in range(10):
            live.record(tmp_path / f"{one}.h5")
            until(lambda: live.recording)
            first = len(taken())
            until(lambda first=first: len(taken()) > first + 3)  # type: ignore[misc]
            live.record(None)
            until(lambda: not live.recording)
        assert live.recorder_trouble == ""
        last = len(taken())
        until(lambda: len(taken()) > last + 3)
    assert live.trouble == ""
    assert [turn.number for turn in seen] == list(range(len(seen)))
    flown = seen[began:]
    assert {(turn.level, turn.reason) for turn in flown} == {(Level.ARMED, "armed by the operator")}
    assert not any(turn.sent.reason for turn in flown)
    for turn in flown:
        assert turn.tracks.species.tolist() == [[4, 2][who] if who < 2 else 0 for who in turn.tracks.particle]
    ended = -1
    for one in range(10):
        with read_run(tmp_path / f"{one}.h5") as run:
            assert run.ended_cleanly
            assert first_difference(run) is None
            turns = list(run.turns())
        assert len(turns) > 3
        assert turns[0].number > ended
        ended = turns[-1].number
        assert [turn.number for turn in turns] == list(range(turns[0].number, ended + 1))
        for turn in turns:  # equal to the turns received by the window, except for images
            assert compare(turn, replace(seen[turn.number], frame=turn.frame)) is None


def test_a_killed_loop_is_reported_with_its_signal_and_laser() -> None:
    live = LoopProcess(planned(*PATIENT))
    live.start()
    live.order(OrderKind.ARM)
    until(lambda: beam_is_on(live.newest))
    assert live.pid is not None
    os.kill(live.pid, signal.SIGKILL)
    until(lambda: not live.running)
    assert "SIGKILL" in live.trouble
    assert "laser: simulated: its light ends with the program" in live.trouble
    live.order(OrderKind.STOP)
    live.record(None)
    assert live.recent()
    live.close()
    live.close()


PARENT = """
import sys, time
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from app.running import process_side as host_module
from app.running.process import LoopProcess
from app.running.thread import beam_is_on
from control.contract import OrderKind
from tests.app.running.test_process import PATIENT, planned, watched
from tests.patience import until
live = LoopProcess(planned(*PATIENT), partial(watched, log=Path(sys.argv[1])))
live.start()
live.order(OrderKind.ARM)
until(lambda: beam_is_on(live.newest))
print("lit", flush=True)
time.sleep(600)
"""


def test_a_loop_goes_dark_and_ends_when_its_window_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", PARENT, str(log)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root) as window:
        assert window.stdout is not None
        try:
            assert window.stdout.readline() == "lit\n"
            assert not log.exists()
        finally:
            window.kill()
        assert window.stdout.read() == ""  # ends when the loop process, which also holds the pipe, has ended
    assert log.read_text() == "dark"


def test_a_failed_opening_is_refused() -> None:
    live = LoopProcess(planned(), absent)
    with pytest.raises(Refused, match="there is no such bench"):
        live.start()
    assert not live.running
    live.close()


def test_an_exception_in_the_law_is_reported_to_the_window() -> None:
    with LoopProcess(planned(), broken) as live:
        until(lambda: not live.running)
        assert live.trouble == "ZeroDivisionError: no law without a number"
        assert "step" in live.details


def test_a_process_that_never_started_closes() -> None:
    live = LoopProcess(planned())
    live.close()
    assert not live.running


def test_a_plan_is_unchanged_after_conversion_to_text_and_back() -> None:
    """Also if a value set by the experiment was changed by hand; a new `set` brings its own values."""
    made = planned("tracking.minmass=123")
    made = replace(made, experiment=replace(made.experiment, set={**made.experiment.set, "tracking.minmass": 200.0}))
    assert PlanTexts.of(made).read() == made
    assert plan_after(made, write(made.experiment)) == made
    other = replace(made.experiment, set={"tracking.minmass": 77.0})
    after = plan_after(made, write(other))
    assert (after.rig.tracking.minmass, after.rig.sample.number) == (77.0, 2)
    assert plan_after(after, write(other)) == after


def serial(galvo: Child, laser: Child) -> Plan:
    """A plan with emulated devices that outlive the loop. Long timeouts: only the tested event may make the beam
    dark."""
    sets = (
        f"deflector.port={galvo.link}", f"laser.port={laser.link}", "emulated.start=false",
        f"emulated.galvo_stream={galvo.stream_port}", f"emulated.laser_stream={laser.stream_port}",
        "loop.stale_periods=500", "deflector.watchdog_s=1.0", "deflector.timeout_s=1.0", "laser.timeout_s=1.0",
    )  # fmt: skip
    return plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml", sets)


needs_terminals = pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")


@needs_terminals
def test_the_laser_of_a_killed_loop_is_switched_off(tmp_path: Path) -> None:
    """No window requests news meanwhile: this does not depend on the window."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        live = LoopProcess(serial(galvo, laser))
        live.start()
        live.order(OrderKind.ARM)
        assert laser.wait_for("lit", PATIENCE_S) is not None
        assert live.pid is not None
        os.kill(live.pid, signal.SIGKILL)
        assert laser.wait_for("off", PATIENCE_S, why="l0") is not None
        until(lambda: not live.running and "emission is off" in live.trouble)
        live.close()
    assert "was killed by SIGKILL" in live.trouble
    assert "laser: none: its emission stays on until it is switched off" in live.trouble
    assert "the laser was put out from here, and says that its emission is off" in live.trouble
    assert "own watchdog" not in live.trouble.partition("deflector")[0]


@needs_terminals
def test_a_laser_that_cannot_be_switched_off_is_reported(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        live = LoopProcess(serial(galvo, laser))
        live.start()
        live.order(OrderKind.ARM)
        assert laser.wait_for("lit", PATIENCE_S) is not None
        assert live.pid is not None
        os.kill(live.pid, signal.SIGSTOP)  # so that the laser falls silent before the end of the loop is detected
        laser.order("silence")
        assert laser.wait_for("order", PATIENCE_S, order="silence") is not None
        os.kill(live.pid, signal.SIGKILL)
        until(lambda: not live.running and "switch it off by hand" in live.trouble)
        assert live.light == "may be on"
        with pytest.raises(Fault, match=f"{STILL_LIT} from here"):
            live.close()
        assert "the laser could not be put out from here (the laser at" in live.trouble
        laser.order("well")
        assert laser.wait_for("order", PATIENCE_S, order="well") is not None
        live.close()  # a second attempt succeeds and raises no error
        assert "says that its emission is off" in live.trouble


@needs_terminals
def test_an_aborted_opening_switches_the_laser_off(tmp_path: Path) -> None:
    """The emission may be on from before."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        opening = LoopProcess(serial(galvo, laser), never)
        opening.begin()
        assert not opening.opened()
        opening.close()
        assert opening.light == "dark"
        assert "the laser was put out from here" in opening.trouble
        laser.order("silence")
        assert laser.wait_for("order", PATIENCE_S, order="silence") is not None
        silent = LoopProcess(serial(galvo, laser), never)
        silent.begin()
        with pytest.raises(Fault, match=f"{STILL_LIT} from here"):
            silent.close()
        assert silent.light == "may be on"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_loop_stopped_by_a_signal_is_dark_and_closes_its_record(tmp_path: Path, name: str) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    out, log = tmp_path / "run.h5", tmp_path / "log"
    live = LoopProcess(planned(*PATIENT), partial(watched, log=log))
    live.start()
    live.order(OrderKind.ARM)
    live.record(out)
    until(lambda: live.recording and beam_is_on(live.newest))
    assert live.pid is not None
    for _ in range(3):
        os.kill(live.pid, getattr(signal, name))
    until(lambda: not live.running)
    assert f"stopped by {name}" in live.trouble
    live.close()
    assert log.read_text() == "dark"
    with read_run(out) as run:
        assert run.ended_cleanly
        assert len(run) > 0


def test_a_window_slower_than_the_news_still_handles_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another piece of news arrives with each one taken. Regression: the window took news without end, and handled no
    key."""
    live = LoopProcess(planned())
    live._begun = live._open = True
    live._news.start()
    _, tells = live._theirs
    news = News((), None, 0, False, "", ())
    now_s, taken, take = [100.0], [0], live._take

    def slowly(told: News) -> None:
        now_s[0] += 0.001
        taken[0] += 1
        assert taken[0] < 1000, "it hears for ever"
        tells.send(news)
        assert live._news.wait(PATIENCE_S)
        take(told)

    monkeypatch.setattr(live, "_take", slowly)
    tells.send(news)
    assert live._news.wait(PATIENCE_S)
    with monkeypatch.context() as patched:
        patched.setattr("app.running.process.time.monotonic", lambda: now_s[0])
        live._hear()
        first = taken[0]
        live._hear()  # immediately: no news is taken
        rested = taken[0] - first
        now_s[0] += HEAR_S
        live._hear()
    assert 0 < first * 0.001 < 2.0 * HEAR_S
    assert rested == 0
    assert taken[0] > first
    live._begun = False
    live.close()


def test_a_silent_loop_is_reported_with_the_state_of_its_devices() -> None:
    """The text fits the rig: a real laser must be switched off by hand."""
    live = LoopProcess(plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml"))
    live._begun = live._open = True
    live._news.start()
    live._heard_s = time.monotonic()
    assert live.silence == ""
    live._heard_s -= 3.0
    assert live.silence.startswith("the loop does not answer for 3.")
    assert "laser: none: its emission stays on until it is switched off" in live.silence
    assert live.silence.endswith("; switch the laser off by hand")
    live._theirs[1].send(News((), None, 0, False, "", ()))
    assert live._news.wait(PATIENCE_S)
    assert live.silence == ""
    live._begun = False
    live.close()


def noting(made: Plan) -> Instrument:
    note("compiling kernels for this experiment")
    return open_instrument(made)


def test_a_note_on_compilation_is_sent_to_the_window() -> None:
    with LoopProcess(planned(), noting) as live:
        until(lambda: live.newest is not None)
        assert live.note == "compiling kernels for this experiment"


def test_an_opening_is_ended_by_close_and_by_a_signal() -> None:
    closed = LoopProcess(planned(), never)
    closed.begin()
    assert not closed.opened()
    closed.close()
    assert not closed.running
    stopped = LoopProcess(planned(), never)
    stopped.begin()
    pid = stopped.pid
    assert pid is not None

    def opened() -> bool:
        with suppress(ProcessLookupError):  # it has ended already
            os.kill(pid, signal.SIGTERM)
        return stopped.opened()

    with pytest.raises(Fault, match=r"stopped by SIGTERM|killed by SIGTERM"):
        until(opened)


def test_stop_overtakes_settings_that_are_still_being_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """STOP also cancels an ARM that waits behind them; the settings come into force, dark."""
    made, building, built = planned(*PATIENT), threading.Event(), threading.Event()

    def slowly(asked: Plan, source: str) -> Machine:
        building.set()
        assert built.wait(PATIENCE_S)
        return build_machine(asked, source)

    monkeypatch.setattr(host_module, "build_machine", slowly)
    (hears, orders), (news, tells) = Pipe(duplex=False), Pipe(duplex=False)
    host = Host(open_instrument(made), made, hears, tells)
    levels: list[Level] = []
    seen: list[OrderKind] = []

    def read() -> None:
        try:
            while True:
                for turn in getattr(news.recv(), "turns", ()):
                    levels.append(turn.level)
                    seen.extend(order.kind for order in turn.orders)
        except EOFError:
            return

    reader, serving = threading.Thread(target=read), threading.Thread(target=host.serve)
    reader.start()
    serving.start()
    orders.send(Order(OrderKind.ARM))
    until(lambda: bool(levels) and levels[-1] is Level.ARMED)
    orders.send(Order(OrderKind.APPLY, write(made.experiment)))
    orders.send(Order(OrderKind.ARM))
    assert building.wait(PATIENCE_S)
    orders.send(Order(OrderKind.STOP))
    until(lambda: levels[-1] is Level.SAFE)
    assert not built.is_set()
    built.set()
    until(lambda: OrderKind.APPLY in seen)
    count = len(levels)
    until(lambda: len(levels) > count + 5)
    assert levels[-1] is Level.SAFE
    orders.send(None)
    serving.join(PATIENCE_S)
    tells.close()
    reader.join(PATIENCE_S)
    for end in (hears, orders, news):
        end.close()


@dataclass
class Reaped:
    """A process that has ended, and whose exit code another thread has read."""

    sentinel: int
    exitcode: int | None

    def join(self) -> None: ...


@pytest.mark.parametrize(("code", "asked"), [(None, True), (0, False), (143, False), (1, True), (-9, True), (77, True)])
def test_the_laser_is_switched_off_unless_the_process_confirmed_dark(code: int | None, asked: bool) -> None:
    said: list[str] = []

    def rescue(made: Plan) -> str:
        said.append("asked")
        return f"{STILL_LIT} from here"

    live = LoopProcess(plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml"), rescue=rescue)
    reader, writer = os.pipe()
    os.close(writer)  # so that the other end is ready
    live._process = Reaped(reader, code)  # type: ignore[assignment]
    live._begun = True
    assert live.light == "unknown"
    live._wait_for_its_end()
    os.close(reader)
    assert (said == ["asked"]) is asked
    assert live.light == ("may be on" if asked else "dark")


def slow_at_the_end(made: Plan) -> Instrument:
    """In the loop process: the disk takes longer for the digest of a record than darkness may take."""
    put = GrowingFile.put

    def slowly(self: GrowingFile, name: str, value: Any) -> None:
        time.sleep(7.0 * (name == "digests"))
        put(self, name, value)

    GrowingFile.put = slowly  # type: ignore[method-assign]
    return open_instrument(made)


def test_a_slow_disk_may_finish_the_record_at_the_end(tmp_path: Path) -> None:
    """Regression: the record was cut off after 5 s, and the laser was switched off as if a device hung."""
    with LoopProcess(planned(*PATIENT), slow_at_the_end) as live:
        live.record(tmp_path / "run.h5")
        until(lambda: live.recording and live.newest is not None and live.newest.number > 5)
    assert (live.trouble, live.light) == ("", "dark")
    with read_run(tmp_path / "run.h5") as run:
        assert run.ended_cleanly


def test_no_law_is_armed_after_failed_settings() -> None:
    """The window may show the failed settings as in force. Regression: the previous law was armed under their name."""
    made = planned(*PATIENT)

    def level() -> Level | None:
        return live.newest.level if live.newest is not None else None

    def armed_after(kind: OrderKind) -> bool:
        """Sends RESET and then this order for light; repeats the order if it came too late."""
        live.order(OrderKind.RESET)
        until(lambda: level() is Level.SAFE)
        while level() is Level.SAFE:
            live.order(kind)
            with suppress(AssertionError):
                until(lambda: level() is not Level.SAFE, 2.0)
        return level() is Level.ARMED

    with LoopProcess(made) as live:
        live.order(OrderKind.APPLY, "title: nothing else")
        until(lambda: level() is Level.TRIPPED)
        assert (live.in_force.answered, live.in_force.number, live.applies) == (1, 0, 1)
        assert not armed_after(OrderKind.ARM)
        assert live.newest is not None
        assert live.newest.reason.startswith("ARM was not obeyed: the new settings are not in force: ")
        live.apply(made)  # the old law, on purpose
        until(lambda: live.in_force.number == 2)
        assert live.in_force.trouble == ""
        assert armed_after(OrderKind.ARM)


def test_device_settings_are_refused_in_flight() -> None:
    made = planned(*PATIENT)
    other = replace(made.experiment, set={**made.experiment.set, "optics.um_per_px": 2.0 * made.rig.optics.um_per_px})
    with LoopProcess(made) as live:
        live.order(OrderKind.APPLY, write(other))
        until(lambda: live.newest is not None and live.newest.level is Level.TRIPPED)
        assert live.newest is not None
        assert "need the devices opened anew, dark: optics" in live.newest.reason


def without_pictures(made: Plan) -> Instrument:
    """In the loop process: no shared memory is available."""

    def full(image: Any) -> Ring:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Ring.like = full  # type: ignore[method-assign]
    return open_instrument(made)


def test_the_loop_continues_without_shared_memory_for_images() -> None:
    with LoopProcess(planned(*PATIENT), without_pictures) as live:
        live.order(OrderKind.ARM)
        until(lambda: beam_is_on(live.newest))
        assert live.newest is not None
        assert live.newest.frame is None
        until(lambda: any(order.kind is OrderKind.MARK for _, turn in live.recent() for order in turn.orders))
        said = [order.text for _, turn in live.recent() for order in turn.orders if order.kind is OrderKind.MARK]
        assert said == [
            "there are no pictures: shared memory has no room for 0.0737 MB of them (No space left on device)"
        ]
    assert live.trouble == ""


@needs_terminals
def test_an_unexpected_port_error_reports_that_the_laser_may_be_on(tmp_path: Path) -> None:
    """Regression: pyserial's OverflowError at an absurd rate was taken for a signal, and no message stated that the
    laser may be on."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        laser.order("silence")
        assert laser.wait_for("order", PATIENCE_S, order="silence") is not None
        made = serial(galvo, laser)
        for part in ("deflector", "laser"):
            device = replace(getattr(made.rig, part), baud=3_000_000_000)
            with pytest.raises(Fault, match=STILL_LIT):
                open_instrument(replace(made, rig=replace(made.rig, **{part: device})))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_unkillable_process_is_reported_and_its_laser_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system cannot end a process that waits for a disk. The program does not wait for such a process, also not at
    exit."""
    asked: list[Plan] = []

    def rescue(made: Plan) -> str:
        asked.append(made)
        return "the laser is off"

    monkeypatch.setattr(LoopProcess, "_only_simulated", False)  # as for a real laser
    monkeypatch.setattr(process_module, "TERMINATE_S", 0.1)
    live = LoopProcess(planned(*PATIENT), rescue=rescue)
    live.start()
    pid = live.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(live._process, "kill", lambda: None)
    try:
        with pytest.raises(Fault, match=r"it could not be ended by force; the laser is off$"):
            live.close(0.1)
        assert len(asked) == 1
        assert live.light == "dark"
        assert live._process not in active_children()
    finally:
        os.kill(pid, signal.SIGKILL)
    live._watch.join(PATIENCE_S)


def test_a_pause_of_the_whole_program_is_not_taken_for_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a suspended laptop wakes, the reply lies in the pipe behind older news. Regression: "it was ended by
    force"."""
    monkeypatch.setattr(process_module, "REPLY_S", 0.3)
    live = LoopProcess(planned(*PATIENT))
    live.start()
    until(lambda: live.newest is not None)
    wait, say, paused = live._news.wait, live._say, [False]

    def pause(patience_s: float = 0.0) -> bool:
        if paused[0]:
            paused[0] = False
            time.sleep(2.0)
        return wait(patience_s)

    def order(told: Any) -> None:
        say(told)
        paused[0] = told is None

    monkeypatch.setattr(live, "_say", order)
    monkeypatch.setattr(live._news, "wait", pause)
    live.close()
    assert (live.trouble, live.light) == ("", "dark")


def test_a_process_that_ends_by_itself_is_not_reported_as_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = LoopProcess(planned(*PATIENT))
    live.start()
    monkeypatch.setattr(live, "_wait_for_over", lambda reply_s, patience_s: PATIENCE_S)  # no message was received
    live.close()
    assert live.light == "dark"


def test_a_laser_reported_dark_stays_dark_after_any_process_end() -> None:
    """Regression: a disk that was slow with the record led to a killed process, and then to a laser that "may be
    on"."""
    asked: list[Plan] = []

    def rescue(made: Plan) -> str:
        asked.append(made)
        return f"{STILL_LIT} from here"

    live = LoopProcess(plan(EXPERIMENTS / "annular_activity.yaml", RIGS / "serial_simulated.yaml"), rescue=rescue)
    reader, writer = os.pipe()
    os.close(writer)
    live._process = Reaped(reader, -9)  # type: ignore[assignment]
    live._begun = live._dark = True
    live._wait_for_its_end()
    os.close(reader)
    assert (asked, live.light) == ([], "dark")

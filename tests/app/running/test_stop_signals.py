"""A run stopped by a signal: the laser is dark, the record is closed, and one sentence reports it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.assembly.warm_up import signals_held
from app.running import stop_signals as signals
from app.running.stop_signals import Stopped, after_light, caught_in_program, ending, held, raise_if_stopped
from control.contract import STILL_LIT, Fault
from drivers.emulate.child import ROOT, Child
from drivers.journal import read_run
from tests.drivers.emulated import beam_of, eventually
from tests.patience import PATIENCE_S

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals"),
]

RIG = ROOT / "config" / "rigs" / "serial_simulated.yaml"
EXPERIMENT = "config/experiments/annular_activity.yaml"
NUMBERS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT] if hasattr(signal, "SIGHUP") else [signal.SIGTERM]


def sets_for(galvo: Child, laser: Child) -> list[str]:
    """For emulators that already run. Long timeouts for a busy computer: the galvo's watchdog must not make the beam
    dark."""
    sets = (
        f"deflector.port={galvo.link}", f"laser.port={laser.link}", "emulated.start=false",
        f"emulated.galvo_stream={galvo.stream_port}", f"emulated.laser_stream={laser.stream_port}",
        "loop.stale_periods=500", "deflector.watchdog_s=1.0", "deflector.timeout_s=1.0", "laser.timeout_s=1.0",
    )  # fmt: skip
    return [word for item in sets for word in ("--set", item)]


@pytest.fixture(autouse=True)
def _signals_are_not_ignored() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored, and children inherit that."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number, action in before.items():
        if action is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, action in before.items():
        signal.signal(number, action)


@contextmanager
def running(*words: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "main.py", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


@contextmanager
def serial_run(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Child, Child, Path]]:
    """`run` with emulated devices in their own processes, and with the laser on."""
    with Child("galvo", folder / "galvo") as galvo, Child("cobolt", folder / "laser") as laser:
        out = folder / "run.h5"
        words = ["run", EXPERIMENT, "--rig", str(RIG), "--out", str(out), "--seconds", "600", "--no-frames"]
        with running(*words, *sets_for(galvo, laser)) as program:
            lit = laser.wait_for("lit", PATIENCE_S)
            assert lit is not None, program.communicate(timeout=1)[1] if program.poll() is not None else "not lit"
            for _ in range(5):
                assert galvo.wait_for("batch", PATIENCE_S) is not None
            yield program, galvo, laser, out


def whole(out: Path) -> bool:
    with read_run(out) as run:
        return run.ended_cleanly and len(run) > 0


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_stopped_run_is_dark_and_its_record_is_closed(tmp_path: Path, number: signal.Signals) -> None:
    with serial_run(tmp_path) as (program, galvo, laser, out):
        program.send_signal(number)
        said = program.communicate(timeout=PATIENCE_S)[1]
        assert program.returncode == 128 + number
        assert eventually(lambda: laser.events[-1].get("why") == "l0", PATIENCE_S)
        assert beam_of(laser)["beam"] == "dark"
        assert beam_of(galvo)["beam"] == "dark"
        assert f"stopped by {number.name}; the laser is dark" in said
        assert str(out) in said
        assert "Traceback" not in said
    assert whole(out)


def test_more_signals_during_closing_leave_no_light(tmp_path: Path) -> None:
    with serial_run(tmp_path) as (program, _, laser, out):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            program.send_signal(number)
            laser.wait_for("off", 0.03)
        said = program.communicate(timeout=PATIENCE_S)[1]
        assert program.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        assert eventually(lambda: beam_of(laser)["beam"] == "dark", PATIENCE_S)
        assert "Traceback" not in said
        assert "the laser is dark" in said
    assert whole(out)


def test_a_signal_while_the_rig_opens_ends_the_run_dark(tmp_path: Path) -> None:
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        words = ["run", EXPERIMENT, "--rig", str(RIG), "--out", str(tmp_path / "run.h5"), "--seconds", "600"]
        galvo.order("silence")  # it does not answer the request for its identity: opening takes long
        with running(*words, *sets_for(galvo, laser), "--set", "deflector.timeout_s=60") as program:
            port = os.readlink(galvo.link)
            assert eventually(lambda: is_open(program.pid, port), PATIENCE_S)
            program.send_signal(signal.SIGTERM)
            said = program.communicate(timeout=PATIENCE_S)[1]
            assert program.returncode == 128 + signal.SIGTERM
        assert "stopped by SIGTERM; the laser was put out from here" in said
        assert "lit" not in [event["event"] for event in laser.events]


def is_open(pid: int, path: str) -> bool:
    """Whether a process has a file open."""
    folder = Path(f"/proc/{pid}/fd")
    if not folder.exists():
        pytest.skip("this system does not list open files in /proc")
    for item in folder.iterdir():
        try:
            if os.readlink(item) == path:
                return True
        except OSError:
            continue
    return False


def test_closed_standard_output_loses_neither_record_nor_answer(tmp_path: Path) -> None:
    out, answer = tmp_path / "run.h5", tmp_path / "run.json"
    reader, writer = os.pipe()
    os.close(reader)
    words = ["run", EXPERIMENT, "--seconds", "1", "--out", str(out), "--json", str(answer), "--no-frames"]
    with running(*words, stdout=writer) as program:
        os.close(writer)
        said = program.communicate(timeout=PATIENCE_S)[1]
    assert "Traceback" not in said
    assert program.returncode == 1
    assert "standard output" in said
    assert answer.exists()
    assert whole(out)


def test_a_closed_terminal_leaves_the_laser_dark(tmp_path: Path) -> None:
    """The terminal closes: SIGHUP arrives, and output can no longer be written."""
    with Child("galvo", tmp_path / "galvo") as galvo, Child("cobolt", tmp_path / "laser") as laser:
        out = tmp_path / "run.h5"
        words = ["run", EXPERIMENT, "--rig", str(RIG), "--out", str(out), "--seconds", "600", "--no-frames"]
        master, slave = os.openpty()
        command = [sys.executable, "-c", AT_A_TERMINAL, os.ttyname(slave), *words, *sets_for(galvo, laser)]
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as program:
            try:
                os.close(slave)
                assert laser.wait_for("lit", PATIENCE_S) is not None
                os.close(master)
                assert program.wait(PATIENCE_S) == 128 + signal.SIGHUP
            finally:
                program.kill()
        assert eventually(lambda: beam_of(laser)["beam"] == "dark", PATIENCE_S)
    assert whole(out)


AT_A_TERMINAL = """
import fcntl, os, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for number in (0, 1, 2):
    os.dup2(terminal, number)
os.execv(sys.executable, [sys.executable, "main.py", *sys.argv[2:]])
"""


def run_that_ends(came: list[int], number: signal.Signals) -> None:
    """A run with a signal in the middle; the handler of the user's program must not act before the run is over."""
    with caught_in_program():
        stops: list[int] = []
        with ending(lambda: stops.append(number)):
            signal.raise_signal(number)
        assert (stops, came) == ([number], [])
        raise_if_stopped()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_ends_before_a_user_handler_acts(number: signal.Signals) -> None:
    came: list[int] = []
    mine: Any = lambda at, frame: came.append(at)  # noqa: E731
    before = signal.signal(number, mine)
    try:
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Stopped):
            run_that_ends(came, number)
        assert came == [number]
        assert signal.getsignal(number) is mine
    finally:
        signal.signal(number, before)


def test_a_run_inside_asyncio_ends_at_an_interrupt() -> None:
    async def program() -> None:
        run_that_ends([], signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # otherwise asyncio sets no handler
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(program())
    finally:
        signal.signal(signal.SIGINT, before)


def fails_at_a_signal(error: Exception) -> None:
    with caught_in_program(), held():
        signal.raise_signal(signal.SIGTERM)
        raise error


def test_a_signal_during_a_failure_counts_unless_the_laser_may_be_on() -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM; it was unplugged"):
        fails_at_a_signal(OSError("it was unplugged"))
    with pytest.raises(Fault, match=f"^{STILL_LIT}: hung$"):
        fails_at_a_signal(Fault(f"{STILL_LIT}: hung"))


def test_a_signal_in_a_finalizer_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: Python ignores an error raised there, and after that no signal ended the program."""
    monkeypatch.setattr(signals, "_state", signals._State())
    things = [threading.Event()]
    weakref.finalize(things[0], lambda: signal.raise_signal(signal.SIGTERM))
    ended: list[str] = []

    def program() -> None:
        with signals.caught():
            things.clear()
            ended.append("the command")

    with pytest.raises(Stopped) as stopped:
        program()
    assert (stopped.value.code, ended) == (128 + signal.SIGTERM, ["the command"])


def two_signals() -> None:
    """As if the second signal came after PATIENCE_S."""
    signal.raise_signal(signal.SIGTERM)
    signals._state.at_s -= signals.PATIENCE_S
    signal.raise_signal(signal.SIGTERM)


def test_a_late_second_signal_ends_only_waits_after_the_laser_is_off() -> None:
    """Regression: no signal ended a closing that hung."""
    done: list[str] = []

    def hangs(what: str) -> None:
        with after_light(what):
            done.append(what)
            two_signals()
            done.append("in vain")

    def closes() -> None:
        with caught_in_program(), held():
            two_signals()
            done.append("the beam")
            for what in ("the record", "the camera"):
                with pytest.raises(Fault, match=f"ended the wait for {what}, whose end is not known"):
                    hangs(what)
            two_signals()
            done.append("the rest")

    with pytest.raises(Stopped):
        closes()
    assert done == ["the beam", "the record", "the camera", "the rest"]


def test_an_early_second_signal_waits_for_the_record_to_close() -> None:
    done: list[str] = []

    def closes() -> None:
        with caught_in_program(), held(), after_light("the record"):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)  # at once, as from a shell and its terminal
            done.append("closed")

    with pytest.raises(Stopped):
        closes()
    assert done == ["closed"]


class Mute(Exception):
    """An error of a plug-in whose message cannot be read."""

    def __str__(self) -> str:
        raise ValueError("mute")


def test_a_signal_during_an_error_without_a_message_is_obeyed() -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM; Mute"):
        fails_at_a_signal(Mute())
    with pytest.raises(Mute), signals.obeyed_after():
        raise Mute


def in_another_thread(what: Callable[[], object]) -> None:
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()


def test_a_signal_stops_the_run_in_the_main_thread() -> None:
    """Regression: it stopped the run of another thread, and the run in the main thread continued, armed."""
    stops: list[str] = []
    began, over = threading.Event(), threading.Event()
    came: list[int] = []

    def run() -> None:
        with ending(lambda: stops.append("other")):
            began.set()
            over.wait(PATIENCE_S)
            came.append(signals.came())

    def runs() -> None:
        with caught_in_program(), ending(lambda: stops.append("main")):
            other = threading.Thread(target=run)
            other.start()
            began.wait(PATIENCE_S)
            signal.raise_signal(signal.SIGTERM)
            over.set()
            other.join()

    with pytest.raises(Stopped):
        runs()
    assert (stops, came) == (["main"], [0])


@contextmanager
def rig_open() -> Iterator[None]:
    signals.rig_opened()
    try:
        yield
    finally:
        signals.rig_closed()


def test_a_handler_that_calls_the_previous_handler_ends_the_program() -> None:
    """Regression: it called itself without end."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    try:
        with rig_open():
            earlier: Any = signal.getsignal(signal.SIGTERM)

            def mine(number: int, frame: Any) -> None:
                came.append(number)
                earlier(number, frame)

            signal.signal(signal.SIGTERM, mine)
            with rig_open(), pytest.raises(Stopped):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is mine
        with rig_open(), pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM] * 2


def test_handlers_are_restored_after_another_thread_closed_the_last_rig() -> None:
    """Regression: they were never restored, and no later rig caught a signal."""
    mine: Any = lambda number, frame: None  # noqa: E731
    before = signal.getsignal(signal.SIGTERM)
    try:
        signals.rig_opened()
        in_another_thread(signals.rig_closed)
        signal.signal(signal.SIGTERM, mine)
        with rig_open():
            assert signal.getsignal(signal.SIGTERM) is not mine
        assert signal.getsignal(signal.SIGTERM) is mine
        signals.rig_opened()
        in_another_thread(signals.rig_closed)
        signals.obey_waiting()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_of_another_run_or_rig_is_not_a_user_handler() -> None:
    """It ends with that run or rig; SIGTERM would then end the program with the light of this one on."""
    assert signals.ends_at_once(caught=False) == "SIGTERM"
    with rig_open(), caught_in_program(), signals_held():
        assert signals.ends_at_once(caught=False) == "SIGTERM"
        assert signals.ends_at_once(caught=True) == ""


def test_of_several_signals_the_one_that_ends_the_program_counts() -> None:
    """Regression: after Ctrl-C the other signals were forgotten."""

    def runs() -> None:
        with caught_in_program(), held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises((Stopped, KeyboardInterrupt)) as ended:
        runs()
    assert isinstance(ended.value, Stopped)
    assert ended.value.number == signal.SIGTERM


@pytest.mark.parametrize("at", ["entry", "exit", "exit, when it is set back"])
def test_a_signal_while_handlers_are_set_keeps_all_old_handlers(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    real = signal.signal

    def sets(number: int, action: Any) -> Any:
        if at == "exit" and number == signal.SIGINT:  # the first of them
            signal.raise_signal(signal.SIGTERM)
        found = real(number, action)
        if at == "entry" and number == signal.SIGTERM and callable(action):
            signal.raise_signal(signal.SIGTERM)
        if at == "exit, when it is set back" and number == signal.SIGINT:
            signal.raise_signal(signal.SIGINT)
        return found

    def runs() -> None:
        if at == "entry":
            monkeypatch.setattr(signal, "signal", sets)
        with caught_in_program():
            assert at != "entry"
            monkeypatch.setattr(signal, "signal", sets)

    with pytest.raises(KeyboardInterrupt if "back" in at else Stopped):
        runs()
    monkeypatch.undo()
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_a_user_signal_while_rig_handlers_are_set_leaves_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM arrives when SIGINT is replaced and SIGTERM is not yet."""
    real = signal.signal

    def ends(number: int, frame: Any) -> None:
        raise SystemExit(3)

    def sets(number: int, action: Any) -> Any:
        found = real(number, action)
        if number == signal.SIGINT and callable(action):
            signal.raise_signal(signal.SIGTERM)
        return found

    before = [real(signal.SIGTERM, ends), signal.getsignal(signal.SIGINT)]
    try:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "signal", sets)
            with pytest.raises(SystemExit):
                signals.rig_opened()
        assert signals._program.rigs == 0
        assert [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)] == [ends, before[1]]
    finally:
        real(signal.SIGTERM, before[0])

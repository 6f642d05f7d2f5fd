"""State of light and record after a run is interrupted: the table of docs/reliability.md.

Each row is a running program whose emulated galvo and laser are separate processes, so that they continue after
it. Times are from the logs of the emulators: from the event until no light reached the sample, and
until the emission of the laser was off.

    main.py bench safety [--quick] [--docs docs/reliability.md] [--json FILE]
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.assembly.rig import EXPERIMENTS, RIGS
from app.commands.verify import first_difference
from app.console.json_file import write_json
from config.atomic import write_file
from config.refused import Refused
from control.contract import Fault, Level, OrderKind
from drivers.emulate.child import ROOT, Child
from drivers.journal import read_run

EXPERIMENT = EXPERIMENTS / "annular_activity.yaml"
LIT_S = 180.0  # until the first light
AFTER_S = 12.0  # time for which the light is observed after the event
END_S = 60.0  # for the program to end by itself
RUNS_S = 2.0  # of light and record before the event
WATCHDOG_S = 0.5
PATIENT = (
    "loop.stale_periods=50", "deflector.timeout_s=0.2", "laser.timeout_s=0.2", f"deflector.watchdog_s={WATCHDOG_S}",
)  # fmt: skip
TRIES = 3  # attempts: on a busy computer a run may trip before the event, and is not lit then
STOPPED_S = 6.0  # how long a program is stopped (SIGSTOP)

Deed = Callable[["EmulatedFlight"], None]


@dataclass(frozen=True)
class SafetyRow:
    """One event (deed) and its result. Times in s from the event on; None: not within AFTER_S.

    `way` is headless or window. `ended_s` is the time until the process of the program ended; None: it continues.
    """

    deed: str
    way: str
    dark_s: float | None
    emission_off_s: float | None
    ended: str
    record: str
    said: str
    ended_s: float | None = None


@dataclass
class EmulatedFlight:
    """A program that runs with emulated devices, and its files and processes."""

    program: subprocess.Popen[str]
    galvo: Child
    laser: Child
    out: Path
    loop_pid: int | None = None  # process of the loop of the window

    def signal(self, number: int, loop: bool = False) -> None:
        pid = self.loop_pid if loop else self.program.pid
        if pid is None:
            raise Refused("bench safety: the loop's process did not say its number")
        os.kill(pid, number)


def sets_for(galvo: Child, laser: Child) -> tuple[str, ...]:
    return (
        f"deflector.port={galvo.link}", f"laser.port={laser.link}", "emulated.start=false",
        f"emulated.galvo_stream={galvo.stream_port}", f"emulated.laser_stream={laser.stream_port}", *PATIENT,
    )  # fmt: skip


@contextmanager
def flight(way: str, folder: Path) -> Iterator[EmulatedFlight]:
    """Starts a program; yields it after light and record for RUNS_S. Raises Refused."""
    rig, out = RIGS / "serial_simulated.yaml", folder / "run.h5"
    with ExitStack() as opened:
        galvo = opened.enter_context(Child("galvo", folder / "galvo"))
        laser = opened.enter_context(Child("cobolt", folder / "laser"))
        sets = sets_for(galvo, laser)
        if way == "headless":
            words = [item for one in sets for item in ("--set", one)]
            command = [sys.executable, "main.py", "run", str(EXPERIMENT), "--rig", str(rig), "--seconds", "600"]
            command += ["--out", str(out), *words]
        else:
            command = [
                sys.executable,
                "-c",
                "from benchmarks.safety import window; window()",
                str(rig),
                str(out),
                *sets,
            ]
        pipe = subprocess.PIPE
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
        program = opened.enter_context(
            subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=environment)
        )
        try:
            made = EmulatedFlight(program, galvo, laser, out)
            if way != "headless":
                assert program.stdout is not None
                made.loop_pid = int(program.stdout.readline() or -1)
            if laser.wait_for("lit", LIT_S) is None:
                raise Refused(f"bench safety: no light within {LIT_S:g} s ({way})")
            time.sleep(RUNS_S)
            yield made
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(program.pid, signal.SIGCONT)
            program.kill()


def window() -> None:
    """The desktop as a separate program, offscreen: started, recording to the second argument, armed."""
    from app.desktop.window.open import application, open_desktop
    from app.running import stop_signals as signals
    from app.running.process import LoopProcess

    application()
    from PyQt6.QtCore import QTimer

    rig, out, *sets = sys.argv[1:]
    begun: list[bool] = []
    lit: list[bool] = []
    shown = [""]
    timer = QTimer()

    def look(made: Any) -> None:
        session = made.session
        live = session.live
        if live is not None or not begun:  # not the messages while it ends
            shown[0] = f"the window shows {made.strip.level.word}, {made.strip.beam.word}: {made.strip.reason.whole}"
        if isinstance(live, LoopProcess) and not begun and session.newest is not None:
            begun.append(True)
            print(live.pid, flush=True)
            session.record(Path(out))
            session.arm()
        elif begun and not lit and session.newest is not None:
            if len(session.newest.sent):
                lit.append(True)
            elif session.newest.level is Level.TRIPPED:  # a busy computer was late before the first light
                session.order(OrderKind.RESET)
                session.arm()

    def begin(made: Any) -> None:
        timer.timeout.connect(lambda: look(made))
        made.destroyed.connect(timer.stop)
        timer.start(50)
        made.start()

    said = ""
    with signals.caught():
        try:
            code = open_desktop(Path(rig), EXPERIMENT, tuple(sets), made_window=begin)
        except signals.Stopped as stopped:
            code, said = 128 + stopped.number, f"{stopped}"
    print("; it says: ".join(words for words in (shown[0], said) if words), file=sys.stderr)
    sys.exit(code)


def dark_after_s(flown: EmulatedFlight, deed_ns: int) -> tuple[float | None, float | None]:
    """Times (s) from the event to dark at the sample, and to the emission of the laser off; None: not yet."""
    blanked_ns = last_end_ns(flown.galvo.events, deed_ns)
    off_ns = last_end_ns(flown.laser.events, deed_ns)
    ends = [at_ns for at_ns in (blanked_ns, off_ns) if at_ns is not None]
    first = max((min(ends) - deed_ns) * 1e-9, 0.0) if ends else None
    return first, None if off_ns is None else max((off_ns - deed_ns) * 1e-9, 0.0)


def last_end_ns(events: list[dict[str, Any]], deed_ns: int) -> int | None:
    """Time at which a beam was last switched off: None if it is lit, the event if it has not been lit at all."""
    said = [event for event in events if "beam" in event]
    if said[-1]["beam"] == "lit":
        return None
    lit = [index for index, event in enumerate(said) if event["beam"] == "lit"]
    return int(said[lit[-1] + 1]["time_ns"]) if lit else deed_ns


def state_of(flown: EmulatedFlight) -> str:
    """The record in words: whether it was closed, whether its turns verify, and how many lit turns are missing."""
    if not flown.out.exists():
        return "gone"
    try:
        with read_run(flown.out) as run:
            closed = "closed" if run.ended_cleanly else "readable, not closed"
            lit = int(np.count_nonzero(np.diff(run.rows("turns")["sent_end"].astype(np.int64), prepend=0)))
            lost = max(sum(event["event"] == "batch" for event in flown.galvo.events) - lit, 0)
            difference = first_difference(run)
            verifies = "verifies" if difference is None else f"differs: {difference}"
            return f"{closed}, {verifies}, {len(run)} turns, {lost} lit ones lost"
    except (Refused, Fault) as error:
        return f"not readable: {error}"


def measured(deed: str, way: str, do: Deed, folder: Path, wait_s: float) -> SafetyRow:
    """One row of the table. Raises Refused if the run was not lit at the event in TRIES attempts."""
    for attempt in range(TRIES):
        own = folder / str(attempt)
        own.mkdir()
        with flight(way, own) as flown:
            if is_lit(flown):
                return done(deed, way, do, flown, wait_s)
    raise Refused(
        f"bench safety: the run was not lit when it came to '{deed}', {TRIES} times: this computer is too busy"
    )


def is_lit(flown: EmulatedFlight) -> bool:
    return all(child.events[-1].get("beam") == "lit" for child in (flown.galvo, flown.laser))


def done(deed: str, way: str, do: Deed, flown: EmulatedFlight, wait_s: float) -> SafetyRow:
    deed_ns = time.monotonic_ns()
    do(flown)
    ended_s = ended_after_s(flown, deed_ns, wait_s)
    until_s = deed_ns * 1e-9 + AFTER_S
    while dark_after_s(flown, deed_ns)[1] is None and time.monotonic() < until_s:
        time.sleep(0.02)
    dark_s, off_s = dark_after_s(flown, deed_ns)
    if ended_s is None:
        ended_s = ended_after_s(flown, deed_ns, 0.0)
    ended = "goes on" if ended_s is None else f"exit code {flown.program.returncode}"
    if ended_s is None:
        flown.program.terminate()
    try:
        said = flown.program.communicate(timeout=END_S)[1]
    except subprocess.TimeoutExpired:
        flown.program.kill()
        said = flown.program.communicate()[1]
    said = said.replace(f"{flown.out.parent}/", "")  # the folder of this attempt
    lines = [line for line in said.strip().splitlines() if "propagateSizeHints" not in line]
    return SafetyRow(deed, way, dark_s, off_s, ended, state_of(flown), lines[-1][-1500:] if lines else "", ended_s)


def ended_after_s(flown: EmulatedFlight, deed_ns: int, wait_s: float) -> float | None:
    """Time (s) from the event to the end of the program; None if it does not end within `wait_s` from now."""
    until_s = time.monotonic() + wait_s
    while flown.program.poll() is None:
        if time.monotonic() >= until_s:
            return None
        time.sleep(0.02)
    return (time.monotonic_ns() - deed_ns) * 1e-9


def sends(name: str, loop: bool = False) -> Deed:
    return lambda flown: flown.signal(getattr(signal, name), loop)


def laser_hung(then: Deed) -> Deed:
    """The laser no longer answers and stays on (its process is stopped); then `then`."""

    def do(flown: EmulatedFlight) -> None:
        os.kill(flown.laser.process.pid, signal.SIGSTOP)
        then(flown)

    return do


def terminates_twice_over_a_stopped_loop(flown: EmulatedFlight) -> None:
    flown.signal(signal.SIGSTOP, loop=True)
    flown.signal(signal.SIGTERM)
    time.sleep(2.5)
    if flown.program.poll() is None:
        flown.signal(signal.SIGTERM)


def stops_for_a_while(flown: EmulatedFlight) -> None:
    """SIGSTOP: a window or a program hangs; it continues after STOPPED_S."""
    flown.signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    flown.signal(signal.SIGCONT)


def deletes(flown: EmulatedFlight) -> None:
    flown.out.unlink()


def fills(flown: EmulatedFlight) -> None:
    """Fill the small disk of the record completely."""
    with suppress(OSError), (flown.out.parent / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mounts a disk of 24 MB at `folder`; yields False if this user can't mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    with suppress(OSError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                yield True
            finally:
                subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
            return
    yield False


SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")
WAYS = ("headless", "window")


def deeds() -> list[tuple[str, str, Deed, float]]:
    """Each row: name of the event, way, its function, and the time (s) to wait for the end of the program."""
    rows: list[tuple[str, str, Deed, float]] = []
    for way in WAYS:
        rows += [(name, way, sends(name), END_S) for name in SIGNALS]
        rows.append((f"stopped for {STOPPED_S:g} s (SIGSTOP)", way, stops_for_a_while, 3.0))
        rows.append(("disk full", way, fills, AFTER_S))
        rows.append(("output deleted", way, deletes, AFTER_S))
    rows += [(f"{name} to the loop's process", "window", sends(name, loop=True), 5.0) for name in SIGNALS[:3]]
    rows += [("laser hung, then SIGTERM", way, laser_hung(sends("SIGTERM")), END_S) for way in WAYS]
    rows += [
        ("laser hung, then SIGTERM to the loop's process", "window", laser_hung(sends("SIGTERM", loop=True)), 5.0),
        ("laser hung, then SIGKILL to the loop's process", "window", laser_hung(sends("SIGKILL", loop=True)), 5.0),
        ("loop's process stopped, then SIGTERM twice", "window", terminates_twice_over_a_stopped_loop, END_S),
    ]
    return rows


def bench(quick: bool, json: Path | None, docs: Path | None) -> None:
    """Measure every row; print it, and write JSON and the page. `quick`: signals to a headless run only."""
    if not hasattr(os, "openpty"):
        raise Refused("bench safety: this system has no pseudo-terminals for emulated devices")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores SIGINT,
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # and nohup SIGHUP: the measured programs would, too
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    rows: list[SafetyRow] = []
    chosen = [one for one in deeds() if not quick or (one[1] == "headless" and one[0] in SIGNALS)]
    for number, (deed, way, do, wait_s) in enumerate(chosen):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            folder.mkdir()
            with ExitStack() as opened:
                if do is fills and not opened.enter_context(small_disk(folder)):
                    row = SafetyRow(
                        deed, way, None, None, "not measured", "not measured", "no disk may be mounted here"
                    )
                else:
                    row = measured(deed, way, do, folder, wait_s)
        rows.append(row)
        print(f"{number + 1} of {len(chosen)}: {line(row)}", flush=True)
        if json is not None:  # after each row, so that measured rows are kept
            write_json(json, [asdict(row) for row in rows])
        if docs is not None:
            write_file(docs, markdown(rows))


def line(row: SafetyRow) -> str:
    return " | ".join((row.deed, row.way, *cells(row)))


def cells(row: SafetyRow) -> tuple[str, ...]:
    if row.ended == "not measured":
        return ("not measured", "not measured", row.said, "")
    never = f"not within {AFTER_S:g} s"
    times = [never if at_s is None else f"{at_s:.2f} s" for at_s in (row.dark_s, row.emission_off_s)]
    ended = row.ended if row.ended_s is None else f"{row.ended} after {row.ended_s:.2f} s"
    return (*times, ended, row.record)


def markdown(rows: list[SafetyRow]) -> str:
    """The page docs/reliability.md."""
    head = "| event | program | dark at the sample | laser's emission off | end of the program | record |"
    table = [head, "|---|---|---|---|---|---|"]
    for row in rows:
        table.append(f"| {row.deed} | {row.way} | " + " | ".join(cell.replace("|", "/") for cell in cells(row)) + " |")
    said = [f"- {row.deed}, {row.way}: {row.said}" for row in rows if row.said]
    where = f"{platform.system()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end"
    return PAGE.format(table="\n".join(table), said="\n".join(said), where=where, watchdog=WATCHDOG_S)


PAGE = """# Reliability: light and record when a run is interrupted

Made by `main.py bench safety --docs docs/reliability.md`. Do not edit it by hand.

Each row is a run with an emulated galvo and an emulated Cobolt laser. The emulators are separate processes and continue
when the program ends. There are two shutters: the modulator of the galvo, and the emission of the laser. *Dark at the
sample* is the time from the event (first column) until one of them was closed, if no light came after it. *Laser's
emission off* is the time until the laser itself was off. Both times are from the logs of the emulators. *End of the
program* is the exit code and the time from the event until the process ended. *Window* is the desktop, whose loop is a
separate process; signals go to the process of the window unless the row says otherwise. *Lost* turns are batches that
the galvo accepted and that are not in the record. The watchdog of the galvo is set to {watchdog:g} s;
`loop.window_timeout_s` has its default, 2 s.

{table}

Measured on: {where}.

## Messages of the program

{said}

## What each device does when the program dies

`main.py info RIG` shows this for every rig, for example for config/rigs/serial.yaml. A Cobolt laser has no dead-man
switch: its emission stays on until it is switched off. The galvo blanks the beam with its own watchdog. Therefore,
after SIGKILL of a headless run, the sample is dark after the time of the watchdog, and the emission of the laser stays
on behind the blanked modulator: switch the laser off by hand. If the loop of the desktop is killed, the process of the
window switches the emission off over its own line, and shows whether the laser confirmed it. If the window is killed,
its loop detects the closed pipe, switches the beam off and closes the record.

A window that does not answer for `loop.window_timeout_s` trips the beam. (With null it is not watched, and the window
shows that.) For a stopped headless program only the watchdog of the galvo makes the sample dark.

The watchdog of the guard (`drivers/guard.py`) is a thread of the program. It does not run while the process is
stopped, or while a law, a plug-in or a driver holds Python's lock, as one call of compiled code may do for seconds
(`sum(range(10**8))`). Until then only a watchdog of a device ends the light: a laser without one, behind a deflector
without one, stays lit. The window says that the loop does not answer, and what each device does by itself. It can't
use the laser's line while the process of the loop has it. If the rig is closed, it ends that process and switches the
laser off.
"""

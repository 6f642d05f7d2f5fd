"""Jitter of the loop at a fixed frame rate: alone, in the process of an open window, and in a separate process.

Frames are rendered beforehand and delivered at their times, so that the simulated sample and its camera cost the loop
no time. Measured is the time from the arrival of a frame until its command was sent. Each way runs in its own process,
and the ways alternate: the loop alone; the window and the loop in one process; the window, and the loop in a separate
process, as in the desktop.

    python -m benchmarks.loop [--quick] [--repeats N] [--seconds S] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.instrument import Instrument
from app.assembly.machine import build_machine
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.assembly.warm_up import warm_up
from app.console.json_file import write_json
from app.running.running_loop import RunningLoop
from app.running.thread import LoopThread
from app.running.turn_buffer import REMEMBERED
from config.refused import Refused
from control.contract import Clock, Ended, Frame, OrderKind
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser

PICTURES = 150  # frames that are shown repeatedly, forwards and backwards
LEFT_OUT_S = 2.0  # at the beginning of a run
REPEATS, SECONDS = 5, 30.0
QUICK_REPEATS, QUICK_SECONDS = 1, 8.0
WAYS = ("alone", "window", "apart")
KEYS = ("p50_ms", "p99_ms", "p999_ms", "missed", "painted_hz")
Row = dict[str, Any]
Opening = Callable[[Plan], Instrument]


@dataclass(frozen=True)
class Case:
    """One load: image size, particles, frame rate and locator."""

    name: str
    side_px: int
    particles: int
    fps: float
    locator: str
    ways: tuple[str, ...] = WAYS


TOO_MUCH = Case("1024x1024, 500 particles, 100 fps", 1024, 500, 100.0, "radial", ("apart",))
CASES = (
    Case("512x512, 50 particles, 100 fps", 512, 50, 100.0, "windows"),
    Case("1024x1024, 200 particles, 60 fps", 1024, 200, 60.0, "windows"),
    TOO_MUCH,  # too much for the loop: measures how often the window paints
)


@dataclass(frozen=True)
class Painting:
    """Rate of painting of the window, and CPU time of its process per painting."""

    hz: float = 0.0
    cpu_ms: float = 0.0


class PicturePlayer:
    """A Camera: pictures from memory at fixed times. A late read gets the newest picture; the skipped ones are gaps."""

    def __init__(self, pictures: list[NDArray[Any]], fps: float, clock: Clock, last_s: float, bench: Bench) -> None:
        self._pictures, self._fps, self._clock, self._last_s = pictures, fps, clock, last_s
        self._bench = bench  # the empty world that receives the light
        self._first = 0
        self._next = 0
        self._open = True

    def read(self) -> Frame | None:
        if not self._next:
            self._first = int(self._clock.now_s() * self._fps) + 5
            self._next = self._first
        number = max(self._next, int(self._clock.now_s() * self._fps))
        due_s = number / self._fps
        while (left_s := due_s - self._clock.now_s()) > 0:
            time.sleep(left_s)
        if not self._open or due_s - self._first / self._fps > self._last_s:
            raise Ended("the pictures are over")
        self._bench.world.advance(int(due_s * 1e9))
        self._next = number + 1
        turn = number % (2 * len(self._pictures) - 2)
        return Frame(number, due_s, self._pictures[min(turn, 2 * len(self._pictures) - 2 - turn)])

    def close(self) -> None:
        self._open = False


def made(case: Case) -> Plan:
    """Particles on a loose square lattice, each in a delayed ring of its own."""
    spacing_um = 0.8 * case.side_px * 0.1 / np.ceil(np.sqrt(case.particles))
    sets = (
        "rate=real time", f"camera.width_px={case.side_px}", f"camera.height_px={case.side_px}",
        f"camera.fps={case.fps}", "camera.exposure_s=0.002", "camera.readout_s=0", f"sample.number={case.particles}",
        "sample.arrangement=square", f"sample.spacing_um={spacing_um}", f"tracking.locator={case.locator}",
        "loop.stale_periods=100", "keep_in_field=null", "deflector.v_per_um=0.05",
    )  # fmt: skip
    return plan(EXPERIMENTS / "annular_activity.yaml", None, sets)


def pictures_of(asked: Plan) -> list[NDArray[Any]]:
    """Frames of the simulated sample, without light."""
    opened = open_instrument(replace(asked, rig=replace(asked.rig, rate="lockstep")))
    frames = [opened.camera.read() for _ in range(PICTURES)]
    opened.close()
    return [frame.image for frame in frames if frame is not None]


def projected(asked: Plan, seconds: float) -> Instrument:
    """`open_instrument` with a PicturePlayer as camera. The process of the loop imports it by name."""
    rig = asked.rig
    assert isinstance(rig.camera, SimulatedCamera)
    assert isinstance(rig.deflector, SimulatedDeflector)
    assert isinstance(rig.laser, SimulatedLaser)
    machine = build_machine(asked)
    warm_up(asked, machine)
    pictures = pictures_of(asked)
    sample = replace(rig.sample, number=0, arrangement="one")
    bench = open_bench(
        sample, rig.camera, rig.deflector, rig.laser, um_per_px=rig.optics.um_per_px, rate=1.0, heartbeat_s=5.0
    )
    eye = PicturePlayer(pictures, rig.camera.fps, bench.clock, seconds, bench)
    return Instrument(
        asked, machine, eye, bench.beam, bench.clock, rig.camera.height_px, rig.camera.width_px,
        "uint8", None,
    )  # fmt: skip


def measure(case: Case, seconds: float, way: str, left_out_s: float = LEFT_OUT_S) -> Row:
    """One run, without its first `left_out_s` seconds."""
    asked, opening = made(case), partial(projected, seconds=seconds)
    painting = Painting()
    live: LoopThread | RunningLoop
    if way == "alone":
        live = _alone(asked, opening)
    else:
        live, painting = _with_window(asked, opening, seconds, way)
    if live.trouble:
        raise RuntimeError(live.details or live.trouble)
    turns = [turn for _, turn in live.recent()]
    turns = [turn for turn in turns if turn.tracks.time_s > turns[0].tracks.time_s + left_out_s]
    late_ms = 1e3 * np.array([turn.sent_s - turn.tracks.time_s for turn in turns])
    dropped = turns[-1].dropped - turns[0].dropped
    p50, p99, p999 = np.percentile(late_ms, [50, 99, 99.9]).tolist()
    missed = (dropped + int((late_ms > 1e3 / case.fps).sum())) / (len(turns) + dropped)
    return {
        "case": case.name, "way": way, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "missed": missed,
        "frames": len(turns) + dropped, "painted_hz": painting.hz,
        "paint_cpu_ms": painting.cpu_ms,
    }  # fmt: skip


def _alone(asked: Plan, opening: Opening) -> LoopThread:
    instrument = opening(asked)
    with LoopThread(instrument.machine, instrument.camera, instrument.beam, instrument.clock) as live:
        live.order(OrderKind.ARM)
        while live.running:
            time.sleep(0.1)
    return live


def _with_window(asked: Plan, opening: Opening, seconds: float, way: str) -> tuple[RunningLoop, Painting]:
    """(the loop with a window, the painting of the live image)."""
    from app.desktop.window.main_window import Window
    from app.desktop.window.open import application  # Qt is imported only if it is needed
    from app.desktop.window.screenshot import wait
    from app.desktop.window.session import Session, Wiring

    qt = application()
    from PyQt6 import sip

    session = Session(asked, Wiring(open_instrument=opening, apart=opening if way == "apart" else None))
    window = Window(session, Path("loop"), Path("runs"), lambda path: asked)
    qt.processEvents()
    window.show()
    window.start()
    session.wait()
    session.order(OrderKind.ARM)
    live = session.live
    assert live is not None
    began_s, began_cpu_s, before = time.perf_counter(), time.process_time(), window.view.paintings
    wait(seconds + 5.0, lambda: not live.running)
    painted = window.view.paintings - before
    cpu_ms = 1e3 * (time.process_time() - began_cpu_s) / max(painted, 1)
    painting = Painting(painted / (time.perf_counter() - began_s), cpu_ms)
    window.close()
    sip.delete(window)  # before the QApplication; Python's own order at exit is not defined
    return live, painting


def compared(case: Case, seconds: float, repeats: int) -> Row:
    """The case in each of its ways, in turn: medians over the repeats, and ratios of each p99 to the loop alone."""
    rows: dict[str, list[Row]] = {way: [] for way in case.ways}
    for _ in range(repeats):
        for way, found in rows.items():
            found.append(_child(case, seconds, way))
    medians = {way: {key: float(np.median([row[key] for row in found])) for key in KEYS} for way, found in rows.items()}
    alone = medians.get("alone")
    ratio = {way: median["p99_ms"] / alone["p99_ms"] for way, median in medians.items()} if alone is not None else {}
    return {"case": case.name, **medians, "p99_ratio": ratio, "load": os.getloadavg()[0],
            "repeats": repeats, "seconds": seconds}  # fmt: skip


def _child(case: Case, seconds: float, way: str) -> Row:
    command = [sys.executable, "-m", "benchmarks.loop", "--case", case.name, "--seconds", str(seconds), "--way", way]
    answer = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    row: Row = json.loads(answer.stdout.splitlines()[-1])
    return row


def bench(quick: bool, file: Path | None, repeats: int | None = None, seconds: float | None = None) -> list[Row]:
    """Measure the table; print it and, with `file`, write it as JSON. Raises Refused."""
    rows = []
    repeats = repeats if repeats is not None else QUICK_REPEATS if quick else REPEATS
    seconds = seconds if seconds is not None else QUICK_SECONDS if quick else SECONDS
    least_s, most_s = LEFT_OUT_S + 1.0, REMEMBERED / max(case.fps for case in CASES)
    if repeats < 1:
        raise Refused(f"bench loop: --repeats is {repeats}, and it should be 1 or more")
    if not least_s <= seconds <= most_s:
        raise Refused(f"bench loop: --seconds is {seconds:g}, and it should be from {least_s:g} to {most_s:g}")
    print(f"medians of {repeats} runs of {seconds:g} s")
    print(f"{'case':36} {'':7} {'p50':>7} {'p99':>7} {'p99.9':>7} ms {'p99 ratio':>10} {'missed':>8} {'painted':>8}")
    for case in CASES:
        row = compared(case, seconds, repeats)
        rows.append(row)
        for way in case.ways:
            of, ratio = row[way], row["p99_ratio"].get(way, float("nan"))
            print(f"{case.name:36} {way:7} {of['p50_ms']:7.2f} {of['p99_ms']:7.2f} {of['p999_ms']:7.2f}    "
                  f"{ratio:10.2f} {of['missed']:8.2%} {of['painted_hz']:5.0f} Hz")  # fmt: skip
    if file is not None:
        write_json(file, {"loop": rows})
    return rows


def _asked() -> argparse.Namespace:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--json", type=Path)
    ask.add_argument("--case")
    ask.add_argument("--repeats", type=int)
    ask.add_argument("--seconds", type=float)
    ask.add_argument("--way", choices=WAYS, default="alone")
    return ask.parse_args()


if __name__ == "__main__":
    given = _asked()
    if given.case:
        case = next(case for case in CASES if case.name == given.case)
        print(json.dumps(measure(case, given.seconds or QUICK_SECONDS, given.way)))
    else:
        bench(given.quick, given.json, given.repeats, given.seconds)

"""A simple simulated instrument for tests of the window: seven discs in a random walk, 50 frames per second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from app.assembly.machine import build_machine
from app.assembly.plan import plan
from app.assembly.rig import Plan
from app.desktop.window.session import Wiring
from control.contract import NOTHING_EXPECTED, Command, Ended, Expected, Fault, Frame, Tracks, Turn, dark
from control.loop import Machine
from drivers.readback import Returned

SIZE_PX, UM_PER_PX = 256, 0.1


class Clock:
    def __init__(self) -> None:
        self.began_s = time.monotonic()

    def now_s(self) -> float:
        return time.monotonic() - self.began_s


class Camera:
    def __init__(self, clock: Clock, period_s: float) -> None:
        self.clock, self.number, self.closed, self.period_s = clock, 0, threading.Event(), period_s
        self.chance = np.random.default_rng(1)
        self.place_um = self.chance.uniform(4, 21, (7, 2))
        self.fault = ""
        self.covered_by: NDArray[np.uint16] | None = None  # image in place of the discs
        y, x = np.mgrid[-5:6, -5:6]
        self.disc = (400 + 3000 * np.exp(-(x**2 + y**2) / 12.0)).astype(np.uint16)

    def read(self) -> Frame:
        if self.closed.wait(self.period_s):
            raise Ended
        if self.fault:
            raise Fault(self.fault)
        self.number += 1
        self.place_um = np.clip(self.place_um + self.chance.normal(0, 0.05, (7, 2)), 2, 23)
        if self.covered_by is not None:
            return Frame(self.number, self.clock.now_s() - 0.004, self.covered_by.copy())
        image = np.full((SIZE_PX, SIZE_PX), 400, np.uint16)
        for column, row in np.round(self.place_um / UM_PER_PX).astype(int):
            image[row - 5 : row + 6, column - 5 : column + 6] = self.disc
        return Frame(self.number, self.clock.now_s() - 0.004, image)

    def close(self) -> None:
        self.closed.set()


class Beam:
    def __init__(self) -> None:
        self.last: Command = dark("at birth")
        self.closed = False

    def send(self, command: Command) -> Command:
        self.last = replace(command, effect_s=1.0)
        return self.last

    def dark(self, reason: str) -> Command:
        self.last = dark(reason)
        return self.last

    def close(self) -> None:
        self.dark("closed")
        self.closed = True


@dataclass(frozen=True)
class Tracker:
    camera: Camera

    def start(self) -> None:
        return None

    def step(self, memory: None, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[None, Tracks]:
        place = self.camera.place_um.copy()
        state = np.zeros(7, np.uint8)
        state[2] = 2
        return None, Tracks(frame.time_s, np.arange(7) + 10, place, state, np.zeros(7, int), np.zeros(7, int),
                            place / UM_PER_PX)  # fmt: skip


class Recorder:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.closed = False

    def write(self, turn: Turn) -> None:
        self.turns.append(turn)

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Toy:
    """An instrument with a simple simulated camera, tracker and beam; the rest of its machine is real."""

    plan: Plan
    period_s: float = 0.02
    clock: Clock = field(default_factory=Clock)
    camera: Camera = field(init=False)
    beam: Beam = field(default_factory=Beam)
    machine: Machine = field(init=False)

    def returned(self) -> tuple[Returned, ...]:
        return (Returned("camera.exposure_s", 0.005, 0.005),)

    def __post_init__(self) -> None:
        object.__setattr__(self, "camera", Camera(self.clock, self.period_s))
        machine = replace(build_machine(self.plan), tracker=Tracker(self.camera), stale_s=5.0)
        object.__setattr__(self, "machine", machine)


def planned() -> Plan:
    return plan("config/experiments/annular_activity.yaml", None, ("camera.fps=50", "loop.window_timeout_s=60"))


def wiring(period_s: float = 0.02) -> tuple[Wiring, list[Toy], list[Recorder]]:
    toys: list[Toy] = []
    recorders: list[Recorder] = []

    def open_toy(made: Plan) -> Toy:
        toys.append(Toy(made, period_s))
        return toys[-1]

    def record(instrument: Any, path: object) -> Recorder:
        recorders.append(Recorder())
        return recorders[-1]

    def build(made: Plan, source: str) -> Machine:
        machine = build_machine(made, source)
        return replace(machine, tracker=Tracker(toys[-1].camera), stale_s=5.0) if toys else machine

    return Wiring(open_toy, build, record), toys, recorders


def click(widget: QWidget) -> None:
    """Click the widget with the left mouse button."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # the type stubs expect `self`

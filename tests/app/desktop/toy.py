"""A bench of toys for the window's tests: a few discs that walk about, seen at 50 frames a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from app.desktop.session import Wiring
from config.fields import Doc, Field, Gt, settings
from control.allocate import Light
from control.contract import Command, Ended, Fault, Forces, Frame, Seen, Tracks, Turn, dark
from control.limits import Limits
from control.loop import Machine

SIZE_PX, UM_PER_PX = 256, 0.1


@settings
class Ring:
    """A ring."""

    kind: Literal["ring"] = "ring"
    radius_um: Annotated[float, Gt(0), Doc("radius")] = 1.0
    stiffness_pn_per_um: Annotated[float, Gt(0), Doc("stiffness")] = 0.9


@settings
class Push:
    """A push."""

    kind: Literal["push"] = "push"
    force_pn: Annotated[float, Gt(0), Doc("force")] = 0.07


@settings
class ToyExperiment:
    title: Annotated[str, Doc("what it is")] = "Toy"
    about: Annotated[str, Doc("what to look for")] = "Discs that walk about."
    mode: Annotated[Literal["steered", "landscape"], Doc("how")] = "steered"
    delay_s: Annotated[float | None, Gt(0), Doc("delay")] = 0.5
    forces: Annotated[tuple[Annotated[Ring | Push, Field(discriminator="kind")], ...], Doc("what they feel")] = (
        Ring(),
    )
    centre_um: Annotated[tuple[float, float] | None, Doc("centre")] = None
    seconds: float = 10.0


class Clock:
    def __init__(self) -> None:
        self.began_s = time.monotonic()

    def now_s(self) -> float:
        return time.monotonic() - self.began_s


class Camera:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.number, self.closed = clock, 0, threading.Event()
        self.chance = np.random.default_rng(1)
        self.place_um = self.chance.uniform(4, 21, (7, 2))
        self.fault = ""
        self.y, self.x = np.mgrid[:SIZE_PX, :SIZE_PX] * UM_PER_PX

    def read(self) -> Frame:
        if self.closed.wait(0.02):
            raise Ended
        if self.fault:
            raise Fault(self.fault)
        self.number += 1
        self.place_um = np.clip(self.place_um + self.chance.normal(0, 0.05, (7, 2)), 2, 23)
        light = sum(np.exp(-((self.x - x) ** 2 + (self.y - y) ** 2) / 0.3) for x, y in self.place_um)
        image = (self.chance.normal(400, 20, self.x.shape) + 3000 * light).astype(np.uint16)
        return Frame(self.number, self.clock.now_s() - 0.004, image)

    def close(self) -> None:
        self.closed.set()


class Beam:
    def __init__(self) -> None:
        self.last = dark("at birth")
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

    def step(self, memory: None, frame: Frame) -> tuple[None, Tracks]:
        place = self.camera.place_um.copy()
        state = np.zeros(7, np.uint8)
        state[2] = 2
        return None, Tracks(frame.time_s, np.arange(7) + 10, place, state, np.zeros(7, int), np.zeros(7, int),
                            place / UM_PER_PX)  # fmt: skip


@dataclass(frozen=True)
class Policy:
    force_pn: float
    longest_delay_s: float = 0.5

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        who = seen.tracks.particle
        turn = seen.effect_s + np.arange(len(who))
        force = self.force_pn * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return None, Forces(who, force, np.full(len(who), 0.5), np.zeros(len(who), bool))


class Recorder:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.closed = False

    def write(self, turn: Turn) -> None:
        self.turns.append(turn)

    def close(self) -> None:
        self.closed = True


class Toy:
    """An instrument, and what a test wants to look at."""

    kind = "SIMULATED"

    def __init__(self, experiment: Any) -> None:
        self.clock = Clock()
        self.camera, self.beam = Camera(self.clock), Beam()
        self.recorders: list[Recorder] = []
        self.machine = self.build(experiment)

    def build(self, experiment: Any) -> Machine:
        force = next((f.force_pn for f in experiment.forces if f.kind == "push"), 0.1)
        light = Light(0.9, 5.0, 4.07e-3, 200.0)
        return Machine(Tracker(self.camera), Policy(force), light, Limits((0, 0), (25.6, 25.6), 200.0), 0.01, 0.02, 0.5)


def wiring() -> tuple[Wiring, list[Toy], list[Recorder]]:
    toys: list[Toy] = []
    recorders: list[Recorder] = []

    def open_toy(experiment: Any) -> Toy:
        toys.append(Toy(experiment))
        return toys[-1]

    def record(instrument: Any, experiment: Any, path: object) -> Recorder:
        recorders.append(Recorder())
        return recorders[-1]

    def build(experiment: Any) -> Machine:
        return toys[-1].build(experiment)

    return Wiring("SIMULATED", UM_PER_PX, 2.0, open_toy, build, record), toys, recorders

"""Flights in lockstep whose orders and records come at turns given by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.assembly.open import open_instrument, open_recorder
from app.assembly.plan import plan
from app.assembly.plan import planned as planned_of
from app.assembly.rig import EXPERIMENTS, Plan
from app.running.thread import LoopThread
from config.reader import Document
from control.contract import Beam, Camera, Command, Ended, Fault, Frame, OrderKind, Turn
from drivers.journal import Journal
from tests.patience import until


def planned(*sets: str, name: str = "annular_activity") -> Plan:
    """A plan with seven particles in a small field, in lockstep."""
    small = (
        "camera.width_px=160", "camera.height_px=160", "sample.number=7", "sample.arrangement=hexagonal",
        "sample.spacing_um=3.5", "rate=lockstep",
    )  # fmt: skip
    return plan(EXPERIMENTS / f"{name}.yaml", None, (*small, *sets))


def calibrating(kind: str) -> Plan:
    """A calibration plan for the simulated rig, in lockstep."""
    motion = {"carry": {"kind": "carry", "shake_um": [0.1, 0.1]}, "flash": {"kind": "flash", "longest": 4}}
    wanted = {
        "title": f"Calibration: {kind}", "rig": "../rigs/simulated.yaml",
        "policy": {"kind": "calibrating", "motion": motion.get(kind, {"kind": kind})},
        "set": {"sample.number": 5, "sample.arrangement": "line"},
    }  # fmt: skip
    return planned_of(Document(kind, wanted, {}), None, (), EXPERIMENTS)


@dataclass
class Eye:
    """A camera that ends after `left` frames and raises Fault in the turns `unplugged`."""

    camera: Camera
    left: int
    unplugged: tuple[int, ...] = ()
    count: int = -1

    def read(self) -> Frame | None:
        self.count += 1
        if self.count >= self.left:
            raise Ended
        frame = self.camera.read()
        if self.count in self.unplugged:
            raise Fault("unplugged")
        return frame

    def close(self) -> None:
        self.camera.close()


@dataclass
class Hand:
    """A beam that raises Fault in the turns `silent`."""

    beam: Beam
    silent: tuple[int, ...] = ()
    count: int = -1

    def send(self, command: Command) -> Command:
        self.count += 1
        if self.count in self.silent:
            raise Fault("no answer")
        return self.beam.send(command)

    def dark(self, reason: str) -> Command:
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()


@dataclass
class Flight:
    """One flight of a plan. `at`: functions that run in the loop's thread after the turn of this number."""

    made: Plan
    turns: int
    at: dict[int, Callable[[Flight], None]] = field(default_factory=dict)
    unplugged: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    frames: bool = True
    seen: list[Turn] = field(default_factory=list)
    opened: list[Journal] = field(default_factory=list)

    def fly(self) -> list[Turn]:
        self.fly_to_any_end()
        assert self.live.trouble == "", self.live.details
        return self.seen

    def fly_to_any_end(self) -> None:
        self.instrument = open_instrument(self.made)
        eye = Eye(self.instrument.camera, self.turns, self.unplugged)
        hand = Hand(self.instrument.beam, self.silent)
        self.live = LoopThread(self.instrument.machine, eye, hand, self.instrument.clock, self._watch)
        self.live.order(OrderKind.ARM)
        if -1 in self.at:
            self.at[-1](self)
        with self.live:
            until(lambda: not self.live.running)

    def _watch(self, turn: Turn) -> None:
        self.seen.append(turn)
        if turn.number in self.at:
            self.at[turn.number](self)

    def record(self, path: Path | None) -> None:
        """As the window does: with the header of the last plan ordered."""
        if path is None:
            self.live.record(None)
            return
        self.opened.append(open_recorder(replace(self.instrument, plan=self.made), path, frames=self.frames))
        self.live.record(self.opened[-1])

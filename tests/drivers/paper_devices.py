"""Substitutes for real devices: they record the calls, and fail where a test sets it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from config.fields import settings
from control.contract import Clock, Ended, Frame
from drivers.device_settings import RealCamera, RealDeflector, RealLaser
from drivers.light_protocols import Deflector, DeflectorReadback, Floats
from drivers.readback import Returned

NOTES: list[str] = []  # calls of the devices, in order
FAILS: dict[str, BaseException] = {}  # the exception raised by each of these: "camera", "deflector", "laser", "put out"


def note(what: str, part: str = "") -> None:
    NOTES.append(what)
    if part in FAILS:
        raise FAILS[part]


@settings
class PaperCamera(RealCamera):
    """A camera with grey images."""

    kind: Literal["paper"] = "paper"
    fps: float = 50.0
    width_px: int = 64
    height_px: int = 48

    def open(self, clock: Clock) -> PaperEye:
        note("camera opened", "camera")
        return PaperEye(self, clock)


@dataclass
class PaperEye:
    made: PaperCamera
    clock: Clock
    identity: str = "paper camera 3"
    returned: tuple[Returned, ...] = (Returned("camera.fps", 50.0, 49.5),)
    number: int = 0
    closed: bool = False

    def read(self) -> Frame | None:
        if self.closed:
            raise Ended("the paper camera is closed")
        time.sleep(1.0 / self.made.fps)
        self.number += 1
        image = np.full((self.made.height_px, self.made.width_px), 100, np.uint8)
        image.flags.writeable = False
        return Frame(self.number, self.clock.now_s(), image)

    def close(self) -> None:
        self.closed = True
        note("camera closed")


@settings
class PaperDeflector(RealDeflector):
    """A deflector that follows every command and cannot dim."""

    kind: Literal["paper"] = "paper"
    range_v: float = 5.0
    v_per_um: float = 0.25
    settle_s: float = 1e-5
    delay_s: float = 1e-3
    min_dwell_s: float = 2e-5
    dead_man: str = "none: it is of paper"

    def open(self, clock: Clock) -> PaperMirror:
        note("deflector opened", "deflector")
        return PaperMirror(clock)


@dataclass
class PaperMirror:
    clock: Clock
    firmware: str = "paper deflector"
    identity: str = "paper deflector 4"
    returned: tuple[Returned, ...] = ()
    low_v: tuple[float, float] = (-5.0, -5.0)
    high_v: tuple[float, float] = (5.0, 5.0)

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        note("steered")
        return DeflectorReadback(position_v, dwell_s, self.clock.now_s() + 1e-3)

    def status(self) -> str:
        return "ready"

    def close(self) -> None:
        note("deflector closed")


@settings
class PaperLaser(RealLaser):
    """A laser that needs no modulator in the deflector."""

    kind: Literal["paper"] = "paper"
    max_power_mw: float = 50.0
    dead_man: str = "none: it is of paper"

    def open(self, deflector: Deflector) -> PaperLamp:
        note("laser opened", "laser")
        return PaperLamp(self.max_power_mw)

    def put_out(self, longest_s: float = 1e9) -> None:
        note("laser put out", "put out")


@dataclass
class PaperLamp:
    max_power_mw: float
    firmware: str = "paper laser"
    identity: str = ""
    returned: tuple[Returned, ...] = field(default_factory=tuple)

    def shine(self, power_mw: Floats, at_most_s: float) -> Any:
        note("lit")
        return power_mw

    def off(self) -> None:
        note("off")

    def status(self) -> str:
        return "ready"

    def close(self) -> None:
        note("laser closed")

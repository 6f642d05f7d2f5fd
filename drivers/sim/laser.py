"""A simulated laser: from power to spot depth, with its maximum power, warm-up, noise and interlock input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Gt, Interval, settings
from control.contract import Fault
from drivers.device_settings import LaserSettings
from drivers.readback import Returned
from drivers.sim.clock import SimulatedClock
from drivers.sim.stage import Visits
from drivers.sim.world import World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@settings
class SimulatedLaser(LaserSettings):
    """A simulated laser."""

    simulated: ClassVar[bool] = True

    kind: Literal["simulated"] = "simulated"
    max_power_mw: Annotated[float, Gt(0), Doc("the most that it gives")] = 200.0
    depth_kt_per_mw: Annotated[float, Gt(0), Doc("depth of a spot that has the whole beam, at 1 mW (estimate)")] = 5.0
    waist_um: Annotated[float, Interval(ge=0.01, le=1e6), Doc("waist of the spot (estimate)")] = 0.6
    warm_up_s: Annotated[float, Ge(0), Doc("time constant in which the power comes up after the start")] = 0.0
    noise: Annotated[float, Ge(0), Doc("rms of the power, relative to it")] = 0.0
    interlock: Annotated[Literal["closed", "open"], Doc("the interlock input; open: no light")] = "closed"

    @property
    def dead_man(self) -> str:
        """State of the light after the program has died."""
        return "simulated: its light ends with the program"


@dataclass(frozen=True)
class Aim:
    """The directions of the deflector from `due_ns` on."""

    spot_um: Floats  # [M, 2] true positions
    efficiency: Floats  # [M]
    dwell_ns: Ints  # [M]
    settle_ns: int
    due_ns: int


class SimulatedLaserDriver:
    """The Laser plug over a simulated world."""

    firmware = "simulated laser"
    identity = ""
    returned: tuple[Returned, ...] = ()

    def __init__(self, config: SimulatedLaser, world: World, clock: SimulatedClock) -> None:
        self._config, self._world, self._clock = config, world, clock
        self.max_power_mw = config.max_power_mw
        self.aim: Aim | None = None  # the deflector's
        self._latched = config.interlock == "open"
        self._closed = config.interlock == "closed"  # the interlock's circuit
        self._open = True

    def shine(self, power_mw: Floats, at_most_s: float) -> Floats:
        """Powers are limited to max_power_mw and follow the warm-up. Raises Fault if the interlock has opened."""
        if not self._open:
            raise Fault("the simulated laser is closed")
        if self._latched:
            raise Fault("the laser's interlock is open" if not self._closed else "the laser's interlock was open")
        aim = self.aim
        if aim is None or len(aim.dwell_ns) != len(power_mw):
            raise Fault("the simulated laser was asked to shine before the deflector was steered")
        emitted_mw = np.minimum(power_mw, self._config.max_power_mw)  # [M]
        arrives_mw = emitted_mw * aim.efficiency
        depth_kt = arrives_mw * self._config.depth_kt_per_mw
        until_ns = aim.due_ns + math.ceil(at_most_s * 1e9)
        self._world.put(
            Visits(aim.spot_um, depth_kt, aim.dwell_ns, aim.settle_ns, aim.due_ns, until_ns, power_mw=arrives_mw)
        )
        warm_s = self._config.warm_up_s
        return emitted_mw * (-math.expm1(-aim.due_ns * 1e-9 / warm_s) if warm_s > 0 else 1.0)

    def off(self) -> None:
        """Switch the light off when this command leaves the computer."""
        self.aim = None
        self._world.darken(self._clock.acts_ns())

    def set_interlock(self, closed: bool) -> None:
        """Set the interlock input (a door switch). Opening it switches the light off at once, and is latched."""
        self._closed = closed
        if not closed:
            self._latched = True
            self.aim = None
            self._world.darken(self._world.now_ns)

    def reset(self) -> None:
        """Clear the latch. Raises Fault while the interlock is open."""
        if not self._closed:
            raise Fault("the laser's interlock is open")
        self._latched = False

    def status(self) -> str:
        if not self._open:
            return "closed"
        return "interlock open" if self._latched else "ready"

    def close(self) -> None:
        if self._open:
            self.off()
        self._open = False

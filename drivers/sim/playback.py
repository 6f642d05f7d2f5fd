"""Simulated light for frames on which it has no effect: of a recording, or of a real camera (watch only).

The simulated deflector and laser act on an empty world, whose time is that of the frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from config.warp import Map
from control.contract import Camera, Frame
from drivers.camera_protocol import CameraDriver
from drivers.device_settings import RealCamera
from drivers.guard import Guard, GuardLimits
from drivers.sim.clock import LockstepClock, PacedClock, SimulatedClock
from drivers.sim.deflector import SimulatedDeflector, SimulatedDeflectorDriver
from drivers.sim.laser import SimulatedLaser, SimulatedLaserDriver
from drivers.sim.sample import Sample
from drivers.sim.stage import Stage, Visits
from drivers.sim.world import World

Corner = tuple[float, float]

C = TypeVar("C", bound=Camera)


@dataclass(frozen=True, kw_only=True)
class EmptyField:
    """Limits and map of the light in an empty world."""

    low_um: Corner  # corners of the field that the beam may visit; the deflector's range is centred in it
    high_um: Corner
    power_cap_mw: float
    heartbeat_s: float
    um_to_v: Map | None = None  # the calibrated map; None: that of the deflector's settings


@dataclass
class WorldTimeCamera(Generic[C]):
    """The Camera plug over another camera. Each frame advances the empty world to the frame's arrival time."""

    camera: C
    world: World
    arrived_s: Callable[[Frame], float]

    def read(self) -> Frame | None:
        frame = self.camera.read()
        if frame is not None:
            self.world.advance(max(round(self.arrived_s(frame) * 1e9), self.world.now_ns))
        return frame

    def close(self) -> None:
        self.camera.close()


def open_playback(
    camera: Camera,
    arrived_s: Callable[[Frame], float],
    deflector: SimulatedDeflector,
    laser: SimulatedLaser,
    field: EmptyField,
    *,
    latency_s: float,
) -> tuple[WorldTimeCamera[Camera], Guard, LockstepClock]:
    """Camera, beam and clock of a recording. A recorded particle can't react: the world has no particle.

    Args:
        arrived_s: arrival time of a frame at the computer, on the recording's clock.
        latency_s: from the frame's arrival until the command leaves the computer.
    """
    world = _empty_world(laser, field)
    clock = LockstepClock(world, latency_s)
    beam = _beam(deflector, laser, world, clock, field, watch=False)
    return WorldTimeCamera(camera, world, arrived_s), beam, clock


def open_watch_only(
    camera: RealCamera, deflector: SimulatedDeflector, laser: SimulatedLaser, field: EmptyField
) -> tuple[WorldTimeCamera[CameraDriver], Guard, PacedClock]:
    """A real camera, in real time, with a simulated beam that acts on nothing. Raises Fault, Refused."""
    warm_up = _empty_world(laser, field)  # compiles the kernel of the light: a lit beam must not wait for that
    warm_up.put(Visits(np.array([_middle_um(field)]), np.ones(1), np.full(1, 100_000)))
    warm_up.advance(1)
    world, clock = _empty_world(laser, field), PacedClock(1.0)
    beam = _beam(deflector, laser, world, clock, field, watch=True)
    try:
        eye = camera.open(clock)
    except BaseException:
        beam.close()
        raise
    return WorldTimeCamera(eye, world, lambda frame: clock.now_s()), beam, clock


def _empty_world(laser: SimulatedLaser, field: EmptyField) -> World:
    extent_um = (field.high_um[0] - field.low_um[0], field.high_um[1] - field.low_um[1])
    return World(Sample(number=0), Stage(middle_um=_middle_um(field), extent_um=extent_um, waist_um=laser.waist_um))


def _beam(
    deflector: SimulatedDeflector, laser: SimulatedLaser, world: World, clock: SimulatedClock, field: EmptyField, *,
    watch: bool,
) -> Guard:  # fmt: skip
    shining = SimulatedLaserDriver(laser, world, clock)
    steering = SimulatedDeflectorDriver(deflector, _middle_um(field), clock, shining)
    bounds = GuardLimits(
        low_um=field.low_um, high_um=field.high_um, power_mw=field.power_cap_mw, heartbeat_s=field.heartbeat_s
    )
    um_to_v = field.um_to_v or deflector.nominal_map(_middle_um(field))
    return Guard(steering, shining, clock, um_to_v, bounds, watch=watch)


def _middle_um(field: EmptyField) -> Corner:
    return (field.low_um[0] + field.high_um[0]) / 2.0, (field.low_um[1] + field.high_um[1]) / 2.0

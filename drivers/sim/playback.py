"""Simulated light for recorded frames: a deflector and a laser with an empty world in the recording's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from config.geometry import Affine
from control.contract import Camera, Frame
from drivers.guard import Guard, GuardLimits
from drivers.sim.clock import LockstepClock
from drivers.sim.deflector import SimulatedDeflector, SimulatedDeflectorDriver, configured_map
from drivers.sim.laser import SimulatedLaser, SimulatedLaserDriver
from drivers.sim.sample import Sample
from drivers.sim.world import Stage, World


@dataclass
class RecordedCamera:
    """The Camera plug of a recording. Each frame advances the empty world to the frame's arrival time."""

    camera: Camera
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
    *,
    low_um: tuple[float, float],
    high_um: tuple[float, float],
    latency_s: float,
    power_cap_mw: float,
    heartbeat_s: float,
) -> tuple[RecordedCamera, Guard, LockstepClock]:
    """Camera, beam and clock of a recording. Recorded particles can't react to light, so the world is empty.

    Args:
        arrived_s: arrival time of a frame on the recording's clock.
        low_um, high_um: corners of the field of the beam; the deflector's range is centred in it.
        latency_s: from the frame's arrival until the command leaves the computer.
    """
    middle_um = ((low_um[0] + high_um[0]) / 2.0, (low_um[1] + high_um[1]) / 2.0)
    extent_um = (high_um[0] - low_um[0], high_um[1] - low_um[1])
    world = World(Sample(number=0), Stage(middle_um=middle_um, extent_um=extent_um, waist_um=laser.waist_um))
    clock = LockstepClock(world, latency_s)
    laser_driver = SimulatedLaserDriver(laser, world, clock)
    deflector_driver = SimulatedDeflectorDriver(deflector, middle_um, clock, laser_driver)
    bounds = GuardLimits(low_um=low_um, high_um=high_um, power_mw=power_cap_mw, heartbeat_s=heartbeat_s)
    um_to_v: Affine = configured_map(deflector, middle_um)
    beam = Guard(deflector_driver, laser_driver, clock, um_to_v, bounds, watch=False)
    return RecordedCamera(camera, world, arrived_s), beam, clock

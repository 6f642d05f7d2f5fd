"""The simulated rig: one world, and the camera, beam and clock that belong to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from config.refused import Refused
from config.warp import Map
from drivers.guard import Guard, GuardLimits
from drivers.sim.camera import SimulatedCamera, SimulatedCameraDriver
from drivers.sim.clock import LockstepClock, PacedClock, SimulatedClock
from drivers.sim.deflector import SimulatedDeflector, SimulatedDeflectorDriver
from drivers.sim.laser import SimulatedLaser, SimulatedLaserDriver
from drivers.sim.sample import Sample
from drivers.sim.world import Stage, Visits, World

MOST_FRAMES_LATE = 1000  # frame periods of a readout: the world keeps the positions of so many frames


@dataclass(frozen=True)
class Bench:
    """A simulated rig, ready: the laser is dark."""

    camera: SimulatedCameraDriver
    beam: Guard
    clock: SimulatedClock
    world: World
    deflector: SimulatedDeflectorDriver
    laser: SimulatedLaserDriver

    def close(self) -> None:
        """Dark first, then the camera."""
        self.beam.close()
        self.camera.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_bench(
    sample: Sample = Sample(),  # noqa: B008 - frozen
    camera: SimulatedCamera = SimulatedCamera(),  # noqa: B008
    deflector: SimulatedDeflector = SimulatedDeflector(),  # noqa: B008
    laser: SimulatedLaser = SimulatedLaser(),  # noqa: B008
    *,
    um_per_px: float,
    latency_s: float = 0.002,
    rate: float | None = None,
    seed: int = 0,
    replica: int = 0,
    power_cap_mw: float | None = None,
    um_to_v: Map | None = None,
    field_um: tuple[tuple[float, float], tuple[float, float]] | None = None,
    heartbeat_s: float = 0.5,
) -> Bench:
    """A simulated rig. x_um = um_per_px * x_px: the middle of the image's top left pixel is (0, 0).

    The sample's arrangement stands in the middle of the image, and so does the deflector's range.

    Args:
        latency_s: computing time from now to a command's way out; lockstep only, which has none of its own.
        rate: None runs in lockstep: `camera.read` advances the world, and nobody sleeps. A number paces the world by
            the wall, 1 being real time; a late loop then misses frames, which shows in Frame.number.
        power_cap_mw: the guard's; None: the laser's most.
        um_to_v: the calibrated map; None: as the deflector's settings say.
        field_um: (low, high) corners that the beam may visit; None: the image.
        heartbeat_s: longest light without a new command; never below five frames.

    Raises:
        Refused: settings that can't be true together.
    """
    if not (math.isfinite(um_per_px) and um_per_px > 0):
        raise Refused(f"optics.um_per_px: {um_per_px} is not a positive number")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise Refused(f"rate: {rate} is not a positive number")
    if sample.cells > 1:
        raise Refused(f"sample.cells: {sample.cells} cells lie over each other; only a plant camera tells them apart")
    middle_um = camera.middle_um(um_per_px)
    world = World(sample, stage_of(camera, deflector, laser, um_per_px), seed=seed, replica=replica)
    warm_up(sample, camera, world.stage, um_per_px)
    clock: SimulatedClock = LockstepClock(world, latency_s) if rate is None else PacedClock(rate)
    laser_driver = SimulatedLaserDriver(laser, world, clock)
    deflector_driver = SimulatedDeflectorDriver(deflector, middle_um, clock, laser_driver)
    edge_um = ((camera.width_px - 0.5) * um_per_px, (camera.height_px - 0.5) * um_per_px)
    low_um, high_um = field_um or ((-0.5 * um_per_px, -0.5 * um_per_px), edge_um)
    bounds = GuardLimits(
        low_um=low_um, high_um=high_um, power_mw=laser.max_power_mw if power_cap_mw is None else power_cap_mw,
        heartbeat_s=max(heartbeat_s, 5.0 / camera.fps),
    )  # fmt: skip
    beam = Guard(
        deflector_driver, laser_driver, clock, um_to_v or deflector.nominal_map(middle_um), bounds,
        watch=rate is not None,
    )  # fmt: skip
    eye = SimulatedCameraDriver(camera, um_per_px, world, clock, seed, replica)
    return Bench(eye, beam, clock, world, deflector_driver, laser_driver)


def warm_up(sample: Sample, camera: SimulatedCamera, stage: Stage, um_per_px: float) -> None:
    """Compile the kernels on the same sample in a world to throw away: no frame of the real one waits for them."""
    spare = World(sample, stage)
    eye = SimulatedCameraDriver(camera, um_per_px, spare, LockstepClock(spare, 0.0), seed=0)
    eye.read()
    for spots in (1, 2):
        spot_um, depth_kt = np.tile(np.array(stage.middle_um), (spots, 1)), np.full(spots, 1e-3)
        spare.put(Visits(spot_um, depth_kt, np.full(spots, 100_000), power_mw=np.full(spots, 1e-3)))
        eye.read()


def stage_of(camera: SimulatedCamera, deflector: SimulatedDeflector, laser: SimulatedLaser, um_per_px: float) -> Stage:
    """What the world needs to know of its devices. Raises Refused for a frame that arrives after too many others."""
    if camera.readout_s * camera.fps > MOST_FRAMES_LATE:
        raise Refused(
            f"camera.readout_s: a readout of {camera.readout_s:g} s is {camera.readout_s * camera.fps:.3g} frame "
            f"periods at camera.fps {camera.fps:g} (allowed: {MOST_FRAMES_LATE})"
        )
    return Stage(
        middle_um=camera.middle_um(um_per_px),
        extent_um=(camera.width_px * um_per_px, camera.height_px * um_per_px),
        waist_um=laser.waist_um,
        period_s=1.0 / camera.fps,
        exposure_s=camera.exposure_s,
        sub_exposures=camera.sub_exposures,
        warm_up_s=laser.warm_up_s,
        laser_noise=laser.noise,
        jitter_um=deflector.jitter_um,
        frames_kept=2 + math.ceil((camera.exposure_s + camera.readout_s) * camera.fps),
    )

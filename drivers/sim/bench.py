"""The simulated rig: a world with its camera, beam and clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
from drivers.sim.stage import Stage, Visits
from drivers.sim.warm_up import warm_up
from drivers.sim.world import World

MOST_FRAMES_LATE = 1000  # longest readout in frame periods: the world keeps the positions of this many frames


@dataclass(frozen=True)
class Bench:
    """An open simulated rig. The laser is dark at first."""

    camera: SimulatedCameraDriver
    beam: Guard
    clock: SimulatedClock
    world: World
    deflector: SimulatedDeflectorDriver
    laser: SimulatedLaserDriver

    def close(self) -> None:
        """Switch the beam off, then close the camera."""
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
    """Open a simulated rig. x_um = um_per_px * x_px: the middle of the image's top left pixel is (0, 0).

    The sample and the deflector's range are centred in the image.

    Args:
        latency_s: time from the present until a command leaves the computer; lockstep only.
        rate: None: lockstep, where `camera.read` advances the world without waiting. A number: the world runs at this
            multiple of real time, and a late loop misses frames, which shows in Frame.number.
        power_cap_mw: power limit of the guard; None: that of the laser.
        um_to_v: the calibrated map; None: that of the deflector's settings.
        field_um: (low, high) corners that the beam may visit; None: the image.
        heartbeat_s: longest light without a new command; never below five frames.

    Raises Refused for settings that contradict each other.
    """
    _require_possible(sample, um_per_px, rate)
    middle_um = camera.middle_um(um_per_px)
    world = World(sample, stage_of(camera, deflector, laser, um_per_px), seed=seed, replica=replica)
    warm_up_bench(sample, camera, world.stage, um_per_px)
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
    camera_driver = SimulatedCameraDriver(camera, um_per_px, world, clock, seed, replica)
    return Bench(camera_driver, beam, clock, world, deflector_driver, laser_driver)


def _require_possible(sample: Sample, um_per_px: float, rate: float | None) -> None:
    """Raises Refused for settings that contradict each other."""
    if not (math.isfinite(um_per_px) and um_per_px > 0):
        raise Refused(f"optics.um_per_px: {um_per_px} is not a positive number")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise Refused(f"rate: {rate} is not a positive number")
    if sample.cells > 1:
        raise Refused(f"sample.cells: {sample.cells} cells lie over each other; only a plant camera tells them apart")


def warm_up_bench(sample: Sample, camera: SimulatedCamera, stage: Stage, um_per_px: float) -> None:
    """Compile the kernels for this sample and this camera, with one spot and with two."""
    trial_world = World(sample, stage)
    trial_camera = SimulatedCameraDriver(camera, um_per_px, trial_world, LockstepClock(trial_world, 0.0), seed=0)
    middle_um = np.array(stage.middle_um)
    light = [
        Visits(np.tile(middle_um, (n, 1)), np.full(n, 1e-3), np.full(n, 100_000), power_mw=np.full(n, 1e-3))
        for n in (1, 2)
    ]
    warm_up(trial_world, trial_camera, light)


def stage_of(camera: SimulatedCamera, deflector: SimulatedDeflector, laser: SimulatedLaser, um_per_px: float) -> Stage:
    """Properties of the devices that the world depends on. Raises Refused if the readout is too long."""
    if camera.readout_s * camera.fps > MOST_FRAMES_LATE:
        raise Refused(
            f"camera.readout_s: a readout of {camera.readout_s:g} s is {camera.readout_s * camera.fps:.3g} frame "
            f"periods at camera.fps {camera.fps:g} (allowed: {MOST_FRAMES_LATE})"
        )
    return replace(
        stage_of_camera(camera, um_per_px, laser.waist_um),
        warm_up_s=laser.warm_up_s,
        laser_noise=laser.noise,
        jitter_um=deflector.jitter_um,
        frames_kept=2 + math.ceil((camera.exposure_s + camera.readout_s) * camera.fps),
    )


def stage_of_camera(camera: SimulatedCamera, um_per_px: float, waist_um: float) -> Stage:
    """The stage of a camera and of steady light with this waist."""
    return Stage(
        middle_um=camera.middle_um(um_per_px),
        extent_um=(camera.width_px * um_per_px, camera.height_px * um_per_px),
        waist_um=waist_um,
        period_s=1.0 / camera.fps,
        exposure_s=camera.exposure_s,
        sub_exposures=camera.sub_exposures,
    )

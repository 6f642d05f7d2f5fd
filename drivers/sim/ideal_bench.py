"""The plant bench: the simulated world without optics. Frames are tables of positions, and spots are ideal springs.

It is for predictions with an exact force law. Its camera exposes for no time, halfway between the starts of two frames,
and frames arrive at once. Its beam pulls each particle to its own spot with a spring of infinite range, and no other
particle. The loop (frames, holds, delays, latency) works as on every other rig.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Interval, settings
from control.contract import Command, Ended, Fault, Frame
from control.contract import dark as dark_command
from drivers.sim.clock import LockstepClock
from drivers.sim.philox import CAMERA, fill_normals
from drivers.sim.sample import Sample
from drivers.sim.world import Stage, Visits, World

Floats = NDArray[np.float64]

COLUMNS = ("x_um", "y_um", "cell", "species")  # of a frame's table; row i is particle i


@settings
class PlantCamera:
    """A camera that returns the positions of the particles as a table. All cells of the sample share one field."""

    kind: Literal["plant"] = "plant"
    fps: Annotated[float, Interval(ge=0.1, le=1e5), Doc("frame rate")] = 100.0
    error_um: Annotated[float, Ge(0), Doc("Gaussian error of a position, along each axis")] = 0.0
    width_px: Annotated[int, Interval(ge=2, le=10**9), Doc("width of the field")] = 100_001
    height_px: Annotated[int, Interval(ge=2, le=10**9), Doc("height of the field")] = 100_001
    beam: Annotated[
        Literal["at once", "in turn"], Doc("at once: every spot is lit all the time; in turn: one beam visits them")
    ] = "at once"

    @property
    def exposure_s(self) -> float:
        return 0.0

    @property
    def readout_s(self) -> float:
        return 0.0


@dataclass
class PlantEye:
    """The Camera plug of the simulated world: `image` is the table [N, 4] of COLUMNS, float64."""

    camera: PlantCamera
    world: World
    seed: int
    number: int = 0
    open: bool = True

    def read(self) -> Frame | None:
        if not self.open:
            raise Ended("the plant's camera is closed")
        world, number = self.world, self.number
        at_ns = number * world.period_ns + world.exposure_ns // 2
        world.advance(at_ns)
        self.number += 1
        table = np.empty((len(world.cell), len(COLUMNS)))
        table[:, :2] = world.exposed(number)[0]
        if self.camera.error_um > 0:
            kicks = np.empty((len(table), 2))
            fill_normals(kicks, self.seed, 0, CAMERA, number)
            table[:, :2] += self.camera.error_um * kicks
        table[:, 2], table[:, 3] = world.cell, world.species
        table.flags.writeable = False
        return Frame(number, at_ns * 1e-9, table)

    def close(self) -> None:
        self.open = False


@dataclass
class Springs:
    """The Beam plug of the simulated world: each spot is a spring of k = 4 depth / waist^2 to its own particle."""

    world: World
    clock: LockstepClock
    together: bool
    depth_kt_per_mw: float
    open: bool = True

    def send(self, command: Command) -> Command:
        if not self.open:
            raise Fault("the plant's beam is closed")
        if len(command) == 0:
            return self.dark(command.reason)
        if (command.particle < 0).any():
            raise Fault("the plant's beam holds particles with springs, and paints no light about a point")
        dwell_ns = np.maximum(np.rint(command.dwell_s * 1e9).astype(np.int64), 1)
        share = dwell_ns / dwell_ns.sum() if self.together else 1.0
        due_ns = self.clock.acts_ns()
        self.world.put(
            Visits(
                command.position_um, command.power_mw * self.depth_kt_per_mw * share, dwell_ns, due_ns=due_ns,
                particle=command.particle, together=self.together,
            )
        )  # fmt: skip
        return Command(command.position_um, command.power_mw, dwell_ns * 1e-9, command.particle, effect_s=due_ns * 1e-9)

    def dark(self, reason: str) -> Command:
        at_ns = self.clock.acts_ns()
        self.world.darken(at_ns)
        return dark_command(reason)

    def close(self) -> None:
        if self.open:
            self.dark("closed")
        self.open = False


@dataclass(frozen=True)
class PlantBench:
    """An open plant bench; no spring acts at first."""

    camera: PlantEye
    beam: Springs
    clock: LockstepClock
    world: World


def open_plant(
    sample: Sample, camera: PlantCamera, *, um_per_px: float, waist_um: float, depth_kt_per_mw: float, latency_s: float,
    seed: int,
) -> PlantBench:  # fmt: skip
    """Open a plant bench in lockstep. The samples of all cells are centred in its field. Raises Refused.

    Args:
        um_per_px: size of a px of the field.
        waist_um, depth_kt_per_mw: true stiffness of a spring, k = 4 depth / waist^2.
        latency_s: from a frame until its command acts.
    """
    extent_um = (camera.width_px * um_per_px, camera.height_px * um_per_px)
    middle_um = ((camera.width_px - 1) / 2.0 * um_per_px, (camera.height_px - 1) / 2.0 * um_per_px)
    period_s = 1.0 / camera.fps
    stage = Stage(middle_um, extent_um, waist_um, period_s, exposure_s=period_s, sub_exposures=1)
    warm_up(sample, stage, camera)
    world = World(sample, stage, seed=seed)
    clock = LockstepClock(world, latency_s)
    return PlantBench(
        PlantEye(camera, world, seed), Springs(world, clock, camera.beam == "at once", depth_kt_per_mw), clock, world
    )


def warm_up(sample: Sample, stage: Stage, camera: PlantCamera) -> None:
    """Compile the kernels with a second world of the same sample."""
    trial_world = World(sample, stage)
    trial_camera = PlantEye(camera, trial_world, 0)
    trial_camera.read()
    if len(trial_world.cell):
        row = np.zeros(1, np.int64)
        trial_world.put(Visits(trial_world.position_um[row], np.full(1, 1e-3), np.full(1, 100_000), particle=row))
        trial_camera.read()

"""Nine deliberate errors of the program, one at a time: does the reproduction detect them?

A sabotage is a wrong number in an experiment. A mutation is a wrong line of the program. Some mutations change the
simulator and the prediction together, so that only the stated number of a row (Check.stated) reveals them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import app.assembly.machine
import app.assembly.rig
import app.reproduce.rows.row
import control.plant
import drivers.sim.camera
import drivers.sim.world
from app.assembly.rig import Rig
from app.reproduce.check import Check, Effort, Sabotage
from app.reproduce.measure import Outcome, measure
from config.geometry import Affine
from config.reader import Document
from control.history import History, Ints, _of
from control.plant import BOLTZMANN_PN_UM_PER_K, Plant
from control.policies.force_context import Now
from drivers.sim.camera import SimulatedCamera
from drivers.sim.clock import LockstepClock
from drivers.sim.kernel_arguments import beads_of

Floats = NDArray[np.float64]
Patch = tuple[Any, str, Any]  # object, name of its attribute, wrong value


@dataclass(frozen=True)
class Mutation:
    """One wrong line of the program, and the rows that should detect it at the least cost."""

    title: str
    what: str  # the wrong part, in words
    rows: tuple[str, ...]
    patches: Callable[[], Sequence[Patch]] = tuple
    keys: tuple[str, ...] = ()  # of the simulated sample or light, which the prediction does not use
    factor: float = 1.0

    @contextmanager
    def made(self) -> Iterator[None]:
        """Inside this block, in this process, the program contains the error."""
        with ExitStack() as put_back:
            for owner, name, wrong in self.patches():
                put_back.callback(setattr, owner, name, owner.__dict__[name])
                setattr(owner, name, wrong)
            yield


def measure_mutated(name: str, check: Check, document: Document, effort: Effort) -> Outcome:
    """Measure a row with a wrong program, and compare with its stated number. Raises Refused, Fault."""
    mutation = MUTATIONS[name]
    with mutation.made():
        wrong = replace(check, sabotage=Sabotage(keys=mutation.keys, factor=mutation.factor))
        return measure(wrong, document, effort, sabotaged=True, drawn=False)


def _boltzmann() -> Sequence[Patch]:
    wrong = 1.03 * BOLTZMANN_PN_UM_PER_K
    return [(module, "BOLTZMANN_PN_UM_PER_K", wrong) for module in (control.plant, drivers.sim.world)]


def _diffusion() -> Sequence[Patch]:
    original = Plant.__dict__["diffusion_um2_per_s"].fget

    def beads(*arguments: Any) -> Any:
        bead_values = beads_of(*arguments)
        return bead_values._replace(spread=bead_values.spread * np.sqrt(1.05))

    return [
        (drivers.sim.world, "beads_of", beads),
        (Plant, "diffusion_um2_per_s", property(lambda self: 1.05 * float(original(self)))),
    ]


def _hold() -> Sequence[Patch]:
    original = app.assembly.rig.shortest_delay_s

    def shortest_s(rig: Rig) -> float:
        return original(rig) - 0.5 / rig.camera.fps

    modules = (app.assembly.rig, app.assembly.machine, app.reproduce.rows.row)
    begins = property(lambda now: now.seen.effect_s)
    return [(Now, "acts_s", begins), *((module, "shortest_delay_s", shortest_s) for module in modules)]


def _frame_off() -> Sequence[Patch]:
    original = History._seen_at

    def one_before(self: History, time_s: float, particle: Ints) -> Floats:
        frame_s = self.sightings[-1].time_s - self.sightings[-2].time_s if len(self.sightings) > 1 else 0.0
        return original(self, time_s - frame_s, particle)

    return [(History, "_seen_at", one_before)]


def _nearest() -> Sequence[Patch]:
    def nearest(self: History, time_s: float, particle: Ints) -> Floats:
        times_s = np.array([sighting.time_s for sighting in self.sightings])
        if not len(times_s) or time_s < times_s[0] or time_s > times_s[-1] + 1e-9:
            return np.full((len(particle), 2), np.nan)
        return _of(self.sightings[int(np.argmin(np.abs(times_s - time_s)))], particle)

    return [(History, "_seen_at", nearest)]


def _latency() -> Sequence[Patch]:
    original = LockstepClock.acts_ns
    return [(LockstepClock, "acts_ns", lambda clock: original(clock) + 5_000_000)]


def _scale() -> Sequence[Patch]:
    original = drivers.sim.camera.true_map

    def larger(camera_settings: SimulatedCamera, um_per_px: float) -> Affine:
        return original(replace(camera_settings, true_um_per_px=1.03 * um_per_px), um_per_px)

    return [(drivers.sim.camera, "true_map", larger)]


MUTATIONS = {
    "kb": Mutation(
        "kB + 3 %", "Boltzmann's constant, of simulator and predictions", ("P1-plant", "P4-plant"), _boltzmann
    ),
    "d": Mutation(
        "D + 5 %", "the random forces of the simulator, and D of all predictions", ("P1-plant", "P16-plant"), _diffusion
    ),
    "drag": Mutation(
        "drag + 3 %", "of the simulated particles", ("P17-plant", "P20-plant"),
        keys=("sample.drag_pn_s_per_um",), factor=1.03,
    ),
    "stiffness": Mutation(
        "stiffness + 3 %", "of the simulated spots", ("P16-plant", "P17-plant", "P28-plant"),
        keys=("laser.depth_kt_per_mw",), factor=1.03,
    ),
    "hold": Mutation(
        "hold ignored", "positions are looked up for the beginning of a hold", ("P17-plant", "P22-plant"),
        _hold,
    ),
    "frame": Mutation("history one frame off", "the look-up of past positions", ("P17-plant", "P22-plant"), _frame_off),
    "nearest": Mutation(
        "history nearest", "the position in the nearest frame, without interpolation", ("P22-plant",), _nearest
    ),
    "latency": Mutation(
        "latency + 5 ms", "of the simulated computer, but not in the plan", ("P13-plant", "P16-plant"), _latency
    ),
    "scale": Mutation("image scale + 3 %", "of the simulated optics", ("P2-instrument", "P23-instrument"), _scale),
}  # fmt: skip

"""Identities in the closed loop: images of the simulated rig, the real tracker and law, and the true positions.

Frames are dropped, particles blink and meet: in a crystal, in a crowd of touching discs, as swimmers that pass through
each other. A body is a true particle. A swap: a track changes to another body. A swap is silent if the track was not
UNCERTAIN in any frame since it was last clearly on the first body; test T12 is on silent swaps. While two bodies
overlap in the image, a track can't be assigned to one of them; such sightings are counted as `overlapped`.

    python -m benchmarks.identities [--frames N] [--json FILE]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.assembly.machine import build_machine
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.console.json_file import write_json
from app.running.thread import NoRecord
from control.contract import Order, OrderKind, State, Tracks
from control.loop import Machine, act, turn
from drivers.sim.bench import Bench, open_bench
from drivers.sim.camera import SimulatedCamera
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.laser import SimulatedLaser

Floats = NDArray[np.float64]
Row = dict[str, Any]

FRAMES = 10_000
TROUBLE = ("camera.drop=0.01", "camera.blink=0.02", "sample.number=50")
MARGIN_UM = 0.2  # 2 px more than the least distance of two features: closer bodies may be confused
NEAR_UM = 0.5  # two more widths of a spot: with a body closer than this, an alarm is not false


@dataclass(frozen=True)
class LawScene:
    """Fifty particles under a law."""

    name: str
    sets: tuple[str, ...]
    experiment: str = "ring_crystal"


CROWD = (
    "sample.arrangement=random", "sample.walls=true", "tracking.diameter_px=9", "tracking.separation_px=8",
    "policy.forces.0.shape.radius_um=1.1", "sample.diameter_um=1.0", "sample.drag_pn_s_per_um=0.018",
    "plant.drag_pn_s_per_um=0.018", "plant.diameter_um=1.0", "sample.box_um=[14, 14]",
)  # fmt: skip
SCENES = (
    LawScene("ring crystal", ("camera.width_px=320", "camera.height_px=320")),
    LawScene("crowd of touching discs", CROWD),
    LawScene("crowd, locator windows", (*CROWD, "tracking.locator=windows")),
    LawScene(
        "swimmers that pass through each other",
        (
            *CROWD[:4],
            "sample.wca_kt=0",
            "keep_in_field=null",
            "sample.box_um=[34, 34]",
            "camera.width_px=384",
            "camera.height_px=384",
        ),
        "annular_activity",
    ),
)


@dataclass
class TrackScore:
    """Counts over all tracks. A sighting is one track in one frame."""

    overlap_um: float
    sightings: int = 0
    overlapped: int = 0  # sightings in which two bodies could not be distinguished
    uncertain: int = 0  # sightings that are UNCERTAIN
    alarms: int = 0  # times at which a track became uncertain
    false_alarms: int = 0  # ... without a close body and without a swap
    swaps: int = 0
    silent: int = 0  # swaps without a preceding alarm
    identities: int = 0
    body: dict[int, int] = field(default_factory=dict)  # by track: its body
    doubted: dict[int, bool] = field(default_factory=dict)  # UNCERTAIN since it was last clearly on its body
    excused: dict[int, bool] = field(default_factory=dict)  # another body was close since then, or the track swapped

    def look(self, tracks: Tracks, truth_um: Floats) -> None:
        """Add one frame: its tracks, and the true positions [N, 2] of all bodies."""
        if len(tracks) == 0:
            return
        away_um = np.linalg.norm(tracks.position_um[:, None] - truth_um, axis=-1)  # [T, N]
        apart_um = np.linalg.norm(truth_um[:, None] - truth_um, axis=-1) + np.diag(np.full(len(truth_um), np.inf))
        nearest = away_um.argmin(axis=1)
        second_um = np.partition(away_um, 1, axis=1)[:, 1]
        lonely_um = apart_um.min(axis=1)[nearest]
        clear = (second_um - away_um.min(axis=1) > self.overlap_um) & (lonely_um > self.overlap_um)
        near = lonely_um < self.overlap_um + NEAR_UM
        rows = zip(tracks.particle.tolist(), tracks.state.tolist(), nearest.tolist(), clear, near, strict=True)
        for who, state, body, sure, close in rows:
            self._follow(who, State(state), body, bool(sure), bool(close))
        self.identities = max(self.identities, int(tracks.particle.max()) + 1)

    def _follow(self, who: int, state: State, body: int, sure: bool, close: bool) -> None:
        self.sightings += 1
        self.overlapped += not sure
        self.excused[who] = self.excused.get(who, False) or close
        if state is State.UNCERTAIN:
            self.uncertain += 1
            self.alarms += not self.doubted.get(who, False)
            self.doubted[who] = True
        if not sure or (who not in self.body and state is not State.GOOD):
            return  # the body is ambiguous, or the track has not been GOOD yet
        before = self.body.setdefault(who, body)
        doubted = self.doubted.get(who, False)
        swapped = before != body
        self.body[who] = body
        self.swaps += swapped
        self.silent += swapped and not doubted
        self.excused[who] = self.excused[who] or swapped
        if state is not State.UNCERTAIN:
            self.false_alarms += doubted and not self.excused[who]
            self.doubted[who] = self.excused[who] = False


def follow(scene: LawScene, frames: int, *sets: str, armed: bool = True) -> Row:
    """Run `frames` frames of a scene in the closed loop; without `armed`, in the dark."""
    made = plan(EXPERIMENTS / f"{scene.experiment}.yaml", None, [*TROUBLE, *scene.sets, *sets])
    least_um = made.rig.tracking.least_distance_px * made.rig.optics.um_per_px
    machine, score = build_machine(made), TrackScore(least_um + MARGIN_UM)
    began_s = time.perf_counter()
    with opened(made) as bench:
        lit, dropped = _fly(machine, bench, frames, score, armed)
    row = {key: value for key, value in asdict(score).items() if isinstance(value, int)}
    return {
        "scene": scene.name, "frames": frames, "dropped": dropped, "lit": lit, **row,
        "seconds": round(time.perf_counter() - began_s, 1),
    }  # fmt: skip


def _fly(machine: Machine, bench: Bench, frames: int, score: TrackScore, armed: bool) -> tuple[int, int]:
    """(turns with light, frames dropped)."""
    memory = machine.start()
    orders: tuple[Order, ...] = (Order(OrderKind.ARM),) if armed else ()
    lit = dropped = number = 0
    while number < frames:
        frame = bench.camera.read()
        assert frame is not None
        memory, done = turn(machine, memory, frame, bench.clock.now_s(), orders)
        done, faults = act(bench.beam, bench.clock, NoRecord(), done)
        assert not faults, faults
        score.look(done.tracks, bench.world.exposed(frame.number).mean(axis=0))
        orders, number, dropped = (), frame.number + 1, done.dropped
        lit += len(done.sent) > 0
    return lit, dropped


def opened(made: Plan) -> Bench:
    """The simulated rig of a plan, with access to its true positions."""
    rig = made.rig
    assert isinstance(rig.camera, SimulatedCamera)
    assert isinstance(rig.deflector, SimulatedDeflector)
    assert isinstance(rig.laser, SimulatedLaser)
    return open_bench(
        rig.sample, rig.camera, rig.deflector, rig.laser, um_per_px=rig.optics.um_per_px,
        latency_s=rig.loop.latency_s, seed=made.experiment.seed, power_cap_mw=rig.power_mw, um_to_v=rig.um_to_v(),
    )  # fmt: skip


def bench(frames: int, file: Path | None) -> list[Row]:
    """Run every scene; results on the console and, with `file`, as JSON."""
    rows = []
    for scene in SCENES:
        rows.append(row := follow(scene, frames))
        print(f"{row['scene']:36} {row['frames']} frames, {row['dropped']} dropped: {row['swaps']} swaps, "
              f"{row['silent']} silent; {row['alarms']} alarms, {row['false_alarms']} false; "
              f"{row['uncertain'] / row['sightings']:.2%} of sightings uncertain, "
              f"{row['overlapped'] / row['sightings']:.2%} overlapped; {row['identities']} identities")  # fmt: skip
    if file is not None:
        write_json(file, {"identities": rows})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--frames", type=int, default=FRAMES)
    ask.add_argument("--json", type=Path)
    wanted = ask.parse_args(arguments)
    bench(wanted.frames, wanted.json)


if __name__ == "__main__":
    main()

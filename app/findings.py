"""What a run shows beside what was foreseen: rows of a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis import bonds_by_frame, msd, speeds
from app.energetics import work_kt
from app.heading import heading_memory, persistence_s
from app.machine import build_light, latency_s
from app.means import Means, minimum
from app.motion import foreseen_speed_um_per_s, longest_delay_s
from app.rig_file import Plan
from control.experiment import Experiment, Programmed
from control.theory import active, delayed
from control.theory.many import random_bond_order

Floats = NDArray[np.float64]

BLOCKS = 8
LONGEST_WORK_TURNS = 12_000


@dataclass(frozen=True)
class Finding:
    """One observable: nan where nothing was foreseen, or nothing could be measured."""

    name: str
    unit: str
    foreseen: float
    measured: float
    error: float
    source: str


@dataclass(frozen=True)
class RunTables:
    """A run, as its report needs it."""

    plan: Plan
    means: Means
    fps: float
    tracks: pd.DataFrame
    commands: pd.DataFrame
    forces: pd.DataFrame
    rings: pd.DataFrame
    turns: pd.DataFrame
    acted: bool = True  # whether light can have moved anybody: not in the dark, nor in a recording


def means_of(made: Plan, particles: int) -> Means:
    """What the run's rig has to work with: from mid-exposure to effect."""
    rig = made.rig
    seen_s = rig.camera.exposure_s / 2.0 + rig.camera.readout_s
    return Means(rig.plant, build_light(made), seen_s + latency_s(rig), 1.0 / rig.camera.fps, particles)


def in_blocks(values: pd.DataFrame, column: str) -> tuple[float, float]:
    """(mean, standard error) of a column, from the scatter between 8 stretches of time."""
    values = values[np.isfinite(values[column])]
    if len(values) < 2 * BLOCKS:
        return math.nan, math.nan
    block = pd.cut(values["time_s"], BLOCKS, labels=False)
    means = values.groupby(block)[column].mean().to_numpy()
    return float(values[column].mean()), float(means.std(ddof=1) / math.sqrt(len(means)))


def alone(experiment: Experiment) -> tuple[object, float | None] | None:
    """(shape, delay) of the one self force that is the whole law; None for other laws."""
    forces = experiment.policy.forces if isinstance(experiment.policy, Programmed) else ()
    if len(forces) == 1 and forces[0].kind == "self" and getattr(forces[0].shape, "central", False):
        return forces[0].shape, forces[0].delay_s
    return None


def findings(run: RunTables) -> list[Finding]:
    """All that applies to this run."""
    found: list[Finding] = []
    makers: list[Callable[[RunTables], list[Finding]]] = [of_delay, of_memory, of_speed, of_heat, of_order]
    for make in makers:
        found += make(run)
    return found


def of_delay(run: RunTables) -> list[Finding]:
    """The delay that was achieved, its jitter, and the latency."""
    turns = run.turns[np.isfinite(run.turns["sent_effect_s"])]
    late_s = (turns["sent_effect_s"] - turns["frame_time_s"]).to_numpy(np.float64)
    found = []
    if len(late_s):
        found.append(
            Finding("latency, mid-exposure to effect", "s", run.means.latency_s, float(np.median(late_s)),
                    float(late_s.std()), "time stamps; the error is the jitter, rms")
        )  # fmt: skip
        if run.plan.experiment.mode == "steered":
            kappa, hold_s = run.plan.rig.plant.rate_hz(run.means.light.stiffness_pn_per_um), run.means.hold_s
            measured = kappa * (float(np.median(late_s)) + 0.5 * hold_s)
            source = "κ of the trap times the age of what it was aimed at: 1 + z times slower and colder (P9)"
            found.append(
                Finding("z of the latency", "", kappa * run.means.age_s, measured, kappa * float(late_s.std()), source)
            )
    for table in (run.forces, run.rings):
        if len(table) and np.isfinite(table["delay_achieved_s"]).any():
            got, wanted = table["delay_achieved_s"].dropna(), table["delay_s"].dropna()
            found.append(
                Finding("achieved delay τ", "s", float(wanted.mean()), float(got.mean()), float(got.std()),
                        "the error is the jitter, rms")
            )  # fmt: skip
    return found


def of_memory(run: RunTables) -> list[Finding]:
    """z, T_eff and D_eff of a particle that is bound to its own past."""
    law = alone(run.plan.experiment)
    if law is None:
        return []
    shape, delay_s = law
    plant = run.plan.rig.plant
    tau_s = delay_s or run.means.age_s
    at_um, stiffness = minimum(shape, plant)
    kappa = plant.rate_hz(stiffness)
    z = kappa * tau_s
    got_s = np.concatenate([table["delay_achieved_s"].dropna() for table in (run.forces, run.rings)])
    achieved, jitter = (kappa * got_s.mean(), kappa * got_s.std()) if len(got_s) else (math.nan, math.nan)
    found = [Finding("z = κτ", "", z, achieved, jitter, "κ of the minimum times the delay, as wanted and as achieved")]
    if at_um > 1e-3:
        return found
    d = plant.diffusion_um2_per_s
    late, error = late_diffusion(run, tau_s)
    late_foreseen = delayed.long_diffusion_um2_per_s(d, kappa, tau_s)
    ratio = math.sqrt(late / d) if late > 0 else math.nan
    kelvin = plant.temperature_k
    return [
        *found,
        Finding("D_eff", "µm²/s", late_foreseen, late, error, "D/(1 + z)² (P9); slope of the late MSD"),
        Finding("T_eff", "K", kelvin / (1.0 + z), kelvin * ratio, kelvin * ratio * error / (2.0 * late) if late > 0
                else math.nan, "T/(1 + z) (P9); T √(D_eff/D)"),
    ]  # fmt: skip


def late_diffusion(run: RunTables, tau_s: float) -> tuple[float, float]:
    """(D_eff, its standard error) from the slope of the MSD beyond 3 tau, in the plane; the error from 4 stretches."""
    time_s = run.tracks["time_s"]
    span_s = float(time_s.max() - time_s.min())
    longest_s = min(max(12.0 * tau_s, 2.0), span_s / 8.0)
    if longest_s < 4.0 * tau_s:
        return math.nan, math.nan

    def slope(tracks: pd.DataFrame) -> float:
        spread = msd(tracks, run.fps, longest_s)
        late = spread[spread.index.to_numpy() >= 3.0 * tau_s].dropna()
        return (
            float(np.polyfit(late.index.to_numpy(np.float64), late.to_numpy(), 1)[0] / 4.0)
            if len(late) > 2
            else math.nan
        )

    block = pd.cut(time_s, 4, labels=False)
    parts = np.array([slope(own) for _, own in run.tracks.groupby(block)])
    return slope(run.tracks), float(parts.std(ddof=1) / 2.0)


def of_speed(run: RunTables) -> list[Finding]:
    """|r(t) - r(t - tau)| / tau, and how long a direction lasts."""
    experiment = run.plan.experiment
    tau_s = longest_delay_s(experiment)
    measured, error = in_blocks(speeds(run.tracks, tau_s, settle_s=tau_s), "speed_um_per_s")
    foreseen = foreseen_speed_um_per_s(experiment, run.means)
    found = [Finding("speed over τ", "µm/s", foreseen, measured, error, "γv = F(vτ) (P17, P20); |r(t) − r(t − τ)|/τ")]
    if math.isfinite(foreseen):
        d = run.plan.rig.plant.diffusion_um2_per_s
        lasting_s, length_um = active.persistence(d, foreseen, tau_s)
        memory = heading_memory(run.tracks, tau_s, run.fps, min(2.0 * lasting_s + tau_s, 20.0))
        seen_s = persistence_s(memory, tau_s)
        found.append(Finding("persistence time", "s", lasting_s, seen_s, math.nan, "(vτ)²/4D (P18)"))
        found.append(Finding("persistence length", "µm", length_um, seen_s * measured, math.nan, "v times that"))
    return found


def of_heat(run: RunTables) -> list[Finding]:
    """Heat to the bath, per particle, both axes."""
    rig = run.plan.rig
    turns = np.sort(run.commands["turn"].unique())[:LONGEST_WORK_TURNS]
    if len(turns) < 2 * BLOCKS:
        return []
    commands = run.commands[run.commands["turn"].isin(turns)]
    work = work_kt(
        run.tracks, commands, waist_um=rig.optics.waist_um, depth_kt_per_mw=rig.optics.depth_kt_per_mw,
        settle_s=rig.deflector.settle_s,
        efficiency=rig.calibration.evenness.efficiency() if rig.calibration.evenness is not None else None,
    )  # fmt: skip
    work["rate"] = work["work_kt"] * run.fps
    mean, error = in_blocks(work, "rate")
    law, foreseen = alone(run.plan.experiment), math.nan
    if law is not None:
        at_um, stiffness = minimum(law[0], rig.plant)
        if at_um < 1e-3:
            foreseen = 2.0 * delayed.heat_kt_per_s(rig.plant.rate_hz(stiffness), law[1] or run.means.age_s)
    return [Finding("heat to the bath", "kT/s", foreseen, mean, error, "2κ(z − 1)/(z + 1) (P12); work of the light")]


def cutoff_um(run: RunTables) -> float:
    """Bonds are shorter than 1.25 times the ring's radius; without a ring, than twice a particle's diameter."""
    experiment = run.plan.experiment
    forces = experiment.policy.forces if isinstance(experiment.policy, Programmed) else ()
    for force in forces:
        if force.kind == "pair" and getattr(force.shape, "central", False):
            at_um, _ = minimum(force.shape, run.plan.rig.plant)
            if at_um > 0.5 * run.plan.rig.plant.diameter_um:
                return 1.25 * at_um
    return 2.0 * run.plan.rig.plant.diameter_um


def of_order(run: RunTables) -> list[Finding]:
    """Bond order and bond length of many particles."""
    if run.tracks["particle"].nunique() < 5:
        return []
    found = []
    every = run.tracks[run.tracks["frame"] % max(round(run.fps / 10.0), 1) == 0]  # ten times a second will do
    for order in (6, 4):
        seen = bonds_by_frame(every, cutoff_um(run), order)
        mean, error = in_blocks(seen, "order_inner")
        source = f"foreseen: random directions (P25); of those with {order} neighbours"
        found.append(Finding(f"|ψ{order}|", "", random_bond_order(order), mean, error, source))
    mean, error = in_blocks(seen, "bond_um")
    return [*found, Finding("bond length", "µm", cutoff_um(run) / 1.25, mean, error, "the ring's radius (P23)")]

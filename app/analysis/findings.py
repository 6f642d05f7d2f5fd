"""Measured observables of a run beside their predictions: rows of a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis.heat import work_and_heat
from app.analysis.live_observables import bond_order
from app.analysis.orientation import heading_memory, persistence_s
from app.analysis.predicted_motion import (
    longest_delay_s,
    own_past,
    predicted_msd_um2,
    predicted_persistence_s,
    predicted_speed_um_per_s,
    under,
)
from app.analysis.trajectories import POSITION, bonds, bonds_by_frame, less_drift, msd_less_drift, speeds
from app.assembly.machine import build_light, latency_s
from app.assembly.rig import Plan
from control.experiment import Experiment
from control.potentials.shape import is_central
from control.theory import delayed
from control.theory.conditions import Conditions, minimum
from control.theory.many import random_bond_order
from control.theory.own_past import SHORTER, OwnPast

Floats = NDArray[np.float64]

BLOCKS = 8
LONGEST_WORK_TURNS = 12_000
NEAR = 1.25  # of the ring's radius: closer particles are bound
MOST_ORDERED = 40_000  # number of positions for the mean bond order
AT_ONCE_S = 0.1  # used in place of the delay if there is none
MOST_ECHO = 0.5  # largest relative contribution of echoes to the slope of the late MSD for a measured D_eff
LATE = "slope of the late MSD, less drift; ± of 4 stretches (twice it holds 86 %)"

ROUNDING = 1e-9  # relative: a smaller error is only rounding


@dataclass(frozen=True)
class Finding:
    """One observable: nan if there is no prediction, or if it could not be measured."""

    name: str
    unit: str
    predicted: float
    measured: float
    error: float
    source: str
    random: float = math.nan  # value for random positions, if it is not 0


@dataclass(frozen=True)
class RunTables:
    """The tables of a run for its report."""

    plan: Plan
    conditions: Conditions
    fps: float  # of the frame numbers of `tracks`; their mean rate may be lower (`frame_times`)
    tracks: pd.DataFrame
    commands: pd.DataFrame
    forces: pd.DataFrame
    rings: pd.DataFrame
    turns: pd.DataFrame
    acted: bool = True  # whether light can have moved particles: not in the dark, nor in a replay
    since: str = ""  # beginning of the stretch, in words; empty: the whole run
    changes: str = ""  # changes of the frame rate, in words; empty: none

    @property
    def free(self) -> bool:
        """Whether the motion is that of free particles, in known units: 4Dt is then a prediction.

        Light has moved the particles of a recorded run that was lit, by a law that may differ from that of its replay.
        """
        return not (self.acted or self.plan.unknown or self.plan.rig.tracking.trapped == "recorded")


def conditions_of(plan: Plan, particles: int, fps: float) -> Conditions:
    """The conditions of a run for predictions: latency from mid-exposure to effect; hold for the mean frame interval.

    Args:
        fps: the mean frame rate, which may differ from the requested one.
    """
    rig = plan.rig
    image_age_s = rig.camera.image_age_s
    return Conditions(rig.plant, build_light(plan), image_age_s + latency_s(rig), 1.0 / fps, particles)


def blocks(time_s: pd.Series[float], number: int) -> NDArray[np.float64]:
    """[N] index of the time stretch of each row, of `number` equal ones; fewer if the times can't be separated."""
    return np.asarray(pd.cut(time_s, number, labels=False, duplicates="drop"), np.float64)


def in_blocks(values: pd.DataFrame, column: str) -> tuple[float, float]:
    """(mean, standard error) of a column, from the scatter between 8 stretches of time."""
    values = values[np.isfinite(values[column])]
    if len(values) < 2 * BLOCKS:
        return math.nan, math.nan
    block = blocks(values["time_s"], BLOCKS)
    block_means = values.groupby(block)[column].mean().to_numpy()
    return float(values[column].mean()), float(block_means.std(ddof=1) / math.sqrt(len(block_means)))


def alone(run: RunTables) -> OwnPast | None:
    """The motion under a law of one force about the particle's own past; None for other laws, and without light."""
    return own_past(run.plan.experiment, run.conditions) if run.acted else None


def findings(run: RunTables) -> list[Finding]:
    """All findings that apply to this run."""
    results: list[Finding] = []
    makers: list[Callable[[RunTables], list[Finding]]] = [of_delay, of_memory, of_speed, of_heat, of_order]
    for make in makers:
        results += make(run)
    return results


def of_delay(run: RunTables) -> list[Finding]:
    """The latency, and the achieved delay with its jitter."""
    if not run.acted:
        return []
    lit = run.commands.loc[run.commands["command"] == "sent", "turn"]  # a dark command acts at another time
    turns = run.turns[np.isfinite(run.turns["sent_effect_s"]) & run.turns["turn"].isin(lit)]
    latencies_s = (turns["sent_effect_s"] - turns["frame_time_s"]).to_numpy(np.float64)
    results = []
    if len(latencies_s):
        results.append(
            Finding("latency, mid-exposure to effect", "s", run.conditions.latency_s, float(np.median(latencies_s)),
                    float(latencies_s.std()), "time stamps; the error is the jitter, rms")
        )  # fmt: skip
        conditions = under(run.conditions, run.plan.experiment)
        if conditions.lag_s > 0.0:
            z, hold_s = conditions.late_z, conditions.hold_s
            kappa = z / conditions.lag_s
            measured = kappa * (float(np.median(latencies_s)) + 0.5 * hold_s)
            source = "κ of the trap times the age of what it was aimed at: 1 + z times slower and colder (P9)"
            results.append(Finding("z of the latency", "", z, measured, kappa * float(latencies_s.std()), source))
    for table in (run.forces, run.rings):
        if len(table) and np.isfinite(table["delay_achieved_s"]).any():
            achieved, requested = (table[name][np.isfinite(table[name])] for name in ("delay_achieved_s", "delay_s"))
            results.append(
                Finding("achieved delay τ", "s", float(requested.mean()), float(achieved.mean()), float(achieved.std()),
                        "the error is the jitter, rms")
            )  # fmt: skip
    return results


def of_memory(run: RunTables) -> list[Finding]:
    """z, T_eff and D_eff of a particle that is bound to its own past, or runs from it; for other laws only D_eff.

    There is no prediction if the trap does not hold the particle, or its motion never settles.
    """
    law = alone(run)
    if law is None or not (law.is_trap or law.speed_um_per_s > 0.0):  # neither bound nor started by fluctuations
        d = run.plan.rig.plant.diffusion_um2_per_s if run.free else math.nan
        delays = any(force.delay_s for force in run.plan.experiment.policy.forces)
        d_eff, error = late_diffusion(run, longest_delay_s(run.plan.experiment) if run.acted else AT_ONCE_S)
        if math.isnan(d_eff) and run.acted and not delays:  # driven particles leave the field too soon for a long delay
            d_eff, error = late_diffusion(run, AT_ONCE_S)
        source = f"kT/γ: no light has acted (P1); {LATE}" if run.free else LATE
        return [Finding("D_eff", "µm²/s", d, d_eff, error, source)]
    plant = run.plan.rig.plant
    rate_hz = law.running_rate_hz if law.speed_um_per_s > 0.0 else law.rate_hz if law.holds else math.nan
    achieved_s = np.concatenate([table["delay_achieved_s"].dropna() for table in (run.forces, run.rings)])
    achieved, jitter = (
        (rate_hz * achieved_s.mean(), rate_hz * achieved_s.std()) if len(achieved_s) else (math.nan, math.nan)
    )
    source = "κ of the force where the particle is, times the delay, as wanted and as achieved"
    results = [Finding("z = κτ", "", rate_hz * law.delay_s, achieved, jitter, source)]
    if law.speed_um_per_s > 0.0:
        return results + of_running(run, law)
    d, kelvin = plant.diffusion_um2_per_s, plant.temperature_k
    d_eff, error = late_diffusion(run, law.delay_s, law if law.holds else None)
    ratio = math.sqrt(d_eff / d) if d_eff > 0 else math.nan
    d_eff_predicted = law.late_um2_per_s if law.is_trap else math.nan
    slower = math.sqrt(d / d_eff_predicted)
    return [
        *results,
        Finding("D_eff", "µm²/s", d_eff_predicted, d_eff, error, f"D/(1 + z)², with the trap's lag (P9); {LATE}"),
        Finding("T_eff", "K", kelvin / slower, kelvin * ratio, kelvin * ratio * error / (2.0 * d_eff) if d_eff > 0
                else math.nan, "T/(1 + z) (P9); T √(D_eff/D)"),
    ]  # fmt: skip


def of_running(run: RunTables, law: OwnPast) -> list[Finding]:
    """D_eff of a particle that runs from its own past, from its speed and persistence time, and the matching T_eff."""
    plant, tau_s = run.plan.rig.plant, law.delay_s
    persistence_time_s, error_s = lasting(run, tau_s, law.persistence_s)
    measured, error = in_blocks(speeds(run.tracks, tau_s, settle_s=tau_s), "speed_um_per_s")
    d_eff = measured**2 * persistence_time_s / 2.0 + law.rest_um2_per_s
    d_eff_error = d_eff * math.hypot(2.0 * error / measured, error_s / persistence_time_s) if d_eff > 0 else math.nan
    source = "v² times half of the persistence time, and D/2(1 + z)² (P19), of prediction and measurement"
    if law.is_rough:
        source += f"; in a Gaussian spot {SHORTER:g} to 1 of the prediction, simulated"
    kelvin_per_d = plant.temperature_k / plant.diffusion_um2_per_s
    return [
        Finding("D_eff", "µm²/s", law.late_um2_per_s, d_eff, d_eff_error, source),
        Finding(
            "T_eff",
            "K",
            kelvin_per_d * law.late_um2_per_s,
            kelvin_per_d * d_eff,
            kelvin_per_d * d_eff_error,
            "T D_eff/D: how hot a bath would have to be",
        ),
    ]


def lasting(run: RunTables, tau_s: float, expected_s: float) -> tuple[float, float]:
    """(persistence time of the direction, its standard error) in s, by a jackknife over 8 stretches of time."""
    longest_s = min(2.0 * expected_s + tau_s, 20.0)

    def estimate_s(tracks: pd.DataFrame) -> float:
        return persistence_s(heading_memory(tracks, tau_s, run.fps, longest_s), tau_s)

    time_s = run.tracks["time_s"]
    block = blocks(time_s, BLOCKS)
    if float(np.ptp(time_s)) < BLOCKS * tau_s:
        return estimate_s(run.tracks), math.nan
    jackknife_s = np.array([estimate_s(run.tracks[block != index]) for index in range(BLOCKS)])
    value_s, error = (
        estimate_s(run.tracks),
        math.sqrt((BLOCKS - 1) / BLOCKS * ((jackknife_s - jackknife_s.mean()) ** 2).sum()),
    )
    return (value_s, error) if error < value_s else (math.nan, math.nan)  # the run is too short


def late_diffusion(run: RunTables, tau_s: float, law: OwnPast | None = None) -> tuple[float, float]:
    """(D_eff, its standard error) from the slope of the MSD beyond 3 tau, in the plane, less each particle's drift.

    The error is from 4 stretches of time: it has 3 degrees of freedom, and 2 standard errors contain 86 %, not 95 %.
    A spring to a particle's own past has echoes at these lags: its slope is compared with that of P7 at the same lags.
    (nan, nan) if the run is too short, or if echoes dominate its MSD.

    Args:
        law: a spring to the own past, under which the particles moved.
    """
    first_s = 3.0 * tau_s
    if law is not None and not law.ideal:  # no closed form of the MSD: wait until the echoes have decayed
        z = law.slow_z(law.rate_hz)
        if not 0.0 < z < delayed.LARGEST_KAPPA_TAU:
            return math.nan, math.nan
        first_s = max(first_s, 2.0 * delayed.slowest_decay_s(z / law.delay_s, law.delay_s))
    time_s = run.tracks["time_s"]
    span_s = float(time_s.max() - time_s.min())
    paths = less_drift(run.tracks)
    median_s = float(paths["frames"].median()) / run.fps if len(paths) else 0.0  # median length of the stretches
    longest_s = min(max(4.0 * first_s, 2.0), span_s / 8.0, median_s / 2.0)
    if longest_s < 4.0 / 3.0 * first_s:
        return math.nan, math.nan

    def slope(paths: pd.DataFrame) -> float:
        msd_table = msd_less_drift(paths, run.fps, longest_s)
        late_part = msd_table[msd_table.index.to_numpy() >= first_s].dropna()
        lag_s = late_part.index.to_numpy(np.float64)
        free_s = _free_s(run, law, lag_s) if len(lag_s) > 2 else None
        if free_s is None:
            return math.nan
        remaining_s = free_s - late_part["taken_s"].to_numpy()
        msd_slope, remaining_slope = (
            float(np.polyfit(lag_s, values, 1)[0]) for values in (late_part["msd_um2"].to_numpy(), remaining_s)
        )
        return msd_slope / (4.0 * remaining_slope) if remaining_slope > 0.0 else math.nan

    parts = np.array([slope(part) for _, part in paths.groupby(blocks(paths["time_s"], 4))])
    return slope(paths), float(parts.std(ddof=1) / 2.0)


def _free_s(run: RunTables, law: OwnPast | None, lag_s: Floats) -> Floats | None:
    """[L] MSD over 4 D_eff: the lag, except for the echoes of a spring. None if the echoes dominate the slope."""
    predicted = (
        predicted_msd_um2(run.plan.experiment, run.conditions, lag_s) if law is not None and law.is_trap else None
    )
    if law is None or predicted is None:
        return lag_s
    free_s = predicted / (4.0 * law.late_um2_per_s)
    return free_s if abs(np.polyfit(lag_s, free_s, 1)[0] - 1.0) < MOST_ECHO else None


def of_speed(run: RunTables) -> list[Finding]:
    """Speed |r(t) - r(t - tau)| / tau, persistence time and persistence length."""
    experiment = run.plan.experiment
    tau_s = longest_delay_s(experiment)
    measured, error = in_blocks(speeds(run.tracks, tau_s, settle_s=tau_s), "speed_um_per_s")
    predicted = predicted_speed_um_per_s(experiment, run.conditions) if run.acted else math.nan
    results = [
        Finding("speed over τ", "µm/s", predicted, measured, error, "γv = F(vτ) (P17, P20); |r(t) − r(t − τ)|/τ")
    ]
    if math.isfinite(predicted):
        predicted_s = predicted_persistence_s(experiment, run.conditions)
        measured_s, error_s = lasting(run, tau_s, predicted_s)
        law = alone(run)
        source = law.turns if law is not None else ""
        results.append(Finding("persistence time", "s", predicted_s, measured_s, error_s, source))
        length_um, length_error_um = measured * measured_s, measured * error_s
        results.append(
            Finding("persistence length", "µm", predicted * predicted_s, length_um, length_error_um, "v times that")
        )
    return results


def of_heat(run: RunTables) -> list[Finding]:
    """Heat released to the bath, per particle, both axes."""
    if not run.acted:
        return []
    heat = heat_of(run)
    if heat is None:
        return []
    mean, error = heat_rate(heat)
    law, predicted = alone(run), math.nan
    delayed_spring = law is not None and law.is_trap and law.holds and law.ideal
    if law is not None and delayed_spring and law.rate_hz > 0.0 and law.age_s < law.delay_s:
        predicted = 2.0 * delayed.heat_kt_per_s(law.rate_hz, law.delay_s)
    return [
        Finding("heat to the bath", "kT/s", predicted, mean, error, "2κ(z − 1)/(z + 1) (P12); energy lost in the light")
    ]


def heat_of(run: RunTables) -> pd.DataFrame | None:
    """The table of `heat.work_and_heat`, without nan heat, from the first to the last lit turn; None for too few turns.

    Dark turns in between are included.
    """
    rig = run.plan.rig
    lit = np.unique(run.commands.loc[run.commands["command"] == "sent", "turn"])
    if len(lit) < 2 * BLOCKS:
        return None
    turns = run.turns[run.turns["turn"].between(lit[0], lit[-1])].sort_values("turn")[:LONGEST_WORK_TURNS]
    commands = run.commands[run.commands["turn"].isin(turns["turn"])]
    table: pd.DataFrame = work_and_heat(
        run.tracks, commands, turns, waist_um=rig.optics.waist_um, depth_kt_per_mw=rig.optics.depth_kt_per_mw,
        diffusion_um2_per_s=rig.plant.diffusion_um2_per_s,
        settle_s=rig.deflector.settle_s,
        efficiency=rig.calibration.evenness.efficiency() if rig.calibration.evenness is not None else None,
    )  # fmt: skip
    return table.dropna(subset="heat_kt")


def heat_rate(heat: pd.DataFrame) -> tuple[float, float]:
    """(mean heat rate kT/s, its standard error from the scatter between 8 stretches of time)."""
    if len(heat) < 2 * BLOCKS:
        return math.nan, math.nan
    sums = heat.groupby(blocks(heat["time_s"], BLOCKS))[["heat_kt", "lasted_s"]].sum()
    rate = (sums["heat_kt"] / sums["lasted_s"]).to_numpy()
    error = float(rate.std(ddof=1) / math.sqrt(len(rate))) if len(rate) > 1 else math.nan
    return float(heat["heat_kt"].sum() / heat["lasted_s"].sum()), error


def ring_um(experiment: Experiment, conditions: Conditions) -> float | None:
    """Radius of the ring to which pairs are attracted, as it acts; None if the law has none."""
    conditions = under(conditions, experiment)
    for force in experiment.policy.forces:
        if force.about_others and is_central(force.shape):
            acting = conditions.acting_shape(force.shape)
            at_um = 0.0 if acting is None else minimum(acting, conditions.plant)[0]
            if math.inf > at_um > 0.5 * conditions.plant.diameter_um:
                return at_um
    return None


def of_order(run: RunTables) -> list[Finding]:
    """Bond order and bond length of many particles."""
    if run.tracks["particle"].nunique() < 5:
        return []
    results = []
    step = max(round(run.fps / 10.0), 1)  # ten times a second is enough; less often for many particles
    step *= max(len(run.tracks) // step // MOST_ORDERED, 1)
    sampled = run.tracks[run.tracks["frame"] % step == 0]
    radius_um = ring_um(run.plan.experiment, run.conditions)
    for order in (6, 4):
        mean, error = in_blocks(order_by_frame(sampled, order, radius_um), "order")
        neighbours = (
            f"its {order} nearest" if radius_um is None else f"{order} within 1.25 R, of those who have as many"
        )
        source = f"bonds to {neighbours}; random: of bonds that point anywhere (P25)"
        results.append(Finding(f"|ψ{order}|", "", math.nan, mean, error, source, random_bond_order(order)))
    if radius_um is None:
        return results
    mean, error = in_blocks(bonds_by_frame(sampled, NEAR * radius_um), "bond_um")
    predicted = radius_um if run.acted else math.nan
    return [*results, Finding("bond length", "µm", predicted, mean, error, "the ring's radius (P23)")]


def order_by_frame(tracks: pd.DataFrame, order: int, radius_um: float | None) -> pd.DataFrame:
    """time_s, order by frame: mean |psi_n| of particles with n bonds shorter than 1.25 R; without R, of all particles
    with their n nearest neighbours."""
    rows = [
        (frame_tracks["time_s"].iloc[0], mean_bond_order(frame_tracks[POSITION].to_numpy(np.float64), order, radius_um))
        for _, frame_tracks in tracks.groupby("frame", sort=True)
    ]
    return pd.DataFrame(rows, columns=["time_s", "order"], dtype=np.float64)


def mean_bond_order(place_um: Floats, order: int, radius_um: float | None) -> float:
    """Mean bond order of the positions [N, 2] of one frame; nan if no particle has that many neighbours."""
    if radius_um is not None:
        return bonds(place_um, NEAR * radius_um, order).mean_order(order)
    return float(np.mean(bond_order(place_um, order))) if len(place_um) > order else math.nan


def row(finding: Finding) -> tuple[str, str, str, str, str]:
    predicted = f"{finding.predicted:.4g}" if math.isfinite(finding.predicted) else "–"
    measured = f"{finding.measured:.4g}" if math.isfinite(finding.measured) else "–"
    if math.isfinite(finding.error):
        measured += f" ± {finding.error if finding.error > ROUNDING * abs(finding.measured) else 0.0:.2g}"
    name = f"{finding.name}  (random {finding.random:.3f})" if math.isfinite(finding.random) else finding.name
    return name, predicted, measured, finding.unit, finding.source


def plain(finding: Finding) -> dict[str, Any]:
    values = {"predicted": finding.predicted, "measured": finding.measured, "stderr": finding.error}
    if math.isfinite(finding.random):
        values["random"] = finding.random
    finite_values = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return {"name": finding.name, "unit": finding.unit, "from": finding.source, **finite_values}

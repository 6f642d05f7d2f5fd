"""A particle that runs from its own past (P17 to P20), in the plane."""

from __future__ import annotations

import numpy as np

from app.analysis.live_observables import lags
from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean, msd_plane, slope
from app.reproduce.trajectory import Trajectory
from control.theory import active

SOFT = 0.01  # ratio of the rates of trap and ring up to which the trap's force counts as constant during a hold


def leaps(facts: ExperimentFacts, trajectory: Trajectory) -> Floats:
    """[T - tau, P, 2] displacement of each particle over a delay, to the nearest frame."""
    lag = facts.frames(facts.delay_s())
    return np.asarray(trajectory.free_um[lag:] - trajectory.free_um[:-lag])


def ring_speed(facts: ExperimentFacts, options: Options) -> float:
    """P17."""
    return active.ring_speed_um_per_s(facts.shape_hz(), facts.shape().radius_um, facts.running_delay_s())


def warm_ring_speed(facts: ExperimentFacts, options: Options) -> float:
    """P17 as measured; with the contribution of noise, which is known if the trap's force is constant during a hold."""
    if facts.trap_hz > SOFT * facts.shape_hz():
        return ring_speed(facts, options)
    return active.seen_ring_speed_um_per_s(
        facts.diffusion_um2_per_s, facts.shape_hz(), facts.shape().radius_um, hold_s=facts.frame_s,
        frames_late=facts.frames(facts.running_delay_s()), frames_apart=facts.frames(facts.delay_s()),
    )  # fmt: skip


def seen_speed(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] <|r(t) - r(t - tau)|> / tau."""
    over_s = facts.frames(facts.delay_s()) * facts.frame_s
    length_um = np.linalg.norm(leaps(facts, trajectory), axis=2)
    return by_cell(mean(length_um, axis=0) / over_s, trajectory.cell)


def draw_paths(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    for particle in range(min(trajectory.place_um.shape[1], 12)):
        path_um = trajectory.free_um[:, particle] - trajectory.free_um[0, particle]
        axes.plot(path_um[:, 0], path_um[:, 1], lw=0.8)
    axes.set(xlabel="x / µm", ylabel="y / µm", aspect="equal", title="trajectories")


def heading(facts: ExperimentFacts, options: Options) -> float:
    """P18, 4 D / (v tau)^2, with tau + a + kappa a tau in place of tau if the observed position has an age a.

    Across a straight run, with the ring's force in the observed direction and a trap of rate kappa about the observed
    position, y' = -kappa (y - y_a) + (1 + kappa a) (y_a - y_tau) / (tau - a) + noise. To second order in the frequency
    this is y'' (tau + a + kappa a tau) / 2 = noise: the direction diffuses.
    """
    return active.heading_diffusion_rad2_per_s(
        facts.diffusion_um2_per_s, ring_speed(facts, options), facts.turning_delay_s()
    )


def headings(facts: ExperimentFacts, trajectory: Trajectory) -> Floats:
    """[T - tau, P] direction of the displacement over a delay, unwrapped along each free stretch; nan between them."""
    leap = leaps(facts, trajectory)
    angle = np.arctan2(leap[..., 1], leap[..., 0])
    turn = np.nan_to_num(np.diff(angle, axis=0))
    full_turns = -2.0 * np.pi * np.rint(turn / (2.0 * np.pi))
    return np.asarray(angle + np.concatenate([np.zeros_like(angle[:1]), np.cumsum(full_turns, axis=0)]))


def turns(angle: Floats, lag: int) -> Floats:
    """[T - lag, P] rotation of the direction over a lag in frames within one free stretch; else nan."""
    flight = np.cumsum(np.isnan(angle), axis=0)
    return np.where(flight[lag:] == flight[:-lag], angle[lag:] - angle[:-lag], np.nan)


def seen_heading(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] half the slope of the mean square rotation between two lags, given in s."""
    angle = headings(facts, trajectory)
    near, far = facts.frames(options["near_s"]), facts.frames(options["far_s"])
    square = [mean(turns(angle, lag) ** 2, axis=0) for lag in (near, far)]
    return by_cell((square[1] - square[0]) / (2.0 * (far - near) * facts.frame_s), trajectory.cell)


def draw_heading(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    angle = headings(facts, trajectory)
    lag = lags(facts.frames(options["far_s"]), number=60)
    time_s = lag * facts.frame_s
    axes.loglog(time_s, [float(mean(turns(angle, frames) ** 2)) for frames in lag], "o", ms=3, label="measured")
    axes.loglog(time_s, 2.0 * heading(facts, options) * time_s, label="2 D_phi t")
    axes.set(xlabel="lag / s", ylabel="mean square turn / rad²")
    axes.legend()


def far_diffusion(facts: ExperimentFacts, options: Options) -> float:
    """P19, both axes, between two lags, for a trap whose force is constant during a hold."""
    return active.ring_long_diffusion_um2_per_s(
        facts.diffusion_um2_per_s, facts.shape_hz(), facts.shape().radius_um, hold_s=facts.frame_s,
        frames_late=facts.frames(facts.running_delay_s()), near_s=options["near_s"], far_s=options["far_s"],
    )  # fmt: skip


def seen_far_diffusion(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    near, far = facts.frames(options["near_s"]), facts.frames(options["far_s"])
    return by_cell(slope(trajectory.free_um, near, far, facts.frame_s), trajectory.cell)


def draw_far(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    lag = lags(facts.frames(options["far_s"]), number=60)
    time_s = lag * facts.frame_s
    axes.loglog(time_s, mean(msd_plane(trajectory.free_um, lag), axis=1), "o", ms=3, label="measured")
    axes.loglog(time_s, 4.0 * facts.diffusion_um2_per_s * time_s, "--", label="free")
    axes.loglog(time_s, 4.0 * far_diffusion(facts, options) * time_s, label="4 D_L t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²")
    axes.legend()


def hill_speed(facts: ExperimentFacts, options: Options) -> float:
    """P20. The delay is shortened by the mean age of the newest position while its light acts."""
    hill = facts.shape()
    return active.hill_speed_um_per_s(
        -hill.depth_kt * facts.kt_pn_um, hill.width_um, facts.delay_s() - facts.age_s, facts.plant.drag_pn_s_per_um
    )  # fmt: skip


P17 = CheckRow("µm/s", warm_ring_speed, seen_speed, draw_paths)
P18 = CheckRow("rad²/s", heading, seen_heading, draw_heading)
P19 = CheckRow("µm²/s", far_diffusion, seen_far_diffusion, draw_far)
P20 = CheckRow("µm/s", hill_speed, seen_speed, draw_paths)

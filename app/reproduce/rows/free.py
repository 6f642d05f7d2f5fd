"""A free particle, as observed by the instrument (P1 to P3)."""

from __future__ import annotations

import numpy as np

from app.analysis.live_observables import lags
from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean, msd_plane
from app.reproduce.trajectory import Trajectory
from control.theory import free


def diffusion(facts: ExperimentFacts, options: Options) -> float:
    """P1: MSD of both axes at one lag, with motion blur."""
    return float(free.msd_um2(facts.diffusion_um2_per_s, np.array([lag_s(facts, options)]))[0]) + 2.0 * facts.blur_um2


def lag_s(facts: ExperimentFacts, options: Options) -> float:
    return facts.frames(options["lag_s"]) * facts.frame_s


def spread(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] MSD of both axes at one lag."""
    lag = np.array([facts.frames(options["lag_s"])])
    return by_cell(msd_plane(trajectory.free_um, lag)[0], trajectory.cell)


def draw(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    lag = lags(min(4 * facts.frames(options["lag_s"]), len(trajectory.time_s) // 2), number=60)
    time_s = np.asarray(lag * facts.frame_s, np.float64)
    axes.loglog(time_s, mean(msd_plane(trajectory.free_um, lag), axis=1), "o", ms=3, label="measured")
    axes.loglog(time_s, free.msd_um2(facts.diffusion_um2_per_s, time_s), "-", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²")
    axes.legend()


def seen_spread(facts: ExperimentFacts, options: Options) -> float:
    """P2: MSD of both axes, with motion blur and the localisation error `error_um`."""
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    at_s = np.array([lag_s(facts, options)])
    curve = free.seen_msd_um2(facts.diffusion_um2_per_s, at_s, exposure_s=exposure_s, error_um=options["error_um"])
    return float(curve[0])


def estimate(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] P3: D of the covariance estimator, of both axes."""
    step_um = np.diff(trajectory.free_um, axis=0)
    square = by_cell(mean(step_um**2, axis=(0, 2)), trajectory.cell)
    neighbour = by_cell(mean(step_um[1:] * step_um[:-1], axis=(0, 2)), trajectory.cell)
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    pairs = zip(square, neighbour, strict=True)
    return np.array([free.covariance_estimate(a, b, frame_s=facts.frame_s, exposure_s=exposure_s)[0] for a, b in pairs])


def draw_seen(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    lags = np.arange(1, 21)
    time_s = np.asarray(lags * facts.frame_s, np.float64)
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    blurred = free.seen_msd_um2(
        facts.diffusion_um2_per_s, time_s, exposure_s=exposure_s, error_um=options.get("error_um", 0.0)
    )
    axes.plot(time_s, mean(msd_plane(trajectory.free_um, lags), axis=1), "o", ms=3, label="measured")
    axes.plot(time_s, blurred, label="4 D (t - t_E/3) + 4 σ²")
    axes.plot(time_s, free.msd_um2(facts.diffusion_um2_per_s, time_s), "--", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²", xlim=(0, None), ylim=(0, None))
    axes.legend()


P2 = CheckRow("µm²", seen_spread, spread, draw_seen)
P3 = CheckRow("µm²/s", lambda facts, options: facts.diffusion_um2_per_s, estimate, draw_seen)
P1 = CheckRow("µm²", diffusion, spread, draw)

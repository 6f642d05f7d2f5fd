"""Rows P1 to P3: a free particle."""

from __future__ import annotations

import numpy as np

from app.analysis.live_observables import lags
from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean, msd_plane
from app.reproduce.trajectory import Trajectory
from control.theory import free


def diffusion(facts: ExperimentFacts, options: Options) -> float:
    """P1: MSD of both axes at one lag, with motion blur and localisation error."""
    return float(free.msd_um2(facts.diffusion_um2_per_s, np.array([lag_s(facts, options)]))[0]) + 2.0 * facts.blur_um2


def lag_s(facts: ExperimentFacts, options: Options) -> float:
    return facts.frames(options["lag_s"]) * facts.frame_s


def spread(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] MSD of both axes at one lag."""
    lag = np.array([facts.frames(options["lag_s"])])
    return by_cell(msd_plane(trajectory.free_um, lag)[0], trajectory.cell)


def draw(axes: Axes, known: ExperimentFacts, options: Options, seen: Trajectory) -> None:
    lag = lags(min(4 * known.frames(options["lag_s"]), len(seen.time_s) // 2), number=60)
    time_s = np.asarray(lag * known.frame_s, np.float64)
    axes.loglog(time_s, mean(msd_plane(seen.free_um, lag), axis=1), "o", ms=3, label="measured")
    axes.loglog(time_s, free.msd_um2(known.diffusion_um2_per_s, time_s), "-", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²")
    axes.legend()


def blurred_spread(facts: ExperimentFacts, options: Options) -> float:
    """P2: MSD of both axes with motion blur and the localisation error `error_um` of the options."""
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    at_s = np.array([lag_s(facts, options)])
    curve = free.measured_msd_um2(facts.diffusion_um2_per_s, at_s, exposure_s=exposure_s, error_um=options["error_um"])
    return float(curve[0])


def estimate(facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> Floats:
    """[cells] P3: D by the covariance estimator, mean of both axes."""
    step_um = np.diff(trajectory.free_um, axis=0)
    square = by_cell(mean(step_um**2, axis=(0, 2)), trajectory.cell)
    neighbour = by_cell(mean(step_um[1:] * step_um[:-1], axis=(0, 2)), trajectory.cell)
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    pairs = zip(square, neighbour, strict=True)
    return np.array([free.covariance_estimate(a, b, frame_s=facts.frame_s, exposure_s=exposure_s)[0] for a, b in pairs])


def draw_blurred(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
    lags = np.arange(1, 21)
    time_s = np.asarray(lags * facts.frame_s, np.float64)
    exposure_s = float(facts.plan.rig.camera.exposure_s)
    blurred = free.measured_msd_um2(
        facts.diffusion_um2_per_s, time_s, exposure_s=exposure_s, error_um=options.get("error_um", 0.0)
    )
    axes.plot(time_s, mean(msd_plane(trajectory.free_um, lags), axis=1), "o", ms=3, label="measured")
    axes.plot(time_s, blurred, label="4 D (t - t_E/3) + 4 σ²")
    axes.plot(time_s, free.msd_um2(facts.diffusion_um2_per_s, time_s), "--", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²", xlim=(0, None), ylim=(0, None))
    axes.legend()


P2 = CheckRow("µm²", blurred_spread, spread, draw_blurred)
P3 = CheckRow("µm²/s", lambda facts, options: facts.diffusion_um2_per_s, estimate, draw_blurred)
P1 = CheckRow("µm²", diffusion, spread, draw)

"""A free particle, as observed by the instrument (P1 to P3)."""

from __future__ import annotations

import numpy as np

from app.analysis.live_observables import lags
from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Floats, Options
from app.reproduce.statistics import by_cell, mean, msd_plane
from app.reproduce.trajectory import Trajectory
from control.theory import free


def diffusion(known: ExperimentFacts, options: Options) -> float:
    """P1: MSD of both axes at one lag, with motion blur."""
    return float(free.msd_um2(known.diffusion_um2_per_s, np.array([lag_s(known, options)]))[0]) + 2.0 * known.blur_um2


def lag_s(known: ExperimentFacts, options: Options) -> float:
    return known.frames(options["lag_s"]) * known.frame_s


def spread(known: ExperimentFacts, options: Options, seen: Trajectory) -> Floats:
    """[cells] MSD of both axes at one lag."""
    lag = np.array([known.frames(options["lag_s"])])
    return by_cell(msd_plane(seen.free_um, lag)[0], seen.cell)


def draw(axes: Axes, known: ExperimentFacts, options: Options, seen: Trajectory) -> None:
    lag = lags(min(4 * known.frames(options["lag_s"]), len(seen.time_s) // 2), number=60)
    time_s = np.asarray(lag * known.frame_s, np.float64)
    axes.loglog(time_s, mean(msd_plane(seen.free_um, lag), axis=1), "o", ms=3, label="measured")
    axes.loglog(time_s, free.msd_um2(known.diffusion_um2_per_s, time_s), "-", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²")
    axes.legend()


def seen_spread(known: ExperimentFacts, options: Options) -> float:
    """P2: MSD of both axes, with motion blur and the localisation error `error_um`."""
    exposure_s = float(known.plan.rig.camera.exposure_s)
    at_s = np.array([lag_s(known, options)])
    curve = free.seen_msd_um2(known.diffusion_um2_per_s, at_s, exposure_s=exposure_s, error_um=options["error_um"])
    return float(curve[0])


def estimate(known: ExperimentFacts, options: Options, seen: Trajectory) -> Floats:
    """[cells] P3: D of the covariance estimator, of both axes."""
    step_um = np.diff(seen.free_um, axis=0)
    square = by_cell(mean(step_um**2, axis=(0, 2)), seen.cell)
    neighbour = by_cell(mean(step_um[1:] * step_um[:-1], axis=(0, 2)), seen.cell)
    exposure_s = float(known.plan.rig.camera.exposure_s)
    pairs = zip(square, neighbour, strict=True)
    return np.array([free.covariance_estimate(a, b, frame_s=known.frame_s, exposure_s=exposure_s)[0] for a, b in pairs])


def draw_seen(axes: Axes, known: ExperimentFacts, options: Options, seen: Trajectory) -> None:
    lags = np.arange(1, 21)
    time_s = np.asarray(lags * known.frame_s, np.float64)
    exposure_s = float(known.plan.rig.camera.exposure_s)
    blurred = free.seen_msd_um2(
        known.diffusion_um2_per_s, time_s, exposure_s=exposure_s, error_um=options.get("error_um", 0.0)
    )
    axes.plot(time_s, mean(msd_plane(seen.free_um, lags), axis=1), "o", ms=3, label="measured")
    axes.plot(time_s, blurred, label="4 D (t - t_E/3) + 4 σ²")
    axes.plot(time_s, free.msd_um2(known.diffusion_um2_per_s, time_s), "--", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²", xlim=(0, None), ylim=(0, None))
    axes.legend()


P2 = CheckRow("µm²", seen_spread, spread, draw_seen)
P3 = CheckRow("µm²/s", lambda known, options: known.diffusion_um2_per_s, estimate, draw_seen)
P1 = CheckRow("µm²", diffusion, spread, draw)

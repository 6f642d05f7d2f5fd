"""A free particle, as the instrument sees it (P1 to P3)."""

from __future__ import annotations

import numpy as np

from app.reproduce.rows.row import Axes, Floats, Known, Options, Row
from app.reproduce.seen import Seen
from app.reproduce.statistics import by_cell, lags_about, mean, msd_plane
from control.theory import free


def diffusion(known: Known, options: Options) -> float:
    return float(free.msd_um2(known.diffusion_um2_per_s, np.array([lag_s(known, options)]))[0])


def lag_s(known: Known, options: Options) -> float:
    return known.frames(options["lag_s"]) * known.frame_s


def spread(known: Known, options: Options, seen: Seen) -> Floats:
    """[cells] MSD of both axes at one lag."""
    lag = np.array([known.frames(options["lag_s"])])
    return by_cell(msd_plane(seen.free_um, lag)[0], seen.cell)


def draw(axes: Axes, known: Known, options: Options, seen: Seen) -> None:
    lags = lags_about(min(4 * known.frames(options["lag_s"]), len(seen.time_s) // 2))
    time_s = np.asarray(lags * known.frame_s, np.float64)
    axes.loglog(time_s, mean(msd_plane(seen.free_um, lags), axis=1), "o", ms=3, label="measured")
    axes.loglog(time_s, free.msd_um2(known.diffusion_um2_per_s, time_s), "-", label="4 D t")
    axes.set(xlabel="lag / s", ylabel="MSD / µm²")
    axes.legend()


P1 = Row("µm²", diffusion, spread, draw)

"""The curves of the plots, computed from tracks by pure functions, so that a worker thread can call them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.analysis.findings import NEAR as NEAR_RING
from app.analysis.findings import mean_bond_order, ring_um
from app.analysis.frame_times import rates_hz
from app.analysis.live_observables import Paths, lags, mean_square_displacement, paths, speed_um_per_s, steps_um
from app.analysis.predicted_motion import foreseen_msd_um2, foreseen_speed_um_per_s, longest_delay_s
from app.analysis.trajectories import POSITION, pair_correlation
from app.desktop.window import theme
from control.contract import Tracks
from control.experiment import Experiment
from control.theory.conditions import Conditions
from control.theory.many import random_bond_order

Floats = NDArray[np.float64]
MOST_PLACES = 60_000  # largest number of particles times frames for one plot
LEAST_STEPS = 10
UNKNOWN_HZ = 100.0  # assumed frame rate of an unknown camera, with fewer than two frames
NEAR = 1.5  # diameters: particles closer than this are not free
CROWDED = 0.05  # largest fraction of such particles for which the theory of free particles is drawn
RECENT = 60  # tracks for order and pairs, spread over the last 300


@dataclass(frozen=True)
class PlotCurve:
    """One named line; with `edges`, a histogram with heights y. y None: nothing is drawn."""

    name: str
    x: Floats
    y: NDArray[Any] | None
    colour: str
    dots: bool = False
    dash: bool = False
    edges: bool = False  # x holds the edges of bins, one more than y


@dataclass(frozen=True)
class Drawing:
    """The content of a plot: curves, or the reason why there are none."""

    curves: tuple[PlotCurve, ...]
    why: str = ""  # reason why nothing is drawn
    note: str = ""  # describes the data, and why there is no theory


@dataclass(frozen=True)
class Measurement:
    """Immutable input for the computation of curves."""

    tracks: tuple[Tracks, ...]
    experiment: Experiment | None
    planned: Conditions | None  # with the frame interval requested from the camera
    law: Experiment | None = None  # law that acted on the tracks; None: no light, as in a video
    since: str = ""  # start of the tracks, in words
    unknown: str = ""  # why no theory can be drawn; empty if it can

    @cached_property
    def means(self) -> Conditions | None:
        """Conditions of the law, with the mean interval of these frames as hold time."""
        return None if self.planned is None else replace(self.planned, hold_s=1.0 / self._rates_hz[0])

    @cached_property
    def _rates_hz(self) -> tuple[float, float]:
        """(mean frame rate, rate of the time grid of the paths), Hz."""
        time_s: Floats = np.array([seen.time_s for seen in self.tracks], np.float64)
        return rates_hz(time_s, 1.0 / self.planned.hold_s if self.planned is not None else UNKNOWN_HZ)

    def paths(self) -> Paths:
        period_s = 1.0 / self._rates_hz[1]
        tracks = list(self.tracks)
        return paths(tracks, period_s, most=max(MOST_PLACES // max(len(tracks), 1), 1))

    def recent(self) -> list[Tracks]:
        """A selection of the last tracks: fewer if there are more particles."""
        last = self.tracks[-300:]
        number = max(min(RECENT, MOST_PLACES // 10 // max(len(last[-1]), 1)), 2) if last else 1
        return list(last[:: max(len(last) // number, 1)])

    def most(self) -> int:
        """Largest number of particles in one of the recent frames."""
        return max((len(seen) for seen in self.recent()), default=0)

    def crowded(self) -> str:
        """Message that too many particles are too close together for single-particle theory; empty if they are free."""
        if self.means is None:
            return ""
        near_um = NEAR * self.means.plant.diameter_um
        near = number = 0
        for seen in self.recent():
            number += len(seen)
            if len(seen) > 1:
                near += int((cKDTree(seen.position_um).query(seen.position_um, k=2)[0][:, 1] < near_um).sum())
        if near <= CROWDED * number:
            return ""
        return f"no theory of free particles: {near / number:.0%} are within {NEAR:g} diameters of another"

    def note(self) -> str:
        """Number of particles, duration and start of the tracks, in words."""
        if not self.tracks:
            return ""
        span_s = self.tracks[-1].time_s - self.tracks[0].time_s
        return f"{self.most()} particle{'s' * (self.most() != 1)}, {span_s:.0f} s {self.since}"

    def drawing(self, curves: Sequence[PlotCurve], why: str, theory: str = "") -> Drawing:
        """A Drawing of these curves, or of `why` if all are empty. `theory`: why there is no theory."""
        there = any(one.y is not None and np.isfinite(one.y).any() for one in curves)
        if not self.tracks:
            return Drawing((), "no particle is tracked yet")
        if not there:
            return Drawing((), why, self.note())
        return Drawing(tuple(curves), "", "; ".join(said for said in (self.note(), theory) if said))


def msd(of: Measurement) -> Drawing:
    made = of.paths()
    lag = lags(len(made.position_um) // 3)
    lag_s: Floats = np.asarray(lag * made.period_s, np.float64)
    curves = [PlotCurve("measured", lag_s, mean_square_displacement(made, lag), theme.WHITE, dots=True)]
    theory = of.unknown or of.crowded()
    if of.means is not None and not theory and np.isfinite(curves[0].y).any():  # type: ignore[arg-type]
        free_um2: Floats = np.asarray(4.0 * of.means.plant.diffusion_um2_per_s * lag_s, np.float64)
        curves.append(PlotCurve(free_name(of), lag_s, free_um2, theme.SKY, dash=True))
        foreseen = foreseen_msd_um2(of.law, of.means, lag_s) if of.law is not None else None
        curves.append(PlotCurve("foreseen", lag_s, foreseen, theme.ORANGE))
    return of.drawing(curves, "the MSD needs a particle in three frames", theory)


def free_name(of: Measurement) -> str:
    """Name of the free-diffusion curve: under a law it shows the motion without light."""
    return "free" if of.law is None else "without light"


def steps(of: Measurement) -> Drawing:
    made = of.paths()
    steps_nm = 1e3 * steps_um(made)
    theory = of.unknown or of.crowded()
    if len(steps_nm) < LEAST_STEPS:
        return of.drawing((), f"{LEAST_STEPS} steps over one frame are needed; there are {len(steps_nm)}")
    low_nm, high_nm = np.percentile(steps_nm, [0.2, 99.8]).tolist()
    edges: Floats = np.linspace(low_nm, high_nm, 41)
    curves = [PlotCurve("measured", edges, np.histogram(steps_nm, edges)[0], theme.FAINT, edges=True)]
    if of.means is not None and not theory:
        sigma_nm = 1e3 * np.sqrt(2.0 * of.means.plant.diffusion_um2_per_s * made.period_s)
        x: Floats = np.linspace(edges[0], edges[-1], 200)
        density = np.exp(-0.5 * (x / sigma_nm) ** 2) / (sigma_nm * np.sqrt(2.0 * np.pi))
        expected = density * len(steps_nm) * (edges[1] - edges[0])
        curves.append(PlotCurve(free_name(of), x, expected, theme.SKY, dash=True))
    return of.drawing(curves, "", theory)


def speed(of: Measurement) -> Drawing:
    made = of.paths()
    over_s = longest_delay_s(of.experiment) if of.experiment is not None else 0.5
    curves = [PlotCurve("measured", made.time_s, speed_um_per_s(made, over_s), theme.WHITE)]
    theory = of.unknown or of.crowded()
    if of.means is not None and len(made.time_s) and not theory and np.isfinite(curves[0].y).any():  # type: ignore[arg-type]
        foreseen = math.nan if of.law is None else foreseen_speed_um_per_s(of.law, of.means)
        curves.append(PlotCurve("foreseen", made.time_s[[0, -1]], np.full(2, foreseen), theme.ORANGE))
    return of.drawing(curves, f"no particle was followed for τ = {over_s:g} s yet", theory)


def pairs(of: Measurement) -> Drawing:
    frames = [seen.position_um for seen in of.recent()]
    if not any(len(place) > 1 for place in frames):
        return of.drawing((), f"g(r) needs two particles at least; there are {of.most()}")
    every = pd.DataFrame(np.concatenate(frames), columns=POSITION)
    every["frame"] = np.repeat(np.arange(len(frames)), [len(place) for place in frames])
    low, high = every[POSITION].min().to_numpy(), every[POSITION].max().to_numpy()
    far_um = 10.0 * (of.means.plant.diameter_um if of.means is not None else 2.0)
    largest_um = min(0.95 * float((high - low).min()), far_um)
    if largest_um <= 0.0:
        return of.drawing((), "g(r) needs particles that do not lie in one line")
    found = pair_correlation(every, (low[0], low[1]), (high[0], high[1]), largest_um, 60)
    g: Floats = np.asarray(found.to_numpy(), np.float64)
    ideal = PlotCurve("ideal gas", np.array([0.0, largest_um]), np.ones(2), theme.SKY, dash=True)
    return of.drawing([PlotCurve("measured", found.index.to_numpy(np.float64), g, theme.WHITE), ideal], "")


def order(of: Measurement) -> Drawing:
    chosen = of.recent()
    time_s: Floats = np.array([seen.time_s for seen in chosen], np.float64)
    radius_um = None
    if of.experiment is not None and of.means is not None:
        radius_um = ring_um(of.experiment, of.means)
    curves, missing = [], []
    for neighbours, colour in ((6, theme.WHITE), (4, theme.ORANGE)):
        found = np.array([mean_bond_order(seen.position_um, neighbours, radius_um) for seen in chosen])
        if not np.isfinite(found).any():
            missing.append(why_no_order(neighbours, of.most(), radius_um))
            continue
        curves.append(PlotCurve(f"|ψ{neighbours}|", time_s, found, colour))
        level = np.full(2, random_bond_order(neighbours))
        curves.append(PlotCurve(f"random, {neighbours} bonds", time_s[[0, -1]], level, colour, dash=True))
    return of.drawing(curves, "\n".join(missing), "; ".join(missing))


def why_no_order(neighbours: int, particles: int, radius_um: float | None) -> str:
    """Reason why |psi_n| is empty."""
    if particles <= neighbours:
        return f"|ψ{neighbours}| needs {neighbours + 1} particles at least; there are {particles}"
    assert radius_um is not None
    return (
        f"|ψ{neighbours}|: no particle has just {neighbours} others within {NEAR_RING * radius_um:.3g} µm, on the ring"
    )

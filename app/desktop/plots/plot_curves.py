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
from app.analysis.predicted_motion import longest_delay_s, predicted_msd_um2, predicted_speed_um_per_s
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
    def conditions(self) -> Conditions | None:
        """Conditions of the law, with the mean interval of these frames as hold time."""
        return None if self.planned is None else replace(self.planned, hold_s=1.0 / self._rates_hz[0])

    @cached_property
    def _rates_hz(self) -> tuple[float, float]:
        """(mean frame rate, rate of the time grid of the paths), Hz."""
        time_s: Floats = np.array([frame.time_s for frame in self.tracks], np.float64)
        return rates_hz(time_s, 1.0 / self.planned.hold_s if self.planned is not None else UNKNOWN_HZ)

    def paths(self) -> Paths:
        period_s = 1.0 / self._rates_hz[1]
        tracks = list(self.tracks)
        return paths(tracks, period_s, most=max(MOST_PLACES // max(len(tracks), 1), 1))

    def recent(self) -> list[Tracks]:
        """A selection of the last tracks: fewer if there are more particles."""
        last = self.tracks[-300:]
        selected_count = max(min(RECENT, MOST_PLACES // 10 // max(len(last[-1]), 1)), 2) if last else 1
        return list(last[:: max(len(last) // selected_count, 1)])

    def most(self) -> int:
        """Largest number of particles in one of the recent frames."""
        return max((len(frame) for frame in self.recent()), default=0)

    def crowded(self) -> str:
        """Message that too many particles are too close together for single-particle theory; empty if they are free."""
        if self.conditions is None:
            return ""
        near_um = NEAR * self.conditions.plant.diameter_um
        close_count = count = 0
        for frame in self.recent():
            count += len(frame)
            if len(frame) > 1:
                close_count += int((cKDTree(frame.position_um).query(frame.position_um, k=2)[0][:, 1] < near_um).sum())
        if close_count <= CROWDED * count:
            return ""
        return f"no theory of free particles: {close_count / count:.0%} are within {NEAR:g} diameters of another"

    def note(self) -> str:
        """Number of particles, duration and start of the tracks, in words."""
        if not self.tracks:
            return ""
        span_s = self.tracks[-1].time_s - self.tracks[0].time_s
        return f"{self.most()} particle{'s' * (self.most() != 1)}, {span_s:.0f} s {self.since}"

    def drawing(self, curves: Sequence[PlotCurve], empty_reason: str, theory: str = "") -> Drawing:
        """A Drawing of these curves, or of `empty_reason` if all are empty. `theory`: why there is no theory."""
        has_data = any(curve.y is not None and np.isfinite(curve.y).any() for curve in curves)
        if not self.tracks:
            return Drawing((), "no particle is tracked yet")
        if not has_data:
            return Drawing((), empty_reason, self.note())
        return Drawing(tuple(curves), "", "; ".join(text for text in (self.note(), theory) if text))


def msd(measurement: Measurement) -> Drawing:
    trajectories = measurement.paths()
    lag = lags(len(trajectories.position_um) // 3)
    lag_s: Floats = np.asarray(lag * trajectories.period_s, np.float64)
    curves = [PlotCurve("measured", lag_s, mean_square_displacement(trajectories, lag), theme.WHITE, dots=True)]
    theory = measurement.unknown or measurement.crowded()
    if measurement.conditions is not None and not theory and np.isfinite(curves[0].y).any():  # type: ignore[arg-type]
        free_um2: Floats = np.asarray(4.0 * measurement.conditions.plant.diffusion_um2_per_s * lag_s, np.float64)
        curves.append(PlotCurve(free_name(measurement), lag_s, free_um2, theme.SKY, dash=True))
        predicted_um2 = (
            predicted_msd_um2(measurement.law, measurement.conditions, lag_s) if measurement.law is not None else None
        )
        curves.append(PlotCurve("predicted", lag_s, predicted_um2, theme.ORANGE))
    return measurement.drawing(curves, "the MSD needs a particle in three frames", theory)


def free_name(measurement: Measurement) -> str:
    """Name of the free-diffusion curve: under a law it shows the motion without light."""
    return "free" if measurement.law is None else "without light"


def steps(measurement: Measurement) -> Drawing:
    trajectories = measurement.paths()
    steps_nm = 1e3 * steps_um(trajectories)
    theory = measurement.unknown or measurement.crowded()
    if len(steps_nm) < LEAST_STEPS:
        return measurement.drawing((), f"{LEAST_STEPS} steps over one frame are needed; there are {len(steps_nm)}")
    low_nm, high_nm = np.percentile(steps_nm, [0.2, 99.8]).tolist()
    edges: Floats = np.linspace(low_nm, high_nm, 41)
    curves = [PlotCurve("measured", edges, np.histogram(steps_nm, edges)[0], theme.FAINT, edges=True)]
    if measurement.conditions is not None and not theory:
        sigma_nm = 1e3 * np.sqrt(2.0 * measurement.conditions.plant.diffusion_um2_per_s * trajectories.period_s)
        x: Floats = np.linspace(edges[0], edges[-1], 200)
        density = np.exp(-0.5 * (x / sigma_nm) ** 2) / (sigma_nm * np.sqrt(2.0 * np.pi))
        expected = density * len(steps_nm) * (edges[1] - edges[0])
        curves.append(PlotCurve(free_name(measurement), x, expected, theme.SKY, dash=True))
    return measurement.drawing(curves, "", theory)


def speed(measurement: Measurement) -> Drawing:
    trajectories = measurement.paths()
    delay_s = longest_delay_s(measurement.experiment) if measurement.experiment is not None else 0.5
    curves = [PlotCurve("measured", trajectories.time_s, speed_um_per_s(trajectories, delay_s), theme.WHITE)]
    theory = measurement.unknown or measurement.crowded()
    measured = curves[0].y
    if measurement.conditions is not None and not theory and measured is not None and np.isfinite(measured).any():
        predicted_um_per_s = (
            math.nan if measurement.law is None else predicted_speed_um_per_s(measurement.law, measurement.conditions)
        )
        curves.append(
            PlotCurve("predicted", trajectories.time_s[[0, -1]], np.full(2, predicted_um_per_s), theme.ORANGE)
        )
    return measurement.drawing(curves, f"no particle was followed for τ = {delay_s:g} s yet", theory)


def pairs(measurement: Measurement) -> Drawing:
    positions = [frame.position_um for frame in measurement.recent()]
    if not any(len(position_um) > 1 for position_um in positions):
        return measurement.drawing((), f"g(r) needs two particles at least; there are {measurement.most()}")
    table = pd.DataFrame(np.concatenate(positions), columns=POSITION)
    table["frame"] = np.repeat(np.arange(len(positions)), [len(position_um) for position_um in positions])
    low, high = table[POSITION].min().to_numpy(), table[POSITION].max().to_numpy()
    default_um = 10.0 * (measurement.conditions.plant.diameter_um if measurement.conditions is not None else 2.0)
    largest_um = min(0.95 * float((high - low).min()), default_um)
    if largest_um <= 0.0:
        return measurement.drawing((), "g(r) needs particles that do not lie in one line")
    g_of_r = pair_correlation(table, (low[0], low[1]), (high[0], high[1]), largest_um, 60)
    g: Floats = np.asarray(g_of_r.to_numpy(), np.float64)
    ideal = PlotCurve("ideal gas", np.array([0.0, largest_um]), np.ones(2), theme.SKY, dash=True)
    return measurement.drawing([PlotCurve("measured", g_of_r.index.to_numpy(np.float64), g, theme.WHITE), ideal], "")


def order(measurement: Measurement) -> Drawing:
    frames = measurement.recent()
    time_s: Floats = np.array([frame.time_s for frame in frames], np.float64)
    radius_um = None
    if measurement.experiment is not None and measurement.conditions is not None:
        radius_um = ring_um(measurement.experiment, measurement.conditions)
    curves, missing = [], []
    for neighbours, colour in ((6, theme.WHITE), (4, theme.ORANGE)):
        bond_order = np.array([mean_bond_order(frame.position_um, neighbours, radius_um) for frame in frames])
        if not np.isfinite(bond_order).any():
            missing.append(why_no_order(neighbours, measurement.most(), radius_um))
            continue
        curves.append(PlotCurve(f"|ψ{neighbours}|", time_s, bond_order, colour))
        level = np.full(2, random_bond_order(neighbours))
        curves.append(PlotCurve(f"random, {neighbours} bonds", time_s[[0, -1]], level, colour, dash=True))
    return measurement.drawing(curves, "\n".join(missing), "; ".join(missing))


def why_no_order(neighbours: int, particles: int, radius_um: float | None) -> str:
    """Reason why |psi_n| is empty."""
    if particles <= neighbours:
        return f"|ψ{neighbours}| needs {neighbours + 1} particles at least; there are {particles}"
    assert radius_um is not None
    return (
        f"|ψ{neighbours}|: no particle has just {neighbours} others within {NEAR_RING * radius_um:.3g} µm, on the ring"
    )

"""The curves of the plots, computed from tracks: pure, so that a thread beside the window's can do it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis import POSITION, pair_correlation
from app.desktop import theme
from app.findings import mean_bond_order, ring_um
from app.means import Means
from app.motion import foreseen_msd_um2, foreseen_speed_um_per_s, longest_delay_s
from app.observables import Paths, lags, mean_square_displacement, paths, speed_um_per_s, steps_um
from control.contract import Tracks
from control.experiment import Experiment
from control.theory.many import random_bond_order

Floats = NDArray[np.float64]
MOST_PLACES = 60_000  # particles times frames that one plot is made from
RECENT = 60  # tracks that order and pairs are taken over, spread over the last 300


@dataclass(frozen=True)
class Curve:
    """One named line; with `edges`, a histogram of these heights instead. y None: nothing is drawn."""

    name: str
    x: Floats
    y: NDArray[Any] | None
    colour: str
    dots: bool = False
    dash: bool = False
    edges: bool = False  # x holds the edges of bins, one more than y


@dataclass(frozen=True)
class Measurement:
    """What curves are computed from; nothing of it changes afterwards."""

    tracks: tuple[Tracks, ...]
    experiment: Experiment | None
    means: Means | None
    law: Experiment | None = None  # what has acted on them; None: no light, as in a video

    def paths(self) -> Paths:
        period_s = self.means.hold_s if self.means is not None else 0.01
        tracks = list(self.tracks)
        return paths(tracks, period_s, most=max(MOST_PLACES // max(len(tracks), 1), 1))

    def recent(self) -> list[Tracks]:
        """A few of the last tracks; the fewer, the more particles there are."""
        last = self.tracks[-300:]
        number = max(min(RECENT, MOST_PLACES // 10 // max(len(last[-1]), 1)), 2) if last else 1
        return list(last[:: max(len(last) // number, 1)])


def msd(of: Measurement) -> list[Curve]:
    made = of.paths()
    lag = lags(len(made.position_um) // 3)
    lag_s: Floats = np.asarray(lag * made.period_s, np.float64)
    curves = [Curve("measured", lag_s, mean_square_displacement(made, lag), theme.WHITE, dots=True)]
    if of.means is None or len(lag) == 0:
        return curves
    free_um2: Floats = np.asarray(4.0 * of.means.plant.diffusion_um2_per_s * lag_s, np.float64)
    curves.append(Curve("free", lag_s, free_um2, theme.SKY, dash=True))
    foreseen = foreseen_msd_um2(of.law, of.means, lag_s) if of.law is not None else None
    return [*curves, Curve("foreseen", lag_s, foreseen, theme.ORANGE)]


def steps(of: Measurement) -> list[Curve]:
    made = of.paths()
    steps_nm = 1e3 * steps_um(made)
    if len(steps_nm) < 10:
        return []
    low_nm, high_nm = np.percentile(steps_nm, [0.2, 99.8]).tolist()
    edges: Floats = np.linspace(low_nm, high_nm, 41)
    curves = [Curve("measured", edges, np.histogram(steps_nm, edges)[0], theme.FAINT, edges=True)]
    if of.means is not None:
        sigma_nm = 1e3 * np.sqrt(2.0 * of.means.plant.diffusion_um2_per_s * made.period_s)
        x: Floats = np.linspace(edges[0], edges[-1], 200)
        density = np.exp(-0.5 * (x / sigma_nm) ** 2) / (sigma_nm * np.sqrt(2.0 * np.pi))
        expected = density * len(steps_nm) * (edges[1] - edges[0])
        curves.append(Curve("free", x, expected, theme.SKY, dash=True))
    return curves


def speed(of: Measurement) -> list[Curve]:
    made = of.paths()
    over_s = longest_delay_s(of.experiment) if of.experiment is not None else 0.5
    curves = [Curve("measured", made.time_s, speed_um_per_s(made, over_s), theme.WHITE)]
    if of.means is not None and len(made.time_s):
        foreseen = math.nan if of.law is None else foreseen_speed_um_per_s(of.law, of.means)
        curves.append(Curve("foreseen", made.time_s[[0, -1]], np.full(2, foreseen), theme.ORANGE))
    return curves


def pairs(of: Measurement) -> list[Curve]:
    frames = [seen.position_um for seen in of.recent()]
    if not any(len(place) > 1 for place in frames):
        return []
    every = pd.DataFrame(np.concatenate(frames), columns=POSITION)
    every["frame"] = np.repeat(np.arange(len(frames)), [len(place) for place in frames])
    low, high = every[POSITION].min().to_numpy(), every[POSITION].max().to_numpy()
    far_um = 10.0 * (of.means.plant.diameter_um if of.means is not None else 2.0)
    largest_um = min(0.95 * float((high - low).min()), far_um)
    if largest_um <= 0.0:
        return []
    found = pair_correlation(every, (low[0], low[1]), (high[0], high[1]), largest_um, 60)
    g: Floats = np.asarray(found.to_numpy(), np.float64)
    return [
        Curve("measured", found.index.to_numpy(np.float64), g, theme.WHITE),
        Curve("ideal gas", np.array([0.0, largest_um]), np.ones(2), theme.SKY, dash=True),
    ]


def order(of: Measurement) -> list[Curve]:
    chosen = of.recent()
    time_s: Floats = np.array([seen.time_s for seen in chosen], np.float64)
    radius_um = None
    if of.experiment is not None and of.means is not None:
        radius_um = ring_um(of.experiment, of.means.plant)
    curves = []
    for neighbours, colour in ((6, theme.WHITE), (4, theme.ORANGE)):
        found = np.array([mean_bond_order(seen.position_um, neighbours, radius_um) for seen in chosen])
        curves.append(Curve(f"|ψ{neighbours}|", time_s, found, colour))
        if len(time_s):
            level = np.full(2, random_bond_order(neighbours))
            curves.append(Curve(f"of random bonds, {neighbours}", time_s[[0, -1]], level, colour, dash=True))
    return curves

"""Work and heat of a run, from where the particles were and what light there was."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis import POSITION

Floats = NDArray[np.float64]


def work_kt(
    tracks: pd.DataFrame,
    commands: pd.DataFrame,
    *,
    waist_um: float,
    depth_kt_per_mw: float,
    settle_s: float = 0.0,
    efficiency: Callable[[Floats], Floats] | None = None,
) -> pd.DataFrame:
    """The work that each change of the light did on each particle: U_new(x) - U_old(x) at that moment (Sekimoto 1998).

    In a steady state it is, on average, the heat that goes to the bath. The energy is that of the spots as they were
    sent, each by its share of the cycle of visits; x between two frames is interpolated.

    Args:
        tracks, commands: tidy tables.
        waist_um, depth_kt_per_mw: of the light; `efficiency` of it at places [M, 2].
        settle_s: dark time of a jump.

    Returns:
        columns time_s, particle, work_kt; one row a change of light between two successive sightings.
    """
    sent = commands[commands["command"] == "sent"].sort_values(["turn"], kind="stable")
    lights = [_spots(own, depth_kt_per_mw, settle_s, efficiency) for _, own in sent.groupby("turn", sort=True)]
    frames = [
        (float(own["time_s"].iloc[0]), own["particle"].to_numpy(), own[POSITION].to_numpy(np.float64))
        for _, own in tracks.sort_values(["frame", "particle"]).groupby("frame", sort=True)
    ]
    times_s = np.array([time_s for time_s, _, _ in frames])
    period_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    rows: list[pd.DataFrame] = []
    for (before, after), (old, new) in zip(_between(times_s, lights), _pairs(lights), strict=True):
        if before < 0 or times_s[after] - times_s[before] > 1.5 * period_s:
            continue
        who, first, second = np.intersect1d(frames[before][1], frames[after][1], return_indices=True)
        share = (new[0] - times_s[before]) / (times_s[after] - times_s[before])
        place = frames[before][2][first] * (1.0 - share) + frames[after][2][second] * share
        work = _energy_kt(place, new, waist_um) - _energy_kt(place, old, waist_um)
        rows.append(pd.DataFrame({"time_s": new[0], "particle": who, "work_kt": work}))
    empty = pd.DataFrame({"time_s": np.empty(0), "particle": np.empty(0, np.int64), "work_kt": np.empty(0)})
    return pd.concat(rows, ignore_index=True) if rows else empty


Spots = tuple[float, Floats, Floats]  # in effect from then on; places [M, 2]; mean depths kT [M]


def _spots(own: pd.DataFrame, depth_kt_per_mw: float, settle_s: float, efficiency: Any) -> Spots:
    place_um = own[["x_um", "y_um"]].to_numpy(np.float64)
    dwell_s = own["dwell_s"].to_numpy(np.float64)
    cycle_s = dwell_s.sum() + (len(own) * settle_s if len(own) > 1 else 0.0)
    depth_kt = own["power_mw"].to_numpy(np.float64) * dwell_s / cycle_s * depth_kt_per_mw
    if efficiency is not None:
        depth_kt = depth_kt * efficiency(place_um)
    return float(own["effect_s"].iloc[0]), place_um, depth_kt


def _pairs(lights: list[Spots]) -> list[tuple[Spots, Spots]]:
    return list(pairwise(lights))


def _between(times_s: Floats, lights: list[Spots]) -> list[tuple[int, int]]:
    """The frames before and after each change of light; (-1, -1) where there is none on one side."""
    found = []
    for effect_s, _, _ in lights[1:]:
        after = int(np.searchsorted(times_s, effect_s))
        found.append((after - 1, after) if 0 < after < len(times_s) else (-1, -1))
    return found


def _energy_kt(place_um: Floats, light: Spots, waist_um: float) -> Floats:
    """[N] energy of particles at places [N, 2] in the light of all spots."""
    between = place_um[:, None] - light[1]
    return np.asarray(-(light[2] * np.exp(-2.0 * (between**2).sum(axis=2) / waist_um**2)).sum(axis=1))

"""Work and heat of a run, from where the particles were and what light there was."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis.trajectories import POSITION

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
    lights = _lights(commands, depth_kt_per_mw, settle_s, efficiency)
    frame, time_s, particle, place_um = _frames(tracks)
    period_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    found: list[tuple[Floats, Floats, Floats]] = []
    for old, new in pairwise(lights):
        after = int(np.searchsorted(time_s, new[0]))
        if not 0 < after < len(time_s) or time_s[after] - time_s[after - 1] > 1.5 * period_s:
            continue
        first, last = (slice(frame[k], frame[k + 1]) for k in (after - 1, after))
        who, one, other = np.intersect1d(particle[first], particle[last], True, return_indices=True)
        share = (new[0] - time_s[after - 1]) / (time_s[after] - time_s[after - 1])
        place = place_um[first][one] * (1.0 - share) + place_um[last][other] * share
        work = _energy_kt(place, new, waist_um) - _energy_kt(place, old, waist_um)
        found.append((np.full(len(who), new[0]), who.astype(np.float64), work))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.empty(0)] * 3
    return pd.DataFrame({"time_s": columns[0], "particle": columns[1].astype(np.int64), "work_kt": columns[2]})


Spots = tuple[float, Floats, Floats]  # in effect from then on; places [M, 2]; mean depths kT [M]


def _lights(commands: pd.DataFrame, depth_kt_per_mw: float, settle_s: float, efficiency: Any) -> list[Spots]:
    """The light of every turn that had any, in order."""
    sent = commands[commands["command"] == "sent"].sort_values("turn", kind="stable")
    turn, effect_s = sent["turn"].to_numpy(), sent["effect_s"].to_numpy(np.float64)
    place_um, dwell_s = sent[["x_um", "y_um"]].to_numpy(np.float64), sent["dwell_s"].to_numpy(np.float64)
    energy = sent["power_mw"].to_numpy(np.float64) * dwell_s * depth_kt_per_mw
    if efficiency is not None and len(place_um):
        energy = energy * efficiency(place_um)
    edges = np.r_[np.flatnonzero(np.r_[True, np.diff(turn) != 0]), len(turn)] if len(turn) else np.zeros(1, np.int64)
    found = []
    for first, last in pairwise(edges.tolist()):
        number = last - first
        cycle_s = dwell_s[first:last].sum() + (number * settle_s if number > 1 else 0.0)
        found.append((float(effect_s[first]), place_um[first:last], energy[first:last] / cycle_s))
    return found


def _frames(tracks: pd.DataFrame) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], Floats]:
    """(first row of each frame [T + 1], its time [T], particle [rows], position [rows, 2]), in order."""
    ordered = tracks.sort_values(["frame", "particle"])
    number = ordered["frame"].to_numpy()
    first = np.flatnonzero(np.r_[True, np.diff(number) != 0])
    time_s = ordered["time_s"].to_numpy(np.float64)[first]
    rows = np.r_[first, len(number)].astype(np.int64)
    return rows, time_s, ordered["particle"].to_numpy(np.int64), ordered[POSITION].to_numpy(np.float64)


def _energy_kt(place_um: Floats, light: Spots, waist_um: float) -> Floats:
    """[N] energy of particles at places [N, 2] in the light of all spots."""
    between = place_um[:, None] - light[1]
    return np.asarray(-(light[2] * np.exp(-2.0 * (between**2).sum(axis=2) / waist_um**2)).sum(axis=1))

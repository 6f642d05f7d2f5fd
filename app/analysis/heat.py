"""Work and heat of a run, from the positions of the particles and the light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis.trajectories import POSITION

Floats = NDArray[np.float64]
COLUMNS = ("time_s", "particle", "work_kt", "heat_kt", "lasted_s")


def work_and_heat(
    tracks: pd.DataFrame,
    commands: pd.DataFrame,
    turns: pd.DataFrame,
    *,
    waist_um: float,
    depth_kt_per_mw: float,
    diffusion_um2_per_s: float,
    settle_s: float = 0.0,
    efficiency: Callable[[Floats], Floats] | None = None,
) -> pd.DataFrame:
    """The work of each change of the light on each particle, and the heat released to the bath since the last change.

    The work is U_new(x) - U_old(x) at the change. The heat is the decrease of U_old since the last change (Sekimoto
    1998). Their sums differ by the change of the energy from beginning to end, hence by nothing in a long steady state.
    The energy is that of the sent spots, weighted by their fractions of the cycle of visits. A dark turn has no spots:
    switching the light off or on does work, too.

    x is interpolated between two frames, an interval T apart. If the light changes at a fraction s of it, the particle
    drifts in the old light and then in the new: x is the linear interpolation less s (1 - s) T (F_new - F_old) / gamma.

    Args:
        tracks, commands, turns: tidy tables; the light changes in each of the turns.
        waist_um, depth_kt_per_mw: of the light; `efficiency` of it at positions [M, 2].
        diffusion_um2_per_s, settle_s: D = kT / gamma; dark time of a jump.

    Returns:
        time_s, particle, work_kt, heat_kt, lasted_s: a row for each change of light between successive sightings of a
        particle. `lasted_s`: duration of the old light; `heat_kt`: nan if the particle was not seen at its beginning.
    """
    lights = _lights(commands, turns, depth_kt_per_mw, settle_s, efficiency)
    seen = _frames(tracks)
    period_s = float(np.median(np.diff(seen.time_s))) if len(seen.time_s) > 1 else 0.0
    found: list[tuple[Floats, ...]] = []
    had = np.empty(0, np.int64), np.empty(0)  # particles, sorted, and their energy when the old light began
    for old, new in pairwise(lights):
        after = int(np.searchsorted(seen.time_s, new[0]))
        if not 0 < after < len(seen.time_s) or seen.time_s[after] - seen.time_s[after - 1] > 1.5 * period_s:
            had = had[0][:0], had[1][:0]
            continue
        ids, place = _places(seen, after, old, new, waist_um, diffusion_um2_per_s)
        ended_kt, begins_kt = _energy_kt(place, old, waist_um), _energy_kt(place, new, waist_um)
        heat = np.full(len(ids), np.nan)
        _, was, now = np.intersect1d(had[0], ids, True, return_indices=True)
        heat[now] = had[1][was] - ended_kt[now]
        had = ids, begins_kt
        at_s, lasted_s = np.full(len(ids), new[0]), np.full(len(ids), new[0] - old[0])
        found.append((at_s, ids.astype(np.float64), begins_kt - ended_kt, heat, lasted_s))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.empty(0)] * len(COLUMNS)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))).astype({"particle": np.int64})


Spots = tuple[float, Floats, Floats]  # time of effect; positions [M, 2]; mean depths kT [M]


def _lights(
    commands: pd.DataFrame, turns: pd.DataFrame, depth_kt_per_mw: float, settle_s: float, efficiency: Any
) -> list[Spots]:
    """The light of every turn, in order, without light that was replaced before it acted."""
    sent = commands[commands["command"] == "sent"].sort_values("turn", kind="stable")
    turn = sent["turn"].to_numpy()
    place_um, dwell_s = sent[["x_um", "y_um"]].to_numpy(np.float64), sent["dwell_s"].to_numpy(np.float64)
    energy = sent["power_mw"].to_numpy(np.float64) * dwell_s * depth_kt_per_mw
    if efficiency is not None and len(place_um):
        energy = energy * efficiency(place_um)
    every = turns[np.isfinite(turns["sent_effect_s"])].sort_values("turn", kind="stable")
    effect_s = every["sent_effect_s"].to_numpy(np.float64)
    soonest_s = np.minimum.accumulate(np.append(effect_s[1:], np.inf)[::-1])[::-1]  # of all later ones
    acted = effect_s < soonest_s  # darkness acts at once, also before the light that was ordered the turn before
    own = every["turn"].to_numpy()[acted]
    first, last = np.searchsorted(turn, own), np.searchsorted(turn, own, side="right")
    found = []
    for since_s, begin, end in zip(effect_s[acted].tolist(), first.tolist(), last.tolist(), strict=True):
        number = end - begin
        cycle_s = dwell_s[begin:end].sum() + (number * settle_s if number > 1 else 0.0)
        found.append((since_s, place_um[begin:end], energy[begin:end] / (cycle_s if number else 1.0)))
    return found


@dataclass(frozen=True)
class Frames:
    """Sightings in the order of the frames, and of the particles in each."""

    first: NDArray[np.int64]  # row of each frame [T + 1]
    time_s: Floats  # of each frame [T]
    particle: NDArray[np.int64]  # [rows]
    place_um: Floats  # [rows, 2]


def _frames(tracks: pd.DataFrame) -> Frames:
    ordered = tracks.sort_values(["frame", "particle"])
    number = ordered["frame"].to_numpy()
    first = np.flatnonzero(np.r_[True, np.diff(number) != 0])
    time_s = ordered["time_s"].to_numpy(np.float64)[first]
    rows = np.r_[first, len(number)].astype(np.int64)
    return Frames(rows, time_s, ordered["particle"].to_numpy(np.int64), ordered[POSITION].to_numpy(np.float64))


def _places(
    seen: Frames, after: int, old: Spots, new: Spots, waist_um: float, diffusion_um2_per_s: float
) -> tuple[NDArray[np.int64], Floats]:
    """Sorted IDs of particles in frame `after` and the one before, and positions [N, 2] when the new light begins."""
    first, last = (slice(seen.first[k], seen.first[k + 1]) for k in (after - 1, after))
    ids, one, other = np.intersect1d(seen.particle[first], seen.particle[last], True, return_indices=True)
    interval_s = seen.time_s[after] - seen.time_s[after - 1]
    share = (new[0] - seen.time_s[after - 1]) / interval_s
    place = seen.place_um[first][one] * (1.0 - share) + seen.place_um[last][other] * share
    bent_s = share * (1.0 - share) * interval_s
    if bent_s > 0.0:
        stronger = _force_kt_per_um(place, new, waist_um) - _force_kt_per_um(place, old, waist_um)
        place = place - bent_s * diffusion_um2_per_s * stronger
    return ids, place


def _energy_kt(place_um: Floats, light: Spots, waist_um: float) -> Floats:
    """[N] energy of particles at positions [N, 2] in the light of all spots."""
    between = place_um[:, None] - light[1]
    return np.asarray(-(light[2] * np.exp(-2.0 * (between**2).sum(axis=2) / waist_um**2)).sum(axis=1))


def _force_kt_per_um(place_um: Floats, light: Spots, waist_um: float) -> Floats:
    """[N, 2] force on particles at positions [N, 2] in the light of all spots."""
    between = place_um[:, None] - light[1]
    pull = light[2] * np.exp(-2.0 * (between**2).sum(axis=2) / waist_um**2)
    return np.asarray(-4.0 / waist_um**2 * (pull[..., None] * between).sum(axis=1))

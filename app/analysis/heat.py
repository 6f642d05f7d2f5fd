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
    frames = _frames(tracks)
    period_s = float(np.median(np.diff(frames.time_s))) if len(frames.time_s) > 1 else 0.0
    rows: list[tuple[Floats, ...]] = []
    previous = np.empty(0, np.int64), np.empty(0)  # particles, sorted, and their energy when the old light began
    for old, new in pairwise(lights):
        after = int(np.searchsorted(frames.time_s, new[0]))
        if not 0 < after < len(frames.time_s) or frames.time_s[after] - frames.time_s[after - 1] > 1.5 * period_s:
            previous = previous[0][:0], previous[1][:0]
            continue
        ids, place = _places(frames, after, old, new, waist_um, diffusion_um2_per_s)
        ended_kt, begins_kt = _energy_kt(place, old, waist_um), _energy_kt(place, new, waist_um)
        heat = np.full(len(ids), np.nan)
        _, old_index, new_index = np.intersect1d(previous[0], ids, True, return_indices=True)
        heat[new_index] = previous[1][old_index] - ended_kt[new_index]
        previous = ids, begins_kt
        at_s, lasted_s = np.full(len(ids), new[0]), np.full(len(ids), new[0] - old[0])
        rows.append((at_s, ids.astype(np.float64), begins_kt - ended_kt, heat, lasted_s))
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)] if rows else [np.empty(0)] * len(COLUMNS)
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
    with_effect = turns[np.isfinite(turns["sent_effect_s"])].sort_values("turn", kind="stable")
    effect_s = with_effect["sent_effect_s"].to_numpy(np.float64)
    soonest_s = np.minimum.accumulate(np.append(effect_s[1:], np.inf)[::-1])[::-1]  # of all later ones
    acts = effect_s < soonest_s  # darkness acts at once, also before the light that was ordered the turn before
    turn_numbers = with_effect["turn"].to_numpy()[acts]
    first, last = np.searchsorted(turn, turn_numbers), np.searchsorted(turn, turn_numbers, side="right")
    lights = []
    for since_s, begin, end in zip(effect_s[acts].tolist(), first.tolist(), last.tolist(), strict=True):
        number = end - begin
        cycle_s = dwell_s[begin:end].sum() + (number * settle_s if number > 1 else 0.0)
        lights.append((since_s, place_um[begin:end], energy[begin:end] / (cycle_s if number else 1.0)))
    return lights


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
    frames: Frames, after: int, old: Spots, new: Spots, waist_um: float, diffusion_um2_per_s: float
) -> tuple[NDArray[np.int64], Floats]:
    """Sorted IDs of particles in frame `after` and the one before, and positions [N, 2] when the new light begins."""
    first, last = (slice(frames.first[k], frames.first[k + 1]) for k in (after - 1, after))
    ids, index_before, index_after = np.intersect1d(
        frames.particle[first], frames.particle[last], True, return_indices=True
    )
    interval_s = frames.time_s[after] - frames.time_s[after - 1]
    share = (new[0] - frames.time_s[after - 1]) / interval_s
    place = frames.place_um[first][index_before] * (1.0 - share) + frames.place_um[last][index_after] * share
    bent_s = share * (1.0 - share) * interval_s
    if bent_s > 0.0:
        force_change = _force_kt_per_um(place, new, waist_um) - _force_kt_per_um(place, old, waist_um)
        place = place - bent_s * diffusion_um2_per_s * force_change
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

"""Observables from tracks: displacements, speeds, bond order. Lengths in um, times in s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control import displacement
from control.contract import State, Tracks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_GAPS = 50  # grid rows for each frame


@dataclass(frozen=True)
class Paths:
    """Positions of all particles on an even grid of times; nan where a particle was not seen."""

    period_s: float
    time_s: Floats  # [T]
    particle: Ints  # [P] particle of each path; a new path begins wherever its identity was uncertain
    position_um: Floats  # [T, P, 2]


def paths(tracks: list[Tracks], period_s: float, most: int | None = None) -> Paths:
    """Tracks on a grid of their frame period; a dropped frame is a row of nan.

    The grid has at most MOST_GAPS rows for each frame of `tracks` (at least 1000): frames before a long pause are left
    out.

    `most`: largest number of paths; those seen most often are kept.
    """
    tracks = [seen for seen in tracks if len(seen) and np.isfinite(seen.time_s)]
    if not tracks:
        return Paths(period_s, np.empty(0), np.empty(0, np.int64), np.empty((0, 0, 2)))
    time_s: Floats = np.array([seen.time_s for seen in tracks], np.float64)
    newest = np.flatnonzero(
        (time_s > time_s[-1] - MOST_GAPS * max(len(tracks), 20) * period_s) & (time_s <= time_s[-1])
    )
    tracks, start_s = [tracks[index] for index in newest], float(time_s[newest].min())
    row = np.array([round((seen.time_s - start_s) / period_s) for seen in tracks])
    rows = np.repeat(row, [len(seen) for seen in tracks])  # [S] of every sighting, as are the arrays below
    who = np.concatenate([seen.particle for seen in tracks])
    place_um = np.concatenate([seen.position_um for seen in tracks])
    state = np.concatenate([seen.state for seen in tracks])
    path = _parted(who, state == State.UNCERTAIN) if (state == State.UNCERTAIN).any() else who
    chosen, first, times = np.unique(path, return_index=True, return_counts=True)
    if most is not None and len(chosen) > most:
        kept = np.sort(np.argsort(-times, kind="stable")[:most])
        chosen, first = chosen[kept], first[kept]
    known = np.isin(path, chosen)
    position_um = np.full((int(row.max()) + 1, len(chosen), 2), np.nan)
    position_um[rows[known], np.searchsorted(chosen, path[known])] = place_um[known]
    grid_s: Floats = start_s + period_s * np.arange(len(position_um), dtype=np.float64)
    return Paths(period_s, grid_s, who[first], position_um)


def _parted(who: Ints, doubted: NDArray[np.bool_]) -> Ints:
    """[S] path of each sighting; a new path begins at every sighting with uncertain identity."""
    order = np.argsort(who, kind="stable")  # in time within each particle
    begins = np.append(True, np.diff(who[order]) != 0) | doubted[order]
    path = np.empty_like(who)
    path[order] = np.cumsum(begins)
    return path


def lags(longest: int, number: int = 24) -> Ints:
    """Lags: whole numbers of frames up to `longest`, evenly spaced in their logarithm."""
    if longest < 1:
        return np.empty(0, np.int64)
    return np.unique(np.round(np.geomspace(1, longest, number)).astype(np.int64))


def mean_square_displacement(made: Paths, lag: Ints) -> Floats:
    """[L] mean square displacement in um^2, over all particles and starting times; nan for a lag without data."""
    return displacement.msd(made.position_um, lag)


def steps_um(made: Paths, lag: int = 1) -> Floats:
    """[K] displacements along x and y together, over `lag` frames."""
    moved = displacement.displacements(made.position_um, lag).ravel()
    known: Floats = moved[np.isfinite(moved)]
    return known


def speed_um_per_s(made: Paths, over_s: float) -> Floats:
    """[T] mean over the particles of |r(t) - r(t - over)| / over; nan for the first frames, without a past position."""
    lag = max(round(over_s / made.period_s), 1)
    speed = np.full(len(made.position_um), np.nan)
    if len(made.position_um) > lag:
        moved = made.position_um[lag:] - made.position_um[:-lag]
        length = np.hypot(moved[..., 0], moved[..., 1])  # [T - lag, P]
        count = np.isfinite(length).sum(axis=1)
        total = np.nansum(length, axis=1)
        speed[lag:] = np.where(count > 0, total / np.maximum(count, 1), np.nan) / (lag * made.period_s)
    return speed


def bond_order(place_um: Floats, neighbours: int) -> Floats:
    """|psi_n| [N] over each particle's n nearest (Nelson and Halperin 1979), by freud; nan for fewer than n + 1."""
    if len(place_um) <= neighbours:
        return np.full(len(place_um), np.nan)
    import freud

    middle = place_um - place_um.mean(axis=0)
    box = freud.box.Box.square(6.0 * float(np.abs(middle).max()) + 1.0)  # large enough that no bond wraps
    order = freud.order.Hexatic(k=neighbours)
    points = np.column_stack([middle, np.zeros(len(middle))])
    order.compute((box, points), {"num_neighbors": neighbours, "exclude_ii": True})
    found: Floats = np.abs(order.particle_order).astype(np.float64)
    return found

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
    tracks = [entry for entry in tracks if len(entry) and np.isfinite(entry.time_s)]
    if not tracks:
        return Paths(period_s, np.empty(0), np.empty(0, np.int64), np.empty((0, 0, 2)))
    time_s: Floats = np.array([entry.time_s for entry in tracks], np.float64)
    newest = np.flatnonzero(
        (time_s > time_s[-1] - MOST_GAPS * max(len(tracks), 20) * period_s) & (time_s <= time_s[-1])
    )
    tracks, start_s = [tracks[index] for index in newest], float(time_s[newest].min())
    row = np.array([round((entry.time_s - start_s) / period_s) for entry in tracks])
    rows = np.repeat(row, [len(entry) for entry in tracks])  # [S] of every sighting, as are the arrays below
    particle = np.concatenate([entry.particle for entry in tracks])
    place_um = np.concatenate([entry.position_um for entry in tracks])
    state = np.concatenate([entry.state for entry in tracks])
    path = _split_at_uncertain(particle, state == State.UNCERTAIN) if (state == State.UNCERTAIN).any() else particle
    path_ids, first, sightings = np.unique(path, return_index=True, return_counts=True)
    if most is not None and len(path_ids) > most:
        kept = np.sort(np.argsort(-sightings, kind="stable")[:most])
        path_ids, first = path_ids[kept], first[kept]
    selected = np.isin(path, path_ids)
    position_um = np.full((int(row.max()) + 1, len(path_ids), 2), np.nan)
    position_um[rows[selected], np.searchsorted(path_ids, path[selected])] = place_um[selected]
    grid_s: Floats = start_s + period_s * np.arange(len(position_um), dtype=np.float64)
    return Paths(period_s, grid_s, particle[first], position_um)


def _split_at_uncertain(particle: Ints, is_uncertain: NDArray[np.bool_]) -> Ints:
    """[S] path of each sighting; a new path begins at every sighting with uncertain identity."""
    order = np.argsort(particle, kind="stable")  # in time within each particle
    begins = np.append(True, np.diff(particle[order]) != 0) | is_uncertain[order]
    path = np.empty_like(particle)
    path[order] = np.cumsum(begins)
    return path


def lags(longest: int, number: int = 24) -> Ints:
    """Lags: whole numbers of frames up to `longest`, evenly spaced in their logarithm."""
    if longest < 1:
        return np.empty(0, np.int64)
    return np.unique(np.round(np.geomspace(1, longest, number)).astype(np.int64))


def mean_square_displacement(path_data: Paths, lag: Ints) -> Floats:
    """[L] mean square displacement in um^2, over all particles and starting times; nan for a lag without data."""
    return displacement.msd(path_data.position_um, lag)


def steps_um(path_data: Paths, lag: int = 1) -> Floats:
    """[K] displacements along x and y together, over `lag` frames."""
    moved = displacement.displacements(path_data.position_um, lag).ravel()
    finite_um: Floats = moved[np.isfinite(moved)]
    return finite_um


def speed_um_per_s(path_data: Paths, over_s: float) -> Floats:
    """[T] mean over the particles of |r(t) - r(t - over)| / over; nan for the first frames, without a past position."""
    lag = max(round(over_s / path_data.period_s), 1)
    speed = np.full(len(path_data.position_um), np.nan)
    if len(path_data.position_um) > lag:
        moved = path_data.position_um[lag:] - path_data.position_um[:-lag]
        length = np.hypot(moved[..., 0], moved[..., 1])  # [T - lag, P]
        count = np.isfinite(length).sum(axis=1)
        total = np.nansum(length, axis=1)
        speed[lag:] = np.where(count > 0, total / np.maximum(count, 1), np.nan) / (lag * path_data.period_s)
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
    magnitude: Floats = np.abs(order.particle_order).astype(np.float64)
    return magnitude

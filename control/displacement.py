"""Mean square displacement (MSD). It is computed only here.

Positions are given on an even grid of frames, or sighting by sighting for a particle that is rarely detected. Tables
of a run (`app/analysis/trajectories`) and live turns (`app/analysis/live_observables`) have thin adapters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_GAPS = 20  # largest number of frames per sighting for which a grid of all frames is used


def msd(place_um: Floats, lags: Ints, *, of_each: bool = False, less_drift: bool = False) -> Floats:
    """Mean square displacement [L], um^2, over all particles and starting times; all displacements have equal weight.

    The squares along all axes are added. nan for a lag without displacements.

    Args:
        place_um: [T, P, D] positions, one row per frame; nan where a particle was not detected.
        lags: [L] frames, 1 or more.
        of_each: return [L, P], the mean of each particle over its starting times.
        less_drift: subtract each particle's mean displacement along each axis.
    """
    total, count = square_displacements(place_um, lags, less_drift=less_drift)
    if not of_each:
        total, count = total.sum(axis=1), count.sum(axis=1)
    return mean_of(total, count)


def mean_of(total: Floats, count: Floats) -> Floats:
    """total / count, element by element; nan where the count is 0."""
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def square_displacements(
    place_um: Floats, lags: Ints, stretch: Ints | None = None, *, less_drift: bool = False
) -> tuple[Floats, Floats]:
    """([L, P] sums of the squared displacements over all starting times, um^2; [L, P] their number).

    Args:
        place_um, lags, less_drift: as for `msd`.
        stretch: [T, P] segment numbers; only displacements between frames of the same segment are used. None: all.
    """
    total = np.zeros((len(lags), place_um.shape[1]))
    count = np.zeros_like(total)
    for row, lag in enumerate(lags):
        square = (displacements(place_um, int(lag), less_drift=less_drift) ** 2).sum(axis=2)
        valid = np.isfinite(square)
        if stretch is not None:
            valid &= stretch[lag:] == stretch[:-lag]
        total[row], count[row] = np.where(valid, square, 0.0).sum(axis=0), valid.sum(axis=0)
    return total, count


def displacements(place_um: Floats, lag: int, *, less_drift: bool = False) -> Floats:
    """[T - lag, ...] displacements over `lag` frames of positions [T, ...]; nan where one of the two positions is nan.

    less_drift: subtract their mean over the starting times, since a steady drift is not diffusion.
    """
    step: Floats = place_um[lag:] - place_um[:-lag]
    if not less_drift:
        return step
    valid = np.isfinite(step)
    mean = np.divide(np.where(valid, step, 0.0).sum(axis=0), np.maximum(valid.sum(axis=0), 1))
    return np.asarray(step - mean)


def add_square_displacements(frame: Ints, place_um: Floats, stretch: Ints, total: Floats, count: Floats) -> None:
    """Add one particle's squared displacements, and their number, to the sums for lags of 1, 2, ... frames.

    Args:
        frame: [N] rising numbers of the frames in which it was detected.
        place_um: [N, D] positions; nan: not used.
        stretch: [N] as for `square_displacements`.
        total, count: [L], changed in place.
    """
    longest = min(len(total), int(frame[-1] - frame[0]))
    if frame[-1] - frame[0] < MOST_GAPS * len(frame):  # a grid of all frames is faster
        row = frame - frame[0]
        grid_um, part = np.full((row[-1] + 1, 1, place_um.shape[1]), np.nan), np.full((row[-1] + 1, 1), -1)
        grid_um[row, 0], part[row, 0] = place_um, stretch
        square, number = square_displacements(grid_um, np.arange(1, longest + 1), part)
        total[:longest] += square[:, 0]
        count[:longest] += number[:, 0]
        return
    for step in range(1, len(frame)):  # a few sightings with long gaps: pair by pair
        gap = frame[step:] - frame[:-step]
        if gap.min() > longest:
            return
        squares = (displacements(place_um, step) ** 2).sum(axis=1)
        valid = (gap <= longest) & (stretch[step:] == stretch[:-step]) & np.isfinite(squares)
        np.add.at(total, gap[valid] - 1, squares[valid])
        np.add.at(count, gap[valid] - 1, 1.0)

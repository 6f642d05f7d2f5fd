"""Mean square displacement (MSD): the one place where it is computed.

Positions are given on an even grid of frames, or sighting by sighting for a particle that was rarely seen. Tables of a
run (`app/analysis/trajectories`) and live turns (`app/analysis/live_observables`) have thin adapters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_GAPS = 20  # frames for each sighting, up to which a grid of all frames is made


def msd(place_um: Floats, lags: Ints, *, of_each: bool = False, less_drift: bool = False) -> Floats:
    """Mean square displacement, um^2: [L] over all particles and starting times, where each displacement counts once.

    Squares along all axes are added up. nan where there is no displacement over a lag.

    Args:
        place_um: [T, P, D] positions, one row a frame; nan where a particle was not seen.
        lags: [L] frames, 1 or more.
        of_each: [L, P], each particle's own mean over its starting times.
        less_drift: without each particle's mean displacement along each axis.
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
    """([L, P] sums of the squared displacements over all starting times, um^2; [L, P] how many there are).

    Args:
        place_um, lags, less_drift: as for `msd`.
        stretch: [T, P] numbers; a displacement counts only between two frames of the same number. None: all count.
    """
    total = np.zeros((len(lags), place_um.shape[1]))
    count = np.zeros_like(total)
    for row, lag in enumerate(lags):
        square = (displacements(place_um, int(lag), less_drift=less_drift) ** 2).sum(axis=2)
        known = np.isfinite(square)
        if stretch is not None:
            known &= stretch[lag:] == stretch[:-lag]
        total[row], count[row] = np.where(known, square, 0.0).sum(axis=0), known.sum(axis=0)
    return total, count


def displacements(place_um: Floats, lag: int, *, less_drift: bool = False) -> Floats:
    """[T - lag, ...] displacements over `lag` frames of positions [T, ...]; nan where one of the two is.

    less_drift: without their mean over the starting times, since a steady drift is no diffusion.
    """
    step: Floats = place_um[lag:] - place_um[:-lag]
    if not less_drift:
        return step
    known = np.isfinite(step)
    mean = np.divide(np.where(known, step, 0.0).sum(axis=0), np.maximum(known.sum(axis=0), 1))
    return np.asarray(step - mean)


def add_square_displacements(frame: Ints, place_um: Floats, stretch: Ints, total: Floats, count: Floats) -> None:
    """Add one particle's squared displacements, and how many there are, to the sums of the lags 1, 2, ... frames.

    Args:
        frame: [N] rising numbers of the frames in which it was seen.
        place_um: [N, D] where; nan where that does not count.
        stretch: [N] as for `square_displacements`.
        total, count: [L] are written to.
    """
    longest = min(len(total), int(frame[-1] - frame[0]))
    if frame[-1] - frame[0] < MOST_GAPS * len(frame):  # a grid of all frames, which is quicker
        row = frame - frame[0]
        grid_um, part = np.full((row[-1] + 1, 1, place_um.shape[1]), np.nan), np.full((row[-1] + 1, 1), -1)
        grid_um[row, 0], part[row, 0] = place_um, stretch
        square, number = square_displacements(grid_um, np.arange(1, longest + 1), part)
        total[:longest] += square[:, 0]
        count[:longest] += number[:, 0]
        return
    for step in range(1, len(frame)):  # a few sightings, far apart: pair by pair
        gap = frame[step:] - frame[:-step]
        if gap.min() > longest:
            return
        squares = (displacements(place_um, step) ** 2).sum(axis=1)
        known = (gap <= longest) & (stretch[step:] == stretch[:-step]) & np.isfinite(squares)
        np.add.at(total, gap[known] - 1, squares[known])
        np.add.at(count, gap[known] - 1, 1.0)

"""Averages over the trajectories of a check; nan marks missing positions and is left out."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from control import displacement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def mean(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    """The mean without nan; nan if all values are nan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # for an empty slice, whose mean is nan
        return np.asarray(np.nanmean(values, axis=axis))


def msd(place_um: Floats, lags: Ints) -> Floats:
    """[L, P] time-averaged mean square displacement per axis of positions [T, P, 2], at lags [L] in frames."""
    return 0.5 * msd_plane(place_um, lags)


def msd_plane(place_um: Floats, lags: Ints) -> Floats:
    """[L, P] time-averaged mean square displacement in the plane."""
    return displacement.msd(place_um, lags, of_each=True)


def slope(place_um: Floats, near: int, far: int, frame_s: float) -> Floats:
    """[P] late D: (M(far) - M(near)) / (2 (far - near) dt), lags in frames; an offset of the MSD M cancels."""
    early, late = msd(place_um, np.array([near, far]))
    return np.asarray((late - early) / (2.0 * (far - near) * frame_s))


def by_cell(values: Floats, cell: Ints) -> Floats:
    """[C] means of values [P] over each cell."""
    return np.array([float(mean(values[cell == number])) for number in np.unique(cell)])

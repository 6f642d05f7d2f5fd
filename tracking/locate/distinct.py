"""Drops the fainter of two features closer than the separation, as in trackpy 0.7 (flat peaks are found twice)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from control.contract import Fault

Floats = NDArray[np.float64]

MOST_PAIRS = 200_000_000  # compared in one frame: some tenths of a second
MARGIN = 1e-7  # trackpy's: a distance equal to the separation is far enough


def distinct(position: Floats, mass: Floats, separation_px: float) -> NDArray[np.bool_]:
    """[N] True for features that stay. Of two of equal mass the one nearer to the top left corner is dropped.

    Raises Fault for more than MOST_PAIRS pairs of neighbours.
    """
    keep = np.ones(len(position), np.bool_)
    # also called for one feature, so that the kernel is compiled before a frame has two
    if len(position) > 0 and not _drop(position / separation_px, mass, keep, MOST_PAIRS):
        raise Fault(
            f"{len(position)} peaks of a frame lie within tracking.separation_px ({separation_px:g}) of too many "
            "others: its brightest pixels are all alike; expose less, or look for smaller particles"
        )
    return keep


@njit(cache=True, nogil=True)
def _drop(place: Floats, mass: Floats, keep: NDArray[np.bool_], budget: int) -> bool:
    """Set `keep` to False at the fainter feature of each pair closer than 1, by a grid of cells of side 1.

    A dropped feature still drops others, as in trackpy. Returns False if there are more than `budget` pairs.
    """
    low = np.array([place[:, 0].min(), place[:, 1].min()])
    rows = int(place[:, 0].max() - low[0]) + 3
    columns = int(place[:, 1].max() - low[1]) + 3
    first = np.full((rows, columns), -1, np.int64)
    later = np.full(len(place), -1, np.int64)
    for i in range(len(place)):
        row, column = int(place[i, 0] - low[0]) + 1, int(place[i, 1] - low[1]) + 1
        for r in range(row - 1, row + 2):
            for c in range(column - 1, column + 2):
                j = first[r, c]
                while j >= 0:
                    budget -= 1
                    if (place[i, 0] - place[j, 0]) ** 2 + (place[i, 1] - place[j, 1]) ** 2 <= (1 - MARGIN) ** 2:
                        keep[_fainter(place, mass, j, i)] = False
                    j = later[j]
        if budget < 0:
            return False
        later[i] = first[row, column]
        first[row, column] = i
    return True


@njit(cache=True, nogil=True)
def _fainter(place: Floats, mass: Floats, i: int, j: int) -> int:
    if mass[i] != mass[j]:
        return j if mass[i] > mass[j] else i
    return j if place[i, 0] + place[i, 1] > place[j, 0] + place[j, 1] else i

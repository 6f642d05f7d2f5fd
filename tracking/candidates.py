"""Which remembered particle could be which feature: pairs within a gate, by a grid of cells."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 10  # nearest sources that a sight considers, as in trackpy


@njit(cache=True, nogil=True)
def candidates(source_px: Floats, gate_px: Floats, sight_px: Floats) -> tuple[Ints, Ints, Floats]:
    """Pairs by rising source: those of source i are [first[i], first[i + 1]) of (sight, distance_px^2).

    Args:
        source_px: [M, 2] where each source is expected.
        gate_px: [M] how far off it may be.
        sight_px: [N, 2]; each considers its NEIGHBOURS nearest sources.
    """
    sources, sights = source_px.shape[0], sight_px.shape[0]
    first = np.zeros(sources + 1, np.int64)
    if sources == 0 or sights == 0:
        return first, np.empty(0, np.int64), np.empty(0)
    start, member, low, cell_px, rows, columns = _grid(source_px, gate_px)
    near = np.empty((sights, NEIGHBOURS), np.int64)
    near_d2 = np.empty((sights, NEIGHBOURS))
    count = np.zeros(sights, np.int64)
    for j in range(sights):
        x, y = sight_px[j]
        row, column = int(np.floor((y - low[1]) / cell_px)), int(np.floor((x - low[0]) / cell_px))
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                for k in range(start[r * columns + c], start[r * columns + c + 1]):
                    i = member[k]
                    d2 = (source_px[i, 0] - x) ** 2 + (source_px[i, 1] - y) ** 2
                    if d2 <= gate_px[i] ** 2:
                        count[j] = _insert(near[j], near_d2[j], count[j], i, d2)
        for k in range(count[j]):
            first[near[j, k] + 1] += 1
    first = np.cumsum(first)
    sight = np.empty(first[-1], np.int64)
    square = np.empty(first[-1])
    fill = first.copy()
    for j in range(sights):
        for k in range(count[j]):
            at = fill[near[j, k]]
            sight[at] = j
            square[at] = near_d2[j, k]
            fill[near[j, k]] += 1
    return first, sight, square


@njit(cache=True, nogil=True)
def _grid(source_px: Floats, gate_px: Floats) -> tuple[Ints, Ints, Floats, float, int, int]:
    """(first member of each cell, members, low corner, side, rows, columns): about one source a cell."""
    sources = source_px.shape[0]
    low = np.array([source_px[:, 0].min(), source_px[:, 1].min()])
    span_x, span_y = source_px[:, 0].max() - low[0], source_px[:, 1].max() - low[1]
    cell_px = max(gate_px.max(), np.sqrt(span_x * span_y / sources), (span_x + span_y) / (4.0 * sources + 16.0))
    rows, columns = int(span_y / cell_px) + 1, int(span_x / cell_px) + 1
    start = np.zeros(rows * columns + 1, np.int64)
    cell = np.empty(sources, np.int64)
    for i in range(sources):
        cell[i] = int((source_px[i, 1] - low[1]) / cell_px) * columns + int((source_px[i, 0] - low[0]) / cell_px)
        start[cell[i] + 1] += 1
    start = np.cumsum(start)
    member = np.empty(sources, np.int64)
    fill = start.copy()
    for i in range(sources):
        member[fill[cell[i]]] = i
        fill[cell[i]] += 1
    return start, member, low, cell_px, rows, columns


@njit(cache=True, nogil=True)
def _insert(near: Ints, near_d2: Floats, count: int, source: int, d2: float) -> int:
    """Keep the nearest in order; how many there are now."""
    at = count
    if count == near.size:
        if d2 >= near_d2[count - 1]:
            return count
        at = count - 1
        count -= 1
    while at > 0 and near_d2[at - 1] > d2:
        near[at] = near[at - 1]
        near_d2[at] = near_d2[at - 1]
        at -= 1
    near[at] = source
    near_d2[at] = d2
    return count + 1

"""Graphs of neighbours: radius graphs, the smooth cut-off, and sums over neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor


def radius_edges(position: NDArray[np.float64], radius: float) -> Tensor:
    """[2, E] directed edges between all pairs closer than `radius`; receivers in row 0, senders in row 1.

    position is [N, d], in the unit of `radius`. Edge e + E/2 is edge e reversed. The graph has a radius
    instead of k nearest neighbours, since only then edges appear and vanish without a jump, by a smooth cut-off.
    """
    place = np.ascontiguousarray(position, np.float64)
    if not np.isfinite(place).all():
        raise ValueError("positions must be finite")
    return torch.from_numpy(_sweep(place, np.argsort(place[:, 0], kind="stable"), float(radius)))


@njit(cache=True, nogil=True)
def _sweep(position: NDArray[np.float64], order: NDArray[np.int64], radius: float) -> NDArray[np.int64]:
    """Edges [2, E]. Compares points with successors in the `order` along the first axis only.

    This takes a few us for a hundred points, less than building a tree.
    """
    edges = np.empty((2, 0), np.int64)
    for counted in (False, True):
        edge, half = 0, edges.shape[1] // 2
        for first in range(len(order)):
            i = order[first]
            for second in range(first + 1, len(order)):
                j = order[second]
                if position[j, 0] - position[i, 0] >= radius:
                    break
                square = 0.0
                for axis in range(position.shape[1]):
                    square += (position[j, axis] - position[i, axis]) ** 2
                if square < radius * radius:
                    if counted:
                        edges[0, edge] = edges[1, half + edge] = i
                        edges[1, edge] = edges[0, half + edge] = j
                    edge += 1
        if not counted:
            edges = np.empty((2, 2 * edge), np.int64)
    return edges


def all_edges(points: int, graphs: int = 1) -> Tensor:
    """[2, E] edges between all points of a graph, for `graphs` graphs of `points` points each.

    Edge e + E/2 is edge e reversed.
    """
    first, second = torch.triu_indices(points, points, 1)
    base = torch.arange(graphs)[:, None] * points
    low, high = (base + first).flatten(), (base + second).flatten()
    return torch.stack([torch.cat([low, high]), torch.cat([high, low])])


def envelope(distance: Tensor, radius: float | None, power: int = 6) -> Tensor:
    """The polynomial cut-off of Gasteiger et al. (DimeNet, ICLR 2020), eq. 8. It is 1 at 0; from `radius` on it is 0,
    with two continuous derivatives. Without a radius it is 1 everywhere."""
    if radius is None:
        return torch.ones_like(distance)
    ratio = (distance * (1 / radius)).clamp(max=1.0)
    fall = ratio * (power * (power + 1) / 2)
    fall = (fall - power * (power + 2)) * ratio + (power + 1) * (power + 2) / 2
    return 1 - ratio**power * fall


def add_at(value: Tensor, index: Tensor, rows: int) -> Tensor:
    """Sums of the rows of `value` [E, ...] by `index` [E]: [rows, ...]."""
    return value.new_zeros(rows, *value.shape[1:]).index_add_(0, index, value)


def count_at(index: Tensor, rows: int, like: Tensor) -> Tensor:
    """[rows] number of times that each row is in `index`, at least 1, in the dtype of `like`."""
    return like.new_zeros(rows).index_add_(0, index, like.new_ones(len(index))).clamp(min=1)

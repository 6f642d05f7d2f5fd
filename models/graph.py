"""Who is near whom: radius graphs, the smooth cut-off of a neighbour's influence, sums over neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor


def radius_edges(position: NDArray[np.float64], radius: float) -> Tensor:
    """Directed edges between all pairs closer than `radius`: [2, E], receivers above senders.

    position is [N, d], in the unit of `radius`. Edge e + E/2 is edge e reversed. A radius graph, and not the k nearest
    neighbours: only then can a smooth cut-off make the edges come and go without a jump.
    """
    place = np.ascontiguousarray(position, np.float64)
    if not np.isfinite(place).all():
        raise ValueError("positions must be finite")
    return torch.from_numpy(_sweep(place, np.argsort(place[:, 0], kind="stable"), float(radius)))


@njit(cache=True, nogil=True)
def _sweep(position: NDArray[np.float64], order: NDArray[np.int64], radius: float) -> NDArray[np.int64]:
    """Edges [2, E], by a look at those only who come next in the `order` along the first axis.

    It takes a few us for a hundred points, where a tree takes longer to be planted.
    """
    edges = np.empty((2, 0), np.int64)
    for counted in (False, True):
        found, half = 0, edges.shape[1] // 2
        for here in range(len(order)):
            i = order[here]
            for there in range(here + 1, len(order)):
                j = order[there]
                if position[j, 0] - position[i, 0] >= radius:
                    break
                square = 0.0
                for axis in range(position.shape[1]):
                    square += (position[j, axis] - position[i, axis]) ** 2
                if square < radius * radius:
                    if counted:
                        edges[0, found] = edges[1, half + found] = i
                        edges[1, found] = edges[0, half + found] = j
                    found += 1
        if not counted:
            edges = np.empty((2, 2 * found), np.int64)
    return edges


def all_edges(points: int, graphs: int = 1) -> Tensor:
    """Every point of a graph with every other of it, for `graphs` graphs of `points` points each: [2, E].

    Edge e + E/2 is edge e reversed.
    """
    first, second = torch.triu_indices(points, points, 1)
    base = torch.arange(graphs)[:, None] * points
    one, other = (base + first).flatten(), (base + second).flatten()
    return torch.stack([torch.cat([one, other]), torch.cat([other, one])])


def envelope(distance: Tensor, radius: float | None, power: int = 6) -> Tensor:
    """The polynomial cut-off of Gasteiger et al. (DimeNet, ICLR 2020), eq. 8: 1 at 0, and 0 with two derivatives at
    `radius` and beyond; 1 everywhere without a radius."""
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
    """How often each row is named in `index`, at least 1: [rows], in the type of `like`."""
    return like.new_zeros(rows).index_add_(0, index, like.new_ones(len(index))).clamp(min=1)

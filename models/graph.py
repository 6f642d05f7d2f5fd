"""Who is near whom: radius graphs, the smooth cut-off of a neighbour's influence, sums over neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor


def radius_edges(position: NDArray[np.float64], radius: float) -> Tensor:
    """Directed edges between all pairs closer than `radius`: [2, E], receivers above senders.

    position is [N, d], in the unit of `radius`. Edge e + E/2 is edge e reversed. A radius graph, and not the k nearest
    neighbours: only then can a smooth cut-off make the edges come and go without a jump.
    """
    pairs = cKDTree(position).query_pairs(radius, output_type="ndarray") if len(position) > 1 else np.empty((0, 2))
    edges = np.empty((2, 2 * len(pairs)), np.int64)
    edges[:, : len(pairs)], edges[:, len(pairs) :] = pairs.T, pairs.T[::-1]
    return torch.from_numpy(edges)


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

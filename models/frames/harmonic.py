"""Weighted harmonic frames of E(2) and SE(2): exact and continuous, also on crystals.

No finite unweighted frame of O(2) is continuous (Dym, Lawrence, Siegel 2024, arXiv 2402.16077). A weighted one can be,
if the weight of a pose vanishes where the pose is undefined. Here the m-fold bond-like order about the centre,

    psi_m = mean_j w(r_j) (z_j / |z_j|)^m,   w(r) = (r / r_g)^2 exp(-(r / r_g)^2),   z_j = x_j - t as a complex number,

gives the m rotations by (arg psi_m + 2 pi k) / m, each with the weight |psi_m|^2 / m, for every m of `ORDERS`. m = 2 is
a principal axis; m = 6 also works for a hexagonal crystal, which has no principal axis.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from models.cloud import Cloud, mean_of_graphs
from models.frames.frame import Poses

ORDERS = (1, 2, 3, 6)
FLOOR = 1e-3  # weight of the fallback, which is used alone only where all psi_m vanish


def harmonic(cloud: Cloud, group: Literal["E", "SE"] = "E", orders: tuple[int, ...] = ORDERS) -> Poses:
    """sum(orders) poses of planar clouds for SE(2), twice as many for E(2). Detached. Raises ValueError."""
    if cloud.dimension != 2:
        raise ValueError(f"harmonic frames are for clouds in the plane, not in {cloud.dimension} dimensions")
    tiny = torch.finfo(cloud.position.dtype).tiny
    with torch.no_grad():
        centre = mean_of_graphs(cloud.position, cloud.graph, cloud.graphs)  # [G, 2]
        order = _orders(cloud, centre, orders)  # [G, M] complex
        turn, share = _poses(order, orders)  # [G, K] rad, [G, K]
        total = share.sum(1)
        mirrors = (1.0, -1.0) if group == "E" else (1.0,)
        rotation = torch.cat([_rotation(turn, mirror) for mirror in mirrors], 1)
        share = torch.cat([share / len(mirrors)] * len(mirrors), 1) / total.clamp(min=tiny)[:, None]
    return Poses(rotation, centre, share, total / (total + FLOOR))


def _orders(cloud: Cloud, centre: Tensor, orders: tuple[int, ...]) -> Tensor:
    tiny = torch.finfo(cloud.position.dtype).tiny
    apart = cloud.position - centre[cloud.graph]
    square = apart.square().sum(1)
    size = mean_of_graphs(square, cloud.graph, cloud.graphs).clamp(min=tiny)
    ratio = square / size[cloud.graph]
    unit = torch.view_as_complex(apart.contiguous()) / square.clamp(min=tiny).sqrt()
    weight = ratio * torch.exp(-ratio)
    powers = torch.stack([weight * unit**m for m in orders], 1)  # [N, M]
    parts = torch.view_as_real(powers).flatten(1)
    return torch.view_as_complex(mean_of_graphs(parts, cloud.graph, cloud.graphs).reshape(cloud.graphs, -1, 2))


def _poses(order: Tensor, orders: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    turns, shares = [], []
    for index, m in enumerate(orders):
        first = torch.angle(order[:, index : index + 1]) / m
        turns.append(first + torch.arange(m).to(first) * (2 * math.pi / m))  # [G, m]
        shares.append(order[:, index : index + 1].abs().square().expand(-1, m) / m)
    return torch.cat(turns, 1), torch.cat(shares, 1)


def _rotation(turn: Tensor, mirror: float) -> Tensor:
    cos, sin = turn.cos(), turn.sin()
    return torch.stack([torch.stack([cos, -mirror * sin], -1), torch.stack([sin, mirror * cos], -1)], -2)

"""Orientations: uniform on the circle, a Fibonacci lattice on the sphere. A checkpoint stores its grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def orientations(dimension: int, count: int) -> Tensor:
    """[O, d] unit vectors. Rotations that map the grid to itself are exact symmetries."""
    return circle(count) if dimension == 2 else sphere(count)


def circle(count: int) -> Tensor:
    """[O, 2] unit vectors at multiples of 2 pi / O from the x axis."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack([angle.cos(), angle.sin()], 1).to(torch.get_default_dtype())


def sphere(count: int) -> Tensor:
    """[O, 3] Fibonacci lattice (Gonzalez 2010); for even counts on the upper half, together with its opposites.

    With opposites, the kernel of a reversed pair needs no computation.
    """
    half = count // 2 if count % 2 == 0 else count
    index = torch.arange(half, dtype=torch.float64)
    height = 1 - (2 * index + 1) / half * (0.5 if count % 2 == 0 else 1.0)
    around = (1 - height * height).sqrt()
    angle = index * (math.pi * (1 + math.sqrt(5)))
    points = torch.stack([around * angle.cos(), around * angle.sin(), height], 1)
    if count % 2 == 0:
        points = torch.cat([points, -points])
    return points.to(torch.get_default_dtype())


def opposites(grid: Tensor) -> Tensor:
    """[O] index of -o for every o of the grid; [0] if one is missing."""
    if not len(grid) or grid.is_meta:  # only the size of the network is needed
        return torch.empty(0, dtype=torch.long)
    apart = torch.cdist(grid.double(), -grid.double())
    nearest, index = apart.min(1)
    return index if bool((nearest < 1e-5).all()) else index[:0]

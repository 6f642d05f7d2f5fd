"""Invariants of pairs of positions and orientations (PONITA, Theorem 1 and section 3.2).

R^2 x S^1, o_perp = o turned by +90 degrees, r = p_j - p_i:
    SE(2): o_i . r, o_i_perp . r (signed), and (cos, sin) of theta_j - theta_i. The authors' code keeps the cosine only,
           so that its fibre is invariant to reflections.
    E(2):  o_i . r, |o_i_perp . r|, cos.
R^3 x S^2, SE(3) and E(3) alike: o_i . r, |r - (o_i . r) o_i|, o_i . o_j.
"""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-24  # under a square root, so that its gradient stays finite


def spatial(offset: Tensor, orientation: Tensor, chiral: bool) -> Tensor:
    """Invariants of positions: offset [..., d] and orientation [..., d], broadcast against each other, -> [..., 2]."""
    along = (offset * orientation).sum(-1)
    if offset.shape[-1] == 3:
        across = (offset - along[..., None] * orientation).square().sum(-1).clamp(min=TINY).sqrt()
        return torch.stack([along, across], -1)
    across = orientation[..., 0] * offset[..., 1] - orientation[..., 1] * offset[..., 0]
    return torch.stack([along, across if chiral else across.abs()], -1)


def fibre(here: Tensor, there: Tensor, chiral: bool) -> Tensor:
    """Invariants of orientations o_i = here and o_j = there, [..., d] -> [..., 1], or [..., 2] for SE(2)."""
    cos = (here * there).sum(-1)
    if chiral and here.shape[-1] == 2:
        return torch.stack([cos, here[..., 0] * there[..., 1] - here[..., 1] * there[..., 0]], -1)
    return cos[..., None]


def fibre_count(dimension: int, chiral: bool) -> int:
    return 2 if chiral and dimension == 2 else 1

"""Group elements to sum over: symmetric parts drawn log-normally, rotations evenly, each with its inverse.

S = exp X, X Gaussian in an orthonormal basis of symmetric matrices (without a trace for SL), A = S^(1/2) R and
A^-1 = R^T S^(-1/2) from the same draw. Near-orthogonal matrices are the likeliest: this regularises the domain, it is
not the Haar measure, and equivariance is for those g that keep the samples inside of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.lie.decomposition import exp_symmetric, rotation

SPREAD = 0.1  # variance of X along each basis element


def symmetric(count: int, special: bool, draw: torch.Generator, spread: float = SPREAD) -> Tensor:
    """X [G, 2, 2]: deviators (and, unless special, traces) with variance `spread` along each."""
    size = math.sqrt(spread) * torch.randn(count, 2 if special else 3, generator=draw) / math.sqrt(2)
    first, second = size[:, 0], size[:, 1]
    x = torch.stack([torch.stack([first, second], 1), torch.stack([second, -first], 1)], 1)
    return x if special else x + size[:, 2, None, None] * torch.eye(2)


def elements(
    count: int, special: bool, seed: int, spread: float = SPREAD, turn_rad: float = math.pi
) -> tuple[Tensor, Tensor]:
    """A and A^-1, each [G, 2, 2]; rotations stand evenly between -turn and turn, from a common random angle on.

    On the whole circle (turn = pi) the domain does not change under rotations; a smaller one keeps what is upright
    apart from what is not, and is equivariant to small rotations only.
    """
    draw = torch.Generator().manual_seed(seed)
    x = symmetric(count, special, draw, spread)
    step = (torch.arange(count) + torch.rand(1, generator=draw)) / count  # in 0 .. 1
    r = rotation(turn_rad * (2 * step - 1))
    return exp_symmetric(0.5 * x) @ r, r.transpose(1, 2) @ exp_symmetric(-0.5 * x)


def nearby(count: int, special: bool, seed: int, stretch: float, turn_rad: float) -> tuple[Tensor, Tensor]:
    """A = exp(X) R near the identity and A^-1, each [G, 2, 2]; X along each basis element even within +-stretch, the
    angle of R even within +-turn.

    Scrambled Sobol points (Owen 1998) cover these four (three for SL) dimensions more evenly than random ones do.
    """
    engine = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    share = 2 * engine.draw(count).to(torch.get_default_dtype()) - 1  # [G, 4] in -1 .. 1
    one, two, three = (stretch * share[:, :3]).unbind(1)
    x = torch.stack([torch.stack([one, two], 1), torch.stack([two, -one], 1)], 1)
    if not special:
        x = x + three[:, None, None] * torch.eye(2)
    r = rotation(turn_rad * share[:, 3])
    return exp_symmetric(x) @ r, r.transpose(1, 2) @ exp_symmetric(-x)

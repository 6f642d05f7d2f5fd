"""Samples of group elements: log-normal symmetric parts, uniform rotations, with inverses and weights.

S = exp X, X Gaussian in an orthonormal basis of symmetric matrices (without a trace for SL), A = S^(1/2) R and
A^-1 = R^T S^(-1/2) from the same draw. Near-orthogonal matrices are most frequent; the weights, the Haar density over
that of the draw, make a mean over samples an integral over the group (importance sampling). The authors' code draws
with a variance of 0.1 and without weights: stretches of 0.11 in logarithms. Then a kernel would reach five standard
deviations from an element stretched by 1.2, where samples are rare and have weights of thousands.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.lie.decomposition import exp_symmetric, rotation
from models.lie.haar import haar_density_polar

SPREAD = 0.7  # variance of X along each basis element; stretches of 0.3 in logarithms


def symmetric(count: int, special: bool, draw: torch.Generator, spread: float = SPREAD) -> Tensor:
    """X [G, 2, 2]: deviators (and, unless special, traces) with variance `spread` along each."""
    size = math.sqrt(spread) * torch.randn(count, 2 if special else 3, generator=draw) / math.sqrt(2)
    first, second = size[:, 0], size[:, 1]
    x = torch.stack([torch.stack([first, second], 1), torch.stack([second, -first], 1)], 1)
    return x if special else x + size[:, 2, None, None] * torch.eye(2)


def elements(count: int, special: bool, seed: int, spread: float = SPREAD) -> tuple[Tensor, Tensor, Tensor]:
    """(A [G, 2, 2], A^-1 [G, 2, 2], weights [G]); rotations are evenly spaced from a random angle on."""
    draw = torch.Generator().manual_seed(seed)
    x = symmetric(count, special, draw, spread)
    step = (torch.arange(count) + torch.rand(1, generator=draw)) / count  # in 0 .. 1
    r = rotation(2 * math.pi * step)
    return exp_symmetric(0.5 * x) @ r, r.transpose(1, 2) @ exp_symmetric(-0.5 * x), haar_weights(x, special, spread)


def haar_weights(x: Tensor, special: bool, spread: float) -> Tensor:
    """[G] weights for A = exp(X / 2) R with X from `symmetric`: 1/G sum_A w(A) F(A) approximates the integral of F dmu.

    mu is the Haar measure with the density of `coordinates` of X at the identity; the circle counts as 1.
    """
    half = 0.5 * x
    variance = spread / 8  # of each of the two or three coordinates of X / 2
    square = 0.5 * half.square().sum((1, 2))  # of these coordinates
    log_density = -0.5 * (square / variance + (2 if special else 3) * math.log(2 * math.pi * variance))
    return haar_density_polar(half) * torch.exp(-log_density)


def nearby(count: int, special: bool, seed: int, stretch: float, turn_rad: float) -> tuple[Tensor, Tensor]:
    """(A [G, 2, 2], A^-1 [G, 2, 2]) for A = exp(X) R near the identity; X along each basis element uniform within
    +-stretch, the angle of R uniform within +-turn_rad.

    Scrambled Sobol points (Owen 1998) cover these four (three for SL) dimensions more evenly than random points.
    """
    engine = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    share = 2 * engine.draw(count).to(torch.get_default_dtype()) - 1  # [G, 4] in -1 .. 1
    first, second, trace = (stretch * share[:, :3]).unbind(1)
    x = torch.stack([torch.stack([first, second], 1), torch.stack([second, -first], 1)], 1)
    if not special:
        x = x + trace[:, None, None] * torch.eye(2)
    r = rotation(turn_rad * share[:, 3])
    return exp_symmetric(x) @ r, r.transpose(1, 2) @ exp_symmetric(-x)

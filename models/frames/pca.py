"""Frames from principal axes (Frame Averaging, section 3.1), and the gap gate that keeps them continuous.

Eigenvectors are taken without their gradient, as in the authors' code: the derivative of `eigh` is singular where
eigenvalues meet. The frame of the paper is defined for simple spectra only; a hexagonal patch, a square and a ring all
have a double eigenvalue, and near them the axes turn with the last digit of the data. `gated` is for those.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor

from models.cloud import Cloud, mean_of_graphs
from models.frames.frame import Poses

Group = Literal["E", "SE", "O", "SO", "T"]

GATE = 0.15  # relative gap of the spectrum from which on the frame has the whole say


def principal(seen: Cloud, group: Group = "E") -> Poses:
    """F(X) = {([a_1 v_1 .. a_d v_d], t)}, a_i = +-1: 2^d poses for E(d) and O(d), half of them (det > 0) for SE(d) and
    SO(d), where no pose moves the origin for O(d) and SO(d); the one pose (1, t) for T(d)."""
    axes, _ = axes_of(seen)
    return _frame(seen, axes, group, torch.ones_like(axes[:, 0, 0]))


def gated(seen: Cloud, group: Group = "E") -> Poses:
    """The same, trusted by a smooth step of the smallest relative gap between eigenvalues: 0 where two of them meet.

    With an equivariant fallback the sum is exactly equivariant and continuous everywhere, at one more pass.
    """
    axes, spectrum = axes_of(seen)
    gap = (spectrum[:, 1:] - spectrum[:, :-1]).amin(1) / spectrum.sum(1).clamp(min=torch.finfo(spectrum.dtype).tiny)
    ratio = (gap / GATE).clamp(0, 1)
    return _frame(seen, axes, group, ratio * ratio * (3 - 2 * ratio))


def axes_of(seen: Cloud) -> tuple[Tensor, Tensor]:
    """Principal axes [G, d, d] (columns) and the spectrum of the covariance [G, d], rising; detached."""
    with torch.no_grad():
        centre = mean_of_graphs(seen.position, seen.graph, seen.graphs)
        apart = seen.position - centre[seen.graph]
        spread = mean_of_graphs(apart[:, :, None] * apart[:, None], seen.graph, seen.graphs)
        spectrum, axes = torch.linalg.eigh(spread)
    return axes, spectrum


def _frame(seen: Cloud, axes: Tensor, group: Group, trust: Tensor) -> Poses:
    dimension = seen.dimension
    if group == "T":
        rotation = torch.eye(dimension).to(axes).expand(seen.graphs, 1, dimension, dimension)
    else:
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=dimension))).to(axes)  # [2^d, d]
        if group in ("SE", "SO"):
            even = signs[signs.prod(1) > 0]  # those keep the handedness of the axes, which we set to +1
            axes = (
                axes * torch.cat([torch.linalg.det(axes)[:, None], axes.new_ones(len(axes), dimension - 1)], 1)[:, None]
            )
            signs = even
        rotation = axes[:, None] * signs[None, :, None, :]  # [G, K, d, d]
    with torch.no_grad():
        centre = mean_of_graphs(seen.position, seen.graph, seen.graphs)
    origin = torch.zeros_like(centre) if group in ("O", "SO") else centre
    share = rotation.new_full(rotation.shape[:2], 1 / rotation.shape[1])
    return Poses(rotation, origin, share, trust)

"""Frames from principal axes (Frame Averaging, section 3.1), and a gate that makes them continuous.

Eigenvectors are used without their gradient, as in the authors' code: the derivative of `eigh` is singular where
eigenvalues are equal. The frame of the paper is defined for simple spectra only. Hexagonal patches, squares and rings
have a double eigenvalue, near which the axes depend on the last digit of the data; `gated` handles these.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor

from models.cloud import Cloud, mean_of_graphs
from models.frames.frame import Poses

Group = Literal["E", "SE", "O", "SO", "T"]

GATE = 0.15  # relative gap of the spectrum above which the frame is fully trusted


def principal(cloud: Cloud, group: Group = "E") -> Poses:
    """F(X) = {([a_1 v_1 .. a_d v_d], t)}, a_i = +-1: 2^d poses for E(d) and O(d); half of them (det > 0) for SE(d) and
    SO(d); the one pose (1, t) for T(d). For O(d) and SO(d), t = 0."""
    axes, _ = axes_of(cloud)
    return _frame(cloud, axes, group, torch.ones_like(axes[:, 0, 0]))


def gated(cloud: Cloud, group: Group = "E") -> Poses:
    """As `principal`, with a trust that falls smoothly to 0 where two eigenvalues are equal.

    With an equivariant fallback the result is exactly equivariant and continuous everywhere, for one more evaluation.
    """
    axes, spectrum = axes_of(cloud)
    gap = (spectrum[:, 1:] - spectrum[:, :-1]).amin(1) / spectrum.sum(1).clamp(min=torch.finfo(spectrum.dtype).tiny)
    ratio = (gap / GATE).clamp(0, 1)
    return _frame(cloud, axes, group, ratio * ratio * (3 - 2 * ratio))


def axes_of(cloud: Cloud) -> tuple[Tensor, Tensor]:
    """(principal axes [G, d, d] as columns, spectrum of the covariance [G, d], rising); detached."""
    with torch.no_grad():
        centre = mean_of_graphs(cloud.position, cloud.graph, cloud.graphs)
        apart = cloud.position - centre[cloud.graph]
        spread = mean_of_graphs(apart[:, :, None] * apart[:, None], cloud.graph, cloud.graphs)
        spectrum, axes = torch.linalg.eigh(spread)
    return axes, spectrum


def _frame(cloud: Cloud, axes: Tensor, group: Group, trust: Tensor) -> Poses:
    dimension = cloud.dimension
    if group == "T":
        rotation = torch.eye(dimension).to(axes).expand(cloud.graphs, 1, dimension, dimension)
    else:
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=dimension))).to(axes)  # [2^d, d]
        if group in ("SE", "SO"):
            even = signs[signs.prod(1) > 0]  # these keep the handedness of the axes, which is set to +1
            axes = (
                axes * torch.cat([torch.linalg.det(axes)[:, None], axes.new_ones(len(axes), dimension - 1)], 1)[:, None]
            )
            signs = even
        rotation = axes[:, None] * signs[None, :, None, :]  # [G, K, d, d]
    with torch.no_grad():
        centre = mean_of_graphs(cloud.position, cloud.graph, cloud.graphs)
    origin = torch.zeros_like(centre) if group in ("O", "SO") else centre
    share = rotation.new_full(rotation.shape[:2], 1 / rotation.shape[1])
    return Poses(rotation, origin, share, trust)

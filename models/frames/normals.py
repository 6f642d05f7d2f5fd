"""Normals of a surface from nearest points, by frames of SO(3) (Frame Averaging, section 5.1, at small scale).

A patch has the k nearest points of the point whose normal is estimated, scaled by their spread. Principal axes alone
are the classical estimate; a network in their frame learns to correct it at edges and with noise.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures, cloud, mean_of_graphs
from models.frames.average import FrameAveraged
from models.frames.pca import axes_of, principal
from models.layers import perceptron


class PointNet(nn.Module):
    """Perceptron of each point, mean and maximum, perceptron of both (Qi et al. 2017): one vector per patch."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.width = width
        self.each = perceptron(3, width, width, last=True)
        self.all = perceptron(2 * width, width, 3)

    def forward(self, cloud: Cloud) -> PointFeatures:
        feature = self.each(cloud.position)  # [N, W]
        mean = mean_of_graphs(feature, cloud.graph, cloud.graphs)
        index = cloud.graph[:, None].expand_as(feature)
        most = torch.full_like(mean, -math.inf).scatter_reduce(0, index, feature, "amax")
        vector = self.all(torch.cat([mean, most], 1))[cloud.graph]
        return PointFeatures(vector[:, None], cloud.position.new_zeros(cloud.points, 0))


def estimator(width: int = 48) -> FrameAveraged:
    """A vector along the normal, the same for every point of a patch; equivariant to SO(3), not to reflections."""
    return FrameAveraged(PointNet(width), partial(principal, group="SO"))


def patches(place: Tensor) -> Cloud:
    """Patches [P, k, 3] about their own origin as P graphs without edges, scaled to unit spread."""
    place = place / place.square().sum(2).mean(1).sqrt()[:, None, None]
    return cloud(place.flatten(0, 1), torch.empty(2, 0, dtype=torch.long), graphs=len(place))


def normals(network: nn.Module, place: Tensor) -> Tensor:
    """[P, 3] unit normals of patches [P, k, 3], of unknown sign."""
    vector = network(patches(place)).vector[:: place.shape[1], 0]
    return torch.nn.functional.normalize(vector, dim=1)


def principal_normals(place: Tensor) -> Tensor:
    """[P, 3] axis of least spread, the classical estimate."""
    axes, _ = axes_of(patches(place))
    return axes[:, :, 0]


def sine_loss(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean squared sine of the angle between two lines."""
    return torch.mean(1 - (estimate * truth).sum(1).square())


def edge_patches(count: int, points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """(patches [P, k, 3], true normals [P, 3]) on two half planes that meet near the first point, randomly rotated.

    The first point lies on the first plane; the second plane tilts the principal axes of the patch.
    """
    draw = torch.Generator().manual_seed(seed)
    kind = torch.get_default_dtype()

    def even(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=kind)

    edge = 0.1 + 0.5 * even(count, 1)  # x of the edge
    bend = math.radians(30) + math.radians(60) * even(count, 1)
    x, y = 2 * even(count, points) - 1, 2 * even(count, points) - 1
    over = (x - edge).clamp(min=0)
    flat = torch.stack([x - over * (1 - bend.cos()), y, -over * bend.sin()], 2)
    flat = flat + noise * torch.randn(flat.shape, generator=draw, dtype=kind)
    flat[:, 0] = 0
    turn, upper = torch.linalg.qr(torch.randn(count, 3, 3, generator=draw, dtype=kind))
    turn = turn * upper.diagonal(dim1=1, dim2=2).sign()[:, None]
    return flat @ turn.transpose(1, 2), turn[:, :, 2]

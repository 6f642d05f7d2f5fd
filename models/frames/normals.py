"""Normals of a surface from its nearest points, by frames of SO(3) (Frame Averaging, section 5.1, made small).

A patch is the k nearest points about the one whose normal is asked, in units of their spread. Principal axes alone are
the classical answer; a network in their frame learns what they get wrong, at edges and with noise.
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
    """A perceptron of each point, their mean and largest, a perceptron of those (Qi et al. 2017): a vector a patch."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.width = width
        self.each = perceptron(3, width, width, last=True)
        self.all = perceptron(2 * width, width, 3)

    def forward(self, seen: Cloud) -> PointFeatures:
        feature = self.each(seen.position)  # [N, W]
        mean = mean_of_graphs(feature, seen.graph, seen.graphs)
        index = seen.graph[:, None].expand_as(feature)
        most = torch.full_like(mean, -math.inf).scatter_reduce(0, index, feature, "amax")
        vector = self.all(torch.cat([mean, most], 1))[seen.graph]
        return PointFeatures(vector[:, None], seen.position.new_zeros(seen.points, 0))


def estimator(width: int = 48) -> FrameAveraged:
    """A vector along the normal for every point of a patch, all the same; equivariant to SO(3), not to reflections."""
    return FrameAveraged(PointNet(width), partial(principal, group="SO"))


def patches(place: Tensor) -> Cloud:
    """Patches [P, k, 3] about their own origin as P graphs without edges, scaled to unit spread."""
    place = place / place.square().sum(2).mean(1).sqrt()[:, None, None]
    return cloud(place.flatten(0, 1), torch.empty(2, 0, dtype=torch.long), graphs=len(place))


def normals(network: nn.Module, place: Tensor) -> Tensor:
    """[P, 3] unit normals of patches [P, k, 3], up to their sign."""
    vector = network(patches(place)).vector[:: place.shape[1], 0]
    return torch.nn.functional.normalize(vector, dim=1)


def principal_normals(place: Tensor) -> Tensor:
    """[P, 3] the axis of least spread: the classical answer."""
    axes, _ = axes_of(patches(place))
    return axes[:, :, 0]


def sine_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared sine of the angle between two lines."""
    return torch.mean(1 - (found * wanted).sum(1).square())


def edge_patches(count: int, points: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Patches on two half planes that meet at an edge near the asked point, turned at random: [P, k, 3], [P, 3].

    The asked point lies on the first plane; the spread of the patch is pulled over by the second.
    """
    draw = torch.Generator().manual_seed(seed)
    kind = torch.get_default_dtype()

    def even(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=kind)

    edge = 0.1 + 0.5 * even(count, 1)  # where the edge lies along x
    bend = math.radians(30) + math.radians(60) * even(count, 1)
    x, y = 2 * even(count, points) - 1, 2 * even(count, points) - 1
    over = (x - edge).clamp(min=0)
    flat = torch.stack([x - over * (1 - bend.cos()), y, -over * bend.sin()], 2)
    flat = flat + noise * torch.randn(flat.shape, generator=draw, dtype=kind)
    flat[:, 0] = 0
    turn, upper = torch.linalg.qr(torch.randn(count, 3, 3, generator=draw, dtype=kind))
    turn = turn * upper.diagonal(dim1=1, dim2=2).sign()[:, None]
    return flat @ turn.transpose(1, 2), turn[:, :, 2]

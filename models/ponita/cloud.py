"""PONITA without a grid: one orientation per neighbour, along the bond to it. Exactly equivariant, but slow."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures
from models.graph import add_at, envelope
from models.ponita.basis import KernelBasis
from models.ponita.convolution import ConvNextBlock, Neighbours
from models.ponita.invariants import TINY, fibre, fibre_count, spatial


class PonitaPoints(nn.Module):
    """A point of position-orientation space for every directed edge: at the receiver, directed to the sender.

    Elements receive messages from those at the same point and at neighbouring points, with a kernel of all three
    invariants. With a cut-off, elements fade with their bond, as do the kernels, so that nothing jumps when a bond
    appears or vanishes.
    """

    def __init__(
        self,
        *,
        dimension: int,
        group: Literal["E", "SE"] = "E",
        scalars: int = 0,
        vectors: int = 0,
        scalars_out: int = 0,
        vectors_out: int = 1,
        width: int = 32,
        basis: int | None = None,
        layers: int = 2,
        degree: int = 3,
        widening: int = 4,
        layer_scale: float | None = None,
        cutoff: float | None = None,
        length: float = 1.0,
    ) -> None:
        super().__init__()
        basis = basis or width
        self.chiral, self.cutoff, self.length = group == "SE", cutoff, length
        self.vectors_out, self.scalars_out = vectors_out, scalars_out
        self.pair_basis = KernelBasis(2 + fibre_count(dimension, self.chiral), width, basis, degree)
        self.embedding = nn.Linear(max(scalars + vectors, 1), width, bias=False)
        self.blocks = nn.ModuleList(ConvNextBlock(width, basis, widening, layer_scale) for _ in range(layers))
        self.reads = nn.ModuleList(nn.Linear(width, scalars_out + vectors_out) for _ in range(layers))

    def forward(self, cloud: Cloud) -> PointFeatures:
        bond = cloud.offset()  # [E, d]
        distance = bond.square().sum(1).clamp(min=TINY).sqrt()
        look = bond / distance[:, None]
        weight = envelope(distance, self.cutoff)
        near = self._neighbours(cloud, look, weight)
        x = self.embedding(self._lifted(cloud, look))[:, None]  # [E, 1, C]
        out = x.new_zeros(1)
        for block, read in zip(self.blocks, self.reads, strict=True):
            x = cast(ConvNextBlock, block)(x, near, None)
            out = out + read(x)
        return self._read(out[:, 0] / len(self.reads), cloud, look, weight)

    def _lifted(self, cloud: Cloud, look: Tensor) -> Tensor:
        along = (cloud.vector.index_select(0, cloud.receiver) * look[:, None]).sum(2)  # [E, V]
        features = torch.cat([cloud.scalar.index_select(0, cloud.receiver), along], 1)
        return features if features.shape[1] else features.new_ones(len(features), 1)

    def _neighbours(self, cloud: Cloud, look: Tensor, weight: Tensor) -> Neighbours:
        receiving, sending = element_pairs(cloud)
        offset = cloud.position[cloud.receiver[sending]] - cloud.position[cloud.receiver[receiving]]
        invariants = torch.cat(
            [
                spatial(offset / self.length, look[receiving], self.chiral),
                fibre(look[receiving], look[sending], self.chiral),
            ],
            1,
        )
        fade = weight[sending] * envelope(offset.square().sum(1).clamp(min=TINY).sqrt(), self.cutoff)
        return Neighbours(receiving, sending, (self.pair_basis(invariants) * fade[:, None])[:, None], None, None)

    def _read(self, out: Tensor, cloud: Cloud, look: Tensor, weight: Tensor) -> PointFeatures:
        """Means over the elements of each point, weighted by the fade of their bond."""
        total = add_at(weight, cloud.receiver, cloud.points)
        share = (weight / (total + 1 if self.cutoff is not None else total.clamp(min=1))[cloud.receiver])[:, None]
        scalar = add_at(out[:, : self.scalars_out] * share, cloud.receiver, cloud.points)
        pull = (out[:, self.scalars_out :] * share)[:, :, None] * look[:, None]  # [E, V, d]
        return PointFeatures(add_at(pull, cloud.receiver, cloud.points), scalar)


def element_pairs(cloud: Cloud) -> tuple[Tensor, Tensor]:
    """(receiving element [P], sending element [P]): edges at the same point, itself included, and at neighbours."""
    count = torch.bincount(cloud.receiver, minlength=cloud.points)
    order = torch.argsort(cloud.receiver, stable=True)
    start = torch.cumsum(count, 0) - count
    every = torch.arange(cloud.points, device=cloud.graph.device)
    # pairs of points that share elements: (point, itself) and (point, neighbour)
    to_point, from_point = torch.cat([every, cloud.receiver]), torch.cat([every, cloud.sender])
    sizes = count[to_point] * count[from_point]
    pair = torch.repeat_interleave(torch.arange(len(to_point), device=sizes.device), sizes)
    rank = torch.arange(len(pair), device=sizes.device) - (torch.cumsum(sizes, 0) - sizes)[pair]
    wide = count[from_point][pair]
    receiving = order[start[to_point][pair] + torch.div(rank, wide, rounding_mode="floor")]
    return receiving, order[start[from_point][pair] + rank % wide]

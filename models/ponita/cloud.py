"""PONITA without a grid: one orientation a neighbour, along the bond to it. Exactly equivariant, but dear."""

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
    """A point of position-orientation space for every directed edge: the receiver's place, looking at the sender.

    Elements hear those at the same point and at neighbouring points, through a kernel of all three invariants. With a
    cut-off an element fades with its own bond, as do the kernels, so that nothing jumps when a bond comes or goes.
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

    def forward(self, seen: Cloud) -> PointFeatures:
        bond = seen.offset()  # [E, d]
        distance = bond.square().sum(1).clamp(min=TINY).sqrt()
        look = bond / distance[:, None]
        weight = envelope(distance, self.cutoff)
        near = self._neighbours(seen, look, weight)
        x = self.embedding(self._lifted(seen, look))[:, None]  # [E, 1, C]
        out = x.new_zeros(1)
        for block, read in zip(self.blocks, self.reads, strict=True):
            x = cast(ConvNextBlock, block)(x, near, None)
            out = out + read(x)
        return self._read(out[:, 0] / len(self.reads), seen, look, weight)

    def _lifted(self, seen: Cloud, look: Tensor) -> Tensor:
        along = (seen.vector.index_select(0, seen.receiver) * look[:, None]).sum(2)  # [E, V]
        shown = torch.cat([seen.scalar.index_select(0, seen.receiver), along], 1)
        return shown if shown.shape[1] else shown.new_ones(len(shown), 1)

    def _neighbours(self, seen: Cloud, look: Tensor, weight: Tensor) -> Neighbours:
        hearing, heard = element_pairs(seen)
        offset = seen.position[seen.receiver[heard]] - seen.position[seen.receiver[hearing]]
        shown = torch.cat(
            [
                spatial(offset / self.length, look[hearing], self.chiral),
                fibre(look[hearing], look[heard], self.chiral),
            ],
            1,
        )
        fade = weight[heard] * envelope(offset.square().sum(1).clamp(min=TINY).sqrt(), self.cutoff)
        return Neighbours(hearing, heard, (self.pair_basis(shown) * fade[:, None])[:, None], None, None)

    def _read(self, out: Tensor, seen: Cloud, look: Tensor, weight: Tensor) -> PointFeatures:
        """Means over the elements of each point, weighted by how near their bond is."""
        total = add_at(weight, seen.receiver, seen.points)
        share = (weight / (total + 1 if self.cutoff is not None else total.clamp(min=1))[seen.receiver])[:, None]
        scalar = add_at(out[:, : self.scalars_out] * share, seen.receiver, seen.points)
        pull = (out[:, self.scalars_out :] * share)[:, :, None] * look[:, None]  # [E, V, d]
        return PointFeatures(add_at(pull, seen.receiver, seen.points), scalar)


def element_pairs(seen: Cloud) -> tuple[Tensor, Tensor]:
    """Which element (edge) hears which: all at the same point, itself included, and all at its neighbours: [P], [P]."""
    count = torch.bincount(seen.receiver, minlength=seen.points)
    order = torch.argsort(seen.receiver, stable=True)
    start = torch.cumsum(count, 0) - count
    every = torch.arange(seen.points, device=seen.graph.device)
    # pairs of points that share elements: (point, itself) and (point, neighbour)
    here, there = torch.cat([every, seen.receiver]), torch.cat([every, seen.sender])
    sizes = count[here] * count[there]
    pair = torch.repeat_interleave(torch.arange(len(here), device=sizes.device), sizes)
    rank = torch.arange(len(pair), device=sizes.device) - (torch.cumsum(sizes, 0) - sizes)[pair]
    wide = count[there][pair]
    hearing = order[start[here][pair] + torch.div(rank, wide, rounding_mode="floor")]
    return hearing, order[start[there][pair] + rank % wide]

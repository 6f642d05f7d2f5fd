"""PONITA on a fixed grid of orientations at every point (the fibre bundle), or on distances only."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures
from models.graph import envelope
from models.layers import GaussianRadial
from models.ponita.basis import KernelBasis
from models.ponita.convolution import ConvNextBlock, Neighbours
from models.ponita.grid import opposites, orientations
from models.ponita.invariants import TINY, fibre, fibre_count, spatial


class Ponita(nn.Module):
    """Features [point, orientation, channel]. `grid` orientations a point, or 0: distances only, and no vectors out.

    Exactly equivariant to permutations, translations and those rotations (for group "E" in the plane: and reflections)
    that map the grid onto itself; to the others approximately, better the finer the grid and if so trained. Chirality
    is felt in the plane with group "SE" only. Positions are measured in `length`; with a cut-off (same unit as the
    positions) kernels fade by the polynomial window. The spatial basis also sees what a pair has that does not
    turn: its attributes, and its distance through `radial` Gaussians, with which it resolves a sharp ring.
    """

    grid: Tensor
    opposite: Tensor

    def __init__(
        self,
        *,
        dimension: int,
        group: Literal["E", "SE"] = "E",
        grid: int = 8,
        scalars: int = 0,
        vectors: int = 0,
        attributes: int = 0,
        scalars_out: int = 0,
        vectors_out: int = 1,
        width: int = 32,
        basis: int | None = None,
        layers: int = 2,
        degree: int = 3,
        widening: int = 4,
        layer_scale: float | None = None,
        cutoff: float | None = None,
        radial: int = 0,
        length: float = 1.0,
        self_loops: bool = True,
    ) -> None:
        super().__init__()
        if grid == 0 and vectors_out:
            raise ValueError("a network on distances only has no vectors to give")
        basis = basis or width
        self.chiral, self.cutoff, self.length, self.self_loops = group == "SE", cutoff, length, self_loops
        self.vectors_out, self.scalars_out, self.attributes = vectors_out, scalars_out, attributes
        self.register_buffer("grid", orientations(dimension, grid) if grid else torch.empty(0, dimension))
        self.register_buffer("opposite", opposites(self.grid))
        self.radial = GaussianRadial(radial, cutoff or 1.0)
        self.spatial_basis = KernelBasis(2 if grid else 1, width, basis, degree, attributes + radial)
        self.fibre_basis = KernelBasis(fibre_count(dimension, self.chiral), width, basis, degree) if grid else None
        self.embedding = nn.Linear(max(scalars + vectors, 1), width, bias=False)
        self.blocks = nn.ModuleList(ConvNextBlock(width, basis, widening, layer_scale) for _ in range(layers))
        self.reads = nn.ModuleList(nn.Linear(width, scalars_out + vectors_out) for _ in range(layers))

    def forward(self, seen: Cloud) -> PointFeatures:
        near = self.neighbours(seen)
        across = None
        if self.fibre_basis is not None:
            across = self.fibre_basis(fibre(self.grid[:, None], self.grid[None], self.chiral))
        x = self.embedding(self.lifted(seen))  # [N, O, C]
        out = x.new_zeros(1)
        for block, read in zip(self.blocks, self.reads, strict=True):
            x = cast(ConvNextBlock, block)(x, near, across)
            out = out + read(x)
        return self._read(out / len(self.reads), seen)

    def lifted(self, seen: Cloud) -> Tensor:
        """[N, O, S + V]: scalars as they are, vectors by their component along each orientation."""
        if not len(self.grid):
            shown = torch.cat([seen.scalar, seen.vector.square().sum(2).clamp(min=TINY).sqrt()], 1)[:, None]
        else:
            along = (seen.vector @ self.grid.T).transpose(1, 2)  # [N, O, V]
            shown = torch.cat([seen.scalar[:, None].expand(-1, len(self.grid), -1), along], 2)
        return shown if shown.shape[2] else shown.new_ones(*shown.shape[:2], 1)

    def neighbours(self, seen: Cloud) -> Neighbours:
        opposite = self.opposite if seen.paired and len(self.opposite) else None
        half = len(seen.receiver) // 2
        pairs = slice(half) if opposite is not None else slice(None)
        receiver, sender, attribute = seen.receiver[pairs], seen.sender[pairs], seen.attribute[pairs]
        offset = seen.position.index_select(0, sender) - seen.position.index_select(0, receiver)
        basis = self._basis(offset, attribute)
        own = None
        if self.self_loops:
            own = self._basis(offset.new_zeros(1, offset.shape[1]), attribute.new_zeros(1, self.attributes))
        return Neighbours(receiver, sender, basis, opposite, own)

    def _basis(self, offset: Tensor, attribute: Tensor) -> Tensor:
        """[P, O, B] from offsets [P, d] and attributes [P, A]."""
        distance = offset.square().sum(1).clamp(min=TINY).sqrt()
        if len(self.grid):
            shown = spatial(offset[:, None] / self.length, self.grid, self.chiral)  # [P, O, 2]
        else:
            shown = (distance / self.length)[:, None, None]
        extra = torch.cat([attribute, self.radial(distance)], 1)
        basis: Tensor = self.spatial_basis(shown, extra if extra.shape[1] else None)
        return basis if self.cutoff is None else basis * envelope(distance, self.cutoff)[:, None, None]

    def _read(self, out: Tensor, seen: Cloud) -> PointFeatures:
        scalar = out[:, :, : self.scalars_out].mean(1)
        if not self.vectors_out:
            return PointFeatures(seen.position.new_zeros(seen.points, 0, seen.dimension), scalar)
        vector = torch.einsum("nov,od->nvd", out[:, :, self.scalars_out :], self.grid) / len(self.grid)
        return PointFeatures(vector, scalar)

"""PONITA on a fixed grid of orientations at every point (fibre bundle), or on distances only."""

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
    """Features [point, orientation, channel]. `grid` orientations per point, or 0: distances only, without vectors.

    Exactly equivariant to permutations, translations and those rotations (with group "E" in the plane also reflections)
    that map the grid to itself; approximately to others, better with a finer grid and with training on rotated data.
    Only group "SE" in the plane distinguishes left from right. Positions are in units of `length`; with a cut-off (in
    the unit of positions) kernels fade with the polynomial window. The spatial basis also gets the pair's attributes
    and its distance as `radial` Gaussians, which resolve sharp features of forces.
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
            raise ValueError(f"a network on distances only has no vectors (vectors_out is {vectors_out}, allowed: 0)")
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

    def forward(self, cloud: Cloud) -> PointFeatures:
        near = self.neighbours(cloud)
        across = None
        if self.fibre_basis is not None:
            across = self.fibre_basis(fibre(self.grid[:, None], self.grid[None], self.chiral))
        x = self.embedding(self.lifted(cloud))  # [N, O, C]
        out = x.new_zeros(1)
        for block, read in zip(self.blocks, self.reads, strict=True):
            x = cast(ConvNextBlock, block)(x, near, across)
            out = out + read(x)
        return self._read(out / len(self.reads), cloud)

    def lifted(self, cloud: Cloud) -> Tensor:
        """[N, O, S + V]: scalars, and components of vectors along each orientation."""
        if not len(self.grid):
            features = torch.cat([cloud.scalar, cloud.vector.square().sum(2).clamp(min=TINY).sqrt()], 1)[:, None]
        else:
            along = (cloud.vector @ self.grid.T).transpose(1, 2)  # [N, O, V]
            features = torch.cat([cloud.scalar[:, None].expand(-1, len(self.grid), -1), along], 2)
        return features if features.shape[2] else features.new_ones(*features.shape[:2], 1)

    def neighbours(self, cloud: Cloud) -> Neighbours:
        opposite = self.opposite if cloud.paired and len(self.opposite) else None
        half = len(cloud.receiver) // 2
        pairs = slice(half) if opposite is not None else slice(None)
        receiver, sender, attribute = cloud.receiver[pairs], cloud.sender[pairs], cloud.attribute[pairs]
        offset = cloud.position.index_select(0, sender) - cloud.position.index_select(0, receiver)
        basis = self._basis(offset, attribute)
        self_basis = None
        if self.self_loops:
            self_basis = self._basis(offset.new_zeros(1, offset.shape[1]), attribute.new_zeros(1, self.attributes))
        return Neighbours(receiver, sender, basis, opposite, self_basis)

    def _basis(self, offset: Tensor, attribute: Tensor) -> Tensor:
        """[P, O, B] basis from offsets [P, d] and attributes [P, A]."""
        distance = offset.square().sum(1).clamp(min=TINY).sqrt()
        if len(self.grid):
            invariants = spatial(offset[:, None] / self.length, self.grid, self.chiral)  # [P, O, 2]
        else:
            invariants = (distance / self.length)[:, None, None]
        extra = torch.cat([attribute, self.radial(distance)], 1)
        basis: Tensor = self.spatial_basis(invariants, extra if extra.shape[1] else None)
        return basis if self.cutoff is None else basis * envelope(distance, self.cutoff)[:, None, None]

    def _read(self, out: Tensor, cloud: Cloud) -> PointFeatures:
        scalar = out[:, :, : self.scalars_out].mean(1)
        if not self.vectors_out:
            return PointFeatures(cloud.position.new_zeros(cloud.points, 0, cloud.dimension), scalar)
        vector = torch.einsum("nov,od->nvd", out[:, :, self.scalars_out :], self.grid) / len(self.grid)
        return PointFeatures(vector, scalar)

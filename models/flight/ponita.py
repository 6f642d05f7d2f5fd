"""PONITA for real time."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from models.cloud import Cloud
from models.flight.pairs import PackedLinear, Pairs, Sight, packed
from models.flight.scratch import Scratch
from models.ponita.basis import KernelBasis
from models.ponita.convolution import ConvNextBlock
from models.ponita.invariants import fibre
from models.ponita.network import Ponita


class FlyingBlock:
    """One ConvNeXt block; kernels that do not depend on the cloud are computed once."""

    def __init__(self, block: ConvNextBlock, own: Tensor | None, across: Tensor, scratch: Scratch) -> None:
        convolution = block.convolution
        self.scratch = scratch
        self.kernel = PackedLinear(convolution.kernel.weight, None).weight  # [B, C]
        self.own = None if own is None else own @ self.kernel  # [1, O, C]
        kernel = across @ convolution.fibre_kernel.weight.detach().T / across.shape[1]  # [O (receiving), O, C]
        self.fibre = kernel.permute(2, 1, 0).contiguous()  # [C, O, O (receiving)]
        self.bias, self.norm = convolution.bias.detach().clone(), deepcopy(block.norm)
        self.widen, self.narrow = packed(block.widen), packed(block.narrow)
        self.scale = None if block.scale is None else block.scale.detach().clone()

    def __call__(self, x: Tensor, basis: Tensor, opposite: Tensor, pairs: Pairs) -> Tensor:
        """x [N, O, C], basis [P O, B] -> [N, O, C]."""
        points, grid, width = x.shape
        received = self._over_positions(x, basis, opposite, pairs)
        turned = torch.bmm(received.permute(2, 0, 1).contiguous(), self.fibre)  # [C, N, O]
        mixed = self.scratch("mixed", points, grid, width)
        torch.add(turned.permute(1, 2, 0), self.bias, out=mixed)
        flat = layer_norm(mixed, (width,), self.norm.weight, self.norm.bias, self.norm.eps).view(-1, width)
        wide = self.widen(flat, self.scratch("wide", len(flat), self.widen.weight.shape[1]))
        new = self.narrow(torch.ops.aten.gelu_(wide)).view_as(x)
        return x + new if self.scale is None else torch.addcmul(x, self.scale, new)

    def _over_positions(self, x: Tensor, basis: Tensor, opposite: Tensor, pairs: Pairs) -> Tensor:
        """The convolution over positions. The kernel of the reversed pair at o is that of the pair at -o."""
        count = len(pairs.one)
        grid, width = x.shape[1:]
        kernel = torch.mm(basis, self.kernel, out=self.scratch("kernel", len(basis), width)).view(count, grid, width)
        received = torch.zeros_like(x) if self.own is None else x * self.own
        sent = torch.index_select(x, 0, pairs.other, out=self.scratch("sent", count, grid, width))
        received.index_add_(0, pairs.one, sent.mul_(kernel))
        turned = x.index_select(1, opposite)
        sent = torch.index_select(turned, 0, pairs.one, out=sent).mul_(kernel)
        back = torch.zeros_like(x).index_add_(0, pairs.other, sent)
        return received.add_(back.index_select(1, opposite))


class PonitaFlight:
    """PONITA with a cut-off on a grid with opposites, reading scalars only; one paired cloud -> [N, d]."""

    def __init__(self, network: Ponita) -> None:
        assert network.cutoff is not None
        assert network.fibre_basis is not None
        self.chiral, self.opposite = network.chiral, network.opposite
        grid = network.grid
        self.grid, self.scratch = grid, Scratch(grid)
        self.along = (grid.T / network.length).contiguous()  # [d, O]
        self.across = [part / network.length for part in crossing(grid)]
        self.sight = Sight(network.radial, network.cutoff, self.scratch)
        basis: KernelBasis = network.spatial_basis
        self.terms, split = basis.monomials.terms, len(basis.monomials.terms)
        self.first = PackedLinear(basis.first.weight[:, :split], basis.first.bias)
        self.radial = PackedLinear(basis.first.weight[:, split:], None)
        self.second = packed(basis.second)
        self.lift = PackedLinear(network.embedding.weight, None).weight
        with torch.no_grad():
            across = network.fibre_basis(fibre(grid[:, None], grid[None], self.chiral))
            own = network._basis(grid[:1] * 0, grid.new_zeros(1, 0)) if network.self_loops else None
            blocks = cast(list[ConvNextBlock], list(network.blocks))
            self.blocks = [FlyingBlock(block, own, across, self.scratch) for block in blocks]
        self.reads = [packed(read) for read in network.reads]

    def __call__(self, cloud: Cloud) -> Tensor:
        pairs = self.sight.pairs(cloud)
        basis = self._basis(pairs)
        shown = cloud.scalar if cloud.scalar.shape[1] else cloud.position.new_ones(cloud.points, 1)
        x = (shown @ self.lift)[:, None].expand(-1, len(self.grid), -1).contiguous()  # [N, O, C]
        total = cloud.position.new_zeros(cloud.points * len(self.grid), 1)
        for block, read in zip(self.blocks, self.reads, strict=True):
            x = block(x, basis, self.opposite, pairs)
            total.add_(read(x.view(-1, x.shape[2])))
        return total.view(cloud.points, -1) @ (self.grid / (len(self.reads) * len(self.grid)))

    def _basis(self, pairs: Pairs) -> Tensor:
        """[P O, B] basis of every pair and orientation, window included."""
        count, grid = len(pairs.one), len(self.grid)
        offset = -pairs.apart
        terms = self.scratch("terms", len(self.terms) * count * grid).view(len(self.terms), count * grid)
        computed: dict[tuple[int, ...], Tensor] = {}
        for index, term in enumerate(self.terms):
            row = computed[term] = terms[index].view(count, grid)
            if term == (0,):
                torch.mm(offset, self.along, out=row)
            elif term == (1,):
                self._across(offset, row)
            else:
                torch.mul(computed[term[:-1]], computed[term[-1:]], out=row)
        inner = torch.addmm(self.first.bias, terms.T, self.first.weight,
                            out=self.scratch("first", count * grid, self.first.weight.shape[1]))  # fmt: skip
        if len(self.radial.weight):
            inner.view(count, grid, inner.shape[1]).add_(torch.mm(pairs.shown[:, 1:], self.radial.weight)[:, None])
        basis = self.second(torch.ops.aten.gelu_(inner), self.scratch("basis", len(inner), self.second.weight.shape[1]))
        torch.ops.aten.gelu_(basis).view(count, grid * basis.shape[1]).mul_(pairs.fade)
        return basis

    def _across(self, offset: Tensor, out: Tensor) -> None:
        """[P, O] distance of the sender from the line through the receiver along o; signed if chiral in the plane."""
        torch.mm(offset, self.across[0], out=out)
        if len(self.across) == 1:
            if not self.chiral:
                out.abs_()
            return
        out.square_()
        for part in self.across[1:]:
            out.add_(torch.mm(offset, part).square_())
        out.sqrt_()


def crossing(grid: Tensor) -> list[Tensor]:
    """Matrices [d, O] with r @ part = the components of o x r, for every o: one in the plane, three in space."""
    if grid.shape[1] == 2:
        return [torch.stack([-grid[:, 1], grid[:, 0]])]
    x, y, z = grid.T
    zero = torch.zeros_like(x)
    return [torch.stack(rows) for rows in ([zero, -z, y], [z, zero, -x], [-y, x, zero])]

"""Separable, depth-wise convolution over positions and then over orientations, and the ConvNeXt block around it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.graph import add_at

PIECE = 24_000  # values of the widened layer that are computed at once


@dataclass(frozen=True)
class Neighbours:
    """Receiver and sender of each pair, with the pair's kernel basis.

    With `opposite`, only the first half of the pairs is stored. The other half are the reversed pairs, with -r for r:
    their kernel at o is that of the first half at -o.
    """

    receiver: Tensor  # [P]
    sender: Tensor  # [P]
    basis: Tensor  # [P, O, B], window included
    opposite: Tensor | None  # [O]
    own: Tensor | None  # [1, O, B] basis of a point with itself


class SeparableConvolution(nn.Module):
    """x1[i, o] = sum_j k1(o_i . r, ..)[o] x[j, o];  x2[i, p] = 1/O sum_o k2(o_p . o_o) x1[i, o]  (PONITA, eqs. 9, 10).

    The first training batch with messages scales both kernels so that they preserve the standard deviation of the
    features.
    """

    calibrated: Tensor

    def __init__(self, width: int, basis: int) -> None:
        super().__init__()
        self.kernel = nn.Linear(basis, width, bias=False)
        self.fibre_kernel = nn.Linear(basis, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("calibrated", torch.tensor(False))

    def forward(self, x: Tensor, near: Neighbours, fibre_basis: Tensor | None) -> Tensor:
        """x [N, O, C], fibre_basis [O (receiving), O, B] -> [N, O, C]; without a fibre basis the first step only."""
        first = self.over_positions(x, near)
        second = first if fibre_basis is None else self.over_orientations(first, fibre_basis)
        if self.training and not bool(self.calibrated):
            self._calibrate(x, first, second)
        return second + self.bias

    def over_positions(self, x: Tensor, near: Neighbours) -> Tensor:
        kernel = self.kernel(near.basis)  # [P, O, C]
        received: Tensor = add_at(kernel * x.index_select(0, near.sender), near.receiver, len(x))
        if near.opposite is not None:
            # the kernel at -o is used for x at o; x is permuted at the points, which are fewer than the pairs
            turned = x.index_select(1, near.opposite)
            back = add_at(kernel * turned.index_select(0, near.receiver), near.sender, len(x))
            received = received + back.index_select(1, near.opposite)
        if near.own is not None:
            received = received + self.kernel(near.own) * x
        return received

    def over_orientations(self, x: Tensor, fibre_basis: Tensor) -> Tensor:
        kernel = self.fibre_kernel(fibre_basis) / x.shape[1]  # [P, O, C]
        # einsum "noc,poc->npc", laid out so that the products read memory in order
        return torch.bmm(x.permute(2, 0, 1).contiguous(), kernel.permute(2, 1, 0).contiguous()).permute(1, 2, 0)

    def _calibrate(self, x: Tensor, first: Tensor, second: Tensor) -> None:
        if x.numel() < 2:
            return  # no points in this batch
        sizes = torch.stack([x.std(), first.std(), second.std()]).detach()
        if not bool((torch.isfinite(sizes) & (sizes > 0)).all()):
            return  # no messages in this batch
        # through `data`, since the backward pass of this batch is still to come
        self.kernel.weight.data.mul_(sizes[0] / sizes[1])
        self.fibre_kernel.weight.data.mul_(sizes[1] / sizes[2])
        self.calibrated.fill_(True)


class ConvNextBlock(nn.Module):
    """x + scale * Lin(GELU(Lin(LayerNorm(conv(x))))) (ConvNeXt, Liu et al. 2022)."""

    def __init__(self, width: int, basis: int, widening: int, layer_scale: float | None) -> None:
        super().__init__()
        self.convolution = SeparableConvolution(width, basis)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, widening * width)
        self.narrow = nn.Linear(widening * width, width)
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, x: Tensor, near: Neighbours, fibre_basis: Tensor | None) -> Tensor:
        new = self._mixed(self.norm(self.convolution(x, near, fibre_basis)))
        return x + new if self.scale is None else torch.addcmul(x, self.scale, new)

    def _mixed(self, x: Tensor) -> Tensor:
        """Lin(GELU(Lin(x))); without a gradient in pieces, so that the widened layer stays in the cache."""
        if torch.is_grad_enabled():
            return self._mix(x)
        return torch.cat(
            [self._mix(part) for part in torch.split(x.flatten(0, 1), max(1, PIECE // self.widen.out_features))]
        ).view_as(x)

    def _mix(self, x: Tensor) -> Tensor:
        wide = nn.functional.gelu(nn.functional.linear(x, self.widen.weight, self.widen.bias))
        return nn.functional.linear(wide, self.narrow.weight, self.narrow.bias)

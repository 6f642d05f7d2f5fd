"""Small layers used by several networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def perceptron(*widths: int, activation: Callable[[], nn.Module] = nn.SiLU, last: bool = False) -> nn.Sequential:
    """Linear layers of these widths with an activation between them, and after the last if `last`."""
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        layers.append(nn.Linear(widths[index], widths[index + 1]))
        if last or index < len(widths) - 2:
            layers.append(activation())
    return nn.Sequential(*layers)


def silu(value: Tensor) -> Tensor:
    """x sigmoid(x); in place if no gradient is needed."""
    return functional.silu(value, inplace=not torch.is_grad_enabled())


def through(layers: nn.Sequential, value: Tensor) -> Tensor:
    """A perceptron of `Linear`, `SiLU`, `Linear` without module calls, which take most of the time at 100 particles."""
    first, last = cast(nn.Linear, layers[0]), cast(nn.Linear, layers[2])
    inner = silu(functional.linear(value, first.weight, first.bias))
    return functional.linear(inner, last.weight, last.bias)


class PairLinear(nn.Linear):
    """W [h_i, h_j, e_ij] + b for every edge. W1 h_i and W2 h_j are computed once per point, then gathered.

    Same weights and result as a Linear layer on the concatenation, with 2 N instead of 2 E rows.
    """

    def __init__(self, width: int, extra: int, out: int) -> None:
        super().__init__(2 * width + extra, out)
        self.width = width

    def pairs(self, point: Tensor, extra: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        """point [N, width], extra [E, extra] -> [E, out]."""
        width = self.width
        both = functional.linear(point, torch.cat([self.weight[:, :width], self.weight[:, width : 2 * width]]))
        to_receiver, from_sender = both[:, : self.out_features], both[:, self.out_features :]
        of_pair = functional.linear(extra, self.weight[:, 2 * width :], self.bias)
        return to_receiver.index_select(0, receiver).add_(from_sender.index_select(0, sender)).add_(of_pair)


class GaussianRadial(nn.Module):
    """Distances as values of `count` Gaussians between 0 and `radius` (SchNet, Schuett et al. 2017, eq. for e_k)."""

    def __init__(self, count: int, radius: float) -> None:
        super().__init__()
        self.centre: Tensor
        self.register_buffer("centre", torch.linspace(0, radius, count) if count else torch.empty(0))
        self.sharpness = 0.5 * (max(count - 1, 1) / radius) ** 2

    def forward(self, distance: Tensor) -> Tensor:
        """[E] -> [E, count]."""
        away = distance[:, None] - self.centre
        if torch.is_grad_enabled():
            return torch.exp(-self.sharpness * away.square())
        return away.square_().mul_(-self.sharpness / math.log(2)).exp2_()  # `exp` is slow for results near 0

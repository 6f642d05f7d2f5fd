"""Features of pairs that do not depend on their direction, and messages along both directions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.cloud import Cloud
from models.flight.scratch import Scratch
from models.layers import GaussianRadial, PairLinear


@dataclass(frozen=True)
class Pairs:
    """The pairs of a paired cloud, each once: P = E / 2."""

    one: Tensor  # [P] receiver of the first edge
    other: Tensor  # [P]
    apart: Tensor  # [P, d] from `other` to `one`
    distance: Tensor  # [P]
    fade: Tensor  # [P, 1]
    shown: Tensor  # [P, 1 + R] features: (distance / cut-off)^2, Gaussians


class Sight:
    """Computes the features and the fade of pairs."""

    def __init__(self, radial: GaussianRadial, cutoff: float, scratch: Scratch) -> None:
        self.cutoff, self.scratch = cutoff, scratch
        self.sharpness = radial.sharpness / math.log(2)  # for powers of two
        centre = radial.centre.detach()
        self.centre = torch.cat([centre.new_zeros(1), centre])  # column 0 is for the square
        self.one, self.high = centre.new_ones(()), 28 * centre.new_ones(())

    def pairs(self, cloud: Cloud) -> Pairs:
        """The pairs of a cloud whose edge e + E/2 is edge e reversed."""
        half = len(cloud.receiver) // 2
        one, other = cloud.receiver[:half], cloud.sender[:half]
        apart = cloud.position.index_select(0, one).sub_(cloud.position.index_select(0, other))
        distance = torch.linalg.vector_norm(apart, dim=1)
        ratio = (distance * (1 / self.cutoff)).clamp_(max=1.0)
        shown = torch.sub(distance[:, None], self.centre, out=self.scratch("shown", half, len(self.centre)))
        shown.square_().mul_(-self.sharpness).exp2_()
        square = ratio.square()
        shown[:, 0] = square
        # `graph.envelope` of power 6: 1 - u^6 (28 - 48 u + 21 u^2), u the distance over the cut-off
        fall = torch.add(self.high, ratio, alpha=-48.0).add_(square, alpha=21.0)
        fade = torch.addcmul(self.one, square * square * square, fall, value=-1.0)
        return Pairs(one, other, apart, distance, fade[:, None], shown)


class PackedLinear:
    """x W + b with its weight stored as [in, out]."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight.detach().T.clone(memory_format=torch.contiguous_format)  # [in, out]
        self.bias = self.weight.new_zeros(self.weight.shape[1]) if bias is None else bias.detach().clone()

    def __call__(self, value: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.addmm(self.bias, value, self.weight, out=out)


def packed(linear: nn.Module) -> PackedLinear:
    """The packed form of a linear layer."""
    assert isinstance(linear, nn.Linear)
    return PackedLinear(linear.weight, linear.bias)


class Messages:
    """silu(W2 silu(W1 [h_i, h_j, shown] + b1) + b2) for both directions of all pairs.

    The first layer is split: W_i h_i and W_j h_j are computed once per point, the rest once per pair.
    """

    def __init__(self, first: PairLinear, second: nn.Linear, shown: int, scratch: Scratch) -> None:
        width, self.scratch, self.out = first.width, scratch, first.out_features
        weight = first.weight.detach()
        self.here, self.there = PackedLinear(weight[:, :width], None), PackedLinear(weight[:, width : 2 * width], None)
        self.own = PackedLinear(weight[:, 2 * width : 2 * width + shown], first.bias)
        self.rest = PackedLinear(weight[:, 2 * width + shown :], None).weight  # columns of rotating features, if any
        self.second = packed(second)

    def ends(self, feature: Tensor, pairs: Pairs, cloud: Cloud, own: Tensor | None = None) -> Tensor:
        """W1 [h_i, h_j, shown] + b1 for every edge, [E, out]."""
        half = len(pairs.one)
        own = self.pair(pairs) if own is None else own
        here = torch.mm(feature, self.here.weight)
        there = torch.mm(feature, self.there.weight)
        first = torch.index_select(here, 0, cloud.receiver, out=self.scratch("first", 2 * half, self.out))
        first.add_(torch.index_select(there, 0, cloud.sender, out=self.scratch("second", 2 * half, self.out)))
        first.view(2, half, self.out).add_(own)
        return first

    def pair(self, pairs: Pairs) -> Tensor:
        """[P, out] term of the pair's features in the first layer."""
        return self.own(pairs.shown, self.scratch("own", len(pairs.one), self.out))

    def through(self, first: Tensor) -> Tensor:
        """Messages [.., out]; overwrites `first`."""
        message = self.second(silu(first), self.scratch("second", len(first), self.out))
        return silu(message)


def silu(value: Tensor) -> Tensor:
    return torch.nn.functional.silu(value, inplace=True)

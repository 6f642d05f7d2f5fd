"""Networks without any spatial symmetry of their own, for frames to give them one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.cloud import Cloud, PointFeatures
from models.graph import add_at, envelope
from models.layers import GaussianRadial, PairLinear, perceptron, silu, through


class Round(nn.Module):
    """One round of messages (Gilmer et al. 2017): m_ij = MLP(h_i, h_j, e_ij), h_i += MLP(h_i, sum_j m_ij)."""

    def __init__(self, width: int, extra: int, residual: bool = True) -> None:
        super().__init__()
        self.edge_first = PairLinear(width, extra, width)
        self.edge_second = nn.Linear(width, width)
        self.node = perceptron(2 * width, width, width)
        self.residual = residual

    def forward(self, feature: Tensor, extra: Tensor, seen: Cloud, fade: Tensor | None = None) -> Tensor:
        first = silu(self.edge_first.pairs(feature, extra, seen.receiver, seen.sender))
        message = silu(functional.linear(first, self.edge_second.weight, self.edge_second.bias))
        if fade is not None:
            message = message * fade
        new = through(self.node, torch.cat([feature, add_at(message, seen.receiver, len(feature))], 1))
        return feature + new if self.residual else new


class MessagePassing(nn.Module):
    """Message passing on raw components: equivariant to permutations, and to nothing else.

    Points show their scalars and the components of their vectors, and of their position too when `places`; pairs show
    r^2, their attributes, and the components of x_j - x_i when there is a cut-off, with which every message fades.
    """

    def __init__(
        self,
        *,
        dimension: int,
        scalars: int = 0,
        vectors: int = 0,
        attributes: int = 0,
        vectors_out: int = 1,
        scalars_out: int = 0,
        width: int = 64,
        layers: int = 4,
        cutoff: float | None = None,
        radial: int = 0,
        places: bool = True,
    ) -> None:
        super().__init__()
        self.cutoff, self.places = cutoff, places
        self.dimension, self.vectors_out = dimension, vectors_out
        self.embedding = nn.Linear(scalars + dimension * (vectors + places) + 1, width)
        self.radial = GaussianRadial(radial, cutoff or 1.0)
        extra = 1 + attributes + (dimension + radial if cutoff is not None else 0)
        self.rounds = nn.ModuleList(Round(width, extra) for _ in range(layers))
        self.decoder = perceptron(width, width, vectors_out * dimension + scalars_out)

    def forward(self, seen: Cloud) -> PointFeatures:
        shown = [seen.position] if self.places else []
        one = seen.position.new_ones(seen.points, 1)
        feature = self.embedding(torch.cat([*shown, seen.vector.flatten(1), seen.scalar, one], 1))
        extra, fade = self._pairs(seen)
        for layer in cast(list[Round], list(self.rounds)):
            feature = layer(feature, extra, seen, fade)
        out = self.decoder(feature)
        split = self.vectors_out * self.dimension
        return PointFeatures(out[:, :split].reshape(-1, self.vectors_out, self.dimension), out[:, split:])

    def _pairs(self, seen: Cloud) -> tuple[Tensor, Tensor | None]:
        apart = seen.offset()  # [E, d]
        square = apart.square().sum(1, keepdim=True)
        if self.cutoff is None:
            return torch.cat([seen.attribute, square], 1), None
        distance = square.squeeze(1).clamp(min=1e-24).sqrt()
        shown = [square / self.cutoff**2, seen.attribute, self.radial(distance), apart / self.cutoff]
        return torch.cat(shown, 1), envelope(distance, self.cutoff)[:, None]

"""Message passing without spatial symmetry, as a backbone for frame averaging."""

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

    def forward(self, feature: Tensor, extra: Tensor, cloud: Cloud, fade: Tensor | None = None) -> Tensor:
        first = silu(self.edge_first.pairs(feature, extra, cloud.receiver, cloud.sender))
        message = silu(functional.linear(first, self.edge_second.weight, self.edge_second.bias))
        if fade is not None:
            message = message * fade
        new = through(self.node, torch.cat([feature, add_at(message, cloud.receiver, len(feature))], 1))
        return feature + new if self.residual else new


class MessagePassing(nn.Module):
    """Message passing on raw components: equivariant to permutations only.

    Inputs of points are scalars, components of vectors, and with `places` also components of positions. Inputs of pairs
    are r^2, their attributes, and with a cut-off the components of x_j - x_i and `radial` Gaussians of the distance.
    With a cut-off every message fades.
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

    def forward(self, cloud: Cloud) -> PointFeatures:
        place = [cloud.position] if self.places else []
        constant = cloud.position.new_ones(cloud.points, 1)
        feature = self.embedding(torch.cat([*place, cloud.vector.flatten(1), cloud.scalar, constant], 1))
        extra, fade = self._pairs(cloud)
        for layer in cast(list[Round], list(self.rounds)):
            feature = layer(feature, extra, cloud, fade)
        out = self.decoder(feature)
        split = self.vectors_out * self.dimension
        return PointFeatures(out[:, :split].reshape(-1, self.vectors_out, self.dimension), out[:, split:])

    def _pairs(self, cloud: Cloud) -> tuple[Tensor, Tensor | None]:
        apart = cloud.offset()  # [E, d]
        square = apart.square().sum(1, keepdim=True)
        if self.cutoff is None:
            return torch.cat([cloud.attribute, square], 1), None
        distance = square.squeeze(1).clamp(min=1e-24).sqrt()
        features = [square / self.cutoff**2, cloud.attribute, self.radial(distance), apart / self.cutoff]
        return torch.cat(features, 1), envelope(distance, self.cutoff)[:, None]

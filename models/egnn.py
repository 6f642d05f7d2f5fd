"""E(n)-equivariant graph neural network (Satorras, Hoogeboom, Welling, ICML 2021, eqs. 3 to 7)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.cloud import Cloud, PointFeatures
from models.graph import add_at, count_at, envelope
from models.layers import GaussianRadial, PairLinear, perceptron, silu, through


class Layer(nn.Module):
    """One round of messages, with the weights of eqs. 3 to 6; the first edge layer is factorised (`PairLinear`)."""

    def __init__(self, width: int, extra: int, vectors: int) -> None:
        super().__init__()
        self.edge_first = PairLinear(width, extra, width)
        self.edge_second = nn.Linear(width, width)
        last = nn.Linear(width, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)  # small forces at the start, as in the authors' code
        self.reach = nn.Sequential(nn.Linear(width, width), nn.SiLU(), last)
        self.push = perceptron(width, width, vectors) if vectors else None
        self.node = perceptron(2 * width, width, width)

    def message(self, feature: Tensor, extra: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        """Eq. 3: messages m_ij [E, width] from h_i, h_j and the pair's features."""
        first = silu(self.edge_first.pairs(feature, extra, receiver, sender))
        second = self.edge_second
        return silu(functional.linear(first, second.weight, second.bias))

    def pull(self, feature: Tensor, vector: Tensor) -> Tensor:
        """sum_k phi_v(h_i)_k v_ik, [N, d]: the term of eq. 7 for known velocities."""
        if self.push is None:
            return vector.new_zeros(vector.shape[0], vector.shape[2])
        return torch.sum(self.push(feature)[:, :, None] * vector, 1)

    def update(self, feature: Tensor, received: Tensor) -> Tensor:
        """Eq. 6 with the residual of the authors' code."""
        return feature + through(self.node, torch.cat([feature, received], 1))


class EGNN(nn.Module):
    """E(n)-equivariant network with one vector and `scalars_out` scalars per point.

    Without a cut-off it is the published network: coordinates move from layer to layer, means run over all senders, and
    the vector is the displacement x_L - x_0. With a cut-off it is a local policy: coordinates are fixed, each message
    fades by the polynomial envelope and is summed (a mean would jump when a neighbour enters or leaves), and distances
    also enter through `radial` Gaussians, since a sharp pair force is hard to represent as a function of r^2 alone.
    """

    def __init__(
        self,
        *,
        scalars: int = 0,
        vectors: int = 0,
        attributes: int = 0,
        scalars_out: int = 0,
        width: int = 64,
        layers: int = 4,
        cutoff: float | None = None,
        radial: int = 0,
    ) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.radial = GaussianRadial(radial, cutoff or 1.0)
        self.embedding = nn.Linear(scalars + max(vectors, 1), width)
        # features of a pair: r^2, attributes, and the initial r^2 or the Gaussians
        extra = 1 + attributes + (1 if cutoff is None else radial)
        self.layers = nn.ModuleList(Layer(width, extra, vectors) for _ in range(layers))
        self.scalar = perceptron(width, width, scalars_out) if scalars_out else None

    def forward(self, cloud: Cloud) -> PointFeatures:
        feature = self.embedding(self._features(cloud))  # [N, width]
        moved, feature = self._moving(cloud, feature) if self.cutoff is None else self._staying(cloud, feature)
        scalar = cloud.position.new_zeros(cloud.points, 0) if self.scalar is None else self.scalar(feature)
        return PointFeatures(moved[:, None], scalar)

    def _rounds(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))

    @staticmethod
    def _features(cloud: Cloud) -> Tensor:
        """[N, S + V]: scalars and lengths of vectors; 1 without both."""
        lengths = cloud.vector.norm(dim=2)
        if not lengths.shape[1]:
            lengths = cloud.position.new_ones(cloud.points, 1)
        return torch.cat([cloud.scalar, lengths], 1)

    def _moving(self, cloud: Cloud, feature: Tensor) -> tuple[Tensor, Tensor]:
        place = cloud.position
        count = count_at(cloud.receiver, cloud.points, place)[:, None]
        first = (place[cloud.receiver] - place[cloud.sender]).square().sum(1, keepdim=True)
        for layer in self._rounds():
            apart = place.index_select(0, cloud.receiver) - place.index_select(0, cloud.sender)  # [E, d]
            extra = torch.cat([apart.square().sum(1, keepdim=True), cloud.attribute, first], 1)
            message = layer.message(feature, extra, cloud.receiver, cloud.sender)
            pushed = add_at(apart * through(layer.reach, message), cloud.receiver, cloud.points) / count
            place = place + pushed + layer.pull(feature, cloud.vector)
            feature = layer.update(feature, add_at(message, cloud.receiver, cloud.points))
        return place - cloud.position, feature

    def _staying(self, cloud: Cloud, feature: Tensor) -> tuple[Tensor, Tensor]:
        assert self.cutoff is not None
        place = cloud.position
        apart = place.index_select(0, cloud.receiver) - place.index_select(0, cloud.sender)  # [E, d]
        square = apart.square().sum(1, keepdim=True)
        distance = square.squeeze(1).clamp(min=1e-24).sqrt()
        fade = envelope(distance, self.cutoff)[:, None]
        extra = torch.cat([square / self.cutoff**2, cloud.attribute, self.radial(distance)], 1)
        fading = apart * (fade / self.cutoff)
        force = torch.zeros_like(place)
        rounds = self._rounds()
        for index, layer in enumerate(rounds):
            message = layer.message(feature, extra, cloud.receiver, cloud.sender)
            pulled = add_at(fading * through(layer.reach, message), cloud.receiver, cloud.points)
            force = force + pulled + layer.pull(feature, cloud.vector)
            if index < len(rounds) - 1 or self.scalar is not None:
                feature = layer.update(feature, add_at(message * fade, cloud.receiver, cloud.points))
        return force, feature

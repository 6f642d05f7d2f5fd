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
    """One round of messages. Weights stand as in eqs. 3 to 6; the first edge layer is factorised (`PairLinear`)."""

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
        """Eq. 3: m_ij from h_i, h_j and what the pair shows, [E, width]."""
        first = silu(self.edge_first.pairs(feature, extra, receiver, sender))
        second = self.edge_second
        return silu(functional.linear(first, second.weight, second.bias))

    def pull(self, feature: Tensor, vector: Tensor) -> Tensor:
        """sum_k phi_v(h_i)_k v_ik, [N, d]: what eq. 7 adds for known velocities."""
        if self.push is None:
            return vector.new_zeros(vector.shape[0], vector.shape[2])
        return torch.sum(self.push(feature)[:, :, None] * vector, 1)

    def update(self, feature: Tensor, heard: Tensor) -> Tensor:
        """Eq. 6 with the residual of the authors' code."""
        return feature + through(self.node, torch.cat([feature, heard], 1))


class EGNN(nn.Module):
    """One vector and `scalars_out` scalars a point.

    Without a cut-off: the published network; coordinates move from layer to layer, means run over all senders, and the
    vector is the displacement x_L - x_0. With a cut-off: a local policy; coordinates stay, each message fades by the
    polynomial envelope and is summed (a mean would jump when a neighbour comes or goes), and distances are also seen
    through `radial` Gaussians, since a sharp pair force is a hard function of r^2 alone.
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
        # a pair shows r^2, its attributes and the r^2 that it had at first
        extra = 1 + attributes + (1 if cutoff is None else radial)
        self.layers = nn.ModuleList(Layer(width, extra, vectors) for _ in range(layers))
        self.scalar = perceptron(width, width, scalars_out) if scalars_out else None

    def forward(self, seen: Cloud) -> PointFeatures:
        feature = self.embedding(self._features(seen))  # [N, width]
        moved, feature = self._moving(seen, feature) if self.cutoff is None else self._staying(seen, feature)
        scalar = seen.position.new_zeros(seen.points, 0) if self.scalar is None else self.scalar(feature)
        return PointFeatures(moved[:, None], scalar)

    def _rounds(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))

    @staticmethod
    def _features(seen: Cloud) -> Tensor:
        """[N, S + V]: scalars and the lengths of vectors; a constant where there is neither."""
        lengths = seen.vector.norm(dim=2)
        if not lengths.shape[1]:
            lengths = seen.position.new_ones(seen.points, 1)
        return torch.cat([seen.scalar, lengths], 1)

    def _moving(self, seen: Cloud, feature: Tensor) -> tuple[Tensor, Tensor]:
        place = seen.position
        count = count_at(seen.receiver, seen.points, place)[:, None]
        first = (place[seen.receiver] - place[seen.sender]).square().sum(1, keepdim=True)
        for layer in self._rounds():
            apart = place.index_select(0, seen.receiver) - place.index_select(0, seen.sender)  # [E, d]
            extra = torch.cat([apart.square().sum(1, keepdim=True), seen.attribute, first], 1)
            message = layer.message(feature, extra, seen.receiver, seen.sender)
            pushed = add_at(apart * through(layer.reach, message), seen.receiver, seen.points) / count
            place = place + pushed + layer.pull(feature, seen.vector)
            feature = layer.update(feature, add_at(message, seen.receiver, seen.points))
        return place - seen.position, feature

    def _staying(self, seen: Cloud, feature: Tensor) -> tuple[Tensor, Tensor]:
        assert self.cutoff is not None
        place = seen.position
        apart = place.index_select(0, seen.receiver) - place.index_select(0, seen.sender)  # [E, d]
        square = apart.square().sum(1, keepdim=True)
        distance = square.squeeze(1).clamp(min=1e-24).sqrt()
        fade = envelope(distance, self.cutoff)[:, None]
        extra = torch.cat([square / self.cutoff**2, seen.attribute, self.radial(distance)], 1)
        fading = apart * (fade / self.cutoff)
        force = torch.zeros_like(place)
        rounds = self._rounds()
        for index, layer in enumerate(rounds):
            message = layer.message(feature, extra, seen.receiver, seen.sender)
            pulled = add_at(fading * through(layer.reach, message), seen.receiver, seen.points)
            force = force + pulled + layer.pull(feature, seen.vector)
            if index < len(rounds) - 1 or self.scalar is not None:
                feature = layer.update(feature, add_at(message * fade, seen.receiver, seen.points))
        return force, feature

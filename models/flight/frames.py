"""Frame averaging for real time: quantities that do not rotate are computed once for all poses."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from models.cloud import Cloud
from models.egnn import EGNN
from models.flight.egnn import EgnnFlight
from models.flight.pairs import Messages, PackedLinear, Pairs, Sight, packed, silu
from models.flight.scratch import Scratch
from models.frames.average import FrameAveraged
from models.frames.message import MessagePassing, Round


class PosedRound:
    """One layer of message passing with packed weights."""

    def __init__(self, layer: Round, pair_features: int, scratch: Scratch) -> None:
        assert layer.residual
        self.scratch = scratch
        self.messages = Messages(layer.edge_first, layer.edge_second, pair_features, scratch)
        width = layer.edge_first.width
        inner = cast(nn.Linear, layer.node[0])
        self.of_feature, self.of_messages = (
            PackedLinear(inner.weight[:, :width], inner.bias),
            PackedLinear(inner.weight[:, width:], None),
        )
        self.node = packed(layer.node[2])

    def posed(self, base: Tensor, gap: Tensor, turn: Tensor, out: Tensor) -> Tensor:
        """[E, width]: base plus the term of x_j - x_i in a pose; gap [E, d] in units of the cut-off, turn [d, d]."""
        return torch.addmm(base, gap, turn @ self.messages.rest, out=out)

    def update(self, base: Tensor, feature: Tensor, received: Tensor) -> Tensor:
        """[N, width]; `base` is the term of the features in the first layer."""
        return self.node(silu(torch.addmm(base, received, self.of_messages.weight))).add_(feature)

    def receive(self, first: Tensor, pairs: Pairs, cloud: Cloud) -> Tensor:
        """[N, width] sums of messages from `first` [E, width], the inputs of the first activation (overwritten)."""
        message = self.messages.through(first)
        message.view(2, len(pairs.one), message.shape[1]).mul_(pairs.fade)
        return message.new_zeros(cloud.points, message.shape[1]).index_add_(0, cloud.receiver, message)


class FrameFlight:
    """Message passing with a cut-off that reads scalars only, averaged over frames; one paired cloud -> [N, d]."""

    def __init__(self, network: FrameAveraged) -> None:
        backbone = cast(MessagePassing, network.backbone)
        assert backbone.cutoff is not None
        self.frame, self.cutoff, self.dimension = network.frame, backbone.cutoff, backbone.dimension
        self.fallback = None if network.fallback is None else EgnnFlight(cast(EGNN, network.fallback))
        weight = backbone.embedding.weight.detach()
        # a constant is the last input
        self.lift = PackedLinear(weight[:, :-1], weight[:, -1] + backbone.embedding.bias.detach())
        self.scratch = Scratch(weight)
        self.sight = Sight(backbone.radial, backbone.cutoff, self.scratch)
        pair_features = len(self.sight.centre)
        rounds = cast(list[Round], list(backbone.rounds))
        self.rounds = [PosedRound(layer, pair_features, self.scratch) for layer in rounds]
        self.decoder = packed(backbone.decoder[0]), packed(backbone.decoder[2])

    def __call__(self, cloud: Cloud) -> Tensor:
        frame = self.frame(cloud)
        trust = float(frame.trust[0])
        if self.fallback is not None and trust == 0:
            return self.fallback(cloud)
        answer = torch.zeros_like(cloud.position)
        turns = frame.rotation[0].unbind()
        for turn, share, feature in zip(turns, frame.share[0].tolist(), self._features(cloud, turns), strict=True):
            inner, last = self.decoder
            answer.addmm_(last(silu(inner(feature))), turn.T, alpha=share)
        return answer if self.fallback is None or trust == 1 else torch.lerp(self.fallback(cloud), answer, trust)

    def _features(self, cloud: Cloud, turns: tuple[Tensor, ...]) -> list[Tensor]:
        """Features [N, width] after the last layer, for each pose."""
        pairs = self.sight.pairs(cloud)
        gap = torch.cat([pairs.apart, -pairs.apart]).div_(-self.cutoff)  # [E, d] from receiver to sender
        layer, feature = self.rounds[0], self.lift(cloud.scalar)
        # without messages all poses have the same features
        base = self.scratch("base", len(gap), layer.messages.out)
        base.copy_(layer.messages.ends(feature, pairs, cloud))
        first = self.scratch("first", len(gap), layer.messages.out)
        of_feature = layer.of_feature(feature)
        features = []
        for turn in turns:
            received = layer.receive(layer.posed(base, gap, turn, first), pairs, cloud)
            features.append(layer.update(of_feature, feature, received))
        for layer in self.rounds[1:]:
            of_pair = layer.messages.pair(pairs)
            for pose, turn in enumerate(turns):
                first = layer.messages.ends(features[pose], pairs, cloud, of_pair)
                received = layer.receive(layer.posed(first, gap, turn, first), pairs, cloud)
                features[pose] = layer.update(layer.of_feature(features[pose]), features[pose], received)
        return features

"""Frame averaging as it flies: what does not turn is computed once for all poses."""

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
    """One layer of message passing: weights packed."""

    def __init__(self, layer: Round, shown: int, scratch: Scratch) -> None:
        assert layer.residual
        self.scratch = scratch
        self.messages = Messages(layer.edge_first, layer.edge_second, shown, scratch)
        width = layer.edge_first.width
        inner = cast(nn.Linear, layer.node[0])
        self.known, self.heard = (
            PackedLinear(inner.weight[:, :width], inner.bias),
            PackedLinear(inner.weight[:, width:], None),
        )
        self.node = packed(layer.node[2])

    def posed(self, base: Tensor, gap: Tensor, turn: Tensor, out: Tensor) -> Tensor:
        """base [E, width] plus what x_j - x_i shows in a pose: gap [E, d] over the cut-off, turn [d, d]."""
        return torch.addmm(base, gap, turn @ self.messages.rest, out=out)

    def update(self, known: Tensor, feature: Tensor, heard: Tensor) -> Tensor:
        """[N, width]; `known` is what the features themselves bring to the first layer."""
        return self.node(silu(torch.addmm(known, heard, self.heard.weight))).add_(feature)

    def hear(self, first: Tensor, pairs: Pairs, seen: Cloud) -> Tensor:
        """[N, width] from the inputs `first` [E, width] of the first activation; overwrites them."""
        message = self.messages.through(first)
        message.view(2, len(pairs.one), message.shape[1]).mul_(pairs.fade)
        return message.new_zeros(seen.points, message.shape[1]).index_add_(0, seen.receiver, message)


class FrameFlight:
    """Message passing with a cut-off that reads scalars only, averaged over the frame of one paired cloud: [N, d]."""

    def __init__(self, network: FrameAveraged) -> None:
        backbone = cast(MessagePassing, network.backbone)
        assert backbone.cutoff is not None
        self.frame, self.cutoff, self.dimension = network.frame, backbone.cutoff, backbone.dimension
        self.fallback = None if network.fallback is None else EgnnFlight(cast(EGNN, network.fallback))
        weight = backbone.embedding.weight.detach()
        self.lift = PackedLinear(
            weight[:, :-1], weight[:, -1] + backbone.embedding.bias.detach()
        )  # a constant is shown too
        self.scratch = Scratch(weight)
        self.sight = Sight(backbone.radial, backbone.cutoff, self.scratch)
        shown = len(self.sight.centre)
        rounds = cast(list[Round], list(backbone.rounds))
        self.rounds = [PosedRound(layer, shown, self.scratch) for layer in rounds]
        self.decoder = packed(backbone.decoder[0]), packed(backbone.decoder[2])

    def __call__(self, seen: Cloud) -> Tensor:
        frame = self.frame(seen)
        trust = float(frame.trust[0])
        if self.fallback is not None and trust == 0:
            return self.fallback(seen)
        answer = torch.zeros_like(seen.position)
        turns = frame.rotation[0].unbind()
        for turn, share, feature in zip(turns, frame.share[0].tolist(), self._features(seen, turns), strict=True):
            inner, last = self.decoder
            answer.addmm_(last(silu(inner(feature))), turn.T, alpha=share)
        return answer if self.fallback is None or trust == 1 else torch.lerp(self.fallback(seen), answer, trust)

    def _features(self, seen: Cloud, turns: tuple[Tensor, ...]) -> list[Tensor]:
        """The last features of the points [N, width], in each pose."""
        pairs = self.sight.pairs(seen)
        gap = torch.cat([pairs.apart, -pairs.apart]).div_(-self.cutoff)  # [E, d] from receiver to sender
        layer, feature = self.rounds[0], self.lift(seen.scalar)
        # before the first messages all poses are the same
        base = self.scratch("base", len(gap), layer.messages.out)
        base.copy_(layer.messages.ends(feature, pairs, seen))
        first = self.scratch("first", len(gap), layer.messages.out)
        known = layer.known(feature)
        found = []
        for turn in turns:
            heard = layer.hear(layer.posed(base, gap, turn, first), pairs, seen)
            found.append(layer.update(known, feature, heard))
        for layer in self.rounds[1:]:
            own = layer.messages.pair(pairs)
            for pose, turn in enumerate(turns):
                first = layer.messages.ends(found[pose], pairs, seen, own)
                heard = layer.hear(layer.posed(first, gap, turn, first), pairs, seen)
                found[pose] = layer.update(layer.known(found[pose]), found[pose], heard)
        return found

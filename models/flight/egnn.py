"""A local EGNN as it flies."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from models.cloud import Cloud
from models.egnn import EGNN, Layer
from models.flight.pairs import Linear, Messages, Pairs, Sight, packed, silu
from models.flight.scratch import Scratch


class Round:
    """One layer: weights packed."""

    def __init__(self, layer: Layer, shown: int, scratch: Scratch) -> None:
        self.messages = Messages(layer.edge_first, layer.edge_second, shown, scratch)
        self.reach = packed(layer.reach[0])
        self.last = cast(nn.Linear, layer.reach[2]).weight.detach()[0].clone()
        width = layer.edge_first.width
        inner = cast(nn.Linear, layer.node[0])
        self.known, self.heard = Linear(inner.weight[:, :width], inner.bias), Linear(inner.weight[:, width:], None)
        self.node = packed(layer.node[2])

    def pull(self, message: Tensor, spare: Tensor) -> Tensor:
        """phi_x(m_ij), [E] or [P]; overwrites `spare`."""
        return silu(self.reach(message, spare)).mv(self.last)

    def update(self, feature: Tensor, heard: Tensor) -> Tensor:
        """h + phi_h(h, heard), [N, width]; `feature` may be one row for all."""
        inner = silu(torch.addmm(self.known(feature), heard, self.heard.weight))
        return self.node(inner).add_(feature)


class EgnnFlight:
    """An EGNN with a cut-off that reads scalars only, on one paired cloud: [N, d]."""

    def __init__(self, network: EGNN) -> None:
        assert network.cutoff is not None
        weight = network.embedding.weight.detach()
        self.lift = Linear(weight[:, :-1], weight[:, -1] + network.embedding.bias.detach())  # a constant is shown too
        scratch = Scratch(weight)
        self.sight = Sight(network.radial, network.cutoff, scratch)
        shown = len(self.sight.centre)
        self.rounds = [Round(layer, shown, scratch) for layer in network._rounds()]
        first = self.rounds[0].messages
        ends = first.here.weight + first.there.weight  # of two points that are alike
        self.alike = Linear((self.lift.weight @ ends).T, self.lift.bias @ ends + first.own.bias)

    def __call__(self, seen: Cloud) -> Tensor:
        pairs = self.sight.pairs(seen)
        half = len(pairs.one)
        pull, feature = self._first(seen, pairs)  # [2, P] one way and the other; [1, P] if they are one
        for index, layer in enumerate(self.rounds[1:], 1):
            first = layer.messages.ends(feature, pairs, seen)
            message = layer.messages.through(first)
            pull = pull + layer.pull(message, first).view(2, half)
            if index < len(self.rounds) - 1:
                message.view(2, half, message.shape[1]).mul_(pairs.fade)
                feature = layer.update(feature, _heard(message, seen))
        fading = pairs.apart * (pairs.fade * (1 / self.sight.cutoff))
        pulled = torch.cat([fading * pull[0, :, None], fading * -pull[-1, :, None]])  # [E, d]
        return torch.zeros_like(seen.position).index_add_(0, seen.receiver, pulled)

    def _first(self, seen: Cloud, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """The first round; where all points are alike both messages of a pair are one."""
        layer, half = self.rounds[0], len(pairs.one)
        if not bool((seen.scalar == seen.scalar[:1]).all()):
            feature = self.lift(seen.scalar)
            first = layer.messages.ends(feature, pairs, seen)
            message = layer.messages.through(first)
            pull = layer.pull(message, first).view(2, half)
            message.view(2, half, message.shape[1]).mul_(pairs.fade)
            return pull, layer.update(feature, _heard(message, seen))
        first = layer.messages.alike(self.alike(seen.scalar[:1])[0], pairs)
        message = layer.messages.through(first)
        pull = layer.pull(message, first)[None]
        message.mul_(pairs.fade)
        heard = message.new_zeros(seen.points, message.shape[1])
        heard.index_add_(0, pairs.one, message).index_add_(0, pairs.other, message)
        return pull, layer.update(self.lift(seen.scalar[:1]), heard)


def _heard(message: Tensor, seen: Cloud) -> Tensor:
    """Sums over the neighbours of each point: [N, width]."""
    return message.new_zeros(seen.points, message.shape[1]).index_add_(0, seen.receiver, message)

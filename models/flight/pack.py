"""Chooses the real-time form of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from models.cloud import Cloud
from models.egnn import EGNN
from models.flight.egnn import EgnnFlight
from models.flight.frames import FrameFlight
from models.flight.ponita import PonitaFlight
from models.frames.average import FrameAveraged
from models.frames.message import MessagePassing
from models.ponita.network import Ponita

Flight = Callable[[Cloud], Tensor]


class Reads(Protocol):
    """Number of features of each kind that a network reads: of a task's shape, or of a checkpoint's card."""

    @property
    def dimension(self) -> int: ...
    @property
    def vectors(self) -> int: ...
    @property
    def attributes(self) -> int: ...


def pack(network: nn.Module, reads: Reads) -> Flight:
    """A function of one paired cloud that returns the network's vector of each point, [N, d], in inference mode.

    Packed if the network is local and reads scalars only. Weights are copied: later training does not change it.
    """
    if not reads.vectors and not reads.attributes:
        if isinstance(network, EGNN) and network.cutoff is not None and network.scalar is None:
            return EgnnFlight(network)
        if isinstance(network, FrameAveraged) and _is_local(network):
            return FrameFlight(network)
        if isinstance(network, Ponita) and _is_bundle(network):
            return PonitaFlight(network)

    def plain(cloud: Cloud) -> Tensor:
        answer: Tensor = network(cloud).vector[:, 0]
        return answer

    return plain


def _is_local(network: FrameAveraged) -> bool:
    backbone, fallback = network.backbone, network.fallback
    return (
        isinstance(backbone, MessagePassing) and backbone.cutoff is not None and not backbone.places
        and (fallback is None or (isinstance(fallback, EGNN) and fallback.cutoff is not None))
    )  # fmt: skip


def _is_bundle(network: Ponita) -> bool:
    one_vector = network.vectors_out == 1 and not network.scalars_out
    return network.cutoff is not None and one_vector and len(network.opposite) > 0

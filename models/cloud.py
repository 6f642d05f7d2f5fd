"""What every network of this room reads and answers: points with features, several graphs one after another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cloud:
    """Points in d = 2 or 3 dimensions. Edges run from `sender` to `receiver`; graphs never share an edge."""

    position: Tensor  # [N, d]
    vector: Tensor  # [N, V, d] features that rotate with the cloud: velocities, offsets from a goal
    scalar: Tensor  # [N, S] features that do not: species, charge
    receiver: Tensor  # [E]
    sender: Tensor  # [E]
    attribute: Tensor  # [E, A] features of pairs that do not rotate
    graph: Tensor  # [N] which graph a point belongs to, rising
    graphs: int = 1
    paired: bool = False  # edge e + E/2 is edge e reversed, and both have the same attributes

    @property
    def points(self) -> int:
        return self.position.shape[0]

    @property
    def dimension(self) -> int:
        return self.position.shape[1]

    def offset(self) -> Tensor:
        """From the receiver of each edge to its sender, [E, d]."""
        return self.position[self.sender] - self.position[self.receiver]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Cloud:
        """The same cloud on another device, its real numbers in `dtype`."""
        real = {name: getattr(self, name).to(device, dtype) for name in ("position", "vector", "scalar", "attribute")}
        whole = {name: getattr(self, name).to(device) for name in ("receiver", "sender", "graph")}
        return replace(self, **real, **whole)


@dataclass(frozen=True)
class PointFeatures:
    """What a network says of each point."""

    vector: Tensor  # [N, V, d]
    scalar: Tensor  # [N, S]


def cloud(
    position: Tensor,
    edges: Tensor,
    vector: Tensor | None = None,
    scalar: Tensor | None = None,
    attribute: Tensor | None = None,
    graphs: int = 1,
) -> Cloud:
    """`graphs` graphs of equally many points, with edges of `graph.radius_edges` or `graph.all_edges`.

    edges is [2, E]: receivers above senders, paired, and so are the rows of `attribute` [E, A]. What is not given has
    no features.
    """
    points, dimension = position.shape
    empty = position.new_zeros
    return Cloud(
        position,
        empty(points, 0, dimension) if vector is None else vector,
        empty(points, 0) if scalar is None else scalar,
        edges[0],
        edges[1],
        empty(edges.shape[1], 0) if attribute is None else attribute,
        torch.arange(graphs, device=position.device).repeat_interleave(points // graphs)
        if graphs > 1
        else torch.zeros(points, dtype=torch.long, device=position.device),
        graphs,
        paired=True,
    )


def moved(seen: Cloud, rotation: Tensor, shift: Tensor) -> Cloud:
    """The cloud under x -> R x + t: rotation [d, d], shift [d]. Vectors turn, scalars stay."""
    return replace(seen, position=seen.position @ rotation.T + shift, vector=seen.vector @ rotation.T)


def mean_of_graphs(value: Tensor, graph: Tensor, graphs: int) -> Tensor:
    """Means over the points of each graph: value [N, ...] -> [G, ...]. A graph without points gets 0."""
    total = value.new_zeros(graphs, *value.shape[1:]).index_add_(0, graph, value)
    count = value.new_zeros(graphs).index_add_(0, graph, value.new_ones(len(graph))).clamp(min=1)
    return total / count.view(-1, *[1] * (value.dim() - 1))

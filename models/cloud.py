"""Input and output of all networks: points with features; several graphs in one Cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cloud:
    """Points in d = 2 or 3 dimensions. Edges run from `sender` to `receiver`, within one graph."""

    position: Tensor  # [N, d]
    vector: Tensor  # [N, V, d] features that rotate with the cloud: velocities, offsets from a goal
    scalar: Tensor  # [N, S] features that do not rotate: species, charge
    receiver: Tensor  # [E]
    sender: Tensor  # [E]
    attribute: Tensor  # [E, A] invariant features of pairs
    graph: Tensor  # [N] index of the point's graph, in ascending order
    graphs: int = 1
    paired: bool = False  # edge e + E/2 is edge e reversed, and both have the same attributes

    @property
    def points(self) -> int:
        return self.position.shape[0]

    @property
    def dimension(self) -> int:
        return self.position.shape[1]

    def offset(self) -> Tensor:
        """[E, d] from the receiver of each edge to its sender."""
        return self.position[self.sender] - self.position[self.receiver]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Cloud:
        """A copy on another device, with real numbers as `dtype`."""
        real = {name: getattr(self, name).to(device, dtype) for name in ("position", "vector", "scalar", "attribute")}
        integers = {name: getattr(self, name).to(device) for name in ("receiver", "sender", "graph")}
        return replace(self, **real, **integers)


@dataclass(frozen=True)
class PointFeatures:
    """Output of a network for each point."""

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
    """A Cloud of `graphs` graphs with equally many points and edges of `graph.radius_edges` or `graph.all_edges`.

    edges is [2, E], receivers in row 0, senders in row 1, paired; the rows of `attribute` [E, A] follow the edges.
    Features that are not given have size 0.
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


def moved(original: Cloud, rotation: Tensor, shift: Tensor) -> Cloud:
    """The cloud after x -> R x + t: rotation [d, d], shift [d]. Vectors rotate, scalars stay."""
    return replace(original, position=original.position @ rotation.T + shift, vector=original.vector @ rotation.T)


def mean_of_graphs(value: Tensor, graph: Tensor, graphs: int) -> Tensor:
    """Means over the points of each graph: value [N, ...] -> [G, ...]. A graph without points gets 0."""
    total = value.new_zeros(graphs, *value.shape[1:]).index_add_(0, graph, value)
    count = value.new_zeros(graphs).index_add_(0, graph, value.new_ones(len(graph))).clamp(min=1)
    return total / count.view(-1, *[1] * (value.dim() - 1))

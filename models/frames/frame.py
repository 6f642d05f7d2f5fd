"""A frame: the poses in which a network sees each graph, and how their answers are put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.cloud import Cloud


@dataclass(frozen=True)
class Poses:
    """K poses for each of G graphs: rigid motions x -> R x + t, with shares that add up to 1 over the poses.

    `trust` is how much of the answer comes from the frame; the rest is a fallback's, where frames are about to be
    undefined. It is 1 for the frames of the paper.
    """

    rotation: Tensor  # [G, K, d, d]
    origin: Tensor  # [G, d]
    share: Tensor  # [G, K]
    trust: Tensor  # [G]

    @property
    def poses(self) -> int:
        return self.rotation.shape[1]


def seen_from(frame: Poses, seen: Cloud) -> Cloud:
    """The K poses of the cloud, one after another: x' = R^-1 (x - t), v' = R^-1 v; K G graphs of K N points."""
    poses, points, edges = frame.poses, seen.points, seen.receiver.shape[0]
    turn = frame.rotation.index_select(0, seen.graph).transpose(0, 1)  # [K, N, d, d]
    place = (seen.position - frame.origin[seen.graph])[None, :, None]  # [1, N, 1, d]
    step = torch.arange(poses, device=seen.graph.device).repeat_interleave(edges)
    return replace(
        seen,
        position=(place @ turn).flatten(0, 1).squeeze(1),
        vector=(seen.vector[None] @ turn).flatten(0, 1),
        scalar=seen.scalar.repeat(poses, 1),
        receiver=seen.receiver.repeat(poses) + step * points,
        sender=seen.sender.repeat(poses) + step * points,
        attribute=seen.attribute.repeat(poses, 1),
        graph=seen.graph.repeat(poses)
        + torch.arange(poses, device=seen.graph.device).repeat_interleave(points) * seen.graphs,
        graphs=poses * seen.graphs,
        paired=False,
    )


def vectors_back(frame: Poses, graph: Tensor, vector: Tensor) -> Tensor:
    """The mean over poses of R v': [K N, V, d] -> [N, V, d]."""
    turn = frame.rotation.index_select(0, graph).transpose(0, 1)  # [K, N, d, d]
    posed = vector.reshape(frame.poses, len(graph), *vector.shape[1:]) @ turn.transpose(2, 3)  # [K, N, V, d]
    return torch.sum(posed * _shares(frame, graph)[..., None], 0)


def scalars_back(frame: Poses, graph: Tensor, scalar: Tensor) -> Tensor:
    """The mean over poses: [K N, S] -> [N, S]."""
    return torch.sum(scalar.reshape(frame.poses, len(graph), scalar.shape[1]) * _shares(frame, graph), 0)


def _shares(frame: Poses, graph: Tensor) -> Tensor:
    return frame.share.index_select(0, graph).T[:, :, None]  # [K, N, 1]

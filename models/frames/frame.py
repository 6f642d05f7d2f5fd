"""Frames: poses in which a network evaluates each graph, and the combination of the results."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.cloud import Cloud


@dataclass(frozen=True)
class Poses:
    """K poses for each of G graphs: rigid motions x -> R x + t; their shares add up to 1.

    `trust` is the share of the result that comes from the frame. The rest comes from a fallback where frames are nearly
    undefined. It is 1 for the frames of the paper.
    """

    rotation: Tensor  # [G, K, d, d]
    origin: Tensor  # [G, d]
    share: Tensor  # [G, K]
    trust: Tensor  # [G]

    @property
    def poses(self) -> int:
        return self.rotation.shape[1]


def in_poses(frame: Poses, cloud: Cloud) -> Cloud:
    """The K poses of the clouds, one after another: x' = R^-1 (x - t), v' = R^-1 v; K G graphs with K N points."""
    poses, points, edges = frame.poses, cloud.points, cloud.receiver.shape[0]
    turn = frame.rotation.index_select(0, cloud.graph).transpose(0, 1)  # [K, N, d, d]
    place = (cloud.position - frame.origin[cloud.graph])[None, :, None]  # [1, N, 1, d]
    step = torch.arange(poses, device=cloud.graph.device).repeat_interleave(edges)
    return replace(
        cloud,
        position=(place @ turn).flatten(0, 1).squeeze(1),
        vector=(cloud.vector[None] @ turn).flatten(0, 1),
        scalar=cloud.scalar.repeat(poses, 1),
        receiver=cloud.receiver.repeat(poses) + step * points,
        sender=cloud.sender.repeat(poses) + step * points,
        attribute=cloud.attribute.repeat(poses, 1),
        graph=cloud.graph.repeat(poses)
        + torch.arange(poses, device=cloud.graph.device).repeat_interleave(points) * cloud.graphs,
        graphs=poses * cloud.graphs,
        paired=False,
    )


def vectors_back(frame: Poses, graph: Tensor, vector: Tensor) -> Tensor:
    """Mean over poses of R v': [K N, V, d] -> [N, V, d]."""
    turn = frame.rotation.index_select(0, graph).transpose(0, 1)  # [K, N, d, d]
    posed = vector.reshape(frame.poses, len(graph), *vector.shape[1:]) @ turn.transpose(2, 3)  # [K, N, V, d]
    return torch.sum(posed * _shares(frame, graph)[..., None], 0)


def scalars_back(frame: Poses, graph: Tensor, scalar: Tensor) -> Tensor:
    """Mean over poses: [K N, S] -> [N, S]."""
    return torch.sum(scalar.reshape(frame.poses, len(graph), scalar.shape[1]) * _shares(frame, graph), 0)


def _shares(frame: Poses, graph: Tensor) -> Tensor:
    return frame.share.index_select(0, graph).T[:, :, None]  # [K, N, 1]

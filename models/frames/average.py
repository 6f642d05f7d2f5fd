"""Frame averaging around any network (Frame Averaging, eqs. 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from models.cloud import Cloud, PointFeatures
from models.frames.frame import Poses, in_poses, scalars_back, vectors_back


class FrameAveraged(nn.Module):
    """<Phi>(X) = sum_g share_g rho(g) Phi(rho(g)^-1 X): vectors equivariant, scalars invariant.

    The frames of this package do not depend on the order of points, so with a permutation-equivariant backbone (message
    passing) the network is S_n x E(d) equivariant. Where a frame is not trusted, `fallback`, which must be equivariant
    by itself, gives the rest of the result.
    """

    def __init__(self, backbone: nn.Module, frame: Callable[[Cloud], Poses], fallback: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.frame = frame
        self.fallback = fallback

    def forward(self, cloud: Cloud) -> PointFeatures:
        frame = self.frame(cloud)
        if self.fallback is None:
            return self._averaged(cloud, frame)
        trust = frame.trust[cloud.graph]
        # parts without weight are not computed
        if bool((trust == 0).all()):
            result: PointFeatures = self.fallback(cloud)
            return result
        if bool((trust == 1).all()):
            return self._averaged(cloud, frame)
        averaged, fallback = self._averaged(cloud, frame), self.fallback(cloud)
        return PointFeatures(
            torch.lerp(fallback.vector, averaged.vector, trust[:, None, None]),
            torch.lerp(fallback.scalar, averaged.scalar, trust[:, None]),
        )

    def _averaged(self, cloud: Cloud, frame: Poses) -> PointFeatures:
        posed: PointFeatures = self.backbone(in_poses(frame, cloud))
        return PointFeatures(
            vectors_back(frame, cloud.graph, posed.vector), scalars_back(frame, cloud.graph, posed.scalar)
        )

"""Frame averaging around any network (Frame Averaging, eqs. 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from models.cloud import Cloud, PointFeatures
from models.frames.frame import Poses, scalars_back, seen_from, vectors_back


class FrameAveraged(nn.Module):
    """<Phi>(X) = sum_g share_g rho(g) Phi(rho(g)^-1 X): vectors equivariant, scalars invariant.

    The frames of this room do not depend on the order of points, so a backbone that is equivariant to permutations
    (message passing) becomes S_n x E(d) equivariant. Where a frame is not trusted, `fallback`, which must be
    equivariant by itself, answers for the rest.
    """

    def __init__(self, backbone: nn.Module, frame: Callable[[Cloud], Poses], fallback: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.frame = frame
        self.fallback = fallback

    def forward(self, seen: Cloud) -> PointFeatures:
        frame = self.frame(seen)
        if self.fallback is None:
            return self._averaged(seen, frame)
        trust = frame.trust[seen.graph]
        # what has no say at all need not be computed
        if bool((trust == 0).all()):
            alone: PointFeatures = self.fallback(seen)
            return alone
        if bool((trust == 1).all()):
            return self._averaged(seen, frame)
        ours, other = self._averaged(seen, frame), self.fallback(seen)
        return PointFeatures(
            torch.lerp(other.vector, ours.vector, trust[:, None, None]),
            torch.lerp(other.scalar, ours.scalar, trust[:, None]),
        )

    def _averaged(self, seen: Cloud, frame: Poses) -> PointFeatures:
        posed: PointFeatures = self.backbone(seen_from(frame, seen))
        return PointFeatures(
            vectors_back(frame, seen.graph, posed.vector), scalars_back(frame, seen.graph, posed.scalar)
        )

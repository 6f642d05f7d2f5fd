"""The linear baseline: every point goes on as it went."""

from __future__ import annotations

import torch
from torch import nn

from models.cloud import Cloud, PointFeatures


class VectorLinear(nn.Module):
    """sum_k a_k v_k, one weight a vector feature."""

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vectors))

    def forward(self, seen: Cloud) -> PointFeatures:
        vector = (self.weight[None, :, None] * seen.vector).sum(1, keepdim=True)
        return PointFeatures(vector, seen.position.new_zeros(seen.points, 0))

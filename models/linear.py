"""The linear baseline: each point keeps its velocity."""

from __future__ import annotations

import torch
from torch import nn

from models.cloud import Cloud, PointFeatures


class VectorLinear(nn.Module):
    """sum_k a_k v_k, with one weight per vector feature."""

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vectors))

    def forward(self, cloud: Cloud) -> PointFeatures:
        vector = (self.weight[None, :, None] * cloud.vector).sum(1, keepdim=True)
        return PointFeatures(vector, cloud.position.new_zeros(cloud.points, 0))

"""Reusable memory for intermediate results."""

from __future__ import annotations

import torch
from torch import Tensor


class Scratch:
    """Named tensors that only grow. Their values are valid until the next request with the same name."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.held: dict[str, Tensor] = {}

    def __call__(self, name: str, rows: int, *shape: int) -> Tensor:
        """[rows, *shape] with arbitrary values. A name must always have the same shape."""
        held = self.held.get(name)
        if held is None or len(held) < rows:
            with torch.inference_mode(False):  # otherwise it could not be written outside of that mode
                held = self.held[name] = self.like.new_empty(rows + rows // 4, *shape)
        return held[:rows]

"""Memory for intermediate results that is used again at every call."""

from __future__ import annotations

import torch
from torch import Tensor


class Scratch:
    """Named tensors that only grow. What is in them is of no worth after the call that asked for them."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.held: dict[str, Tensor] = {}

    def __call__(self, name: str, rows: int, *shape: int) -> Tensor:
        """[rows, *shape] of any values. A name always goes with the same shape."""
        held = self.held.get(name)
        if held is None or len(held) < rows:
            with torch.inference_mode(False):  # or else it could not be written to outside of that mode
                held = self.held[name] = self.like.new_empty(rows + rows // 4, *shape)
        return held[:rows]

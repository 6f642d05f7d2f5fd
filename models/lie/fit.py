"""Fitting a classifier of images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WARM_UP = 50  # steps


def fit_classes(
    network: nn.Module, image: Tensor, label: Tensor, *, epochs: int, batch: int = 64, learning_rate: float = 1e-2,
    weight_decay: float = 1e-3, seed: int = 1, shift: int = 0,
) -> None:  # fmt: skip
    """Cross-entropy, AdamW, warm-up and cosine by steps.

    `shift`: examples are shifted by up to this number of pixels, and not changed otherwise.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    draw = torch.Generator().manual_seed(seed)
    network.train()
    steps, step = epochs * math.ceil(len(image) / batch), 0
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(image), generator=draw), batch):
            for group in optimiser.param_groups:
                share = 0.5 * (1 + math.cos(math.pi * step / steps))
                group["lr"] = learning_rate * share * min(1.0, (step + 1) / WARM_UP)
            step += 1
            batch_image = image[rows]
            if shift:
                dy, dx = torch.randint(-shift, shift + 1, (2,), generator=draw).tolist()
                batch_image = torch.roll(batch_image, (dy, dx), (2, 3))
            optimiser.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(network(batch_image), label[rows])
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
    network.eval()


def accuracy(network: nn.Module, image: Tensor, label: Tensor, batch: int = 256) -> float:
    """Share of correctly classified images [N, 1, H, W]."""
    network.eval()
    right = 0
    with torch.no_grad():
        for rows in torch.split(torch.arange(len(image)), batch):
            right += int((network(image[rows]).argmax(1) == label[rows]).sum())
    return right / len(image)

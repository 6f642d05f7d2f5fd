"""Symmetries of data: the equivariance error of a fitted network for each group, on held-out data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.soft.groups import Group
from models.soft.representation import Element, Representation, matrix

TRIES = 8  # elements drawn per element used, at most: half of the elements of a reflection group are the identity


def acting(rep: Representation, element: Element) -> Tensor:
    """rho(g) on all features, [size, size]."""
    matrix_of_all = torch.zeros(rep.size, rep.size)
    for block in rep.blocks():
        small = torch.from_numpy(matrix(block.type, element, rep.points)).to(matrix_of_all)
        matrix_of_all[block.start : block.stop, block.start : block.stop] = torch.kron(torch.eye(block.count), small)
    return matrix_of_all


def equivariance_error(
    network: Callable[[Tensor], Tensor], group: Group, into: Representation, out: Representation, x: Tensor,
    motions: int = 16, seed: int = 0,
) -> float:  # fmt: skip
    """mean ||f(g x) - g f(x)|| / (||f(g x)|| + ||g f(x)||) over held-out x and elements that change the input.

    nan if the group never changes the input.
    """
    draw = np.random.default_rng(seed)
    total: list[float] = []
    with torch.no_grad():
        output = network(x)
        for _ in range(TRIES * motions):
            element = group.sample(draw)
            low, high = acting(into, element), acting(out, element)
            if float((low - torch.eye(len(low))).abs().max()) < 1e-6:
                continue
            moved, expected = network(x @ low.T), output @ high.T
            apart = (moved - expected).norm(dim=1)
            total.append(float((apart / (moved.norm(dim=1) + expected.norm(dim=1)).clamp(min=1e-12)).mean()))
            if len(total) == motions:
                break
    return float(np.mean(total)) if total else float("nan")

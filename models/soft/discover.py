"""Which symmetries the data keep: the error that a fitted network makes under each group, on data held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.soft.groups import Group
from models.soft.representation import Element, Representation, matrix

TRIES = 8  # elements drawn for each that is wanted: half of a reflection's move nothing


def acting(rep: Representation, element: Element) -> Tensor:
    """rho(g) on all features, [size, size]."""
    found = torch.zeros(rep.size, rep.size)
    for block in rep.blocks():
        small = torch.from_numpy(matrix(block.type, element, rep.points)).to(found)
        found[block.start : block.stop, block.start : block.stop] = torch.kron(torch.eye(block.count), small)
    return found


def equivariance_error(
    network: Callable[[Tensor], Tensor], group: Group, into: Representation, out: Representation, x: Tensor,
    motions: int = 16, seed: int = 0,
) -> float:  # fmt: skip
    """mean ||f(g x) - g f(x)|| / (||f(g x)|| + ||g f(x)||) over held-out x and elements that move something.

    nan where the group moves nothing that the network is shown.
    """
    draw = np.random.default_rng(seed)
    total: list[float] = []
    with torch.no_grad():
        here = network(x)
        for _ in range(TRIES * motions):
            element = group.sample(draw)
            low, high = acting(into, element), acting(out, element)
            if float((low - torch.eye(len(low))).abs().max()) < 1e-6:
                continue
            there, wanted = network(x @ low.T), here @ high.T
            apart = (there - wanted).norm(dim=1)
            total.append(float((apart / (there.norm(dim=1) + wanted.norm(dim=1)).clamp(min=1e-12)).mean()))
            if len(total) == motions:
                break
    return float(np.mean(total)) if total else float("nan")

"""Fits a soft network: loss + sum_k lambda_k R_k, with one adjustment of the strengths during the training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.soft.network import SoftPerceptron, adjusted


@dataclass(frozen=True)
class Recipe:
    """Protocol of PER: one adjustment after the share `adjust` of the epochs.

    The weights with the lowest validation error are kept, counted from the share 2 `adjust` on.
    """

    epochs: int = 400
    batch: int = 100
    learning_rate: float = 1e-3
    strength: float = 0.03
    power: float = 2.0
    adjust: float = 0.25
    residue: float = 1.0
    normalised: bool = True  # compare R_k per direction removed by the group


@dataclass(frozen=True)
class Fit:
    """Result: strengths before and after, penalties at the adjustment, errors at the best validation."""

    before: Tensor  # [K]
    after: Tensor  # [K]
    penalty: Tensor  # [K], per direction if normalised
    valid: float
    test: float


Data = tuple[Tensor, Tensor]


def fit(network: nn.Module, train: Data, valid: Data, test: Data, recipe: Recipe, seed: int,
        free: tuple[int, ...] = (), exact: int | None = None) -> Fit:  # fmt: skip
    """Train a SoftPerceptron with its penalties (none for the groups `free`), or any other network without penalties.

    With `exact`, a SoftPerceptron is kept exactly equivariant to that group, for comparison with the soft network.
    """
    soft = network if isinstance(network, SoftPerceptron) else None
    strength = torch.full((len(soft.groups) if soft else 0,), recipe.strength)
    for index in free:
        strength[index] = 0.0
    before, kept = strength.clone(), strength.clone()
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    draw = torch.Generator().manual_seed(seed)
    best, best_weights, lowest = math.inf, network.state_dict(), _Lowest()
    at = round(recipe.adjust * recipe.epochs)
    for epoch in range(recipe.epochs):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
        for rows in torch.split(torch.randperm(len(train[0]), generator=draw), recipe.batch):
            optimiser.zero_grad(set_to_none=True)
            loss = (network(train[0][rows]) - train[1][rows]).square().mean()
            if soft is not None:
                for index in torch.nonzero(strength)[:, 0].tolist():
                    loss = loss + strength[index] * soft.penalty(index)
                loss = loss + recipe.residue * soft.residue()
            torch.autograd.backward(loss)
            optimiser.step()
            if soft is not None and exact is not None:
                soft.project(exact)
        if soft is not None and epoch < at and epoch >= at // 2:
            lowest.update(_penalties(soft, recipe))
        if soft is not None and epoch == at - 1:
            strength = adjusted(strength, lowest.kept, recipe.power, soft.complements() > 0)
        if epoch >= min(2 * at, recipe.epochs - 1):
            error = mean_square(network, valid)
            if error < best:
                best, best_weights = error, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_weights)
    return Fit(before, strength, lowest.kept if soft is not None else kept, best, mean_square(network, test))


class _Lowest:
    """The penalties at the last epoch in which one of them reached a new minimum."""

    def __init__(self) -> None:
        self.kept = torch.empty(0)
        self.least = torch.empty(0)

    def update(self, penalty: Tensor) -> None:
        if not len(self.kept) or bool((penalty < self.least).any()):
            self.kept = penalty
        self.least = penalty if not len(self.least) else torch.minimum(self.least, penalty)


def _penalties(network: SoftPerceptron, recipe: Recipe) -> Tensor:
    """[K] penalties, per removed direction if `recipe.normalised`."""
    with torch.no_grad():
        penalty = network.penalties()
    return penalty / network.complements().clamp(min=1) if recipe.normalised else penalty


def mean_square(network: nn.Module, data: Data) -> float:
    with torch.no_grad():
        return float((network(data[0]) - data[1]).square().mean())

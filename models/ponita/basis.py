"""The basis in which kernels are written: a small perceptron on monomials of the invariants."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class Monomials(nn.Module):
    """All products of up to `degree` of the inputs, each once. The authors' x, x (x) x, x (x) x (x) x holds the same
    functions, several of them twice; a network of theirs is ours with the weights of equal ones added."""

    def __init__(self, inputs: int, degree: int) -> None:
        super().__init__()
        self.terms = [
            term
            for power in range(1, degree + 1)
            for term in itertools.combinations_with_replacement(range(inputs), power)
        ]

    def forward(self, value: Tensor) -> Tensor:
        """[..., inputs] -> [..., terms]."""
        known: dict[tuple[int, ...], Tensor] = {}
        for term in self.terms:
            last = value[..., term[-1]]
            known[term] = last if len(term) == 1 else known[term[:-1]] * last
        return torch.stack([known[term] for term in self.terms], -1)


class KernelBasis(nn.Module):
    """GELU(Lin(GELU(Lin(monomials)))): [..., inputs] -> [..., basis]."""

    def __init__(self, inputs: int, hidden: int, basis: int, degree: int) -> None:
        super().__init__()
        self.monomials = Monomials(inputs, degree)
        self.first = nn.Linear(len(self.monomials.terms), hidden)
        self.second = nn.Linear(hidden, basis)

    def forward(self, value: Tensor) -> Tensor:
        inner = nn.functional.gelu(self.first(self.monomials(value)))
        return nn.functional.gelu(self.second(inner))

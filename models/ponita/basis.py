"""Basis functions of kernels: a small perceptron of monomials of the invariants."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class Monomials(nn.Module):
    """All products of up to `degree` inputs, each once. The authors' x, x (x) x, x (x) x (x) x contains the same
    functions, some several times; adding the weights of equal functions gives this network."""

    def __init__(self, inputs: int, degree: int) -> None:
        super().__init__()
        self.terms = [
            term
            for power in range(1, degree + 1)
            for term in itertools.combinations_with_replacement(range(inputs), power)
        ]

    def forward(self, value: Tensor) -> Tensor:
        """[..., inputs] -> [..., terms]."""
        terms: dict[tuple[int, ...], Tensor] = {}
        for term in self.terms:
            last = value[..., term[-1]]
            terms[term] = last if len(term) == 1 else terms[term[:-1]] * last
        return torch.stack([terms[term] for term in self.terms], -1)


class KernelBasis(nn.Module):
    """GELU(Lin(GELU(Lin(monomials)))): [..., inputs] -> [..., basis]; `extra` inputs get no monomials."""

    def __init__(self, inputs: int, hidden: int, basis: int, degree: int, extra: int = 0) -> None:
        super().__init__()
        self.monomials = Monomials(inputs, degree)
        self.first = nn.Linear(len(self.monomials.terms) + extra, hidden)
        self.second = nn.Linear(hidden, basis)

    def forward(self, value: Tensor, extra: Tensor | None = None) -> Tensor:
        """value [..., inputs]; extra [P, extra], the same for all orientations of a pair."""
        terms = len(self.monomials.terms)
        inner = nn.functional.linear(self.monomials(value), self.first.weight[:, :terms], self.first.bias)
        if extra is not None:
            inner = inner + nn.functional.linear(extra, self.first.weight[:, terms:])[:, None]
        inner = nn.functional.gelu(inner)
        return nn.functional.gelu(self.second(inner))

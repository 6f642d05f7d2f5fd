"""Transformation of features: scalars, pseudo-scalars, vectors, tensors and positions, of one point or of n points."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Element:
    """One symmetry operation: x -> linear x + shift, with a permutation `order` of the points."""

    linear: Floats  # [d, d]
    shift: Floats  # [d]
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class FeatureBlock:
    """`count` features of one type with `size` numbers each, channel by channel, from column `start` on."""

    type: str
    count: int
    size: int
    start: int

    @property
    def stop(self) -> int:
        return self.start + self.count * self.size


@dataclass(frozen=True)
class Representation:
    """Types in this order: scalar, odd (changes sign under a reflection), vector, tensor (d x d), position (x, 1).

    With `points` n, every feature exists once per point, and S_n permutes the points. With 1 the features belong to all
    points together, and S_n leaves them unchanged.
    """

    dimension: int
    scalars: int = 0
    odd: int = 0
    vectors: int = 0
    tensors: int = 0
    positions: int = 0
    points: int = 1

    @property
    def size(self) -> int:
        return sum(block.count * block.size for block in self.blocks())

    @property
    def counts(self) -> dict[str, int]:
        return {"scalar": self.scalars, "odd": self.odd, "vector": self.vectors, "tensor": self.tensors,
                "position": self.positions}  # fmt: skip

    def blocks(self) -> Iterator[FeatureBlock]:
        start = 0
        for name, count in self.counts.items():
            if count:
                size = math.prod(shape(name, self.dimension)) * self.points
                yield FeatureBlock(name, count, size, start)
                start += count * size


def shape(name: str, dimension: int) -> tuple[int, ...]:
    """Shape of one feature of a type."""
    return {"scalar": (), "odd": (), "vector": (dimension,), "tensor": (dimension, dimension)}.get(
        name, (dimension + 1,)
    )


def matrix(name: str, element: Element, points: int) -> Floats:
    """rho(g) on one feature of a type, for all points: [n s, n s], points first. A single point is not permuted."""
    linear, dimension = element.linear, len(element.linear)
    single: Floats
    if name == "scalar":
        single = np.eye(1)
    elif name == "odd":
        single = np.eye(1) if np.linalg.det(linear) > 0 else -np.eye(1)
    elif name == "vector":
        single = linear
    elif name == "tensor":
        single = np.asarray(np.kron(linear, linear))
    else:
        single = np.block([[linear, element.shift[:, None]], [np.zeros((1, dimension)), np.ones((1, 1))]])
    order = np.eye(points)[list(element.order)] if element.order and points > 1 else np.eye(points)
    return np.asarray(np.kron(order, single))


def derivative(name: str, element: Element, points: int) -> Floats:
    """d rho(A) for a generator A (`linear`) with velocity `shift`: [n s, n s]."""
    linear, dimension = element.linear, len(element.linear)
    single: Floats
    if name in ("scalar", "odd"):
        single = np.zeros((1, 1))
    elif name == "vector":
        single = linear
    elif name == "tensor":
        single = np.kron(linear, np.eye(dimension)) + np.kron(np.eye(dimension), linear)
    else:
        single = np.block([[linear, element.shift[:, None]], [np.zeros((1, dimension + 1))]])
    return np.asarray(np.kron(np.eye(points), single))

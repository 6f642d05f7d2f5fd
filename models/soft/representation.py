"""How features transform: so many scalars, pseudo-scalars, vectors, tensors and positions, of one point or of n."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Element:
    """One symmetry: x -> linear x + shift, and the points renamed by `order`."""

    linear: Floats  # [d, d]
    shift: Floats  # [d]
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class FeatureBlock:
    """`count` features of one type, each of `size` numbers, channel by channel, from column `start` on."""

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

    With `points` n, every feature is there n times, once a point, and S_n acts by renaming the points. With one it is
    of all of them together, and S_n leaves it alone.
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
    """Of one feature of a type."""
    return {"scalar": (), "odd": (), "vector": (dimension,), "tensor": (dimension, dimension)}.get(
        name, (dimension + 1,)
    )


def matrix(name: str, element: Element, points: int) -> Floats:
    """rho(g) on one feature of a type, for all points: [n s, n s], points first. A single point keeps its name."""
    linear, dimension = element.linear, len(element.linear)
    one: Floats
    if name == "scalar":
        one = np.eye(1)
    elif name == "odd":
        one = np.eye(1) if np.linalg.det(linear) > 0 else -np.eye(1)
    elif name == "vector":
        one = linear
    elif name == "tensor":
        one = np.asarray(np.kron(linear, linear))
    else:
        one = np.block([[linear, element.shift[:, None]], [np.zeros((1, dimension)), np.ones((1, 1))]])
    order = np.eye(points)[list(element.order)] if element.order and points > 1 else np.eye(points)
    return np.asarray(np.kron(order, one))


def derivative(name: str, element: Element, points: int) -> Floats:
    """d rho(A) for a generator A (`linear`) with velocity `shift`: [n s, n s]."""
    linear, dimension = element.linear, len(element.linear)
    one: Floats
    if name in ("scalar", "odd"):
        one = np.zeros((1, 1))
    elif name == "vector":
        one = linear
    elif name == "tensor":
        one = np.kron(linear, np.eye(dimension)) + np.kron(np.eye(dimension), linear)
    else:
        one = np.block([[linear, element.shift[:, None]], [np.zeros((1, dimension + 1))]])
    return np.asarray(np.kron(np.eye(points), one))

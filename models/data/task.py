"""The interface of tasks for the trainer: clouds with target vectors, in three parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from models.cloud import Cloud

LEAST_SCALE, LARGEST_SCALE = 1e-12, 1e12  # scale of targets, in the task's unit
Part = Literal["train", "valid", "test"]
Units = tuple[Literal["um", "1"], Literal["pN", "kT/um", "um", "1"]]


@dataclass(frozen=True)
class FeatureCounts:
    """Number of features of each kind that a network of this task reads."""

    dimension: int
    scalars: int
    vectors: int
    attributes: int


@dataclass(frozen=True)
class Range:
    """Range of the examples; a learned policy is reliable only within it."""

    points_least: int
    points_most: int
    nearest: float  # smallest and largest distance of a point to its nearest neighbour, in the task's unit
    farthest: float


class Task(Protocol):
    """One data set. Losses are mean squares over the components of the vector targets, in units of `scale`."""

    @property
    def shape(self) -> FeatureCounts: ...

    @property
    def scale(self) -> float:
        """Divisor of targets in the training; metrics are in the task's unit squared."""
        ...

    @property
    def units(self) -> Units:
        """(unit of positions, unit of targets)."""
        ...

    @property
    def reach(self) -> float | None:
        """Radius of the graphs; None: all pairs."""
        ...

    @property
    def species(self) -> tuple[int, ...]: ...

    @property
    def sha256(self) -> str: ...

    @property
    def range(self) -> Range: ...

    def count(self, part: Part) -> int: ...

    def batch(self, part: Part, index: Tensor) -> tuple[Cloud, Tensor]:
        """(the clouds of these examples, target vector of each point [N, d])."""
        ...

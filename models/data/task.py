"""What the trainer asks of a task: clouds with the vectors that they should answer, in three parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from models.cloud import Cloud

LEAST_SCALE, LARGEST_SCALE = 1e-12, 1e12  # of a network's answer, in the task's unit
Part = Literal["train", "valid", "test"]
Units = tuple[Literal["um", "1"], Literal["pN", "kT/um", "um", "1"]]


@dataclass(frozen=True)
class FeatureCounts:
    """How many features of each kind a network of this task reads and answers."""

    dimension: int
    scalars: int
    vectors: int
    attributes: int


@dataclass(frozen=True)
class Range:
    """Where the examples lie: what a learned policy was never shown, it need not answer."""

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
        """Targets are divided by this for training; metrics are in the task's own unit squared."""
        ...

    @property
    def units(self) -> Units:
        """Of positions, and of targets."""
        ...

    @property
    def reach(self) -> float | None:
        """Radius of its graphs; None: all pairs."""
        ...

    @property
    def species(self) -> tuple[int, ...]: ...

    @property
    def sha256(self) -> str: ...

    @property
    def range(self) -> Range: ...

    def count(self, part: Part) -> int: ...

    def batch(self, part: Part, index: Tensor) -> tuple[Cloud, Tensor]:
        """The clouds of these examples, and the vector that each point should answer, [N, d]."""
        ...

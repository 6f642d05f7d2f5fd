"""Clouds of different sizes, stored in one array and joined into batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from config.refused import Refused
from models.cloud import Cloud
from models.data.task import LARGEST_SCALE, LEAST_SCALE, FeatureCounts, Part, Range, Units
from models.graph import radius_edges

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """One cloud with its target."""

    position: Floats  # [N, 2]
    vector: Floats  # [N, V, 2]
    scalar: Floats  # [N, S]
    target: Floats  # [N, 2]


class Examples:
    """One part of a data set; `batch` joins some of its clouds."""

    def __init__(self, examples: Sequence[Example], reach: float) -> None:
        self.reach = reach
        self.starts = torch.tensor(np.cumsum([0, *(len(example.position) for example in examples)]))
        self.position, self.vector, self.scalar, self.target = (
            torch.from_numpy(np.concatenate([getattr(example, name) for example in examples])).float()
            for name in ("position", "vector", "scalar", "target")
        )
        edges = [radius_edges(example.position, reach) for example in examples]
        # only the first half: the second half has the same edges reversed
        self.pairs = [pairs[:, : pairs.shape[1] // 2] for pairs in edges]

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, index: Tensor) -> tuple[Cloud, Tensor]:
        """(one Cloud with all these examples, their targets [N, 2])."""
        sizes = self.starts[index + 1] - self.starts[index]
        base = torch.cumsum(sizes, 0) - sizes
        rows = torch.cat([torch.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in index])
        pairs = torch.cat([self.pairs[i] + start for i, start in zip(index.tolist(), base.tolist(), strict=True)], 1)
        receiver, sender = torch.cat([pairs[0], pairs[1]]), torch.cat([pairs[1], pairs[0]])
        cloud = Cloud(
            self.position[rows], self.vector[rows], self.scalar[rows], receiver, sender,
            torch.zeros(len(receiver), 0), torch.repeat_interleave(torch.arange(len(index)), sizes), len(index),
            paired=True,
        )  # fmt: skip
        return cloud, self.target[rows]


@dataclass(frozen=True)
class CloudTask:
    """Clouds in the plane with a target vector for each point."""

    parts: dict[Part, Examples]
    sha256: str
    scale: float
    range: Range
    shape: FeatureCounts
    reach: float | None
    species: tuple[int, ...]
    units: Units

    def count(self, part: Part) -> int:
        return len(self.parts[part])

    def batch(self, part: Part, index: Tensor) -> tuple[Cloud, Tensor]:
        return self.parts[part].batch(index)


def require_answers(scale: float) -> None:
    """Raises Refused if the targets have no finite spread that a network could learn."""
    if not LEAST_SCALE <= scale <= LARGEST_SCALE:
        why = "all of them are the same" if scale == 0.0 else f"their spread is {scale:g}"
        raise Refused(f"task: nothing can be learned from these answers, since {why} (allowed: {LEAST_SCALE:g} to "
                      f"{LARGEST_SCALE:g}); look at the law, and at the distances of the configurations")  # fmt: skip


def task_of(
    parts: dict[Part, list[Example]],
    reach: float,
    species: tuple[int, ...],
    units: Units,
) -> CloudTask:
    """A task with the values for its checkpoint's card: hash of all parts; scale and range of the training part."""
    digest = hashlib.sha256()
    for example in (example for part in parts.values() for example in part):
        for value in (example.position, example.vector, example.scalar, example.target):
            digest.update(np.ascontiguousarray(value).tobytes())
    train = parts["train"]
    first = train[0]
    shape = FeatureCounts(first.position.shape[1], first.scalar.shape[1], first.vector.shape[1], 0)
    with np.errstate(all="ignore"):  # such targets are refused below
        scale = float(np.concatenate([example.target for example in train]).std())
    require_answers(scale)
    joined = {part: Examples(examples, reach) for part, examples in parts.items()}
    return CloudTask(joined, digest.hexdigest(), scale, range_of(train), shape, reach, species, units)


def range_of(examples: Sequence[Example]) -> Range:
    """Numbers of points and distances to nearest neighbours in the examples."""
    sizes = [len(example.position) for example in examples]
    nearest = np.concatenate([cKDTree(example.position).query(example.position, k=2)[0][:, 1] for example in examples])
    finite = nearest[np.isfinite(nearest)]
    return Range(min(sizes), max(sizes), float(finite.min()), float(finite.max()))

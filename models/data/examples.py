"""Clouds of unlike sizes, kept end to end, and joined into batches."""

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
    """One cloud with its answer."""

    position: Floats  # [N, 2]
    vector: Floats  # [N, V, 2]
    scalar: Floats  # [N, S]
    target: Floats  # [N, 2]


class Examples:
    """One part of a data set: `batch` joins any of its clouds into one."""

    def __init__(self, examples: Sequence[Example], reach: float) -> None:
        self.reach = reach
        self.starts = torch.tensor(np.cumsum([0, *(len(one.position) for one in examples)]))
        self.position, self.vector, self.scalar, self.target = (
            torch.from_numpy(np.concatenate([getattr(one, name) for one in examples])).float()
            for name in ("position", "vector", "scalar", "target")
        )
        edges = [radius_edges(one.position, reach) for one in examples]
        # the first half of each is enough: the other is its reverse
        self.pairs = [one[:, : one.shape[1] // 2] for one in edges]

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, index: Tensor) -> tuple[Cloud, Tensor]:
        sizes = self.starts[index + 1] - self.starts[index]
        base = torch.cumsum(sizes, 0) - sizes
        rows = torch.cat([torch.arange(int(self.starts[one]), int(self.starts[one + 1])) for one in index])
        pairs = torch.cat(
            [self.pairs[one] + start for one, start in zip(index.tolist(), base.tolist(), strict=True)], 1
        )
        receiver, sender = torch.cat([pairs[0], pairs[1]]), torch.cat([pairs[1], pairs[0]])
        seen = Cloud(
            self.position[rows], self.vector[rows], self.scalar[rows], receiver, sender,
            torch.zeros(len(receiver), 0), torch.repeat_interleave(torch.arange(len(index)), sizes), len(index),
            paired=True,
        )  # fmt: skip
        return seen, self.target[rows]


@dataclass(frozen=True)
class CloudTask:
    """Clouds in the plane, in um, with a vector for each point."""

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
    """Raises Refused where the examples' answers have no finite spread that a network could learn."""
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
    """A task with everything that its checkpoint's card will say, measured on the training part."""
    digest = hashlib.sha256()
    for one in (example for part in parts.values() for example in part):
        for value in (one.position, one.vector, one.scalar, one.target):
            digest.update(np.ascontiguousarray(value).tobytes())
    train = parts["train"]
    first = train[0]
    shape = FeatureCounts(first.position.shape[1], first.scalar.shape[1], first.vector.shape[1], 0)
    with np.errstate(all="ignore"):  # of answers that are refused below
        scale = float(np.concatenate([one.target for one in train]).std())
    require_answers(scale)
    made = {part: Examples(examples, reach) for part, examples in parts.items()}
    return CloudTask(made, digest.hexdigest(), scale, range_of(train), shape, reach, species, units)


def range_of(examples: Sequence[Example]) -> Range:
    sizes = [len(one.position) for one in examples]
    nearest = np.concatenate([cKDTree(one.position).query(one.position, k=2)[0][:, 1] for one in examples])
    known = nearest[np.isfinite(nearest)]
    return Range(min(sizes), max(sizes), float(known.min()), float(known.max()))

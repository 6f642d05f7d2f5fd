"""Five charges in space: the n-body benchmark of Satorras et al. (2021), regenerated from its seed.

It follows the published recipe draw by draw: NumPy's legacy generator with seed 43; 10000, 2000 and 2000
trajectories in that order, of which the first 3000 train; charges +-1; positions ~ N(0, 1), speeds 0.5;
F_i = sum_j q_i q_j r_ij / |r_ij|^3, each component clipped to 100; steps of 1e-3, kick then drift; input at step 3100
(frame 30), target at step 4100 (frame 40). Only the order of additions differs, so that trajectories agree with the
authors' program to about 1e-10.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from safetensors.torch import load_file, save_file
from torch import Tensor

from config.atomic import fresh_file
from models.cloud import Cloud, cloud
from models.data.task import FeatureCounts, Part, Range, Units
from models.graph import all_edges

Floats = NDArray[np.float64]

SEED, BALLS, STEP = 43, 5, 1e-3
DRAWN = {"train": 10000, "valid": 2000, "test": 2000}
KEPT = {"train": 3000, "valid": 2000, "test": 2000}
INPUT_STEP, TARGET_STEP = 3100, 4100  # steps of frames 30 and 40
BOX, LARGEST_FORCE = 5.0, 100.0
FRAMES = 49  # frames of a trajectory of 5000 steps; the recipe draws (zero) noise for each


def starts(random: np.random.RandomState, count: int) -> tuple[Floats, Floats, Floats]:
    """Charges [T, 5], positions and velocities [T, 3, 5] of `count` trajectories, in the recipe's order of draws."""
    charge, place, speed = np.empty((count, BALLS)), np.empty((count, 3, BALLS)), np.empty((count, 3, BALLS))
    for index in range(count):
        charge[index] = random.choice(np.array([-1.0, 0.0, 1.0]), size=(BALLS, 1), p=[0.5, 0.0, 0.5])[:, 0]
        place[index] = random.randn(3, BALLS)
        speed[index] = random.randn(3, BALLS)
        random.randn(2, FRAMES, 3, BALLS)
    speed *= 0.5 / np.sqrt((speed**2).sum(axis=1, keepdims=True))
    over, under = place > BOX, place < -BOX
    place = np.where(over, 2 * BOX - place, np.where(under, -2 * BOX - place, place))
    return charge, place, np.where(over, -np.abs(speed), np.where(under, np.abs(speed), speed))


def run(charge: Floats, place: Floats, speed: Floats, saved: tuple[int, ...]) -> list[tuple[Floats, Floats]]:
    """Positions and velocities [T, 3, 5] at the steps `saved` (rising)."""
    first, second = np.triu_indices(BALLS, 1)
    strength = (charge[:, first] * charge[:, second]).T.copy()  # [10, T]
    x, v = place.transpose(2, 1, 0).copy(), speed.transpose(2, 1, 0).copy()  # [5, 3, T]
    states = []
    for step in range(saved[-1] + 1):
        if step:
            x += STEP * v
        if step in saved:
            states.append((x.transpose(2, 1, 0).copy(), v.transpose(2, 1, 0).copy()))
        gap = x[first] - x[second]  # [10, 3, T]
        square = np.einsum("pct,pct->pt", gap, gap)
        pull = gap * (strength / (square * np.sqrt(square)))[:, None]
        force = np.zeros_like(x)
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            force[i] += pull[pair]
            force[j] -= pull[pair]
        v += STEP * np.clip(force, -LARGEST_FORCE, LARGEST_FORCE)
    return states


def generate(
    kept: dict[str, int] = KEPT, drawn: dict[str, int] = DRAWN, saved: tuple[int, int] = (INPUT_STEP, TARGET_STEP)
) -> dict[str, Tensor]:
    """For each part: charge [T, 5]; place, speed and target [T, 5, 3]; float64. Takes seconds on one core."""
    random = np.random.RandomState(SEED)  # the legacy generator, as in the publication
    parts: dict[str, Tensor] = {}
    for part, count in drawn.items():
        first = [column[: kept[part]] for column in starts(random, count)]
        pieces = []
        for start in range(0, kept[part], 250):
            charge, place, speed = (column[start : start + 250] for column in first)
            (x, v), (target, _) = run(charge, place, speed, saved)
            pieces.append((charge, x.transpose(0, 2, 1), v.transpose(0, 2, 1), target.transpose(0, 2, 1)))
        for name, columns in zip(("charge", "place", "speed", "target"), zip(*pieces, strict=True), strict=True):
            parts[f"{part}.{name}"] = torch.from_numpy(np.ascontiguousarray(np.concatenate(columns)))
    return parts


@dataclass(frozen=True)
class NBody:
    """The benchmark as a task: predict the displacement of each charge from position, velocity and q_i q_j.

    Charges enter as products only, as for EGNN and FA-GNN: the law is the same if all change sign.
    """

    values: dict[str, Tensor]
    sha256: str
    shape: FeatureCounts = FeatureCounts(dimension=3, scalars=0, vectors=1, attributes=1)
    scale: float = 1.0
    units: Units = ("1", "1")
    reach: float | None = None
    species: tuple[int, ...] = ()

    @property
    def range(self) -> Range:
        place = self.values["train.place"].double()
        distance = torch.cdist(place, place) + 1e9 * torch.eye(BALLS)
        nearest = distance.amin(2)
        return Range(BALLS, BALLS, float(nearest.min()), float(nearest.max()))

    def count(self, part: Part) -> int:
        return len(self.values[f"{part}.charge"])

    def batch(self, part: Part, index: Tensor) -> tuple[Cloud, Tensor]:
        charge, place, speed, target = (self.values[f"{part}.{name}"][index] for name in NAMES)
        edges = all_edges(BALLS, len(index))
        flat = charge.flatten()
        product = (flat[edges[0]] * flat[edges[1]])[:, None]
        clouds = cloud(place.flatten(0, 1), edges, speed.flatten(0, 1)[:, None], None, product, len(index))
        return clouds, (target - place).flatten(0, 1)


NAMES = ("charge", "place", "speed", "target")


def nbody(folder: Path | None = None) -> NBody:
    """The data set, generated at the first call and stored in `folder` (default: the user's cache)."""
    path = (folder or Path(user_cache_dir("cybloids"))) / "nbody-43.safetensors"
    if not path.exists():
        with fresh_file(path, "a data set", kind=None) as beside:
            save_file(generate(), beside)
    values = {name: value.float() for name, value in load_file(path).items()}
    return NBody(values, hashlib.sha256(path.read_bytes()).hexdigest())

"""Species of particles from their image patches, with the interface Classifier.

In each frame only a few patches are classified: those of the particles whose last classification is oldest. The species
of a particle is the most frequent result of its last classifications (looks). So the time per frame is bounded for any
number of particles, and the age of every label is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from control.contract import UNKNOWN
from models.lie.card import read_classifier

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SpeciesMemory:
    """For each particle the species of its last looks, and the step of the newest one."""

    of: str = ""  # hash of the network's card
    step: int = 0
    looks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)

    def species(self, particle: Ints) -> Ints:
        """[N] most frequent species; the latest one if two are equally frequent."""
        return np.array([_majority(self.looks.get(int(i), ())) for i in particle], np.int64)

    def age(self, particle: Ints) -> Ints:
        """[N] steps since the newest look; -1 without a look."""
        return np.array([self.step - self.newest[int(i)] if int(i) in self.newest else -1 for i in particle],
                        np.int64)  # fmt: skip


@dataclass(frozen=True)
class PatchClassifier:
    """A Classifier with a network of patches [B, 1, size, size] -> [B, classes], logarithms of probabilities.

    `a_step` particles are classified per frame; looks count if their species has at least probability `sure`; the last
    `kept` looks decide.
    """

    network: nn.Module
    patch_px: int = 28
    a_step: int = 16
    kept: int = 7
    sure: float = 0.0
    name: str = ""

    def start(self) -> SpeciesMemory:
        return SpeciesMemory(self.name)

    def step(
        self, memory: SpeciesMemory, particle: Ints, patches: NDArray[Any], whole: Bools
    ) -> tuple[SpeciesMemory, Ints, Ints]:
        """(new memory, species [N], age [N]) for particles [N], patches [N, size, size], whole [N].

        Particles that are not in `particle` are removed from the memory, and so are all looks of another network.
        """
        memory = memory if memory.of == self.name else self.start()
        present = set(particle.tolist())
        looks = {i: results for i, results in memory.looks.items() if i in present}
        newest = {i: step for i, step in memory.newest.items() if i in present}
        rows = np.flatnonzero(whole)
        waited = np.array([newest.get(i, -1) for i in particle[rows].tolist()], np.int64)
        chosen = rows[np.argsort(waited, kind="stable")[: self.a_step]]
        if len(chosen):
            with torch.inference_mode():
                share, kind = self.network(torch.from_numpy(normalised(patches[chosen]))).exp().max(1)
            for i, result, sure in zip(particle[chosen].tolist(), kind.tolist(), share.tolist(), strict=True):
                newest[i] = memory.step + 1
                if sure >= self.sure:
                    looks[i] = (*looks.get(i, ()), result)[-self.kept :]
        after = SpeciesMemory(self.name, memory.step + 1, looks, newest)
        return after, after.species(particle), after.age(particle)


def open_classifier(path: Path, a_step: int, kept: int, sure: float) -> PatchClassifier:
    """The classifier of a checkpoint. Raises Refused for a damaged one."""
    torch.set_num_threads(1)
    network, card = read_classifier(path)
    return PatchClassifier(network, card.patch_px, a_step, kept, sure, card.card_sha256)


def normalised(patches: NDArray[Any]) -> NDArray[np.float32]:
    """[N, size, size] of any dtype -> [N, 1, size, size]: median of the rim at 0, 99th percentile at 1."""
    value = patches.astype(np.float32)
    rim = np.concatenate([value[:, 0], value[:, -1], value[:, :, 0], value[:, :, -1]], axis=1)
    value = value - np.median(rim, axis=1)[:, None, None]
    top = np.percentile(value.reshape(len(value), -1), 99, axis=1) if len(value) else np.ones(0)
    return np.ascontiguousarray((value / np.maximum(top, 1e-6)[:, None, None])[:, None], np.float32)


def _majority(looks: tuple[int, ...]) -> int:
    """The most frequent value; the latest of equally frequent ones; UNKNOWN for none."""
    if not looks:
        return UNKNOWN
    return max(looks, key=lambda kind: (looks.count(kind), len(looks) - looks[::-1].index(kind)))

"""Species of particles from their image patches, behind the Classifier plug.

A few patches a frame are looked at, those of particles that were looked at longest ago first; a particle's species is
what most of its last looks said. So the price of a frame is bounded whatever the number of particles, and the age of
every label is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Ints = NDArray[np.int64]

LOOKS = 5  # that are remembered of a particle
UNKNOWN = 0  # species of a particle before its first look


@dataclass(frozen=True)
class Labels:
    """What was seen so far: for each particle the species of its last looks, and in which step the newest was."""

    step: int = 0
    looks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)

    def species(self, particle: Ints) -> Ints:
        """[N] by majority; of equals the one that was seen last."""
        return np.array([_majority(self.looks.get(int(who), ())) for who in particle], np.int64)

    def age(self, particle: Ints) -> Ints:
        """[N] steps since the newest look; -1 where there was none."""
        return np.array([self.step - self.newest[int(who)] if int(who) in self.newest else -1 for who in particle],
                        np.int64)  # fmt: skip


@dataclass(frozen=True)
class PatchClassifier:
    """A network of patches [B, 1, size, size] -> [B, classes] as a Classifier; `a_step` are looked at a frame."""

    network: nn.Module
    a_step: int = 16

    def start(self) -> Labels:
        return Labels()

    def step(self, memory: Labels, particle: Ints, patches: NDArray[Any]) -> tuple[Labels, Ints]:
        """particle [N], patches [N, size, size]; those who are gone are forgotten."""
        waited = np.array([memory.newest.get(int(who), -1) for who in particle], np.int64)
        chosen = np.argsort(waited, kind="stable")[: self.a_step]
        here = {int(who) for who in particle}
        looks = {who: seen for who, seen in memory.looks.items() if who in here}
        newest = {who: seen for who, seen in memory.newest.items() if who in here}
        if len(chosen):
            with torch.inference_mode():
                image = torch.from_numpy(normalised(patches[chosen]))
                found = self.network(image).argmax(1).numpy()
            for who, kind in zip(particle[chosen].tolist(), found.tolist(), strict=True):
                looks[who] = (*looks.get(who, ()), int(kind))[-LOOKS:]
                newest[who] = memory.step + 1
        after = Labels(memory.step + 1, looks, newest)
        return after, after.species(particle)


def normalised(patches: NDArray[Any]) -> NDArray[np.float32]:
    """[N, size, size] of any kind of pixel -> [N, 1, size, size]: rim at 0, brightest hundredth at 1."""
    value = patches.astype(np.float32)
    rim = np.concatenate([value[:, 0], value[:, -1], value[:, :, 0], value[:, :, -1]], axis=1)
    value = value - np.median(rim, axis=1)[:, None, None]
    top = np.percentile(value.reshape(len(value), -1), 99, axis=1) if len(value) else np.ones(0)
    return np.ascontiguousarray((value / np.maximum(top, 1e-6)[:, None, None])[:, None], np.float32)


def _majority(looks: tuple[int, ...]) -> int:
    if not looks:
        return UNKNOWN
    return max(looks, key=lambda kind: (looks.count(kind), len(looks) - looks[::-1].index(kind)))

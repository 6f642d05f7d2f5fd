"""Species of particles from their image patches, behind the Classifier plug.

A few patches a frame are looked at, those of particles that were looked at longest ago first; a particle's species is
what most of its last looks said. So the price of a frame is bounded whatever the number of particles, and the age of
every label is known.
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
    """What was seen so far: for each particle the species of its last looks, and in which step the newest was."""

    of: str = ""  # the network that looked
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
    """A network of patches [B, 1, size, size] -> [B, classes], logarithms of probabilities, as a Classifier.

    `a_step` particles are looked at a frame; a look counts where its species is at least `sure`; `kept` looks vote.
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
        """particle [N], patches [N, size, size], whole [N]; those who are gone are forgotten.

        Memory of another network's looks is none.
        """
        memory = memory if memory.of == self.name else self.start()
        here = set(particle.tolist())
        looks = {who: seen for who, seen in memory.looks.items() if who in here}
        newest = {who: seen for who, seen in memory.newest.items() if who in here}
        rows = np.flatnonzero(whole)
        waited = np.array([newest.get(who, -1) for who in particle[rows].tolist()], np.int64)
        chosen = rows[np.argsort(waited, kind="stable")[: self.a_step]]
        if len(chosen):
            with torch.inference_mode():
                share, kind = self.network(torch.from_numpy(normalised(patches[chosen]))).exp().max(1)
            for who, said, sure in zip(particle[chosen].tolist(), kind.tolist(), share.tolist(), strict=True):
                newest[who] = memory.step + 1
                if sure >= self.sure:
                    looks[who] = (*looks.get(who, ()), said)[-self.kept :]
        after = SpeciesMemory(self.name, memory.step + 1, looks, newest)
        return after, after.species(particle), after.age(particle)


def open_classifier(path: Path, a_step: int, kept: int, sure: float) -> PatchClassifier:
    """The classifier of a checkpoint. Raises Refused for one that is not whole."""
    torch.set_num_threads(1)
    network, card = read_classifier(path)
    return PatchClassifier(network, card.patch_px, a_step, kept, sure, card.card_sha256)


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

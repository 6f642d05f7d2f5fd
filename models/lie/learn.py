"""Trains a classifier of species from image patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.lie.card import AffineShape, SpeciesCard, write_classifier
from models.lie.fit import accuracy, fit_classes
from models.lie.species import normalised

Ints = NDArray[np.int64]


def learn(
    examples: Sequence[tuple[NDArray[Any], Ints]], out: Path, *, names: Sequence[str], patch_px: int, epochs: int,
    seed: int, data_sha256: str, held_out: float = 0.2, shape: AffineShape = AffineShape(),  # noqa: B008 - frozen
) -> SpeciesCard:  # fmt: skip
    """Train on patches [N, size, size] of species 0, 1, ..., each with its particles [N]; write the checkpoint.

    Whole particles, not single patches, are held out to measure the error of one classification.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    kind = torch.from_numpy(np.repeat(np.arange(len(examples)), [len(patch) for patch, _ in examples]))
    image = torch.from_numpy(np.concatenate([normalised(patch) for patch, _ in examples]))
    held = torch.from_numpy(np.concatenate([_held(particle, held_out) for _, particle in examples]))
    network = shape.build(len(examples))
    fit_classes(network, image[~held], kind[~held], epochs=epochs, seed=seed, shift=1)
    network.freeze()
    metrics = {"held_out_error": 1 - accuracy(network, image[held], kind[held]), "held_out": float(held.sum())}
    card = SpeciesCard(
        network=shape, patch_px=patch_px, species=tuple(names), patches=tuple(len(patch) for patch, _ in examples),
        data_sha256=data_sha256, epochs=epochs, seed=seed, metrics=metrics,
    )  # fmt: skip
    return write_classifier(network, card, out)


def _held(particle: Ints, share: float) -> NDArray[np.bool_]:
    """[N] True for the patches of the last particles, a `share` of all and at least one."""
    particles = np.unique(particle)
    count = max(round(share * len(particles)), 1)
    return np.isin(particle, particles[-count:])

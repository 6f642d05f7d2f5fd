"""A classifier of species on disk: weights as safetensors beside a card in JSON, by models/checkpoint."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from safetensors.torch import save

from config.fields import Doc, Ge, Gt, Le, settings
from config.reader import build, read
from config.refused import Refused
from models.checkpoint import digest, fill, tensors, write_both
from models.lie.network import AffineNetwork
from models.networks import build_checked


@settings
class AffineShape:
    """Sizes of an AffineNetwork for patches of particles."""

    kind: Literal["affine"] = "affine"
    width: Annotated[int, Ge(1), Le(256), Doc("channels after the lifting")] = 8
    deep: Annotated[int, Ge(1), Le(512), Doc("channels after the group convolutions")] = 16
    group: Annotated[int, Ge(1), Le(64), Doc("elements of the group")] = 8
    special: Annotated[bool, Doc("SL(2), which keeps areas; else GL+(2)")] = True
    levels: Annotated[int, Ge(1), Le(16), Doc("levels of blur among which they are divided")] = 4
    blur_px: Annotated[float, Ge(0), Le(32), Doc("largest blur")] = 1.2
    stretch: Annotated[
        float, Ge(0), Le(4), Doc("largest logarithm of a stretch along each direction of the algebra")
    ] = 0.2
    turn_rad: Annotated[float, Ge(0), Le(7), Doc("largest rotation")] = 0.1

    def build(self, classes: int) -> AffineNetwork:
        if self.group % self.levels:
            raise ValueError(f"{self.group} elements can't be shared evenly by {self.levels} levels of blur")
        return AffineNetwork(
            classes, width=self.width, deep=self.deep, group=self.group, special=self.special, stride=2, hidden=16,
            stretch=self.stretch, turn_rad=self.turn_rad, levels=self.levels, blur_px=self.blur_px,
        )  # fmt: skip


@settings
class SpeciesCard:
    """Description of the weights."""

    format: Literal["cybloids classifier 1"] = "cybloids classifier 1"
    network: AffineShape = AffineShape()
    patch_px: Annotated[int, Ge(19), Le(128), Doc("width and height of a patch")] = 28
    species: Annotated[tuple[str, ...], Doc("names of species 0, 1, 2, ...")]
    patches: Annotated[tuple[int, ...], Doc("number of training patches of each species")]
    data_sha256: Annotated[str, Doc("hash of the training patches")]
    epochs: Annotated[int, Gt(0), Doc("epochs of the training")]
    seed: Annotated[int, Ge(0), Doc("random seed of the training")]
    metrics: Annotated[dict[str, float], Doc("errors at the end of the training")]
    weights_sha256: Annotated[str, Doc("hash of the file of weights")] = ""
    card_sha256: Annotated[str, Doc("hash of all fields above")] = ""


def write_classifier(network: AffineNetwork, card: SpeciesCard, path: Path) -> SpeciesCard:
    """Write both files; `path` ends in .json. Returns the card as written. Raises Refused, OSError."""
    weights = save({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()})
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    card = replace(card, card_sha256=digest(card))
    write_both(path, card, weights, "the card of a classifier")
    return card


def read_classifier(path: Path) -> tuple[AffineNetwork, SpeciesCard]:
    """(network with frozen kernels, float32; its card). Raises Refused for damaged files."""
    if path.suffix != ".json":
        raise Refused(f"{path}: a checkpoint is named by its card, a .json file beside the .safetensors file")
    card: SpeciesCard = build(read(path), SpeciesCard)
    if card.card_sha256 != digest(card):
        raise Refused(f"{path}: the card was changed after the training (its SHA-256 is not the one that it states)")
    before: Any = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        network = build_checked(lambda: card.network.build(len(card.species)), str(path))
        weights = path.with_suffix(".safetensors")
        fill(network, tensors(weights, card.weights_sha256), weights)
        network.freeze()
    finally:
        torch.set_default_dtype(before)
    return network, card

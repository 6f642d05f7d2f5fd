"""A trained network on disk: weights as safetensors beside a card in JSON. Never a pickle.

`NAME.safetensors` holds tensors and nothing else; `NAME.json`, the card, says what they are, in which units and for
which symmetry, and what they were trained on. The card names the SHA-256 of the weights and of itself, so that one
changed byte in either is found.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from config.atomic import fresh_files
from config.fields import Doc, Ge, Gt, Interval, Le, settings
from config.files import read_bytes
from config.reader import build, plain, read
from config.refused import Refused
from config.words import one_line, quoted
from models.data.task import LARGEST_SCALE, LEAST_SCALE, FeatureCounts
from models.networks import AnyNetwork, made
from models.training import AnyTask

FORMAT = "cybloids network 1"
LARGEST_WEIGHTS = 256_000_000  # bytes


@settings
class Units:
    """Of positions and of answers."""

    length: Literal["um", "1"] = "um"
    answer: Literal["pN", "kT/um", "um", "1"] = "pN"


@settings
class Trained:
    """What it was trained on: outside of it its answers are guesses."""

    task: Annotated[AnyTask, Doc("the data set, as it can be made again")]
    points_least: Annotated[int, Ge(0), Doc("fewest points in a cloud")]
    points_most: Annotated[int, Ge(0), Doc("most points in a cloud")]
    nearest: Annotated[float, Ge(0), Doc("smallest distance to a nearest neighbour, in the unit of length")]
    farthest: Annotated[float, Ge(0), Doc("largest distance to a nearest neighbour, in the unit of length")]
    data_sha256: Annotated[str, Doc("of the data set")]
    seed: Annotated[int, Ge(0), Doc("of the training")]
    epochs: Annotated[int, Ge(0), Doc("trained")]


@settings
class Card:
    """What the weights are."""

    format: Literal["cybloids network 1"] = "cybloids network 1"
    network: AnyNetwork
    dimension: Annotated[int, Ge(2), Le(16), Doc("of space")]
    scalars: Annotated[int, Ge(0), Le(1024), Doc("scalar features of a point")]
    vectors: Annotated[int, Ge(0), Le(1024), Doc("vector features of a point")]
    attributes: Annotated[int, Ge(0), Le(1024), Doc("features of a pair")]
    symmetry: Annotated[str, Doc("the group that its answers follow")]
    units: Units = Units()
    scale: Annotated[
        float,
        Interval(ge=LEAST_SCALE, le=LARGEST_SCALE),
        Doc("the network's answer times this is in the unit of answer"),
    ] = 1.0
    reach: Annotated[
        float | None, Gt(0), Le(1e6), Doc("radius of its graph, in the unit of length; none: all pairs")
    ] = None
    species: Annotated[tuple[int, ...], Doc("that it knows, in the order of their scalars")] = ()
    trained: Trained
    metrics: Annotated[dict[str, float], Doc("measured at the end of the training")]
    weights_sha256: Annotated[str, Doc("of the file of weights")] = ""
    card_sha256: Annotated[str, Doc("of all of the above")] = ""

    @property
    def shape(self) -> FeatureCounts:
        return FeatureCounts(self.dimension, self.scalars, self.vectors, self.attributes)


def write(network: nn.Module, card: Card, path: Path) -> Card:
    """Both files; `path` ends in .json. Answers the card as it was written."""
    weights = save({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()})
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    card = replace(card, card_sha256=digest(card))
    write_both(path, card, weights, "the card of a network")
    return card


def write_both(path: Path, card: Any, weights: bytes, kind: str) -> None:
    """The card, of this kind (config.output_kinds), and its weights; where one fails, both stay as before.

    Raises Refused, OSError.
    """
    beside = path.with_suffix(".safetensors")
    with fresh_files({beside: "the weights of a checkpoint", path: kind}, own=True) as (fresh_weights, fresh_card):
        fresh_weights.write_bytes(weights)
        fresh_card.write_text(json.dumps(plain(card), indent=2) + "\n", encoding="utf-8", newline="\n")


def load_checkpoint(path: Path) -> tuple[nn.Module, Card]:
    """The network in evaluation mode, float32 on the CPU, and its card. Raises Refused for anything not whole."""
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    network = made(lambda: card.network.build(card.shape), str(path))
    fill(network, tensors(weights, card.weights_sha256), weights)
    return network.eval(), card


def read_card(path: Path) -> Card:
    """The card alone, checked. Raises Refused."""
    if path.suffix != ".json":
        raise Refused(f"{path}: a checkpoint is named by its card, a .json file beside the .safetensors file")
    card: Card = build(read(path), Card)
    if card.card_sha256 != digest(card):
        raise Refused(f"{path}: the card was changed after the training (its SHA-256 is not the one that it states)")
    wanted = card.network.symmetry(card.dimension)
    if card.symmetry != wanted:
        raise Refused(f"{path}: the card claims the symmetry {quoted(card.symmetry)}, and its network has {wanted}")
    return card


def digest(card: Any) -> str:
    """SHA-256 of a card, but for the place where it stands itself."""
    body: dict[str, Any] = plain(replace(card, card_sha256=""))
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file with this SHA-256. Raises Refused."""
    data = read_bytes(path, LARGEST_WEIGHTS, "weights")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Refused(f"{path}: these are not the weights of the card (truncated, changed or another file)")
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise Refused(f"{path}: this is not a safetensors file ({one_line(error)})") from None


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def fill(network: nn.Module, found: dict[str, Tensor], path: Path) -> None:
    """Load them, if they are just what the network needs, and finite. Raises Refused."""
    wanted = network.state_dict()
    if found.keys() != wanted.keys():
        odd = sorted(found.keys() ^ wanted.keys())[0]
        raise Refused(f"{path}: the tensor '{quoted(odd)}' is in only one of the file and the network of the card")
    for name, value in sorted(found.items()):
        if value.shape != wanted[name].shape:
            raise Refused(
                f"{path}: '{name}' is {list(value.shape)}, and the card's network has {list(wanted[name].shape)}"
            )
        if value.dtype != wanted[name].dtype:
            raise Refused(f"{path}: '{name}' has numbers of type {_kind(value)} (allowed: {_kind(wanted[name])})")
        if not bool(torch.isfinite(value).all()):
            raise Refused(f"{path}: '{name}' holds numbers that are not finite")
    network.load_state_dict(found)

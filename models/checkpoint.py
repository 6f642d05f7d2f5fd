"""A trained network on disk: weights as safetensors, and a card in JSON. Pickle is never used.

`NAME.safetensors` has tensors only. `NAME.json`, the card, states what they are, their units and symmetry, and the
training data. The card has the SHA-256 of the weights and of itself, so that a change of a single byte is detected.
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
from models.networks import AnyNetwork, build_checked
from models.training import AnyTask

FORMAT = "cybloids network 1"
LARGEST_WEIGHTS = 256_000_000  # bytes


@settings
class Units:
    """Units of positions and of the network's results."""

    length: Literal["um", "1"] = "um"
    answer: Literal["pN", "kT/um", "um", "1"] = "pN"


@settings
class Trained:
    """Training data and range: outside of it the network extrapolates."""

    task: Annotated[AnyTask, Doc("settings that reproduce the data set")]
    points_least: Annotated[int, Ge(0), Doc("fewest points in a cloud")]
    points_most: Annotated[int, Ge(0), Doc("most points in a cloud")]
    nearest: Annotated[float, Ge(0), Doc("smallest distance to a nearest neighbour, in the unit of length")]
    farthest: Annotated[float, Ge(0), Doc("largest distance to a nearest neighbour, in the unit of length")]
    data_sha256: Annotated[str, Doc("hash of the data set")]
    seed: Annotated[int, Ge(0), Doc("random seed of the training")]
    epochs: Annotated[int, Ge(0), Doc("epochs of the training")]


@settings
class Card:
    """Description of the weights."""

    format: Literal["cybloids network 1"] = "cybloids network 1"
    network: AnyNetwork
    dimension: Annotated[int, Ge(2), Le(16), Doc("dimension of space")]
    scalars: Annotated[int, Ge(0), Le(1024), Doc("scalar features of a point")]
    vectors: Annotated[int, Ge(0), Le(1024), Doc("vector features of a point")]
    attributes: Annotated[int, Ge(0), Le(1024), Doc("features of a pair")]
    symmetry: Annotated[str, Doc("symmetry group of the results")]
    units: Units = Units()
    scale: Annotated[
        float,
        Interval(ge=LEAST_SCALE, le=LARGEST_SCALE),
        Doc("factor from the network's result to the unit of answer"),
    ] = 1.0
    reach: Annotated[
        float | None, Gt(0), Le(1e6), Doc("radius of its graph, in the unit of length; none: all pairs")
    ] = None
    species: Annotated[tuple[int, ...], Doc("known species, in the order of their scalars")] = ()
    trained: Trained
    metrics: Annotated[dict[str, float], Doc("errors at the end of the training")]
    weights_sha256: Annotated[str, Doc("hash of the file of weights")] = ""
    card_sha256: Annotated[str, Doc("hash of all fields above")] = ""

    @property
    def shape(self) -> FeatureCounts:
        return FeatureCounts(self.dimension, self.scalars, self.vectors, self.attributes)


def write(network: nn.Module, card: Card, path: Path) -> Card:
    """Write both files; `path` ends in .json. Returns the card as written. Raises Refused, OSError."""
    weights = save({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()})
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    card = replace(card, card_sha256=digest(card))
    write_both(path, card, weights, "the card of a network")
    return card


def write_both(path: Path, card: Any, weights: bytes, kind: str) -> None:
    """Write a card of this kind (config.output_kinds) and its weights. If one fails, both stay as before.

    Raises Refused, OSError.
    """
    beside = path.with_suffix(".safetensors")
    with fresh_files({beside: "the weights of a checkpoint", path: kind}, own=True) as (fresh_weights, fresh_card):
        fresh_weights.write_bytes(weights)
        fresh_card.write_text(json.dumps(plain(card), indent=2) + "\n", encoding="utf-8", newline="\n")


def load_checkpoint(path: Path) -> tuple[nn.Module, Card]:
    """(the network in evaluation mode, float32 on the CPU; its card). Raises Refused for damaged files."""
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    network = build_checked(lambda: card.network.build(card.shape), str(path))
    fill(network, tensors(weights, card.weights_sha256), weights)
    return network.eval(), card


def read_card(path: Path) -> Card:
    """The card only, checked. Raises Refused."""
    if path.suffix != ".json":
        raise Refused(f"{path}: a checkpoint is named by its card, a .json file beside the .safetensors file")
    card: Card = build(read(path), Card)
    if card.card_sha256 != digest(card):
        raise Refused(f"{path}: the card was changed after the training (its SHA-256 is not the one that it states)")
    expected = card.network.symmetry(card.dimension)
    if card.symmetry != expected:
        raise Refused(f"{path}: the card claims the symmetry {quoted(card.symmetry)}, and its network has {expected}")
    return card


def digest(card: Any) -> str:
    """SHA-256 of a card without its field card_sha256."""
    body: dict[str, Any] = plain(replace(card, card_sha256=""))
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file that has this SHA-256. Raises Refused."""
    data = read_bytes(path, LARGEST_WEIGHTS, "weights")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Refused(f"{path}: these are not the weights of the card (truncated, changed or another file)")
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise Refused(f"{path}: this is not a safetensors file ({one_line(error)})") from None


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def fill(network: nn.Module, values: dict[str, Tensor], path: Path) -> None:
    """Load tensors that match the network's names, shapes and types and are finite. Raises Refused."""
    expected = network.state_dict()
    if values.keys() != expected.keys():
        odd = sorted(values.keys() ^ expected.keys())[0]
        raise Refused(f"{path}: the tensor '{quoted(odd)}' is in only one of the file and the network of the card")
    for name, value in sorted(values.items()):
        if value.shape != expected[name].shape:
            raise Refused(
                f"{path}: '{name}' is {list(value.shape)}, and the card's network has {list(expected[name].shape)}"
            )
        if value.dtype != expected[name].dtype:
            raise Refused(f"{path}: '{name}' has numbers of type {_kind(value)} (allowed: {_kind(expected[name])})")
        if not bool(torch.isfinite(value).all()):
            raise Refused(f"{path}: '{name}' holds numbers that are not finite")
    network.load_state_dict(values)

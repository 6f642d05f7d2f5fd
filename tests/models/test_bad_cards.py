"""Changed cards with a correct new checksum: a correct checksum does not make the values valid."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.reader import build, parse, plain
from config.refused import Refused
from models.checkpoint import Card, digest, load_checkpoint
from models.lie.card import AffineShape, SpeciesCard, read_classifier
from models.networks import EgnnSettings, PlainSettings, PonitaSettings, build_checked
from tests.models.test_checkpoint import card
from tests.models.test_checkpoint import made as written

HUGE = (2**31, 2**63, 1e308, -1, 1e-300)


def resealed(path: Path, **changes: Any) -> Path:
    """The card with other values, with a new checksum if such a card can be built, else without."""
    text = json.loads(path.read_text()) | changes
    with suppress(Refused):
        text["card_sha256"] = digest(build(parse(json.dumps(text), "card"), Card))
    path.write_text(json.dumps(text), encoding="utf-8")
    return path


@pytest.mark.parametrize("key", ["attributes", "scalars", "vectors", "dimension", "reach"])
@pytest.mark.parametrize("value", HUGE)
def test_a_resealed_card_with_a_bad_size_is_refused(tmp_path: Path, key: str, value: float) -> None:
    path = resealed(written(tmp_path), **{key: value})
    with pytest.raises(Refused, match=f"'{key}'") as refused:
        load_checkpoint(path)
    assert len(str(refused.value)) < 500


def test_a_card_of_a_too_large_network_is_refused_without_allocation(tmp_path: Path) -> None:
    """64 layers of 4096 channels are within the bounds of each field, but need 10 GB together."""
    large = replace(card(EgnnSettings(width=4096, layers=64, cutoff=4.0)))
    path = written(tmp_path)
    large = replace(large, card_sha256=digest(large))
    path.write_text(json.dumps(plain(large)), encoding="utf-8")
    with pytest.raises(Refused, match=r"this network would have \d+ numbers \(allowed: 50000000\)"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "network", [PonitaSettings(width=4096, layers=64, basis=4096), PlainSettings(width=4096, layers=64)]
)
def test_the_size_of_a_network_is_checked_before_it_is_built(network: Any) -> None:
    with pytest.raises(Refused, match=r"here: this network would have"):
        build_checked(lambda: network.build(card(network).shape), "here")


def test_a_bad_card_of_a_classifier_is_refused(tmp_path: Path) -> None:
    for change in ({"group": 2**31}, {"width": 1e308}, {"levels": 3, "group": 8}, {"deep": 513}):
        text = plain(SpeciesCard(network=AffineShape(), species=("a", "b"), patches=(1, 1), data_sha256="0", epochs=1,
                                 seed=1, metrics={}))  # fmt: skip
        text["network"] |= change
        with suppress(Refused):
            text["card_sha256"] = digest(build(parse(json.dumps(text), "card"), SpeciesCard))
        path = tmp_path / "card.json"
        path.write_text(json.dumps(text), encoding="utf-8")
        with pytest.raises(Refused):
            read_classifier(path)

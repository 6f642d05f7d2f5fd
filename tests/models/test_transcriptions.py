"""The reference programs for the networks give the same outputs, and are not slowed down artificially."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks import transcriptions
from benchmarks.decisions import CASES, REACH_UM, crystal, shape_of
from models.cloud import cloud
from models.graph import radius_edges
from models.networks import AnyNetwork
from tests.models.clouds import randomised, relative


@pytest.mark.parametrize(("name", "wanted", "transcription"), CASES)
def test_a_transcription_agrees_and_evaluates_its_window_once(
    name: str, wanted: AnyNetwork, transcription: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = randomised(wanted.build(shape_of(2)))
    position = torch.from_numpy(crystal(40))
    kind = torch.eye(2)[torch.arange(40) % 2]
    seen = cloud(position, radius_edges(position.numpy(), REACH_UM), scalar=kind)
    faded = []

    def window(distance: Tensor, radius: float) -> Tensor:
        faded.append(len(distance))
        return plain(distance, radius)

    plain = transcriptions.window
    monkeypatch.setattr(transcriptions, "window", window)
    with torch.inference_mode():
        assert relative(transcription(network, seen), network(seen).vector[:, 0]) < 1e-12
    passes = {"egnn": 1, "ponita": 1, "fa_egnn": 4}  # passes through the backbone, each with two layers
    assert passes[name] <= len(faded) <= passes[name] + (name == "fa_egnn")

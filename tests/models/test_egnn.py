"""EGNN: exact symmetry, locality, and comparison with a transcription of its equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.cloud import Cloud, cloud
from models.egnn import EGNN
from models.graph import radius_edges
from tests.models.clouds import alive, broken, hexagonal, order_broken, random_cloud, random_motion, randomised


def network(cutoff: float | None, attributes: int = 0, scalars_out: int = 3) -> EGNN:
    made = EGNN(scalars=2, vectors=1, attributes=attributes, scalars_out=scalars_out, width=24, layers=3,
                cutoff=cutoff, radial=8 if cutoff else 0)  # fmt: skip
    randomised(made, scale=0.1)
    return made


@pytest.mark.parametrize("cutoff", [None, 1.0])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotations_reflections_and_translations(cutoff: float | None, dimension: int, mirror: bool) -> None:
    seen = random_cloud(1, dimension=dimension, attributes=1)
    for seed in range(3):
        rotation, shift = random_motion(seed, dimension, mirror)
        assert broken(network(cutoff, 1), seen, rotation, shift) <= 1e-12


@pytest.mark.parametrize("cutoff", [None, 1.0])
def test_permutations(cutoff: float | None) -> None:
    assert order_broken(network(cutoff), random_cloud(2)) <= 1e-12


def test_the_network_agrees_with_a_transcription_of_its_equations() -> None:
    made, seen = network(None, 1), random_cloud(3, points=12, attributes=1)
    place = seen.position
    feature = made.embedding(torch.cat([seen.scalar, seen.vector.norm(dim=2)], 1))
    first = (place[seen.receiver] - place[seen.sender]).square().sum(1)
    for layer in made._rounds():
        heard, pushed = torch.zeros(12, 24), torch.zeros(12, 2)
        count = torch.bincount(seen.receiver, minlength=12).clamp(min=1)
        for edge, (i, j) in enumerate(zip(seen.receiver.tolist(), seen.sender.tolist(), strict=True)):
            apart = place[i] - place[j]
            shown = torch.cat(
                [feature[i], feature[j], apart.square().sum()[None], seen.attribute[edge], first[edge : edge + 1]]
            )
            message = torch.nn.functional.silu(layer.edge_first(shown))
            message = torch.nn.functional.silu(layer.edge_second(message))
            heard[i] += message
            pushed[i] += apart * layer.reach(message) / count[i]
        assert layer.push is not None
        place = place + pushed + layer.push(feature) * seen.vector[:, 0]
        feature = feature + layer.node(torch.cat([feature, heard], 1))
    answer = made(seen)
    assert torch.allclose(answer.vector[:, 0], place - seen.position, rtol=0, atol=1e-10)


def test_points_beyond_the_reach_of_all_layers_have_no_effect() -> None:
    seen = random_cloud(4, points=300)
    made = network(1.0)
    far = int((seen.position - seen.position[0]).norm(dim=1).argmax())
    with torch.no_grad():
        before = made(seen).vector[0]
        gone = torch.ones(300, dtype=torch.bool)
        gone[far] = False
        keep = (seen.receiver != far) & (seen.sender != far)
        after = made(replace(seen, receiver=seen.receiver[keep], sender=seen.sender[keep],
                             attribute=seen.attribute[keep])).vector[0]  # fmt: skip
    assert torch.equal(before, after)


def test_the_force_is_continuous_when_a_neighbour_enters_or_leaves() -> None:
    made = network(1.0)
    pair = random_cloud(5, points=2)

    def force(gap: float) -> torch.Tensor:
        place = torch.tensor([[0.0, 0.0], [gap, 0.0]])
        edges = radius_edges(place.numpy(), 1.0)
        seen = replace(
            pair, position=place, receiver=edges[0], sender=edges[1], attribute=torch.zeros(edges.shape[1], 0)
        )
        with torch.no_grad():
            return torch.as_tensor(made(seen).vector)

    assert float((force(1 - 1e-5) - force(1 + 1e-5)).norm()) < 1e-9
    assert float((force(0.5) - force(1.5)).norm()) > 1e-3


def test_the_output_is_continuous_on_a_perfect_crystal() -> None:
    made, place = network(1.2), hexagonal()
    answers = []
    for seed in range(8):
        noisy = place + 1e-6 * torch.from_numpy(np.random.default_rng(seed).normal(size=place.shape))
        answers.append(made(at(noisy)).vector.detach())
    spread = torch.stack(answers).std(0).norm() / torch.stack(answers).mean(0).norm()
    assert alive(made, at(place + 0.01 * torch.randn(place.shape, generator=torch.Generator().manual_seed(0))))
    assert float(spread) <= 1e-5


def at(place: torch.Tensor) -> Cloud:
    draw = np.random.default_rng(0)
    edges = radius_edges(place.numpy(), 1.2)
    vector, scalar = draw.normal(size=(len(place), 1, 2)), draw.normal(size=(len(place), 2))
    return cloud(place, edges, torch.from_numpy(vector), torch.from_numpy(scalar))

"""Frames: their size, F(gX) = g F(X), exact symmetry after averaging, and continuity on crystals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures, cloud, moved
from models.egnn import EGNN
from models.frames.average import FrameAveraged
from models.frames.frame import Poses
from models.frames.harmonic import harmonic
from models.frames.message import MessagePassing
from models.frames.network import FrameAveragingNetwork
from models.frames.pca import Group, gated, principal
from models.graph import all_edges, radius_edges
from models.layers import perceptron
from tests.models.clouds import alive, broken, hexagonal, order_broken, random_cloud, random_motion, randomised

SIZES = {("E", 2): 4, ("SE", 2): 2, ("E", 3): 8, ("SE", 3): 4, ("O", 2): 4, ("SO", 3): 4, ("T", 2): 1, ("T", 3): 1}


@pytest.mark.parametrize(("group", "dimension"), SIZES)
def test_the_frame_has_its_size_and_is_equivariant(group: Group, dimension: int) -> None:
    for seed in range(5):
        seen = random_cloud(seed, dimension=dimension)
        rotation, shift = random_motion(seed, dimension, group in ("E", "O"))
        if group in ("O", "SO"):
            shift = torch.zeros(dimension)
        if group == "T":
            rotation = torch.eye(dimension)
        here, there = principal(seen, group), principal(moved(seen, rotation, shift), group)
        assert here.poses == SIZES[group, dimension]
        same_poses(here, there, rotation, shift)
        dets = torch.linalg.det(here.rotation)
        if group in ("SE", "SO", "T"):
            assert dets.sub(1).abs().max() < 1e-12


def same_poses(here: Poses, there: Poses, rotation: Tensor, shift: Tensor) -> None:
    """F(gX) = g F(X) as sets: each pose of one is a pose of the other."""
    wanted = rotation @ here.rotation[0]  # [K, d, d]
    apart = (there.rotation[0][:, None] - wanted[None]).flatten(2).norm(dim=2)  # [K, K]
    assert apart.amin(0).max() <= 1e-10
    assert apart.amin(1).max() <= 1e-10
    origin = here.origin @ rotation.T + shift
    if float(here.origin.norm()) > 0:
        assert float((there.origin - origin).norm()) <= 1e-10


@pytest.mark.parametrize("group", ["E", "SE"])
def test_harmonic_poses_are_equivariant_and_their_shares_invariant(group: Literal["E", "SE"]) -> None:
    seen = random_cloud(3)
    rotation, shift = random_motion(1, 2, group == "E")
    here, there = harmonic(seen, group), harmonic(moved(seen, rotation, shift), group)
    assert here.poses == (24 if group == "E" else 12)
    assert here.share.sum().item() == pytest.approx(1, abs=1e-14)
    same_poses(here, there, rotation, shift)
    assert there.share.sort().values.allclose(here.share.sort().values, rtol=0, atol=1e-12)


class Flat(nn.Module):
    """A perceptron on all coordinates together, without any symmetry."""

    def __init__(self, points: int, dimension: int) -> None:
        super().__init__()
        self.points, self.dimension = points, dimension
        self.inner = perceptron(points * 2 * dimension, 32, points * dimension + 3)

    def forward(self, seen: Cloud) -> PointFeatures:
        both = torch.cat([seen.position, seen.vector[:, 0]], 1).reshape(seen.graphs, -1)
        out = self.inner(both)
        vector = out[:, : self.points * self.dimension].reshape(-1, 1, self.dimension)
        return PointFeatures(vector, out[:, self.points * self.dimension :].repeat_interleave(self.points, 0))


def passing(dimension: int) -> nn.Module:
    return randomised(
        MessagePassing(
            dimension=dimension, scalars=2, vectors=1, scalars_out=2, width=24, layers=2, cutoff=1.0, radial=4
        )
    )


def fallback() -> nn.Module:
    return randomised(EGNN(scalars=2, vectors=1, scalars_out=2, width=24, layers=2, cutoff=1.0, radial=4))


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("backbone", ["perceptron", "messages"])
def test_frame_averaging_makes_any_backbone_equivariant(dimension: int, group: Group, backbone: str) -> None:
    seen = random_cloud(7, points=20, dimension=dimension)
    inner = randomised(Flat(20, dimension), scale=0.1) if backbone == "perceptron" else passing(dimension)
    network = FrameAveraged(inner, partial(principal, group=group))
    for seed in range(3):
        rotation, shift = random_motion(seed, dimension, False)
        assert broken(network, seen, rotation, shift) <= 1e-12
        assert broken(inner, seen, rotation, shift) > 0.05
        mirror, shift = random_motion(seed, dimension, True)
        error = broken(network, seen, mirror, shift)
        assert error <= 1e-12 if group == "E" else error > 0.01


def test_frame_averaging_over_translations_only() -> None:
    seen = random_cloud(8, points=20)
    network = FrameAveraged(passing(2), partial(principal, group="T"))
    assert broken(network, seen, torch.eye(2), torch.tensor([3.0, -2.0])) <= 1e-12
    assert broken(network, seen, random_motion(0, 2, False)[0], torch.zeros(2)) > 0.05


def test_message_passing_is_permutation_equivariant_a_perceptron_is_not() -> None:
    seen = random_cloud(9, points=20)
    assert order_broken(FrameAveraged(passing(2), principal), seen) <= 1e-12
    assert order_broken(FrameAveraged(randomised(Flat(20, 2), scale=0.1), principal), seen) > 0.05


@pytest.mark.parametrize("frame", [gated, harmonic, partial(gated, group="SE"), partial(harmonic, group="SE")])
def test_gated_and_harmonic_frames_are_exactly_equivariant(frame: Callable[[Cloud], Poses]) -> None:
    network = FrameAveraged(passing(2), frame, fallback())
    chiral = isinstance(frame, partial)
    for seed in range(4):
        seen = random_cloud(seed, points=30)
        rotation, shift = random_motion(seed, 2, False)
        assert broken(network, seen, rotation, shift) <= 1e-12
        assert order_broken(network, seen) <= 1e-12
        if not chiral:
            mirror, shift = random_motion(seed, 2, True)
            assert broken(network, seen, mirror, shift) <= 1e-12


def crystal(noise: float, seed: int) -> Cloud:
    draw = np.random.default_rng(seed)
    place = hexagonal() + noise * torch.from_numpy(draw.normal(size=(37, 2)))
    fixed = np.random.default_rng(0)
    return cloud(
        place,
        radius_edges(place.numpy(), 1.2),
        torch.from_numpy(fixed.normal(size=(37, 1, 2))),
        torch.from_numpy(fixed.normal(size=(37, 2))),
    )


def spread(network: nn.Module, noise: float) -> float:
    """Standard deviation of the output over samples of the noise, relative to the mean output."""
    with torch.no_grad():
        answers = torch.stack([network(crystal(noise, seed)).vector for seed in range(12)])
    return float(answers.std(0).norm() / answers.mean(0).norm())


def crystal_passing() -> nn.Module:
    return randomised(
        MessagePassing(dimension=2, scalars=2, vectors=1, scalars_out=2, width=24, layers=2, cutoff=1.2, radial=4)
    )


def crystal_fallback() -> nn.Module:
    return randomised(EGNN(scalars=2, vectors=1, scalars_out=2, width=24, layers=2, cutoff=1.2, radial=4))


@pytest.mark.parametrize("frame", [gated, harmonic])
def test_safe_frames_are_continuous_on_a_perfect_crystal(frame: Callable[[Cloud], Poses]) -> None:
    network = FrameAveraged(crystal_passing(), frame, crystal_fallback())
    assert alive(network, crystal(0.01, 0))
    assert spread(network, 1e-6) <= 1e-5


def test_principal_frames_are_not_continuous_on_a_perfect_crystal() -> None:
    assert spread(FrameAveraged(crystal_passing(), principal), 1e-6) > 0.05


def test_safe_frames_are_exactly_equivariant_on_a_perfect_crystal() -> None:
    for frame in (gated, harmonic):
        network = FrameAveraged(crystal_passing(), frame, crystal_fallback())
        rotation, shift = random_motion(2, 2, True)
        assert broken(network, crystal(0.0, 0), rotation, shift) <= 1e-12


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("dimension", [2, 3])
def test_frames_between_layers(dimension: int, drop: bool) -> None:
    made = FrameAveragingNetwork(dimension=dimension, scalars=2, attributes=1, width=12, layers=3, drop_centre=drop)
    network = randomised(made, scale=0.2)
    seen = random_cloud(4, points=8, dimension=dimension, radius=10.0, attributes=1)
    for seed in range(3):
        rotation, shift = random_motion(seed, dimension, seed % 2 == 0)
        assert broken(network, seen, rotation, shift) <= 1e-12
    assert order_broken(network, seen) <= 1e-12


def test_graphs_of_one_batch_do_not_influence_each_other() -> None:
    one, other = random_cloud(1, points=6, dimension=3), random_cloud(2, points=6, dimension=3)
    edges = all_edges(6, 2)
    attribute = torch.zeros(edges.shape[1], 0)
    both = Cloud(
        torch.cat([one.position, other.position]),
        torch.cat([one.vector, other.vector]),
        torch.cat([one.scalar, other.scalar]),
        edges[0],
        edges[1],
        attribute,
        torch.arange(2).repeat_interleave(6),
        2,
    )
    single = cloud(one.position, all_edges(6), one.vector, one.scalar)
    networks = [
        FrameAveraged(randomised(MessagePassing(dimension=3, scalars=2, vectors=1, width=12, layers=2)), principal),
        randomised(FrameAveragingNetwork(dimension=3, scalars=2, attributes=0, width=12, layers=2)),
        randomised(EGNN(scalars=2, vectors=1, width=12, layers=2), scale=0.1),
    ]
    for network in networks:
        with torch.no_grad():
            alone, together = network(single).vector, network(both).vector[:6]
        assert torch.allclose(alone, together, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("frame", [gated, harmonic])
@pytest.mark.parametrize("points", [0, 1, 2, 3])
def test_clouds_without_principal_axes_give_finite_outputs(
    frame: Callable[[Cloud], Poses], points: int, kind: torch.dtype
) -> None:
    network = FrameAveraged(passing(2), frame, fallback()).to(kind)
    for place in (torch.zeros(points, 2), torch.arange(2.0 * points).reshape(points, 2) / 5):
        seen = cloud(place, radius_edges(place.numpy(), 1.0), torch.ones(points, 1, 2), torch.ones(points, 2))
        answer = network(seen.to("cpu", kind))
        assert bool(torch.isfinite(answer.vector).all())

"""The real-time forms of networks used in a run: same outputs as the networks, whatever was computed before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models.cloud import Cloud, cloud, moved
from models.data.task import FeatureCounts
from models.flight.egnn import EgnnFlight
from models.flight.frames import FrameFlight
from models.flight.kernels import LANES, gaussian, silu
from models.flight.pack import Flight, pack
from models.flight.ponita import PonitaFlight
from models.graph import radius_edges
from models.networks import AnyNetwork, EgnnSettings, FrameSettings, PonitaSettings
from tests.models.clouds import hexagonal, random_motion, randomised, relative

SHAPE = FeatureCounts(dimension=2, scalars=2, vectors=0, attributes=0)
CASES: tuple[tuple[type, AnyNetwork], ...] = (
    (EgnnFlight, EgnnSettings(width=12, layers=1, cutoff=1.0)),
    (EgnnFlight, EgnnSettings(width=12, layers=3, cutoff=1.0, radial=6)),
    (EgnnFlight, EgnnSettings(width=11, layers=2, cutoff=1.0, radial=5)),
    (FrameFlight, FrameSettings(width=12, layers=1, cutoff=1.0)),
    (FrameFlight, FrameSettings(width=12, layers=3, cutoff=1.0, radial=6)),
    (FrameFlight, FrameSettings(width=12, frame="principal", group="SE", cutoff=1.0, radial=6)),
    (FrameFlight, FrameSettings(width=12, frame="harmonic", cutoff=1.0, radial=6)),
    (PonitaFlight, PonitaSettings(width=12, layers=1, grid=4, cutoff=1.0)),
    (PonitaFlight, PonitaSettings(width=12, layers=3, grid=8, cutoff=1.0, radial=6, length=0.7, layer_scale=0.5)),
    (PonitaFlight, PonitaSettings(width=12, group="SE", grid=6, basis=5, degree=2, cutoff=1.0, radial=6)),
)


def crowd(points: int, kinds: int = 2, stretch: float = 1.6, seed: int = 0) -> Cloud:
    """Two species by default; `stretch` sets how well the principal axes are defined."""
    draw = np.random.default_rng(seed)
    place = draw.uniform(0, 0.5 * np.sqrt(points), (points, 2)) * [stretch, 1 / stretch]
    species = torch.eye(2)[torch.from_numpy(draw.integers(0, kinds, points))]
    return cloud(torch.from_numpy(place), radius_edges(place, 1.0), scalar=species)


def flown(answer: Flight, seen: Cloud) -> Tensor:
    with torch.inference_mode():
        return answer(seen).clone()


@pytest.mark.parametrize(("kind", "wanted"), CASES)
@pytest.mark.parametrize("kinds", [1, 2])
def test_a_real_time_network_gives_the_output_of_its_network(kind: type, wanted: AnyNetwork, kinds: int) -> None:
    network = randomised(wanted.build(SHAPE), scale=0.5)
    answer = pack(network, SHAPE)
    assert isinstance(answer, kind)
    for points, stretch in ((40, 1.6), (80, 1.0), (80, 1.03), (2, 1.0), (40, 1.6)):  # buffers grow, and are reused
        seen = crowd(points, kinds, stretch)
        found = flown(answer, seen)
        with torch.no_grad():
            expected = network(seen).vector[:, 0]
        assert expected.norm() > 1e-4
        assert relative(found, expected) <= 1e-12


@pytest.mark.parametrize("kinds", [1, 2])
def test_the_real_time_egnn_is_accurate_to_float32(kinds: int) -> None:
    network = randomised(EgnnSettings(width=32, layers=2, cutoff=1.0, radial=24).build(SHAPE), scale=0.3)
    seen = crowd(2 * LANES + 9, kinds)  # points in three blocks
    with torch.no_grad():
        expected = network(seen).vector[:, 0]
    seen = seen.to("cpu", torch.float32)
    answer = pack(network.float(), SHAPE)
    found = flown(answer, seen)
    assert found.dtype == torch.float32
    assert relative(found.double(), expected) <= 1e-5
    assert torch.equal(flown(answer, seen), found)


def test_the_activation_functions_of_the_kernel() -> None:
    for kind, allowed in ((np.float32, 3e-7), (np.float64, 1e-15)):
        value = np.linspace(-60, 60, 4 * LANES).astype(kind).reshape(4, LANES)
        wanted = torch.nn.functional.silu(torch.from_numpy(value.astype(np.float64))).numpy()
        found = value.copy()
        silu(found)
        assert np.abs(found - wanted).max() <= 60 * allowed
        near = np.abs(value) < 4
        assert np.abs(found - wanted)[near].max() <= 4 * allowed
        distance, out = np.linspace(0, 5, LANES).astype(kind), np.empty(LANES, kind)
        gaussian(distance, kind(2.0), kind(7.0), out)
        assert np.abs(out - np.exp(-7 * (distance.astype(np.float64) - 2) ** 2)).max() <= 10 * allowed


def test_nan_in_a_weight_gives_nan_forces() -> None:
    network = randomised(EgnnSettings(width=12, layers=2, cutoff=1.0, radial=6).build(SHAPE), scale=0.5).float()
    seen = crowd(20).to("cpu", torch.float32)
    with torch.no_grad():
        network.get_submodule("layers.1.edge_second").get_parameter("bias")[3] = torch.nan
    assert torch.isnan(flown(pack(network, SHAPE), seen)[seen.receiver]).any(1).all()


@pytest.mark.parametrize(("kind", "wanted"), CASES[:7])
def test_a_real_time_network_is_equivariant(kind: type, wanted: AnyNetwork) -> None:
    answer, seen = pack(randomised(wanted.build(SHAPE), scale=0.5), SHAPE), crowd(60, stretch=1.1)
    here = flown(answer, seen)
    mirror = not (isinstance(wanted, FrameSettings) and wanted.group == "SE")
    rotation, shift = random_motion(3, 2, mirror)
    assert relative(flown(answer, moved(seen, rotation, shift)), here @ rotation.T) <= 1e-12


def test_on_a_perfect_crystal_the_fallback_is_used() -> None:
    wanted = FrameSettings(width=12, cutoff=1.1, radial=6)
    network = randomised(wanted.build(SHAPE), scale=0.5)
    place = hexagonal() + 1e-6 * torch.randn(37, 2, generator=torch.Generator().manual_seed(0))
    seen = cloud(place, radius_edges(place.numpy(), 1.1), scalar=torch.eye(2)[torch.zeros(37, dtype=torch.long)])
    with torch.no_grad():
        assert relative(flown(pack(network, SHAPE), seen), network(seen).vector[:, 0]) <= 1e-12


@pytest.mark.parametrize(("kind", "wanted"), CASES)
def test_a_single_point_gives_a_finite_output(kind: type, wanted: AnyNetwork) -> None:
    network = randomised(wanted.build(SHAPE), scale=0.5)
    answer, one = pack(network, SHAPE), crowd(1)
    assert torch.isfinite(flown(answer, one)).all()
    if kind is not PonitaFlight:
        return
    with torch.no_grad():
        assert torch.allclose(flown(answer, one), network(one).vector[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("layers", "radial"), [(1, 0), (2, 6)])
def test_the_real_time_ponita_works_in_three_dimensions(layers: int, radial: int) -> None:
    shape = replace(SHAPE, dimension=3)
    wanted = PonitaSettings(width=12, layers=layers, grid=12, cutoff=1.0, radial=radial)
    network = randomised(wanted.build(shape), scale=0.5)
    answer = pack(network, shape)
    assert isinstance(answer, PonitaFlight)
    place = np.random.default_rng(0).uniform(0, 2, (50, 3))
    seen = cloud(torch.from_numpy(place), radius_edges(place, 1.0), scalar=torch.randn(50, 2))
    with torch.no_grad():
        expected = network(seen).vector[:, 0]
    assert expected.norm() > 1e-4
    assert relative(flown(answer, seen), expected) <= 1e-12


def test_a_real_time_network_has_a_copy_of_the_weights() -> None:
    for _, wanted in CASES:
        network = randomised(wanted.build(SHAPE), scale=0.5)
        answer, seen = pack(network, SHAPE), crowd(30)
        before = flown(answer, seen)
        randomised(network, seed=1)
        assert torch.equal(flown(answer, seen), before)


def test_a_network_with_vector_inputs_is_used_unchanged() -> None:
    shape = replace(SHAPE, vectors=1)
    network = randomised(EgnnSettings(width=12, layers=2, cutoff=1.0).build(shape), scale=0.5)
    seen = replace(crowd(30), vector=torch.randn(30, 1, 2, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        assert torch.equal(flown(pack(network, shape), seen), network(seen).vector[:, 0])

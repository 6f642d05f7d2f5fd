"""PONITA: exact on its grid, approximate between its angles, chiral or not; compared with explicit sums."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import pytest
import torch
from torch import nn

from models.cloud import Cloud
from models.ponita.basis import Monomials
from models.ponita.cloud import PonitaPoints, element_pairs
from models.ponita.convolution import ConvNextBlock, SeparableConvolution
from models.ponita.grid import circle, opposites, sphere
from models.ponita.invariants import fibre, spatial
from models.ponita.network import Ponita
from tests.models.clouds import broken, hexagonal, order_broken, random_cloud, random_motion, randomised, turn_by
from tests.models.test_egnn import at

MIRROR = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)


def network(group: Literal["E", "SE"], grid: int = 8, dimension: int = 2) -> nn.Module:
    made = Ponita(dimension=dimension, group=group, grid=grid, scalars=2, vectors=1, scalars_out=2,
                  width=16, layers=2, cutoff=1.0)  # fmt: skip
    return randomised(made, scale=0.4)


@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("grid", [5, 8])
def test_the_network_is_exactly_equivariant_under_grid_rotations(group: Literal["E", "SE"], grid: int) -> None:
    seen = random_cloud(1)
    for turns in (1, 2, grid - 1):
        error = broken(network(group, grid), seen, turn_by(2 * math.pi * turns / grid), torch.tensor([3.0, -1.0]))
        assert error <= 1e-12


def test_reflections_are_exact_for_e2_and_fail_for_se2() -> None:
    seen = random_cloud(2)
    assert broken(network("E"), seen, turn_by(math.pi / 4) @ MIRROR, torch.zeros(2)) <= 1e-12
    assert broken(network("SE"), seen, MIRROR, torch.zeros(2)) > 0.05


def test_the_error_between_grid_angles_falls_with_the_grid() -> None:
    seen = random_cloud(3)

    def error(grid: int) -> float:
        made = network("E", grid)
        return max(broken(made, seen, turn_by(0.1 + 0.7 * k), torch.zeros(2)) for k in range(9))

    coarse, fine = error(4), error(32)
    assert fine < coarse / 50


@pytest.mark.parametrize("dimension", [2, 3])
def test_permutations_and_translations(dimension: int) -> None:
    seen = random_cloud(4, dimension=dimension)
    made = network("E", 8, dimension)
    assert order_broken(made, replace(seen, paired=False)) <= 1e-12
    assert broken(made, seen, torch.eye(dimension), 5 * torch.ones(dimension)) <= 1e-12


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("group", ["E", "SE"])
def test_the_kernels_of_half_of_the_pairs_suffice(dimension: int, group: Literal["E", "SE"]) -> None:
    """The kernel of a pair in the opposite direction is the same kernel at opposite orientations."""
    seen = random_cloud(5, dimension=dimension)
    made = network(group, 8, dimension)
    with torch.no_grad():
        half, full = made(seen), made(replace(seen, paired=False))
    assert torch.allclose(half.vector, full.vector, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("group", ["E", "SE"])
def test_the_point_cloud_mode_is_exactly_equivariant_at_every_angle(dimension: int, group: Literal["E", "SE"]) -> None:
    seen = random_cloud(6, points=25, dimension=dimension)
    made = randomised(PonitaPoints(dimension=dimension, group=group, scalars=2, vectors=1, scalars_out=2, width=12,
                                   layers=2, cutoff=1.0))  # fmt: skip
    for seed in range(3):
        rotation, shift = random_motion(seed, dimension, False)
        assert broken(made, seen, rotation, shift) <= 1e-12
    mirror, shift = random_motion(3, dimension, True)
    error = broken(made, seen, mirror, shift)
    assert error > 0.05 if (group, dimension) == ("SE", 2) else error <= 1e-12
    assert order_broken(made, seen) <= 1e-12


def test_elements_receive_from_their_own_point_and_its_neighbours() -> None:
    seen = random_cloud(7, points=12)
    hearing, heard = element_pairs(seen)
    found = set(zip(hearing.tolist(), heard.tolist(), strict=True))
    near = set(zip(seen.receiver.tolist(), seen.sender.tolist(), strict=True)) | {(i, i) for i in range(12)}
    base = seen.receiver.tolist()
    wanted = {(e, f) for e in range(len(base)) for f in range(len(base)) if (base[e], base[f]) in near}
    assert found == wanted
    assert len(hearing) == len(wanted)


def test_with_distances_only_the_output_is_invariant() -> None:
    made = randomised(
        Ponita(dimension=3, grid=0, scalars=2, vectors=1, scalars_out=3, vectors_out=0, width=16, cutoff=1.0)
    )
    seen = random_cloud(8, dimension=3)
    for mirror in (False, True):
        rotation, shift = random_motion(1, 3, mirror)
        assert broken(made, seen, rotation, shift) <= 1e-12


def convolution(made: Ponita) -> SeparableConvolution:
    return cast(ConvNextBlock, made.blocks[0]).convolution


@pytest.mark.parametrize("group", ["E", "SE"])
def test_the_network_agrees_with_explicit_sums(group: Literal["E", "SE"]) -> None:
    """The paper's double sum over neighbours and orientations, element by element."""
    seen = random_cloud(9, points=8)
    made = Ponita(dimension=2, group=group, grid=6, scalars=2, vectors=1, scalars_out=2, width=5, layers=1, cutoff=1.0)
    randomised(made)
    x = made.embedding(made.lifted(seen))
    block = convolution(made)
    assert made.fibre_basis is not None
    angle = torch.arange(6) * (2 * math.pi / 6)
    pairs = [*zip(seen.receiver.tolist(), seen.sender.tolist(), strict=True), *((i, i) for i in range(8))]
    first = torch.zeros(8, 6, 5)
    for i, j in pairs:
        gap = seen.position[j] - seen.position[i]
        u = gap.norm()
        window = 1 - 28 * u**6 + 48 * u**7 - 21 * u**8
        for o in range(6):
            along = gap[0] * angle[o].cos() + gap[1] * angle[o].sin()
            across = -gap[0] * angle[o].sin() + gap[1] * angle[o].cos()
            shown = torch.stack([along, across if group == "SE" else across.abs()])
            first[i, o] += block.kernel(made.spatial_basis(shown) * window) * x[j, o]
    second = torch.zeros(8, 6, 5)
    for p in range(6):
        for o in range(6):
            gap = angle[o] - angle[p]
            shown = torch.stack([gap.cos(), gap.sin()]) if group == "SE" else gap.cos()[None]
            second[:, p] += block.fibre_kernel(made.fibre_basis(shown)) * first[:, o] / 6
    across = made.fibre_basis(fibre(made.grid[:, None], made.grid[None], group == "SE"))
    ours = block(x, made.neighbours(seen), across)
    assert torch.allclose(ours, second + block.bias, rtol=1e-10, atol=1e-12)


def test_calibration_is_done_once_and_stored() -> None:
    torch.manual_seed(0)
    seen = random_cloud(10)
    made = Ponita(dimension=2, scalars=2, vectors=1, cutoff=1.0).train()
    before = convolution(made).kernel.weight.clone()
    made(seen)
    after = convolution(made).kernel.weight.clone()
    assert not torch.equal(before, after)
    made(seen)
    assert torch.equal(after, convolution(made).kernel.weight)
    assert bool(made.state_dict()["blocks.0.convolution.calibrated"])
    assert torch.equal(made.state_dict()["grid"], circle(8))


def test_each_monomial_is_present_once() -> None:
    value = torch.tensor([2.0, 3.0])
    assert sorted(Monomials(2, 3)(value).tolist()) == [2, 3, 4, 6, 8, 9, 12, 18, 27]


def test_grid_points_are_unit_vectors_and_even_grids_have_opposites() -> None:
    for grid in (circle(8), sphere(16), sphere(7)):
        assert torch.allclose(grid.norm(dim=1), torch.ones(len(grid)))
        assert float(grid.mean(0).norm()) < 0.12
    assert len(opposites(sphere(7))) == 0
    found = opposites(sphere(16))
    assert torch.allclose(sphere(16)[found], -sphere(16))


def test_invariants_do_not_change_under_a_common_motion() -> None:
    draw = np.random.default_rng(0)
    gap, here, there = (torch.from_numpy(draw.normal(size=(20, 3))) for _ in range(3))
    turn, _ = random_motion(5, 3, True)
    here, there = here / here.norm(dim=1, keepdim=True), there / there.norm(dim=1, keepdim=True)
    assert torch.allclose(spatial(gap, here, True), spatial(gap @ turn.T, here @ turn.T, True), rtol=0, atol=1e-12)
    assert torch.allclose(fibre(here, there, True), fibre(here @ turn.T, there @ turn.T, True), rtol=0, atol=1e-12)


def test_the_output_is_continuous_on_a_perfect_crystal() -> None:
    made = network("E")
    answers = []
    for seed in range(8):
        noise = 1e-6 * torch.from_numpy(np.random.default_rng(seed).normal(size=(37, 2)))
        seen: Cloud = at(hexagonal() + noise)
        answers.append(made(seen).vector.detach())
    assert float(torch.stack(answers).std(0).norm() / torch.stack(answers).mean(0).norm()) <= 1e-5

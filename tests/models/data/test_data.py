"""Generated data: the published n-body recipe compared with a second, simple program; cloned laws with their energy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from config.reader import build, parse
from config.refused import Refused
from control.potentials.gaussian_ring import GaussianRing
from models.cloud import cloud
from models.data import nbody
from models.data.clone import clone, crystal, gas, pair_force
from models.data.colloid import ColloidScene, Variant, colloid, crowd, hexagon, is_hexagon, rotne_prager
from models.data.nbody import NBody
from models.frames.pca import axes_of, gated
from models.training import ColloidTask


def plain_run(charge: np.ndarray, place: np.ndarray, speed: np.ndarray, steps: int) -> np.ndarray:
    """One trajectory, [3, 5], particle by particle."""
    x, v = place.copy(), speed.copy()
    for step in range(steps + 1):
        if step:
            x += 1e-3 * v
        if step == steps:
            break
        force = np.zeros_like(x)
        for i in range(5):
            for j in range(5):
                if i != j:
                    gap = x[:, i] - x[:, j]
                    force[:, i] += charge[i] * charge[j] * gap / math.dist(x[:, i], x[:, j]) ** 3
        v += 1e-3 * np.clip(force, -100, 100)
    return np.asarray(x)


def test_trajectories_agree_with_a_simple_program() -> None:
    charge, place, speed = nbody.starts(np.random.RandomState(43), 3)
    assert set(np.unique(charge)) == {-1.0, 1.0}
    assert np.linalg.norm(speed, axis=1) == pytest.approx(0.5 * np.ones((3, 5)), rel=1e-12)
    ((x, _),) = nbody.run(charge, place, speed, (150,))
    for index in range(3):
        assert np.abs(x[index] - plain_run(charge[index], place[index], speed[index], 150)).max() < 1e-10


def test_the_random_numbers_follow_the_recipe() -> None:
    """Charges, positions, directions and the (unused) noise of 49 frames, one trajectory after another."""
    random = np.random.RandomState(43)
    _, place, _ = nbody.starts(np.random.RandomState(43), 2)
    random.choice([-1.0, 0.0, 1.0], size=(5, 1), p=[0.5, 0, 0.5])
    assert np.array_equal(place[0], random.randn(3, 5))
    random.randn(3, 5)
    random.randn(49, 3, 5)
    random.randn(49, 3, 5)
    random.choice([-1.0, 0.0, 1.0], size=(5, 1), p=[0.5, 0, 0.5])
    assert np.array_equal(place[1], random.randn(3, 5))


def test_nbody_batches_contain_products_of_charges() -> None:
    values = nbody.generate({"train": 4, "valid": 1, "test": 1}, {"train": 4, "valid": 1, "test": 1}, (5, 15))
    task = NBody(values, "0")
    seen, target = task.batch("train", torch.tensor([2, 0]))
    assert seen.points == 10
    assert seen.graphs == 2
    assert len(seen.receiver) == 40
    charge = values["train.charge"][[2, 0]].flatten()
    assert torch.equal(seen.attribute[:, 0], charge[seen.receiver] * charge[seen.sender])
    assert torch.allclose(target[:5], values["train.target"][2] - values["train.place"][2])
    assert target.abs().max() > 0.001


def test_a_cloned_force_is_minus_the_gradient_of_the_law_s_energy() -> None:
    shape = GaussianRing(radius_um=2.5, width_um=0.3, depth_kt=10)
    place = np.random.default_rng(1).uniform(0, 6, (7, 2))

    def energy(where: np.ndarray) -> float:
        gaps = (where[:, None] - where[None])[np.triu_indices(7, 1)]
        return float(shape.energy_pn_um(gaps, kt_pn_um=1.0).sum())

    force = pair_force(shape, place)
    for row in range(7):
        for axis in range(2):
            step = np.zeros_like(place)
            step[row, axis] = 1e-5
            slope = (energy(place + step) - energy(place - step)) / 2e-5
            assert force[row, axis] == pytest.approx(-slope, rel=1e-6, abs=1e-6)


def test_gas_and_crystal_have_the_expected_distances() -> None:
    draw = np.random.default_rng(2)
    place = gas(draw, 30, 2.5, 1.5)
    gaps = np.linalg.norm(place[:, None] - place[None], axis=2) + 9 * np.eye(30)
    assert gaps.min() > 1.5
    sites = crystal(draw, 19, 2.5, 1.5)
    gaps = np.linalg.norm(sites[:, None] - sites[None], axis=2) + 9 * np.eye(19)
    assert np.median(gaps.min(axis=1)) == pytest.approx(2.5, rel=0.3)


def test_a_clone_task_is_reproducible() -> None:
    ring = GaussianRing()

    def made(seed: int) -> str:
        return clone(ring, examples=20, points_least=2, points_most=9, spacing_um=2.5, nearest_um=1.5, reach_um=4.5,
                     seed=seed).sha256  # fmt: skip

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_clouds_of_one_batch_are_not_connected() -> None:
    task = clone(GaussianRing(), examples=20, points_least=2, points_most=9, spacing_um=2.5, nearest_um=1.5,
                 reach_um=4.5, seed=1)  # fmt: skip
    seen, target = task.batch("train", torch.tensor([3, 7, 1]))
    assert seen.graphs == 3
    assert torch.equal(seen.graph[seen.receiver], seen.graph[seen.sender])
    half = len(seen.receiver) // 2
    assert torch.equal(seen.receiver[:half], seen.sender[half:])
    single, alone = task.batch("train", torch.tensor([7]))
    rows = seen.graph == 1
    assert torch.equal(seen.position[rows], single.position)
    assert torch.equal(target[rows], alone)
    apart = (seen.position[seen.receiver] - seen.position[seen.sender]).norm(dim=1)
    assert bool((apart <= 4.5001).all())


TURN = np.array([[0.6, -0.8], [0.8, 0.6]])
MIRROR = np.array([[1.0, 0.0], [0.0, -1.0]])


@pytest.mark.parametrize(("variant", "turns", "mirrors", "shifts"), [
    ("h", True, True, True), ("d", False, True, True), ("t", False, True, False), ("l", True, True, False),
    ("c", True, False, True), ("H", True, True, True), ("R", True, True, True),
])  # fmt: skip
def test_each_variant_breaks_the_stated_symmetries(variant: Variant, turns: bool, mirrors: bool, shifts: bool) -> None:
    draw = np.random.default_rng(4)
    place = hexagon(draw, 7) if variant == "H" else crowd(draw, 7)
    kind = draw.integers(0, 2, 7)
    trap = place + draw.normal(0, 0.2, place.shape)

    def answer(motion: np.ndarray, shift: np.ndarray) -> np.ndarray:
        return ColloidScene(variant, kind, trap @ motion.T + shift).displacement(place @ motion.T + shift, None)

    here, none = answer(np.eye(2), np.zeros(2)), np.zeros(2)

    def kept(motion: np.ndarray, shift: np.ndarray) -> bool:
        return bool(np.abs(answer(motion, shift) - here @ motion.T).max() < 1e-8)

    assert kept(TURN, none) == turns
    assert kept(MIRROR, none) == mirrors
    assert kept(np.eye(2), np.array([2.0, 1.0])) == shifts


@pytest.mark.parametrize("points", [19, 37])
def test_hexagonal_patches_have_no_principal_axis_and_no_direction(points: int) -> None:
    """Their frames are not trusted; their axes are random, and so are the lattice directions."""
    draw = np.random.default_rng(5)
    places = [hexagon(draw, points) for _ in range(200)]
    nobody = torch.empty(2, 0, dtype=torch.long)
    seen = [cloud(torch.from_numpy(place), nobody) for place in places]
    assert np.mean([gated(one).trust.item() for one in seen]) < 0.05
    axis = np.array([axes_of(one)[0][0, :, 1].numpy() for one in seen]) @ [1, 1j]
    assert abs(np.mean(axis**2)) < 0.2
    bond = np.array([place[1] - place[0] for place in places]) @ [1, 1j]
    assert np.abs(bond) == pytest.approx(1.4, abs=0.15)
    assert abs(np.mean((bond / np.abs(bond)) ** 6)) < 0.2


def test_incomplete_hexagonal_patches_are_refused() -> None:
    assert [points for points in range(2, 100) if is_hexagon(points)] == [7, 19, 37, 61, 91]
    with pytest.raises(Refused, match=r"short.yaml.*'points' is 20, and hexagonal patches are of 7, 19, 37"):
        build(parse("{variant: H, points: 20}", "short.yaml"), ColloidTask)


def test_the_hydrodynamic_interaction_of_two_spheres() -> None:
    """At large distance: Oseen's 3 a / 2 r along the line of centres, and half of it across."""
    place = np.array([[0.0, 0.0], [50.0, 0.0]])
    assert rotne_prager(place, np.array([[1.0, 0.0], [0.0, 0.0]]))[1] == pytest.approx([1.5 * 0.5 / 50, 0], rel=1e-3)
    assert rotne_prager(place, np.array([[0.0, 1.0], [0.0, 0.0]]))[1] == pytest.approx([0, 0.75 * 0.5 / 50], rel=1e-3)


def test_mean_displacements_scatter_by_the_noise_floor() -> None:
    made = {noise: colloid("h", points=5, examples=(60, 1, 1), target="displacement", noise=noise, seed=3)
            for noise in (False, True)}  # fmt: skip
    force = colloid("h", points=5, examples=(60, 1, 1), target="force", noise=False, seed=3)
    first, asked = made[False].batch("train", torch.tensor([0]))[1], force.batch("train", torch.tensor([0]))[1]
    assert torch.allclose(first, asked, rtol=0.05, atol=0.1)
    _, noisy = made[True].batch("train", torch.arange(60))
    assert float(noisy.std()) == pytest.approx(math.sqrt(2 / 1e-3), rel=0.15)  # 2 D / t, for a frame of t = 1e-3

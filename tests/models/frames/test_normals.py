"""Normals from frames: equivariant, and at an edge better than the axis of least variance after seconds of training."""

from __future__ import annotations

import math

import torch

from models.frames.normals import edge_patches, estimator, normals, principal_normals, sine_loss
from tests.models.clouds import random_motion, randomised


def test_normals_are_equivariant_under_rotations_but_not_reflections() -> None:
    """SO(3), not O(3): normals are compared up to their sign."""
    network = randomised(estimator())
    place, _ = edge_patches(30, 24, 0.02, 1)
    with torch.no_grad():
        here = normals(network, place)
    for mirror in (False, True):
        turn, _ = random_motion(1, 3, mirror)
        with torch.no_grad():
            there, wanted = normals(network, place @ turn.T), here @ turn.T
        apart = torch.minimum((there - wanted).norm(dim=1), (there + wanted).norm(dim=1)).max()
        assert (float(apart) > 1e-2) == mirror
        assert mirror or float(apart) < 1e-9
    assert float((here - here[0]).norm(dim=1).max()) > 0.1


def test_a_flat_patch_gives_its_exact_normal() -> None:
    place = torch.randn(5, 20, 3)
    place[:, :, 2] = 0
    assert float(principal_normals(place)[:, 2].abs().min()) > 1 - 1e-12


def test_learned_normals_are_better_than_principal_axes_at_an_edge() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    place, wanted = edge_patches(6000, 20, 0.01, 2)
    test_place, test_wanted = edge_patches(600, 20, 0.01, 3)
    network = estimator(32)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(150):
        rows = torch.arange(step * 64, step * 64 + 64) % 6000
        optimiser.zero_grad()
        loss = sine_loss(normals(network, place[rows]), wanted[rows])
        torch.autograd.backward(loss)
        optimiser.step()
    with torch.no_grad():
        ours = math.degrees(math.asin(math.sqrt(float(sine_loss(normals(network, test_place), test_wanted)))))
    classical = math.degrees(math.asin(math.sqrt(float(sine_loss(principal_normals(test_place), test_wanted)))))
    assert ours < 0.95 * classical, (ours, classical)

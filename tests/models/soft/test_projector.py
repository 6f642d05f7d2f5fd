"""Projectors: idempotent, symmetric, null space = closed form = Haar average; projected weights are equivariant."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from models.soft.groups import (
    Group,
    cyclic,
    orthogonal,
    permutations,
    plane_orthogonal,
    reflection,
    rotations,
    scale,
    translations,
)
from models.soft.projector import closed, haar, null_space, projector
from models.soft.representation import Representation, matrix

GROUPS = [rotations(2), orthogonal(2), reflection(2, 1), reflection(2, 0), cyclic(2), cyclic(3), cyclic(5),
          rotations(3), orthogonal(3), plane_orthogonal(0, 1), plane_orthogonal(1, 2), scale(2), scale(3),
          translations(2)]  # fmt: skip


def full(dimension: int, points: int = 1) -> Representation:
    return Representation(dimension, scalars=3, odd=1, vectors=2, tensors=1, positions=1, points=points)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_projected_weights_are_equivariant(group: Group) -> None:
    rep = full(group.dimension)
    made = projector(group, rep, rep)
    weight = torch.from_numpy(np.random.default_rng(1).normal(size=(rep.size, rep.size)))
    kept = made(weight)
    assert float((made(kept) - kept).norm() / kept.norm()) <= 1e-12
    other = torch.from_numpy(np.random.default_rng(2).normal(size=(rep.size, rep.size)))
    assert float((made(other) * weight).sum() - (other * kept).sum()) == pytest.approx(0, abs=1e-10)
    draw = np.random.default_rng(3)
    for _ in range(5):
        high = whole(rep, group, draw)
        assert float((high @ kept - kept @ high).norm() / kept.norm()) <= 1e-12
    assert 0 < made.complement < rep.size**2
    assert float((weight - kept).norm()) > 0.1


def whole(rep: Representation, group: Group, draw: np.random.Generator) -> torch.Tensor:
    one = group.sample(draw)
    blocks = [np.kron(np.eye(block.count), matrix(block.type, one, rep.points)) for block in rep.blocks()]
    found = np.zeros((rep.size, rep.size))
    at = 0
    for block in blocks:
        found[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return torch.from_numpy(found)


CLOSED = [rotations(2), orthogonal(2), reflection(2, 0), reflection(2, 1), cyclic(1), cyclic(2), cyclic(4), cyclic(7),
          scale(2), translations(2), permutations(2, 2), permutations(4, 2)]  # fmt: skip


@pytest.mark.parametrize("group", CLOSED, ids=lambda group: group.name)
@pytest.mark.parametrize("into", ["scalar", "vector"])
@pytest.mark.parametrize("out", ["scalar", "vector"])
def test_closed_forms_in_the_plane(group: Group, into: str, out: str) -> None:
    points = max(group.points, 1)
    assert np.abs(closed(group.name, into, out) - null_space(group, into, out, points, points)).max() <= 1e-12


@pytest.mark.parametrize(("name", "into", "out"), [
    ("bogus", "vector", "vector"), ("SO(3)", "scalar", "scalar"), ("C_x", "vector", "vector"),
    ("SO(2)", "tensor", "vector"), ("T(2)", "position", "scalar"),
])  # fmt: skip
def test_a_missing_closed_form_is_an_error(name: str, into: str, out: str) -> None:
    with pytest.raises(ValueError, match="no closed form is known"):
        closed(name, into, out)


def test_permutations_of_many_points_are_sampled_not_listed() -> None:
    """30! elements could not be listed."""
    draw = np.random.default_rng(1)
    orders = {permutations(30, 2).sample(draw).order for _ in range(10)}
    assert len(orders) == 10
    assert all(sorted(order) == list(range(30)) for order in orders)
    found = [permutations(3, 2).sample(draw).order for _ in range(600)]
    assert min(found.count(order) for order in set(found)) > 60
    assert len(set(found)) == 6


@pytest.mark.parametrize(("group", "rep", "said"), [
    (permutations(4, 2), Representation(2, scalars=1, points=5), "S_4 renames 4 points, these features have 5"),
    (rotations(3), Representation(2, scalars=1), "acts in 3 dimensions, these features have 2"),
])  # fmt: skip
def test_features_on_which_a_group_cannot_act_are_refused(group: Group, rep: Representation, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        projector(group, rep, rep)


@pytest.mark.parametrize("group", [group for group in GROUPS if group.compact], ids=lambda group: group.name)
def test_the_haar_average_equals_the_null_space(group: Group) -> None:
    pairs = [("vector", "vector"), ("scalar", "vector"), ("odd", "vector")]
    if group.dimension == 2:
        pairs.append(("vector", "tensor"))
    for into, out in pairs:
        assert np.abs(haar(group, into, out, 1200, 1) - null_space(group, into, out, 1, 1)).max() <= 0.1


def test_the_sampled_haar_average_converges_to_the_null_space() -> None:
    group = orthogonal(2)
    exact = null_space(group, "vector", "vector", 1, 1)
    errors = [np.abs(haar(group, "vector", "vector", count, 2) - exact).max() for count in (100, 5_000)]
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 3


def test_permutation_equivariant_weights_have_two_parameters() -> None:
    """W = a 1 + b 1 1^T for each pair of channels (Zaheer et al. 2017)."""
    group = permutations(5, 2)
    small = null_space(group, "scalar", "scalar", 5, 5)
    assert round(float(np.trace(small))) == 2
    weight = (small @ np.random.default_rng(0).normal(size=25)).reshape(5, 5)
    assert np.ptp(np.diag(weight)) <= 1e-12
    off = weight[~np.eye(5, dtype=bool)]
    assert np.ptp(off) <= 1e-12
    rep = Representation(2, scalars=2, vectors=1, points=5)
    kept = projector(group, rep, rep)(torch.from_numpy(np.random.default_rng(1).normal(size=(rep.size, rep.size))))
    high = whole(rep, group, np.random.default_rng(4))
    assert float((high @ kept - kept @ high).norm() / kept.norm()) <= 1e-12
    assert float((high - torch.eye(rep.size)).norm()) > 1


def test_translation_invariant_weights_use_differences_of_positions() -> None:
    """From (x, 1) of one point to a scalar: only the weight of the 1 remains."""
    small = null_space(translations(2), "position", "scalar", 1, 1)
    assert np.allclose(small, np.diag([0.0, 0.0, 1.0]), atol=1e-12)

"""Soft networks: exact projections with zero penalty, the rule of the strengths, and the symmetry of the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.soft.data import (
    field,
    field_shapes,
    forecast,
    forecast_shapes,
    inertia,
    inertia_shapes,
    similarity,
    similarity_shapes,
)
from models.soft.discover import acting, equivariance_error
from models.soft.fit import Recipe, fit
from models.soft.groups import Group, orthogonal, permutations, rotations, scale, translations
from models.soft.network import SoftPerceptron, adjusted
from models.soft.representation import Representation


def moving_shapes() -> tuple[Representation, Representation, tuple[Group, ...]]:
    """Positions, vectors and tensors, and groups that are not subgroups of O(d)."""
    into = Representation(2, scalars=2, vectors=3, tensors=1, positions=2)
    return into, Representation(2, scalars=1, vectors=1), (translations(2), scale(2), rotations(2))


SHAPES = {"field": field_shapes, "inertia": inertia_shapes, "cosine": similarity_shapes, "moving": moving_shapes}


def made(shapes: str) -> tuple[SoftPerceptron, Representation, Representation, tuple[Group, ...]]:
    into, out, groups = SHAPES[shapes]()
    torch.manual_seed(2)
    tensors = 2 if shapes in ("inertia", "moving") else 0
    hidden = Representation(into.dimension, scalars=8, vectors=5, tensors=tensors)
    return SoftPerceptron(into, out, hidden, groups), into, out, groups


@pytest.mark.parametrize(("shapes", "group"), [
    *((shapes, group) for shapes in ("field", "inertia", "moving") for group in range(3)), ("cosine", 0), ("cosine", 1),
])  # fmt: skip
def test_a_projected_network_is_exactly_equivariant(shapes: str, group: int) -> None:
    network, into, out, groups = made(shapes)
    x = torch.randn(20, into.size)
    for block in into.blocks():
        if block.type == "position":
            x[:, block.start + into.dimension : block.stop : into.dimension + 1] = 1.0
    assert float(network.penalties()[group].detach()) > 1e-3
    assert equivariance_error(network, groups[group], into, out, x, 6) > 1e-3
    network.project(group)
    assert float(network.penalties()[group].detach()) <= 1e-24
    assert equivariance_error(network, groups[group], into, out, x, 6) <= 1e-12
    with torch.no_grad():
        assert float(network(x).norm()) > 1e-3
        assert float(network(x).std(0).max()) > 1e-6  # the output still depends on the input


def test_products_that_break_scale_invariance_are_in_the_penalty() -> None:
    """v . v -> scalar breaks scale, v . v / (|v| |v|) does not; networks for subgroups of O(d) have only the former."""
    cosine, field_like = made("cosine")[0], made("field")[0]
    for layer in cosine.bilinears():
        assert layer.broken == [[], ["vv"]]
        assert float(layer.penalty(1).detach()) == pytest.approx(
            0.5 * float(layer.weight("vv").detach().square().sum())
        )
        assert {"vv", "uu"} <= {product.name for product in layer.products}
    for layer in field_like.bilinears():
        assert not any(layer.broken)
        assert "uu" not in {product.name for product in layer.products}


@pytest.mark.parametrize("out_points", [4, 1])
def test_a_network_with_the_symmetry_of_permuted_points(out_points: int) -> None:
    """S_4 on four points, each with its own vectors, pseudo-scalars and tensors; and O(2) on all of them together."""
    groups = (permutations(4, 2), orthogonal(2))
    into = Representation(2, scalars=1, odd=1, vectors=2, points=4)
    hidden = Representation(2, scalars=4, odd=2, vectors=3, tensors=1, points=4)
    out = Representation(2, scalars=1, odd=1, vectors=1, points=out_points)
    x = torch.randn(20, into.size)
    for index, group in enumerate(groups):
        torch.manual_seed(4)
        network = SoftPerceptron(into, out, hidden, groups)
        assert equivariance_error(network, group, into, out, x, 6) > 1e-3
        network.project(index)
        assert equivariance_error(network, group, into, out, x, 6) <= 1e-12
        with torch.no_grad():
            assert float(network(x).norm(dim=0).min()) > 1e-3


def test_a_hidden_layer_with_positions_is_refused() -> None:
    rep = Representation(2, vectors=1, positions=1)
    with pytest.raises(ValueError, match="can't hold positions"):
        SoftPerceptron(rep, rep, rep, (translations(2),))


def test_the_error_of_a_group_with_trivial_action_is_nan() -> None:
    rep = Representation(2, vectors=1)
    assert np.isnan(equivariance_error(lambda x: x, translations(2), rep, rep, torch.ones(3, 2)))


def test_a_trivial_candidate_does_not_change_the_other_strengths() -> None:
    """Translations do not act on vectors: their penalty is 0 for any data."""
    into, out, _ = field_shapes()
    network = SoftPerceptron(into, out, Representation(2, scalars=2, vectors=2), (translations(2), rotations(2)), 1)
    assert network.complements()[0] == 0
    strength, penalty = torch.tensor([0.1, 0.1, 0.1]), torch.tensor([0.0, 1e-3, 2e-3])
    found = adjusted(strength, penalty, 2.0, torch.tensor([False, True, True]))
    assert found.tolist() == pytest.approx([0.1, 0.1, 0.025])
    data = field(0.0, 0.0, 40, 1)
    fitted = fit(network, data, data, data, Recipe(epochs=4, strength=0.1), 1)
    assert fitted.after.tolist() == pytest.approx([0.1, 0.1])


def test_the_rule_keeps_the_strength_of_the_least_penalty() -> None:
    strength = torch.tensor([0.0, 100.0, 100.0, 100.0])
    found = adjusted(strength, torch.tensor([5.0, 1.0, 4.0, 10.0]), 2.0)
    assert found.tolist() == [0.0, 100.0, 100.0 / 16, 1.0]
    assert adjusted(strength * 0, strength, 2.0).tolist() == [0.0] * 4


@pytest.mark.parametrize(("eps", "delta", "turns", "mirrors"), [
    (0, 0, True, True), (0.6, 0, True, False), (0, 0.6, False, True), (0.6, 0.6, False, False),
])  # fmt: skip
def test_the_field_data_break_the_stated_symmetries(eps: float, delta: float, turns: bool, mirrors: bool) -> None:
    into, out, groups = field_shapes()
    x, y = field(eps, delta, 50, 1)
    for group, kept in ((groups[1], turns), (groups[2], mirrors)):
        element = next(one for one in (group.sample(np.random.default_rng(seed)) for seed in range(20))
                       if np.abs(one.linear - np.eye(2)).max() > 0.1)  # fmt: skip
        moved = x @ acting(into, element).T
        charge, way = moved[:, :4], moved[:, 4:].reshape(50, 4, 2)
        force = -(charge[:, :, None] * torch.exp(-way.square().sum(2) / 2)[:, :, None] * way).sum(1)
        again = force + eps * torch.stack([-force[:, 1], force[:, 0]], 1) + delta * torch.tensor([1.0, 0.0])
        assert (float((again - y @ acting(out, element).T).abs().max()) < 1e-12) == kept


def test_inertia_is_symmetric_only_in_the_plane_normal_to_its_axis() -> None:
    into, out, groups = inertia_shapes()
    for axis, kept in ((2, "O(2) xy"), (0, "O(2) yz"), (1, "O(2) xz")):
        x, y = inertia(axis, -1.0, 40, 3)
        assert float(y.std()) > 0.1
        for group in groups[1:]:
            element = group.sample(np.random.default_rng(5))
            moved = x @ acting(into, element).T
            mass, place = moved[:, :5], moved[:, 5:].reshape(40, 5, 3)
            tensor = torch.einsum("bn,bn,ij->bij", mass, place.square().sum(2), torch.eye(3))
            tensor = tensor - torch.einsum("bn,bni,bnj->bij", mass, place, place)
            e = torch.eye(3)[axis]
            tensor = (tensor - torch.einsum("bij,j,k->bik", tensor, e, e)).flatten(1) / 10
            same = float((tensor - y @ acting(out, element).T).abs().max()) < 1e-10
            assert same == (group.name == kept)


def test_cosines_are_scale_invariant_unless_the_setting_breaks_it() -> None:
    torch.manual_seed(0)
    _, y = similarity(0.0, 0.0, 2000, 1)
    assert abs(float(y.mean())) < 0.05
    _, z = similarity(0.3, 0.0, 2000, 1)
    assert float((y - z).mean()) == pytest.approx(0.3 * np.sqrt(8 / np.pi), rel=0.05)


def test_a_short_fit_distinguishes_kept_from_broken_symmetries() -> None:
    torch.set_default_dtype(torch.float32)
    into, out, groups = field_shapes(2)
    train, valid, test = (field(0.8, 0.0, 400, seed, 2) for seed in (1, 2, 3))
    torch.manual_seed(1)
    network = SoftPerceptron(into, out, Representation(2, scalars=8, vectors=6), groups, layers=2)
    found = fit(
        network, train, valid, test, Recipe(epochs=40, learning_rate=1e-2, strength=0.1, batch=50), 1, free=(0,)
    )
    rotation, mirror = (equivariance_error(network, group, into, out, test[0], 8) for group in groups[1:])
    assert mirror > 4 * rotation
    assert found.test < 0.6 * float(test[1].square().mean())
    assert float(found.after[1]) > float(found.after[2])


@pytest.mark.parametrize(("drift", "turns"), [(0.0, True), (0.6, False)])
def test_a_hidden_flow_breaks_only_the_rotations_of_a_forecast(drift: float, turns: bool) -> None:
    """The motion is equivariant under rotations except for 5 steps of 0.1 drift along x."""
    into, out, groups = forecast_shapes()
    x, y = forecast(drift, 400, 1, noise=0.0)
    assert x.shape == (400, into.size)
    assert y.shape == (400, out.size)
    assert float(y[:, 0].mean()) == pytest.approx(0.5 * drift, abs=0.05)
    train, held = (x[:300], y[:300]), (x[300:], y[300:])
    torch.manual_seed(3)
    network = SoftPerceptron(into, out, Representation(2, scalars=12, vectors=6), groups)
    fit(network, train, held, held, Recipe(epochs=30, learning_rate=1e-2, strength=0.1), 1, free=(0,))
    turned, mirrored = (equivariance_error(network, group, into, out, held[0]) for group in groups[1:])
    assert mirrored < 0.35
    assert (turned < 0.35) == turns

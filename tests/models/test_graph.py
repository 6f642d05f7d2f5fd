"""Radius graphs compared with all pairs; the cut-off function compared with its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.graph import add_at, all_edges, count_at, envelope, radius_edges
from models.layers import PairLinear


@given(st.integers(0, 40), st.floats(0.05, 2.0), st.integers(2, 3))
def test_the_radius_graph_has_every_near_pair_in_both_directions(points: int, radius: float, dimension: int) -> None:
    position = np.random.default_rng(points).uniform(size=(points, dimension))
    receiver, sender = radius_edges(position, radius)
    distance = np.linalg.norm(position[:, None] - position[None], axis=2)
    wanted = {(i, j) for i in range(points) for j in range(points) if i != j and distance[i, j] <= radius}
    assert set(zip(receiver.tolist(), sender.tolist(), strict=True)) == wanted
    assert len(receiver) == len(wanted)
    half = len(receiver) // 2
    assert torch.equal(receiver[:half], sender[half:])
    assert torch.equal(sender[:half], receiver[half:])


def test_a_position_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        radius_edges(np.array([[0.0, 0.0], [np.nan, 1.0]]), 1.0)


def test_all_edges_of_three_graphs() -> None:
    receiver, sender = all_edges(4, 3)
    assert len(receiver) == 3 * 12
    assert bool((receiver // 4 == sender // 4).all())
    assert bool((receiver != sender).all())
    assert len(set(zip(receiver.tolist(), sender.tolist(), strict=True))) == 36


def test_the_envelope_is_one_at_zero_and_zero_with_its_slope_at_radius() -> None:
    distance = torch.tensor([0.0, 1.0, 1.999, 2.0, 3.0], requires_grad=True)
    fade = envelope(distance, 2.0)
    assert fade[0] == 1
    assert fade[3:].abs().max() < 1e-14
    (slope,) = torch.autograd.grad(fade.sum(), distance)
    assert slope[3].abs() < 1e-12
    assert 0 < fade[2] < 1e-7
    # the closed form of eq. 8, p = 6
    ratio = 0.5
    assert fade[1].item() == pytest.approx(1 - 28 * ratio**6 + 48 * ratio**7 - 21 * ratio**8, rel=1e-14)
    assert bool((envelope(distance, None) == 1).all())


def test_sums_and_counts_by_index() -> None:
    value = torch.arange(6.0).reshape(3, 2)
    index = torch.tensor([2, 0, 2])
    assert add_at(value, index, 4).tolist() == [[2, 3], [0, 0], [4, 6], [0, 0]]
    assert count_at(index, 4, value).tolist() == [1, 1, 2, 1]


def test_the_factorised_edge_layer_equals_the_linear_layer() -> None:
    torch.manual_seed(1)
    layer = PairLinear(5, 3, 7)
    point, extra = torch.randn(6, 5), torch.randn(10, 3)
    receiver, sender = torch.randint(6, (2, 10))
    wanted = layer(torch.cat([point[receiver], point[sender], extra], 1))
    assert torch.allclose(layer.pairs(point, extra, receiver, sender), wanted, rtol=0, atol=1e-14)

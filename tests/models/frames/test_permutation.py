"""Frames of S_n: invariance, and distinct outputs for all connected graphs of up to seven points."""

from __future__ import annotations

import math
from itertools import pairwise

import networkx
import numpy as np
import pytest
import torch
from networkx.generators.atlas import graph_atlas_g
from torch import Tensor, nn

from models.frames.permutation import PermutationAveraged, ranks, sorting_frame, spectral_rows
from models.layers import perceptron


class FlatGraph(nn.Module):
    """A perceptron on the upper triangle of the 7 x 7 matrix, without any symmetry."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = perceptron(22, 24, 4, activation=nn.Tanh)

    def forward(self, adjacency: Tensor) -> Tensor:
        size = adjacency.shape[1]
        full = adjacency.new_zeros(len(adjacency), 7, 7)
        full[:, :size, :size] = adjacency
        row, column = torch.triu_indices(7, 7, 1)
        count = adjacency.new_full((len(adjacency), 1), size)
        return torch.as_tensor(self.inner(torch.cat([full[:, row, column], count], 1)))


def network() -> PermutationAveraged:
    torch.manual_seed(3)
    return PermutationAveraged(FlatGraph())


def connected() -> list[networkx.Graph]:
    return [graph for graph in graph_atlas_g() if len(graph) and networkx.is_connected(graph)]


def test_all_connected_graphs_of_up_to_seven_points_are_distinguished() -> None:
    graphs = connected()
    assert len(graphs) == 1 + 1 + 2 + 6 + 21 + 112 + 853
    made = network()
    with torch.no_grad():
        found = torch.stack([made(torch.from_numpy(networkx.to_numpy_array(graph))) for graph in graphs])
    gaps = torch.pdist(found / found.std(0))
    assert float(gaps.min()) > 1e-6  # for a renumbering of the same graph the difference is 1e-14


def test_the_output_is_invariant_under_renumbering_of_points() -> None:
    made = network()
    draw = np.random.default_rng(0)
    graphs = connected()
    for index in draw.integers(100, len(graphs), 40):
        adjacency = networkx.to_numpy_array(graphs[index])
        order = draw.permutation(len(adjacency))
        with torch.no_grad():
            one, other = made(torch.from_numpy(adjacency)), made(torch.from_numpy(adjacency[np.ix_(order, order)]))
        assert float((one - other).norm() / one.norm()) < 1e-12


def test_the_frame_is_equivariant() -> None:
    adjacency = networkx.to_numpy_array(networkx.random_labeled_tree(7, seed=1))
    order = np.random.default_rng(1).permutation(7)
    renamed = adjacency[np.ix_(order, order)]
    posed = {adjacency[np.ix_(pose, pose)].tobytes() for pose in sorting_frame(adjacency)}
    again = {renamed[np.ix_(pose, pose)].tobytes() for pose in sorting_frame(renamed)}
    assert posed == again


@pytest.mark.parametrize(("graph", "size"), [
    (networkx.complete_graph(5), math.factorial(5)), (networkx.path_graph(6), 8), (networkx.cycle_graph(6), 720),
])  # fmt: skip
def test_the_size_of_the_frame_is_that_of_the_ties(graph: networkx.Graph, size: int) -> None:
    assert len(sorting_frame(networkx.to_numpy_array(graph))) == size


def test_rows_add_up_to_one_and_ranks_are_classes_of_equal_points() -> None:
    adjacency = networkx.to_numpy_array(networkx.path_graph(5))
    assert spectral_rows(adjacency).sum(axis=1) == pytest.approx(np.ones(5))
    rank = ranks(adjacency)
    assert rank[0] == rank[4]
    assert rank[1] == rank[3]
    assert len(set(rank.tolist())) == 3
    assert all(abs(one - other) <= 1 for one, other in pairwise(sorted(set(rank.tolist()))))


def test_a_frame_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too symmetric"):
        sorting_frame(networkx.to_numpy_array(networkx.star_graph(12)))

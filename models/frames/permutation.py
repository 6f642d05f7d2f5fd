"""Frames of S_n for graphs, from eigenvectors of the Laplacian (Frame Averaging, section 3.3).

The rows of S(A) = [diag(P_1), .., diag(P_k)], where P_i projects on the i-th eigenspace of L = D - A, are permuted with
the points; the frame has the permutations that sort them. Points with equal rows are put in every order, so the frame
is the product of the permutations of ties: exact, at a cost that grows with the symmetry of the graph. Ties are reduced
by repeated comparison of the neighbours' rows (Weisfeiler and Leman 1968), which is permuted with the points, too.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAME = 1e-6  # tolerance for equal eigenvalues and rows
MOST = 50_000  # permutations of a frame


def spectral_rows(adjacency: Floats) -> Floats:
    """[n, k]: for each of k distinct eigenvalues of the Laplacian, rising, the diagonal of its projector.

    The eigenvalue itself is not included: graphs with different spectra differ in their adjacency.
    """
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    spectrum, vectors = np.linalg.eigh(laplacian)
    spaces = np.split(np.arange(len(spectrum)), np.flatnonzero(np.diff(spectrum) > SAME) + 1)
    return np.stack([(vectors[:, space] ** 2).sum(axis=1) for space in spaces], axis=1)


def ranks(adjacency: Floats) -> Ints:
    """[n] class of every point, numbered in an order that does not depend on the numbering of points."""
    rows = np.round(spectral_rows(adjacency) / SAME).astype(np.int64)
    rank = _ranked([tuple(row) for row in rows.tolist()])
    while True:
        around = [
            (int(rank[i]), *sorted((float(adjacency[i, j]), int(rank[j])) for j in np.flatnonzero(adjacency[i])))
            for i in range(len(rank))
        ]
        finer = _ranked(around)
        if finer.max(initial=0) == rank.max(initial=0):
            return finer
        rank = finer


def _ranked(keys: list[tuple[object, ...]]) -> Ints:
    order = {key: index for index, key in enumerate(sorted(set(keys), key=repr))}
    return np.array([order[key] for key in keys], np.int64)


def sorting_frame(adjacency: Floats) -> Ints:
    """[K, n] all orders of the points that sort their classes. Raises ValueError for more than MOST of them."""
    rank = ranks(adjacency)
    classes = [np.flatnonzero(rank == value).tolist() for value in range(int(rank.max(initial=-1)) + 1)]
    count = math.prod(math.factorial(len(members)) for members in classes)
    if count > MOST:
        raise ValueError(f"the graph is too symmetric: its frame has {count} orders (at most {MOST})")
    orders = itertools.product(*(itertools.permutations(members) for members in classes))
    return np.array([list(itertools.chain.from_iterable(order)) for order in orders], np.int64)


class PermutationAveraged(nn.Module):
    """<phi>_F(A): a network of an adjacency matrix, made invariant to the numbering of points."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, adjacency: Tensor) -> Tensor:
        """[n, n] -> [out]; the backbone maps [K, n, n] -> [K, out]."""
        order = torch.from_numpy(sorting_frame(adjacency.detach().cpu().numpy().astype(np.float64)))
        posed = adjacency[order[:, :, None], order[:, None, :]]  # [K, n, n]
        return torch.mean(self.backbone(posed), 0)

"""Projectors of linear maps on the equivariant ones: by null space, in closed form, and by Haar average.

W is equivariant if rho_out(g) W = W rho_in(g). Rows of constraints are d rho_out(A) W - W d rho_in(A) = 0 for Lie
generators and the same with rho for discrete ones (Finzi, Welling, Wilson 2021); an orthonormal basis Q of their null
space gives P = Q Q^T. For compact groups P W = int rho_out(g) W rho_in(g)^-1 dg. Channels of one type transform alike,
so one projector per pair of types is enough for any number of channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.soft.groups import Group
from models.soft.representation import FeatureBlock, Floats, Representation, derivative, matrix

ZERO = 1e-9  # singular values below this are zero


@dataclass(frozen=True)
class Projector:
    """Projector of maps between two representations: [so si, so si] for each pair of blocks, for a pair of channels."""

    parts: tuple[tuple[FeatureBlock, FeatureBlock, Tensor], ...]

    def __call__(self, weight: Tensor) -> Tensor:
        """The equivariant part of weight [out, in]."""
        result = torch.zeros_like(weight)
        for out, into, small in self.parts:
            piece = weight[out.start : out.stop, into.start : into.stop]
            shape = (out.count, out.size, into.count, into.size)
            rows = piece.reshape(shape).permute(0, 2, 1, 3).reshape(-1, out.size * into.size)
            equivariant = (rows @ small.to(weight).T).reshape(out.count, into.count, out.size, into.size)
            result[out.start : out.stop, into.start : into.stop] = equivariant.permute(0, 2, 1, 3).reshape(piece.shape)
        return result

    @property
    def complement(self) -> int:
        """Number of directions that are removed."""
        return round(
            sum(out.count * into.count * (len(small) - float(small.trace())) for out, into, small in self.parts)
        )


def projector(group: Group, into: Representation, out: Representation) -> Projector:
    """The projector by null space, exact for every group. Raises ValueError if the group can't act on the features."""
    for rep in (into, out):
        if rep.dimension != group.dimension:
            raise ValueError(f"{group.name} acts in {group.dimension} dimensions, these features have {rep.dimension}")
        if group.points and rep.points not in (1, group.points):
            raise ValueError(f"{group.name} renames {group.points} points, these features have {rep.points}")
    cache: dict[tuple[str, str], Tensor] = {}
    parts = []
    for high in out.blocks():
        for low in into.blocks():
            key = (high.type, low.type)
            if key not in cache:
                cache[key] = torch.from_numpy(null_space(group, low.type, high.type, into.points, out.points))
            parts.append((high, low, cache[key]))
    return Projector(tuple(parts))


def null_space(group: Group, into: str, out: str, points_in: int, points_out: int) -> Floats:
    """P = Q Q^T for one pair of types, W row by row."""
    rows = []
    for generator in group.lie:
        high, low = derivative(out, generator, points_out), derivative(into, generator, points_in)
        rows.append(np.kron(high, np.eye(len(low))) - np.kron(np.eye(len(high)), low.T))
    for generator in group.discrete:
        high, low = matrix(out, generator, points_out), matrix(into, generator, points_in)
        rows.append(np.kron(high, np.eye(len(low))) - np.kron(np.eye(len(high)), low.T))
    size = rows[0].shape[1]
    _, singular, right = np.linalg.svd(np.concatenate(rows))
    rank = int((singular > ZERO).sum())
    basis = right[rank:].T.reshape(size, -1)
    return np.asarray(basis @ basis.T)


def haar(group: Group, into: str, out: str, count: int, seed: int, points: tuple[int, int] = (1, 1)) -> Floats:
    """The average of rho_out(g) (x) rho_in(g)^-T over `count` elements; approximates P within 1 / sqrt(count)."""
    draw = np.random.default_rng(seed)
    total = np.zeros(1)
    for _ in range(count):
        element = group.sample(draw)
        high, low = matrix(out, element, points[1]), matrix(into, element, points[0])
        total = total + np.kron(high, np.linalg.inv(low).T)
    return np.asarray(total / count)


def closed(name: str, into: str, out: str) -> Floats:
    """P of one pair of types in the plane. Raises ValueError if no closed form is implemented.

    Scalars s, vectors v. SO(2): s->s free, s<->v zero, v->v: a 1 + b J, a = (W00 + W11) / 2, b = (W10 - W01) / 2; also
    every C_n, n > 2. O(2): the same with b = 0. C_2 and scale: s<->v zero, the rest free. A reflection, for example of
    y: s<->v by x only, v->v diagonal only. T(2) and C_1: all free, since s and v have no position. S_n with n points:
    a 1 + b 1 1^T for each pair of components (Zaheer et al. 2017).
    """
    if into not in SIZES or out not in SIZES:
        raise ValueError(f"no closed form is known for {into} -> {out}")
    low, high = SIZES[into], SIZES[out]
    kind, _, order = name.partition("_")
    if kind == "S" and order.isdecimal():
        return _renamed(int(order), low, high)
    if name in ("T(2)", "C_1"):
        return np.eye(low * high)
    if name in ("reflection of x", "reflection of y"):
        sign = {"scalar": np.ones(1), "vector": np.array([-1.0, 1.0] if name.endswith("x") else [1.0, -1.0])}
        return np.diag((1 + np.kron(sign[out], sign[into])) / 2)
    if name in ("scale", "C_2"):
        return np.eye(low * high) * (low == high)
    if name not in ("SO(2)", "O(2)") and not (kind == "C" and order.isdecimal()):
        raise ValueError(f"no closed form is known for the group {name}")
    if low != high or low == 1:
        return np.eye(low * high) * (low == high)
    same, turn = np.array([1.0, 0, 0, 1]) / np.sqrt(2), np.array([0.0, -1, 1, 0]) / np.sqrt(2)
    return np.asarray(np.outer(same, same) + np.outer(turn, turn) * (name != "O(2)"))


SIZES = {"scalar": 1, "vector": 2}


def _renamed(points: int, low: int, high: int) -> Floats:
    """P of S_n: mean of the diagonal and mean of the rest over pairs of points, for each pair of components."""
    diagonal = np.eye(points).ravel()
    basis = np.stack([diagonal / np.sqrt(points), (1 - diagonal) / np.sqrt(max(points * (points - 1), 1))])
    pairs = (basis.T @ basis).reshape((points,) * 4)
    whole = np.einsum("ijkl,ac,bd->iajbkcld", pairs, np.eye(high), np.eye(low))
    return np.asarray(whole.reshape((points**2 * low * high,) * 2))

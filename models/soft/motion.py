"""Symmetries of the motion in a run: rotation, reflections, translations, from displacements only.

Mean velocities are modelled by one linear layer W on features that transform in a known way (a constant, the position x
in the field, the wanted force F, and F (x) x), with the projectors P_k of all candidate groups. Each group is tested on
held-out data: a fit within its subspace is compared with the free fit, block by block of time. A symmetry is broken if
the free fit predicts the motion significantly better, for held-out times and for held-out particles. In a crystal a
position belongs to one particle: with the same particles in both sets, the surroundings of a particle would be fitted
as a law of positions. If a symmetry is kept, the smallest breaking that would have been detected is given, since
with few data every symmetry seems kept.

With few blocks Student's t is used: a ratio is converted to the equivalent number of standard errors of BLOCKS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from models.soft.groups import Group, rotations
from models.soft.projector import null_space
from models.soft.representation import Element, Floats

TYPES = (("scalar", 1), ("vector", 2), ("vector", 2), ("tensor", 4))  # constant, x, F, F (x) x
BLOCKS = 20  # blocks of time
FEWEST, MANY = 7, 100  # particles: fewest for a reliable test; above MANY they are held out in this many groups
SURE = 3.5  # standard errors (over blocks) of a broken symmetry
POWER = 1.28  # additional standard errors for detection in nine of ten cases
ROWS = 500  # of a block that are used for the equivariance error


@dataclass(frozen=True)
class Motion:
    """Displacements of a run divided by their duration; rows in order of time."""

    position_um: Floats  # [M, 2] at the beginning
    velocity_um_per_s: Floats  # [M, 2]
    force_pn: Floats  # [M, 2] wanted at the beginning; 0 without light
    particle: NDArray[np.int64] | None = None  # [M] IDs; None: unknown


@dataclass(frozen=True)
class GroupVerdict:
    """Result for one group."""

    group: str
    kept: bool
    sigmas: float  # standard errors by which the free fit is better on held-out times or particles: the smaller number
    broken_um_per_s: float  # rms of the mean velocities removed by the group
    least_um_per_s: float  # rms of a breaking that is detected in nine of ten cases; nan: none can be
    relative: float  # broken_um_per_s over the rms of the mean velocities; nan: these are not significant
    equivariance_error: float  # mean |f(g x) - g f(x)| / (|f(g x)| + |g f(x)|) of free fits, held out; nan: as above
    penalty: float  # |W - P W|^2 / 2 per direction removed by P, columns scaled by their spread


@dataclass(frozen=True)
class HeldOut:
    """Rows of a motion in blocks; each block is predicted from the others."""

    of: str  # times or particles
    blocks: list[NDArray[np.int64]]


def verdicts(motion: Motion) -> list[GroupVerdict]:
    """Results for rotation, reflection of x, of y and across the mean drift, translation along x and along y.

    Raises ValueError for fewer than FEWEST particles, if the IDs are known.
    """
    features = _features(motion)
    whole = np.eye(2 * features.shape[1])
    drift = motion.velocity_um_per_s.mean(axis=0)
    free = [_Fit(features, motion.velocity_um_per_s, whole, held.blocks) for held in held_out(motion)]
    zero = [_Fit(features, motion.velocity_um_per_s, whole[:, :0], fit.blocks) for fit in free]
    moving = min(_evidence(*both) for both in zip(free, zero, strict=True)) >= SURE
    groups = candidates(float(np.arctan2(drift[1], drift[0])))
    return [_judge(group, features, motion.velocity_um_per_s, free, moving) for group in groups]


def held_out(motion: Motion) -> list[HeldOut]:
    """Blocks of time, and blocks of particles if the IDs are known. Raises ValueError."""
    parts = [HeldOut("times", np.array_split(np.arange(len(motion.position_um)), BLOCKS))]
    if motion.particle is not None:
        ids, which = np.unique(motion.particle, return_inverse=True)
        if len(ids) < FEWEST:
            raise ValueError(f"found {len(ids)}: a law can't be tested on fewer than {FEWEST} particles")
        which = which % MANY
        order = np.argsort(which, kind="stable")
        parts.append(HeldOut("particles", np.split(order, np.flatnonzero(np.diff(which[order])) + 1)))
    return parts


@dataclass(frozen=True)
class Candidate:
    """A group: the W that it leaves unchanged, and some of its elements (x scaled by its spread)."""

    name: str
    basis: Floats  # [2 P, B] orthonormal, W row by row
    elements: tuple[Element, ...]


def candidates(drift_rad: float) -> list[Candidate]:
    """The candidate groups; `drift_rad` is the direction of the mean drift."""
    turns = [2 * np.pi * step / 8 for step in range(1, 8)]
    turned = tuple(Element(np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), np.zeros(2)) for a in turns)
    groups = [Candidate("rotation", _subspace(rotations(2)), turned)]
    for name, angle in (("of x", np.pi / 2), ("of y", 0.0), ("across the drift", drift_rad)):
        mirror = _mirror(angle)
        groups.append(Candidate(f"reflection {name}", _subspace(mirror), mirror.discrete))
    for axis, name in enumerate("xy"):
        moved = tuple(Element(np.eye(2), sign * np.eye(2)[axis]) for sign in (1.0, -1.0))
        groups.append(Candidate(f"translation along {name}", _unmoved(axis), moved))
    return groups


def acting(element: Element) -> Floats:
    """[9, 9] action of an element on the features (1, x, F, F (x) x): x -> R x + s, F -> R F."""
    turn, matrix = element.linear, np.zeros((9, 9))
    matrix[0, 0] = 1.0
    matrix[1:3, 1:3], matrix[1:3, 0] = turn, element.shift
    matrix[3:5, 3:5] = turn
    matrix[5:9, 5:9] = np.kron(turn, turn)
    matrix[5:9, 3:5] = (turn[:, None, :] * element.shift[None, :, None]).reshape(4, 2)
    return matrix


def _features(motion: Motion) -> Floats:
    """[M, 9] features, columns scaled by their spread (vectors by their length, which keeps rotations)."""
    x = motion.position_um - motion.position_um.mean(axis=0)
    x = x / max(float(np.sqrt((x**2).mean())), 1e-12)
    f = motion.force_pn / max(float(np.sqrt((motion.force_pn**2).mean())), 1e-12)
    both = (f[:, :, None] * x[:, None]).reshape(len(x), 4)
    return np.concatenate([np.ones((len(x), 1)), x, f, both], axis=1)


class _Fit:
    """Least squares within a subspace of W, by sums over blocks; each block is also predicted from the others."""

    def __init__(self, features: Floats, target: Floats, basis: Floats, blocks: list[NDArray[np.int64]]) -> None:
        self.blocks = blocks
        size = features.shape[1]
        gram, cross = np.zeros((len(blocks), size, size)), np.zeros((len(blocks), size, 2))
        for index, rows in enumerate(blocks):
            gram[index], cross[index] = features[rows].T @ features[rows], features[rows].T @ target[rows]
        self.gram = gram.sum(0) / len(features)
        self.gram_others, self.cross_others = gram.sum(0) - gram, cross.sum(0) - cross  # sums without this block
        self.basis = basis
        self.weight, self.rank = self._solve(gram.sum(0), cross.sum(0), basis)
        # [blocks] mean squared error of a component, times the block's share of rows over the mean share
        self.errors, self.others = np.empty(len(blocks)), np.empty((len(blocks), 2, size))
        for index, rows in enumerate(blocks):
            weight, _ = self._solve(self.gram_others[index], self.cross_others[index], basis)
            total = float(((features[rows] @ weight.T - target[rows]) ** 2).sum())
            self.errors[index] = 0.5 * total * len(blocks) / len(features)
            self.others[index] = weight  # fitted without this block

    @staticmethod
    def _solve(gram: Floats, cross: Floats, basis: Floats) -> tuple[Floats, int]:
        """(W [2, P] = sum_b beta_b B_b of least squared error, number of determined beta_b).

        basis [2 P, B] orthonormal, W row by row.
        """
        size = len(gram)
        if not basis.shape[1]:
            return np.zeros((2, size)), 0
        normal = basis.T @ np.kron(np.eye(2), gram) @ basis
        beta, _, rank, _ = np.linalg.lstsq(normal, basis.T @ cross.T.reshape(-1), rcond=1e-10)
        return np.asarray((basis @ beta).reshape(2, size)), int(rank)

    def without(self, lost: Floats) -> Floats:
        """[blocks, 2, P] `others` for the motion minus features @ lost.T; lost [2, P]."""
        cross = self.cross_others - self.gram_others @ lost.T
        return np.stack([self._solve(*sums, self.basis)[0] for sums in zip(self.gram_others, cross, strict=True)])

    def mean_square(self, weight: Floats) -> float:
        """Mean square of features @ weight.T, summed over components; weight [2, P]."""
        return float(np.einsum("ip,pq,iq->", weight, self.gram, weight))


def _evidence(free: _Fit, constrained: _Fit) -> float:
    """Standard errors by which the free fit predicts held-out data better than the constrained one."""
    worse = constrained.errors - free.errors  # [blocks]
    least = 1e-12 * max(float(constrained.errors.mean()), 1e-300)  # rounding of float64
    ratio = float(worse.mean()) / max(float(worse.std(ddof=1) / np.sqrt(len(worse))), least)
    freedom = len(worse) - 1
    if freedom >= BLOCKS - 1:
        return ratio
    return min(ratio, float(student.isf(student.sf(ratio, freedom), BLOCKS - 1)))


def _least(free: _Fit, constrained: _Fit) -> float:
    """Rms of a breaking, the same for all particles, that is detected in nine of ten cases; nan: none can be.

    Calculated as if the present breaking were zero.

    Noise gives a breaking of rms^2 C in `count` directions, by the jackknife over blocks (Efron, Stein 1981). One of b
    increases errors by b^2 / 2 - C / 2, with a standard error of (C^2 / count + b^2 C / count)^(1/2). Their ratio must
    exceed Student's quantile by POWER of its own standard errors, (1 + quantile^2 / 2 freedom)^(1/2).
    """
    count, blocks = free.rank - constrained.rank, len(free.blocks)
    if count <= 0:
        return np.nan
    lost = free.weight - constrained.weight
    difference = free.without(lost) - constrained.without(lost)
    spread = difference - difference.mean(axis=0)
    chance = (blocks - 1) / blocks * sum(free.mean_square(weight) for weight in spread)
    freedom, least = blocks - 1, SURE
    if freedom < BLOCKS - 1:
        least = float(student.isf(student.sf(SURE, BLOCKS - 1), freedom))
    passed = least + POWER * np.sqrt(1 + least**2 / (2 * freedom))
    return float(np.sqrt(chance / count * (count + 2 * passed**2 + 2 * passed * np.sqrt(passed**2 + 2 * count))))


def _judge(group: Candidate, features: Floats, target: Floats, free: list[_Fit], moving: bool) -> GroupVerdict:
    constrained = [_Fit(features, target, group.basis, fit.blocks) for fit in free]
    sigmas = min(_evidence(*pair) for pair in zip(free, constrained, strict=True))
    speed_rms = np.sqrt(free[0].mean_square(free[0].weight))
    lost_rms = float(np.sqrt(free[0].mean_square(free[0].weight - constrained[0].weight)))
    flat = free[0].weight.reshape(-1)
    away = flat - group.basis @ (group.basis.T @ flat)
    return GroupVerdict(
        group=group.name, kept=sigmas < SURE, sigmas=sigmas, broken_um_per_s=lost_rms,
        least_um_per_s=max(_least(*pair) for pair in zip(free, constrained, strict=True)),
        relative=lost_rms / speed_rms if moving else np.nan,
        equivariance_error=_equivariance_error(group.elements, features, free[0]) if moving else np.nan,
        penalty=float(0.5 * (away**2).sum() / max(len(flat) - group.basis.shape[1], 1)),
    )  # fmt: skip


def _equivariance_error(elements: tuple[Element, ...], features: Floats, free: _Fit) -> float:
    """Mean over elements and rows of each block, from the fit to the other blocks."""
    total: list[float] = []
    for rows, weight in zip(free.blocks, free.others, strict=True):
        some = features[rows[:: max(1, len(rows) // ROWS)]]
        output = some @ weight.T
        for element in elements:
            moved, expected = some @ acting(element).T @ weight.T, output @ element.linear.T
            sizes = np.linalg.norm(moved, axis=1) + np.linalg.norm(expected, axis=1)
            total.append(float((np.linalg.norm(moved - expected, axis=1) / np.maximum(sizes, 1e-300)).mean()))
    return float(np.mean(total))


def _subspace(group: Group) -> Floats:
    """Orthonormal basis [2 P, B] of the W that the group leaves unchanged, W row by row."""
    size = sum(count for _, count in TYPES)
    columns, start = [], 0
    for name, count in TYPES:
        small = null_space(group, name, "vector", 1, 1)  # [2 count, 2 count]
        value, vector = np.linalg.eigh(small)
        for row in vector[:, value > 0.5].T:
            whole = np.zeros((2, size))
            whole[:, start : start + count] = row.reshape(2, count)
            columns.append(whole.reshape(-1))
        start += count
    return np.stack(columns, axis=1)


def _mirror(angle_rad: float) -> Group:
    """The reflection that keeps the direction at this angle."""
    cos, sin = np.cos(2 * angle_rad), np.sin(2 * angle_rad)
    element = Element(np.array([[cos, sin], [sin, -cos]]), np.zeros(2))
    return Group(f"reflection at {angle_rad:.3f}", 2, (), (element,))


def _unmoved(axis: int) -> Floats:
    """Basis [2 P, B] of the W that do not depend on the position along an axis."""
    drop = {1 + axis, 5 + axis, 7 + axis}  # x_a, F_x x_a, F_y x_a
    size = sum(count for _, count in TYPES)
    keep = [row * size + column for row in range(2) for column in range(size) if column not in drop]
    return np.eye(2 * size)[:, keep]


def displacements(
    time_s: Floats, particle: NDArray[np.int64], position_um: Floats, force_pn: Floats, usable: NDArray[np.bool_],
    lag_s: float,
) -> Motion:  # fmt: skip
    """Displacements over about `lag_s` from tracks: rows of time, ID, position, wanted force, and whether it is usable.

    Forces relax while a particle moves, so with forces the lag must be well below the relaxation time; one frame is a
    good choice. A displacement is used if the particle was detected at both ends and usable from one to the other;
    displacements do not overlap. The force is that at the beginning, since a mean over the displacement would be
    correlated with its noise.
    """
    order = np.lexsort((time_s, particle))
    at_s, ids = time_s[order], particle[order]
    begins = _changed(ids)
    began_s = at_s[np.maximum.accumulate(np.where(begins, np.arange(len(at_s)), 0))]
    cell = np.floor((at_s - began_s) / lag_s + 1e-3)  # lags since the particle's first detection
    ends = np.append(begins[1:], True)[: len(at_s)]
    stops = np.flatnonzero(begins | ends | _changed(cell))
    first, last = stops[:-1], stops[1:]
    bad = np.concatenate([[0], np.cumsum(~usable[order])])
    span_s = at_s[last] - at_s[first]
    good = (ids[first] == ids[last]) & (bad[first] == bad[last + 1]) & (0.8 * lag_s < span_s) & (span_s < 1.2 * lag_s)
    first, last, span_s = first[good], last[good], span_s[good]
    by_time = np.argsort(at_s[first], kind="stable")
    start, stop = order[first[by_time]], order[last[by_time]]
    moved_um = position_um[stop] - position_um[start]
    return Motion(position_um[start], moved_um / span_s[by_time, None], force_pn[start], particle[start])


def _changed(values: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a value differs from the one before; the first is True."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]

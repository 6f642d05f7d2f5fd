"""Which symmetries the motion in a run keeps: rotation, reflections, translations, from displacements alone.

Mean velocities are written as one soft layer: W on what transforms in known ways - a constant, the position x in the
field, the force F that was asked for, and F (x) x - with the closed projectors P_k of every candidate group. Each group
is judged on data held out: a fit inside its subspace against the free fit, block of time by block of time. A symmetry
is broken where the free fit foretells the motion better than chance would have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.soft.groups import Group, rotations
from models.soft.projector import null_space
from models.soft.representation import Element, Floats

TYPES = (("scalar", 1), ("vector", 2), ("vector", 2), ("tensor", 4))  # constant, x, F, F (x) x
BLOCKS = 20
SURE = 3.5  # standard errors over blocks


@dataclass(frozen=True)
class Motion:
    """Displacements of a run, divided by their duration; rows in order of time."""

    position_um: Floats  # [M, 2] at the beginning
    velocity_um_per_s: Floats  # [M, 2]
    force_pn: Floats  # [M, 2] that was asked for at the beginning; zeros where no light was


@dataclass(frozen=True)
class Verdict:
    """What the data say of one group."""

    group: str
    kept: bool
    sigmas: float  # how many standard errors better the free fit is on data held out
    broken_um_per_s: float  # root mean square of what the group takes away from the mean velocities
    relative: float  # the same over the root mean square of the mean velocities
    penalty: float  # |W - P W|^2 / 2 per direction that P takes away, columns in units of their spread


def verdicts(motion: Motion) -> list[Verdict]:
    """Rotation, reflection of x, of y and across the mean drift, translation along x and along y."""
    shown = _features(motion)
    whole = np.eye(2 * shown.shape[1])
    drift = motion.velocity_um_per_s.mean(axis=0)
    candidates = [
        ("rotation", _subspace(rotations(2))),
        ("reflection of x", _subspace(_mirror(np.pi / 2))),
        ("reflection of y", _subspace(_mirror(0.0))),
        ("reflection across the drift", _subspace(_mirror(float(np.arctan2(drift[1], drift[0]))))),
        ("translation along x", _unmoved(0)),
        ("translation along y", _unmoved(1)),
    ]
    free = _Fit(shown, motion.velocity_um_per_s, whole)
    return [_judge(name, basis, shown, motion.velocity_um_per_s, free) for name, basis in candidates]


def _features(motion: Motion) -> Floats:
    """[M, 9], columns in units of their spread (vectors in units of their length, so that rotations keep the unit)."""
    x = motion.position_um - motion.position_um.mean(axis=0)
    x = x / max(float(np.sqrt((x**2).mean())), 1e-12)
    f = motion.force_pn / max(float(np.sqrt((motion.force_pn**2).mean())), 1e-12)
    both = (f[:, :, None] * x[:, None]).reshape(len(x), 4)
    return np.concatenate([np.ones((len(x), 1)), x, f, both], axis=1)


class _Fit:
    """Least squares inside a subspace of W, by sums over blocks of time: each block is foretold from the others."""

    def __init__(self, shown: Floats, wanted: Floats, basis: Floats) -> None:
        self.blocks = np.array_split(np.arange(len(shown)), BLOCKS)
        size = shown.shape[1]
        gram, cross = np.zeros((BLOCKS, size, size)), np.zeros((BLOCKS, size, 2))
        for index, rows in enumerate(self.blocks):
            gram[index], cross[index] = shown[rows].T @ shown[rows], shown[rows].T @ wanted[rows]
        self.weight = self._solve(gram.sum(0), cross.sum(0), basis)
        self.errors = np.empty(BLOCKS)
        for index, rows in enumerate(self.blocks):
            weight = self._solve(gram.sum(0) - gram[index], cross.sum(0) - cross[index], basis)
            self.errors[index] = ((shown[rows] @ weight.T - wanted[rows]) ** 2).mean()

    @staticmethod
    def _solve(gram: Floats, cross: Floats, basis: Floats) -> Floats:
        """W [2, P] = sum_b beta_b B_b with the least squared error; basis [2 P, B] orthonormal, W row by row."""
        size = len(gram)
        normal = basis.T @ np.kron(np.eye(2), gram) @ basis
        beta = np.linalg.lstsq(normal, basis.T @ cross.T.reshape(-1), rcond=1e-10)[0]
        return np.asarray((basis @ beta).reshape(2, size))


def _judge(name: str, basis: Floats, shown: Floats, wanted: Floats, free: _Fit) -> Verdict:
    inside = _Fit(shown, wanted, basis)
    worse = inside.errors - free.errors  # [BLOCKS]
    sigmas = float(worse.mean() / max(worse.std(ddof=1) / np.sqrt(len(worse)), 1e-300))
    flat = free.weight.reshape(-1)
    away = flat - basis @ (basis.T @ flat)
    lost = shown @ away.reshape(2, -1).T
    speed = shown @ free.weight.T
    lost_rms, speed_rms = (float(np.sqrt((value**2).sum(axis=1).mean())) for value in (lost, speed))
    complement = len(flat) - basis.shape[1]
    return Verdict(name, sigmas < SURE, sigmas, lost_rms, lost_rms / max(speed_rms, 1e-300),
                   float(0.5 * (away**2).sum() / max(complement, 1)))  # fmt: skip


def _subspace(group: Group) -> Floats:
    """Orthonormal basis [2 P, B] of the W that the group leaves alone, W row by row."""
    size = sum(count for _, count in TYPES)
    columns, start = [], 0
    for name, count in TYPES:
        small = null_space(group, name, "vector", 1, 1)  # [2 count, 2 count]
        value, vector = np.linalg.eigh(small)
        for one in vector[:, value > 0.5].T:
            whole = np.zeros((2, size))
            whole[:, start : start + count] = one.reshape(2, count)
            columns.append(whole.reshape(-1))
        start += count
    return np.stack(columns, axis=1)


def _mirror(angle_rad: float) -> Group:
    """Reflection that keeps the direction at this angle."""
    cos, sin = np.cos(2 * angle_rad), np.sin(2 * angle_rad)
    element = Element(np.array([[cos, sin], [sin, -cos]]), np.zeros(2))
    return Group(f"reflection at {angle_rad:.3f}", 2, (), (element,))


def _unmoved(axis: int) -> Floats:
    """Basis of the W that do not ask where along an axis one is."""
    drop = {1 + axis, 5 + axis, 7 + axis}  # x_a, F_x x_a, F_y x_a
    size = sum(count for _, count in TYPES)
    keep = [row * size + column for row in range(2) for column in range(size) if column not in drop]
    return np.eye(2 * size)[:, keep]


def displacements(
    time_s: Floats, particle: NDArray[np.int64], position_um: Floats, force_pn: Floats, usable: NDArray[np.bool_],
    lag_s: float,
) -> Motion:  # fmt: skip
    """Displacements over about `lag_s` from tracks (rows of a run: time, who, where, force, may it be used).

    Forces relax while a particle moves, so that a lag well below the relaxation time is needed where there are any: one
    frame is a good choice. A displacement counts where the particle was seen at both ends and was usable all the way;
    displacements do not overlap.
    The force is that at its beginning: a mean over the way would answer to the very noise that made the displacement.
    """
    starts, moves, pulls, begun = [], [], [], []
    for who in np.unique(particle):
        rows = np.flatnonzero(particle == who)
        rows = rows[np.argsort(time_s[rows], kind="stable")]
        at = time_s[rows]
        stops = np.searchsorted(at, np.arange(at[0], at[-1] + lag_s, lag_s) - 1e-3 * lag_s)
        bad = np.concatenate([[0], np.cumsum(~usable[rows])])
        for first, last in zip(stops[:-1], np.minimum(stops[1:], len(rows) - 1), strict=True):
            span_s = at[last] - at[first]
            if 0.8 * lag_s < span_s < 1.2 * lag_s and bad[last] == bad[first]:
                starts.append(position_um[rows[first]])
                moves.append((position_um[rows[last]] - position_um[rows[first]]) / span_s)
                pulls.append(force_pn[rows[first]])
                begun.append(at[first])
    order = np.argsort(np.array(begun), kind="stable")
    return Motion(*(np.asarray(column).reshape(-1, 2)[order] for column in (starts, moves, pulls)))

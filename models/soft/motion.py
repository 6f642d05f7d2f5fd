"""Which symmetries the motion in a run keeps: rotation, reflections, translations, from displacements alone.

Mean velocities are written as one soft layer: W on what transforms in known ways - a constant, the position x in the
field, the force F that was asked for, and F (x) x - with the projectors P_k of every candidate group. Each group
is judged on data held out: a fit inside its subspace against the free fit, block of time by block of time. A symmetry
is broken where the free fit foretells the motion better than chance would have it, that of other times and that of
other particles: in a crystal a place is a particle, and what is peculiar to its surroundings would pass for a law of
places if the same particle were asked again. Where a symmetry is kept, the smallest breaking that would have been found
says what that is worth: little data keep everything.

Blocks that are few are held to Student's t: a ratio counts for as many standard errors as it would of BLOCKS of them.
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
BLOCKS = 20  # of time
FEWEST, MANY = 7, 100  # particles: with fewer no breaking is surely found, more are held out in so many groups
SURE = 3.5  # standard errors over blocks
POWER = 1.28  # standard errors more: what is passed nine times in ten
ROWS = 500  # of a block, for the equivariance error


@dataclass(frozen=True)
class Motion:
    """Displacements of a run, divided by their duration; rows in order of time."""

    position_um: Floats  # [M, 2] at the beginning
    velocity_um_per_s: Floats  # [M, 2]
    force_pn: Floats  # [M, 2] that was asked for at the beginning; zeros where no light was
    particle: NDArray[np.int64] | None = None  # [M] whose; None: every row has a place of its own


@dataclass(frozen=True)
class GroupVerdict:
    """What the data say of one group."""

    group: str
    kept: bool
    sigmas: float  # how many standard errors better the free fit is on times, or particles, held out: the fewer
    broken_um_per_s: float  # root mean square of what the group takes away from the mean velocities
    least_um_per_s: (
        float  # such a breaking, alike for all, is found nine times in ten; nan: nothing here could show any
    )
    relative: float  # broken_um_per_s over the root mean square of the mean velocities; nan: those are chance
    equivariance_error: float  # mean |f(g x) - g f(x)| / (|f(g x)| + |g f(x)|) of free fits, held out; nan: as above
    penalty: float  # |W - P W|^2 / 2 per direction that P takes away, columns in units of their spread


@dataclass(frozen=True)
class HeldOut:
    """The rows of a motion in blocks, each of which is foretold from the others."""

    of: str  # times or particles
    blocks: list[NDArray[np.int64]]


def verdicts(motion: Motion) -> list[GroupVerdict]:
    """Rotation, reflection of x, of y and across the mean drift, translation along x and along y.

    Raises ValueError where whose the rows are is known, and they are of fewer than FEWEST particles.
    """
    shown = _features(motion)
    whole = np.eye(2 * shown.shape[1])
    drift = motion.velocity_um_per_s.mean(axis=0)
    free = [_Fit(shown, motion.velocity_um_per_s, whole, held.blocks) for held in held_out(motion)]
    still = [_Fit(shown, motion.velocity_um_per_s, whole[:, :0], fit.blocks) for fit in free]
    moving = min(_evidence(*both) for both in zip(free, still, strict=True)) >= SURE
    groups = candidates(float(np.arctan2(drift[1], drift[0])))
    return [_judge(one, shown, motion.velocity_um_per_s, free, moving) for one in groups]


def held_out(motion: Motion) -> list[HeldOut]:
    """By time, and by particle where it is known whose the rows are."""
    found = [HeldOut("times", np.array_split(np.arange(len(motion.position_um)), BLOCKS))]
    if motion.particle is not None:
        names, which = np.unique(motion.particle, return_inverse=True)
        if len(names) < FEWEST:
            raise ValueError(f"what is a particle's own can't be told from a law with fewer than {FEWEST} particles")
        which = which % MANY
        order = np.argsort(which, kind="stable")
        found.append(HeldOut("particles", np.split(order, np.flatnonzero(np.diff(which[order])) + 1)))
    return found


@dataclass(frozen=True)
class Candidate:
    """A group: the W that it leaves alone, and some of its elements (x in units of its spread)."""

    name: str
    basis: Floats  # [2 P, B] orthonormal, W row by row
    elements: tuple[Element, ...]


def candidates(drift_rad: float) -> list[Candidate]:
    turns = [2 * np.pi * step / 8 for step in range(1, 8)]
    turned = tuple(Element(np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), np.zeros(2)) for a in turns)
    found = [Candidate("rotation", _subspace(rotations(2)), turned)]
    for name, angle in (("of x", np.pi / 2), ("of y", 0.0), ("across the drift", drift_rad)):
        mirror = _mirror(angle)
        found.append(Candidate(f"reflection {name}", _subspace(mirror), mirror.discrete))
    for axis, name in enumerate("xy"):
        moved = tuple(Element(np.eye(2), sign * np.eye(2)[axis]) for sign in (1.0, -1.0))
        found.append(Candidate(f"translation along {name}", _unmoved(axis), moved))
    return found


def acting(element: Element) -> Floats:
    """[9, 9] what an element makes of the features (1, x, F, F (x) x): x -> R x + s, F -> R F."""
    turn, found = element.linear, np.zeros((9, 9))
    found[0, 0] = 1.0
    found[1:3, 1:3], found[1:3, 0] = turn, element.shift
    found[3:5, 3:5] = turn
    found[5:9, 5:9] = np.kron(turn, turn)
    found[5:9, 3:5] = (turn[:, None, :] * element.shift[None, :, None]).reshape(4, 2)
    return found


def _features(motion: Motion) -> Floats:
    """[M, 9], columns in units of their spread (vectors in units of their length, so that rotations keep the unit)."""
    x = motion.position_um - motion.position_um.mean(axis=0)
    x = x / max(float(np.sqrt((x**2).mean())), 1e-12)
    f = motion.force_pn / max(float(np.sqrt((motion.force_pn**2).mean())), 1e-12)
    both = (f[:, :, None] * x[:, None]).reshape(len(x), 4)
    return np.concatenate([np.ones((len(x), 1)), x, f, both], axis=1)


class _Fit:
    """Least squares inside a subspace of W, by sums over blocks: each block is foretold from the others."""

    def __init__(self, shown: Floats, wanted: Floats, basis: Floats, blocks: list[NDArray[np.int64]]) -> None:
        self.blocks = blocks
        size = shown.shape[1]
        gram, cross = np.zeros((len(blocks), size, size)), np.zeros((len(blocks), size, 2))
        for index, rows in enumerate(blocks):
            gram[index], cross[index] = shown[rows].T @ shown[rows], shown[rows].T @ wanted[rows]
        self.gram = gram.sum(0) / len(shown)
        self.gram_others, self.cross_others = gram.sum(0) - gram, cross.sum(0) - cross  # of all blocks but one
        self.basis = basis
        self.weight, self.rank = self._solve(gram.sum(0), cross.sum(0), basis)
        # [blocks] mean squares of a component's error, times the share of the rows relative to an even one
        self.errors, self.others = np.empty(len(blocks)), np.empty((len(blocks), 2, size))
        for index, rows in enumerate(blocks):
            weight, _ = self._solve(self.gram_others[index], self.cross_others[index], basis)
            total = float(((shown[rows] @ weight.T - wanted[rows]) ** 2).sum())
            self.errors[index] = 0.5 * total * len(blocks) / len(shown)
            self.others[index] = weight  # from all blocks but this one

    @staticmethod
    def _solve(gram: Floats, cross: Floats, basis: Floats) -> tuple[Floats, int]:
        """W [2, P] = sum_b beta_b B_b with the least squared error, and how many of the B_b the data show.

        basis [2 P, B] orthonormal, W row by row.
        """
        size = len(gram)
        if not basis.shape[1]:
            return np.zeros((2, size)), 0
        normal = basis.T @ np.kron(np.eye(2), gram) @ basis
        beta, _, rank, _ = np.linalg.lstsq(normal, basis.T @ cross.T.reshape(-1), rcond=1e-10)
        return np.asarray((basis @ beta).reshape(2, size)), int(rank)

    def without(self, lost: Floats) -> Floats:
        """[blocks, 2, P] `others`, if the motion were without shown @ lost.T; lost [2, P]."""
        cross = self.cross_others - self.gram_others @ lost.T
        return np.stack([self._solve(*sums, self.basis)[0] for sums in zip(self.gram_others, cross, strict=True)])

    def mean_square(self, weight: Floats) -> float:
        """Of shown @ weight.T, summed over components; weight [2, P]."""
        return float(np.einsum("ip,pq,iq->", weight, self.gram, weight))


def _evidence(free: _Fit, held: _Fit) -> float:
    """How many standard errors better the free fit foretells what was held out."""
    worse = held.errors - free.errors  # [blocks]
    least = 1e-12 * max(float(held.errors.mean()), 1e-300)  # of numbers of 53 bits
    ratio = float(worse.mean()) / max(float(worse.std(ddof=1) / np.sqrt(len(worse))), least)
    freedom = len(worse) - 1
    if freedom >= BLOCKS - 1:
        return ratio
    return min(ratio, float(student.isf(student.sf(ratio, freedom), BLOCKS - 1)))


def _least(free: _Fit, held: _Fit) -> float:
    """The breaking that is found nine times in ten, if it is the same for all; nan: no data could show any.

    As if the breaking that there is were not.

    Chance makes a breaking of rms^2 C in `count` directions, by the jackknife over blocks (Efron, Stein 1981). One of b
    makes errors worse by b^2 / 2 - C / 2, with a standard error of (C^2 / count + b^2 C / count)^(1/2); their ratio has
    to pass Student's quantile by POWER of its own standard errors, (1 + quantile^2 / 2 freedom)^(1/2).
    """
    count, blocks = free.rank - held.rank, len(free.blocks)
    if count <= 0:
        return np.nan
    lost = free.weight - held.weight
    apart = free.without(lost) - held.without(lost)
    spread = apart - apart.mean(axis=0)
    chance = (blocks - 1) / blocks * sum(free.mean_square(one) for one in spread)
    freedom, least = blocks - 1, SURE
    if freedom < BLOCKS - 1:
        least = float(student.isf(student.sf(SURE, BLOCKS - 1), freedom))
    passed = least + POWER * np.sqrt(1 + least**2 / (2 * freedom))
    return float(np.sqrt(chance / count * (count + 2 * passed**2 + 2 * passed * np.sqrt(passed**2 + 2 * count))))


def _judge(one: Candidate, shown: Floats, wanted: Floats, free: list[_Fit], moving: bool) -> GroupVerdict:
    held = [_Fit(shown, wanted, one.basis, fit.blocks) for fit in free]
    sigmas = min(_evidence(*pair) for pair in zip(free, held, strict=True))
    speed_rms = np.sqrt(free[0].mean_square(free[0].weight))
    lost_rms = float(np.sqrt(free[0].mean_square(free[0].weight - held[0].weight)))
    flat = free[0].weight.reshape(-1)
    away = flat - one.basis @ (one.basis.T @ flat)
    return GroupVerdict(
        group=one.name, kept=sigmas < SURE, sigmas=sigmas, broken_um_per_s=lost_rms,
        least_um_per_s=max(_least(*pair) for pair in zip(free, held, strict=True)),
        relative=lost_rms / speed_rms if moving else np.nan,
        equivariance_error=_equivariance_error(one.elements, shown, free[0]) if moving else np.nan,
        penalty=float(0.5 * (away**2).sum() / max(len(flat) - one.basis.shape[1], 1)),
    )  # fmt: skip


def _equivariance_error(elements: tuple[Element, ...], shown: Floats, free: _Fit) -> float:
    """Mean over elements and rows of each block, by the fit to the other blocks."""
    total: list[float] = []
    for rows, weight in zip(free.blocks, free.others, strict=True):
        some = shown[rows[:: max(1, len(rows) // ROWS)]]
        here = some @ weight.T
        for element in elements:
            there, wanted = some @ acting(element).T @ weight.T, here @ element.linear.T
            sizes = np.linalg.norm(there, axis=1) + np.linalg.norm(wanted, axis=1)
            total.append(float((np.linalg.norm(there - wanted, axis=1) / np.maximum(sizes, 1e-300)).mean()))
    return float(np.mean(total))


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
    order = np.lexsort((time_s, particle))
    at, who = time_s[order], particle[order]
    begins = _changed(who)
    began_s = at[np.maximum.accumulate(np.where(begins, np.arange(len(at)), 0))]
    cell = np.floor((at - began_s) / lag_s + 1e-3)  # how many lags after a particle was first seen
    ends = np.append(begins[1:], True)[: len(at)]
    stops = np.flatnonzero(begins | ends | _changed(cell))
    first, last = stops[:-1], stops[1:]
    bad = np.concatenate([[0], np.cumsum(~usable[order])])
    span_s = at[last] - at[first]
    good = (who[first] == who[last]) & (bad[first] == bad[last]) & (0.8 * lag_s < span_s) & (span_s < 1.2 * lag_s)
    first, last, span_s = first[good], last[good], span_s[good]
    by_time = np.argsort(at[first], kind="stable")
    start, stop = order[first[by_time]], order[last[by_time]]
    moved_um = position_um[stop] - position_um[start]
    return Motion(position_um[start], moved_um / span_s[by_time, None], force_pn[start], particle[start])


def _changed(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value is not the one before it; the first is new."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]

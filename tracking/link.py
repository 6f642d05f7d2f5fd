"""Who is who from frame to frame: online linking with memory.

The rule is that of Crocker and Grier (J. Colloid Interface Sci. 179, 298, 1996). Sources (particles seen before) and
sights (features of this frame) closer than the gate are candidates. Candidates fall apart into subnets; in each, the
links of least sum d^2 are taken, where an unlinked source costs its gate^2. The optimum is found by linear assignment,
so a subnet may have any size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from control.contract import State
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEIGHBOURS = 10  # nearest sources that a sight considers, as in trackpy
SLACK_PX = 1e-7  # a distance equal to the gate is within it, as in trackpy
LARGE = 60  # members from which on a subnet's identities are uncertain


def _ints() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Every particle that may still be seen again, in order of rising `particle`."""

    particle: Ints = field(default_factory=_ints)  # [M]
    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] where it was seen last
    number: Ints = field(default_factory=_ints)  # [M] the frame it was seen in
    missed: Ints = field(default_factory=_ints)  # [M] looks since then
    clear: Ints = field(default_factory=_ints)  # [M] sightings without doubt since the first, or since a doubt
    doubted: Bools = field(default_factory=lambda: np.empty(0, np.bool_))  # [M] that there was a doubt
    next_particle: int = 0

    def __len__(self) -> int:
        return len(self.particle)


@dataclass(frozen=True, slots=True)
class Linked:
    """One row a feature of the frame, in the features' order."""

    particle: Ints  # [N]
    state: NDArray[np.uint8]  # [N] State
    lost: Ints  # [L] remembered and not seen
    notes: tuple[str, ...] = ()


def link(before: Remembered, number: int, position_px: Floats, s: Tracking) -> tuple[Remembered, Linked]:
    """The features at `position_px` [N, 2] of frame `number` get their identities.

    With the gate `constant` the partition is that of trackpy.link with the same search range and memory.
    """
    gate_px = _gate(before, number, s)
    source, sight, distance_px = _candidates(before.position_px, gate_px, position_px)
    links, doubt = _assign(len(before), len(position_px), source, sight, distance_px, gate_px, s.doubt)
    seen = links >= 0  # [M]
    particle = np.full(len(position_px), -1, np.int64)
    particle[links[seen]] = before.particle[seen]
    fresh = particle < 0
    particle[fresh] = before.next_particle + np.arange(np.count_nonzero(fresh))
    clear = np.zeros(len(particle), np.int64)
    clear[links[seen]] = before.clear[seen] + 1
    clear[doubt] = 0
    doubted = doubt.copy()
    doubted[links[seen]] |= before.doubted[seen] & (before.clear[seen] < s.confirm)
    state = np.where(doubted, State.UNCERTAIN, np.where(clear < s.confirm, State.NEW, State.GOOD)).astype(np.uint8)
    kept = ~seen & (before.missed < s.memory)
    after = _remember(before, kept, particle, position_px, number, clear, doubted)
    return after, Linked(particle, state, before.particle[kept])


def _gate(before: Remembered, number: int, s: Tracking) -> Floats:
    """[M] how far each remembered particle may have moved. Brownian steps grow with the root of time."""
    if s.gate == "constant":
        return np.full(len(before), s.search_px)
    return s.search_px * np.sqrt(np.maximum(number - before.number, 1))


def _candidates(source_px: Floats, gate_px: Floats, sight_px: Floats) -> tuple[Ints, Ints, Floats]:
    """(source, sight, distance_px), each [P]: every pair within the source's gate, at most NEIGHBOURS a sight."""
    if len(source_px) == 0 or len(sight_px) == 0:
        return _ints(), _ints(), np.empty(0)
    distance_px, source = cKDTree(source_px, 15).query(
        sight_px, NEIGHBOURS, distance_upper_bound=float(gate_px.max()) + SLACK_PX
    )  # [N, NEIGHBOURS]
    near = np.isfinite(distance_px)
    near[near] = distance_px[near] < gate_px[source[near]] + SLACK_PX
    sight = np.broadcast_to(np.arange(len(sight_px))[:, None], near.shape)
    return source[near].astype(np.int64), sight[near].astype(np.int64), distance_px[near]


def _assign(
    sources: int, sights: int, source: Ints, sight: Ints, distance_px: Floats, gate_px: Floats, doubt: float
) -> tuple[Ints, Bools]:
    """(sight of each source or -1 [M], whether the identity of a sight is in doubt [N])."""
    links = np.full(sources, -1, np.int64)
    doubted = np.zeros(sights, np.bool_)
    alone = (np.bincount(source, minlength=sources)[source] == 1) & (np.bincount(sight, minlength=sights)[sight] == 1)
    links[source[alone]] = sight[alone]
    if alone.all():
        return links, doubted
    source, sight, distance_px = source[~alone], sight[~alone], distance_px[~alone]
    graph = coo_array((np.ones(len(source)), (source, sources + sight)), shape=(sources + sights,) * 2)
    label = connected_components(graph, directed=False)[1][source]
    order = np.argsort(label, kind="stable")
    for pairs in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        _solve(links, doubted, source[pairs], sight[pairs], distance_px[pairs], gate_px, doubt)
    return links, doubted


def _solve(
    links: Ints, doubted: Bools, source: Ints, sight: Ints, distance_px: Floats, gate_px: Floats, doubt: float
) -> None:
    """Least sum of d^2 and gate^2 of one subnet, written into `links` and `doubted`."""
    rows, row = np.unique(source, return_inverse=True)
    columns, column = np.unique(sight, return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))  # what a link saves against no link
    gain[row, column] = np.maximum(gate_px[source] ** 2 - distance_px**2, 1e-12)
    best_row, best_column = linear_sum_assignment(gain, maximize=True)
    real = gain[best_row, best_column] > 0
    best_row, best_column = best_row[real], best_column[real]
    links[rows[best_row]] = columns[best_column]
    if doubt > 0:
        margin = _margin(gain, best_row, best_column)
        close = margin < doubt * gate_px[rows[best_row]] ** 2
        if len(rows) + len(columns) > LARGE:
            close[:] = True
        doubted[columns[best_column[close]]] = True


def _margin(gain: Floats, row: Ints, column: Ints) -> Floats:
    """[K] how much worse the best simple change of each link is: another sight, another source, or a swap of two."""
    taken = gain[row, column]  # [K]
    free_row = np.ones(len(gain), np.bool_)
    free_row[row] = False
    free_column = np.ones(gain.shape[1], np.bool_)
    free_column[column] = False
    barred = np.where(gain > 0, gain, -np.inf)
    other_column = np.max(barred[row][:, free_column], axis=1, initial=-np.inf)
    other_row = np.max(barred[free_row][:, column], axis=0, initial=-np.inf)
    crossed = barred[np.ix_(row, column)]  # [K, K]
    swap = taken[:, None] + taken[None, :] - crossed - crossed.T
    np.fill_diagonal(swap, np.inf)
    least: Floats = np.minimum(taken - np.maximum(other_column, other_row), np.min(swap, axis=1, initial=np.inf))
    return least


def _remember(
    before: Remembered, kept: Bools, particle: Ints, position_px: Floats, number: int, clear: Ints, doubted: Bools
) -> Remembered:
    everyone = np.concatenate([before.particle[kept], particle])
    order = np.argsort(everyone)
    count = len(particle)
    return Remembered(
        everyone[order],
        np.concatenate([before.position_px[kept], position_px])[order],
        np.concatenate([before.number[kept], np.full(count, number)])[order],
        np.concatenate([before.missed[kept] + 1, np.zeros(count, np.int64)])[order],
        np.concatenate([before.clear[kept], clear])[order],
        np.concatenate([before.doubted[kept], doubted])[order],
        max(before.next_particle, int(particle.max(initial=-1)) + 1),
    )

"""The links of least sum d^2, exactly, for subnets of any size.

Crocker and Grier's optimum (J. Colloid Interface Sci. 179, 298, 1996) is a linear assignment in which every source may
also stay unlinked, at the price of its gate^2. It is solved by shortest augmenting paths on the sparse candidates
(Jonker and Volgenant, Computing 38, 325, 1987): the work stays local, and no subnet is too large.

All kernels are in this file: numba's cache does not see a change of a kernel in another one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SIGMAS = 5.0  # of a particle's steps that a well-chosen search range has
SLACK_PX = 1e-7  # a distance equal to the gate is within it, as in trackpy
NEIGHBOURS = 10  # nearest sources that a sight considers, as in trackpy
UNLINKED = -1
WAITING = -2


@njit(cache=True, nogil=True)
def assign(
    source_px: Floats, sight_px: Floats, seen: Ints, number: int, search_px: float, sqrt_time: bool, crowd_px: Floats,
    share: float, near_px: float,
) -> tuple[Ints, Ints, Bools, bool]:  # fmt: skip
    """(sight of each source or -1 [M], source of each sight or -1 [N], which sights are in doubt [N], whether any is).

    Brownian steps grow with the root of time: after n frames the density of a place at distance d is that of a normal
    distribution of variance n sigma^2 in the plane, whose -2 sigma^2 log is d^2 / n + 2 sigma^2 log n, if the gate is
    SIGMAS sigma. So it is with `sqrt_time`. A source that was just seen then goes before one that was not: without the
    logarithm two that stand for one body would change places for ever. Otherwise it is Crocker and Grier's rule.

    Args:
        source_px: [M, 2] where each source is expected.
        sight_px: [N, 2]; each considers its NEIGHBOURS nearest sources.
        seen: [M, any] its first column: the number of the frame in which each source was seen.
        number: of this frame.
        search_px: how far a source may be off, after one frame with `sqrt_time`; the square is the price of leaving it
            unlinked.
        crowd_px: [M] how far off it may be at most, for the sake of its neighbours; [0]: there is no such bound.
        share: an identity is in doubt if another is worse by less than this share of the price; 0: never.
        near_px: features closer than this are seen as one.
    """
    sources = source_px.shape[0]
    gate_px = np.full(sources, search_px)
    ease, extra = np.ones(sources), np.zeros(sources)
    for i in range(sources):
        frames = number - seen[i, 0]
        if sqrt_time and frames > 1:
            gate_px[i] = search_px * np.sqrt(frames)
            ease[i] = 1.0 / frames
            extra[i] = 2.0 * (search_px / SIGMAS) ** 2 * np.log(frames)
        if crowd_px.size:
            gate_px[i] = min(gate_px[i], crowd_px[i])
        gate_px[i] += SLACK_PX
    first, sight, square = candidates(source_px, gate_px, sight_px)
    price = ease * gate_px**2
    cost = square.copy()
    for i in range(sources):
        for k in range(first[i], first[i + 1]):
            cost[k] = ease[i] * square[k] + extra[i]
    taken, owner = _solve(first, sight, cost, price, sight_px.shape[0])
    if share > 0:
        doubt = _doubt(first, sight, cost, square < near_px**2, price, taken, owner, share)
        return taken, owner, doubt, bool(doubt.any())
    return taken, owner, np.zeros(owner.size, np.bool_), False


@njit(cache=True, nogil=True)
def candidates(source_px: Floats, gate_px: Floats, sight_px: Floats) -> tuple[Ints, Ints, Floats]:
    """Pairs by rising source: those of source i are [first[i], first[i + 1]) of (sight, distance_px^2).

    Args:
        source_px: [M, 2] where each source is expected.
        gate_px: [M] how far off it may be.
        sight_px: [N, 2]; each considers its NEIGHBOURS nearest sources.
    """
    sources, sights = source_px.shape[0], sight_px.shape[0]
    first = np.zeros(sources + 1, np.int64)
    if sources == 0 or sights == 0:
        return first, np.empty(0, np.int64), np.empty(0)
    start, member, low, cell_px, rows, columns = _grid(source_px, gate_px)
    near = np.empty((sights, NEIGHBOURS), np.int64)
    near_d2 = np.empty((sights, NEIGHBOURS))
    count = np.zeros(sights, np.int64)
    for j in range(sights):
        x, y = sight_px[j]
        row, column = int(np.floor((y - low[1]) / cell_px)), int(np.floor((x - low[0]) / cell_px))
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                for k in range(start[r * columns + c], start[r * columns + c + 1]):
                    i = member[k]
                    d2 = (source_px[i, 0] - x) ** 2 + (source_px[i, 1] - y) ** 2
                    if d2 <= gate_px[i] ** 2:
                        count[j] = _insert(near[j], near_d2[j], count[j], i, d2)
        for k in range(count[j]):
            first[near[j, k] + 1] += 1
    first = np.cumsum(first)
    sight = np.empty(first[-1], np.int64)
    square = np.empty(first[-1])
    fill = first.copy()
    for j in range(sights):
        for k in range(count[j]):
            at = fill[near[j, k]]
            sight[at] = j
            square[at] = near_d2[j, k]
            fill[near[j, k]] += 1
    return first, sight, square


@njit(cache=True, nogil=True)
def _grid(source_px: Floats, gate_px: Floats) -> tuple[Ints, Ints, Floats, float, int, int]:
    """(first member of each cell, members, low corner, side, rows, columns): about one source a cell."""
    sources = source_px.shape[0]
    low = np.array([source_px[:, 0].min(), source_px[:, 1].min()])
    span_x, span_y = source_px[:, 0].max() - low[0], source_px[:, 1].max() - low[1]
    cell_px = max(gate_px.max(), np.sqrt(span_x * span_y / sources), (span_x + span_y) / (4.0 * sources + 16.0))
    rows, columns = int(span_y / cell_px) + 1, int(span_x / cell_px) + 1
    start = np.zeros(rows * columns + 1, np.int64)
    cell = np.empty(sources, np.int64)
    for i in range(sources):
        cell[i] = int((source_px[i, 1] - low[1]) / cell_px) * columns + int((source_px[i, 0] - low[0]) / cell_px)
        start[cell[i] + 1] += 1
    start = np.cumsum(start)
    member = np.empty(sources, np.int64)
    fill = start.copy()
    for i in range(sources):
        member[fill[cell[i]]] = i
        fill[cell[i]] += 1
    return start, member, low, cell_px, rows, columns


@njit(cache=True, nogil=True)
def _insert(near: Ints, near_d2: Floats, count: int, source: int, d2: float) -> int:
    """Keep the nearest in order; how many there are now."""
    at = count
    if count == near.size:
        if d2 >= near_d2[count - 1]:
            return count
        at = count - 1
        count -= 1
    while at > 0 and near_d2[at - 1] > d2:
        near[at] = near[at - 1]
        near_d2[at] = near_d2[at - 1]
        at -= 1
    near[at] = source
    near_d2[at] = d2
    return count + 1


@njit(cache=True, nogil=True)
def _solve(first: Ints, sight: Ints, square: Floats, price: Floats, sights: int) -> tuple[Ints, Ints]:
    """The links, by dual prices that keep every candidate's reduced cost at least 0."""
    sources = price.size
    taken = np.full(sources, WAITING, np.int64)
    owner = np.full(sights, UNLINKED, np.int64)
    source_dual = price.copy()
    sight_dual = np.zeros(sights)
    for i in range(sources):
        best = UNLINKED
        for k in range(first[i], first[i + 1]):
            if square[k] <= source_dual[i]:
                source_dual[i] = square[k]
                best = sight[k]
        if best == UNLINKED or owner[best] == UNLINKED:
            taken[i] = best
            if best != UNLINKED:
                owner[best] = i
    cost = np.full(sights, np.inf)  # of the cheapest path from the waiting source to a sight
    came_from = np.empty(sights, np.int64)
    touched = np.empty(sights, np.int64)
    done = np.zeros(sights, np.bool_)
    for i in range(sources):
        if taken[i] == WAITING:
            _augment(
                i, first, sight, square, price, taken, owner, source_dual, sight_dual, cost, came_from, touched, done
            )
    return taken, owner


@njit(cache=True, nogil=True)
def _augment(
    root: int, first: Ints, sight: Ints, square: Floats, price: Floats, taken: Ints, owner: Ints, source_dual: Floats,
    sight_dual: Floats, cost: Floats, came_from: Ints, touched: Ints, done: Bools,
) -> None:  # fmt: skip
    """Link `root` along the cheapest path that ends at a free sight or at a source left unlinked (Dijkstra)."""
    count = 0
    source, base = root, 0.0
    end, end_source, end_sight = np.inf, -1, -1
    while True:
        alone = base + price[source] - source_dual[source]
        if alone < end:
            end, end_source = alone, source
        for k in range(first[source], first[source + 1]):
            j = sight[k]
            reached = base + square[k] - source_dual[source] - sight_dual[j]
            if not done[j] and reached < cost[j]:
                if cost[j] == np.inf:
                    touched[count] = j
                    count += 1
                cost[j] = reached
                came_from[j] = source
        nearest, least = -1, end
        for k in range(count):
            j = touched[k]
            if not done[j] and cost[j] <= least:
                nearest, least = j, cost[j]
        if nearest < 0:
            break
        if owner[nearest] == UNLINKED:
            end, end_sight = least, nearest
            break
        done[nearest] = True
        source, base = owner[nearest], least
    source_dual[root] += end
    for k in range(count):
        j = touched[k]
        if done[j]:
            source_dual[owner[j]] += end - cost[j]
            sight_dual[j] -= end - cost[j]
            done[j] = False
        cost[j] = np.inf
    _relink(root, end_source, end_sight, taken, owner, came_from)


@njit(cache=True, nogil=True)
def _relink(root: int, end_source: int, end_sight: int, taken: Ints, owner: Ints, came_from: Ints) -> None:
    """Every source on the path takes the sight after it; the last is left unlinked if no free sight was reached."""
    j = end_sight
    if j < 0:
        j = taken[end_source]
        taken[end_source] = UNLINKED
        if end_source == root:
            return
    while True:
        source = came_from[j]
        before = taken[source]
        taken[source] = j
        owner[j] = source
        if source == root:
            return
        j = before


@njit(cache=True, nogil=True)
def _doubt(
    first: Ints, sight: Ints, square: Floats, near: Bools, price: Floats, taken: Ints, owner: Ints, share: float
) -> Bools:
    """[N] whether another identity of a linked sight is worse by less than `share` * price.

    Other identities: the source takes a free sight, a source left unlinked takes the sight, two sources swap. And a
    source that is not seen, but within its gate and `near` a sight, may have merged with it.
    """
    doubt = np.zeros(owner.size, np.bool_)
    for i in range(price.size):
        mine = _square(first, sight, square, i, taken[i]) if taken[i] >= 0 else 0.0
        for k in range(first[i], first[i + 1]):
            j = sight[k]
            other = owner[j]
            if taken[i] < 0:  # the sight is another's, or this one had it
                theirs = _square(first, sight, square, other, j)
                worse = square[k] - theirs + price[other] - price[i]
                if worse < share * price[other] or near[k]:
                    doubt[j] = True
            elif other < 0:
                if square[k] - mine < share * price[i]:
                    doubt[taken[i]] = True
            elif other != i:
                crossed = _square(first, sight, square, other, taken[i])
                worse = square[k] + crossed - mine - _square(first, sight, square, other, j)
                if worse < share * price[i]:
                    doubt[taken[i]] = True
                    doubt[j] = True
    return doubt


@njit(cache=True, nogil=True)
def _square(first: Ints, sight: Ints, square: Floats, source: int, wanted: int) -> float:
    """What the link of a source and a sight costs; inf if they are no candidates."""
    for k in range(first[source], first[source + 1]):
        if sight[k] == wanted:
            return float(square[k])
    return np.inf

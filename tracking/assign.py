"""The links of least sum d^2, exactly, for subnets of any size.

Crocker and Grier's optimum (J. Colloid Interface Sci. 179, 298, 1996) is a linear assignment in which every source may
also stay unlinked, at the price of its gate^2. It is solved by shortest augmenting paths on the sparse candidates
(Jonker and Volgenant, Computing 38, 325, 1987): the work stays local, and no subnet is too large.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNLINKED = -1
WAITING = -2


@njit(cache=True, nogil=True)
def assign(
    first: Ints, sight: Ints, square: Floats, price: Floats, sights: int, share: float, near_px: float
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """(sight of each source or -1 [M], source of each sight or -1 [N], whether a sight's identity is in doubt [N]).

    Args:
        first, sight, square: the candidates of each source (tracking.candidates).
        price: [M] of leaving a source unlinked; no candidate's square exceeds it.
        sights: how many there are.
        share: an identity is in doubt if another is worse by less than this share of the price; 0: never.
        near_px: features closer than this are seen as one.
    """
    taken, owner = _solve(first, sight, square, price, sights)
    if share > 0:
        return taken, owner, _doubt(first, sight, square, price, taken, owner, share, near_px)
    return taken, owner, np.zeros(sights, np.bool_)


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
    root: int,
    first: Ints,
    sight: Ints,
    square: Floats,
    price: Floats,
    taken: Ints,
    owner: Ints,
    source_dual: Floats,
    sight_dual: Floats,
    cost: Floats,
    came_from: Ints,
    touched: Ints,
    done: NDArray[np.bool_],
) -> None:
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
    first: Ints, sight: Ints, square: Floats, price: Floats, taken: Ints, owner: Ints, share: float, near_px: float
) -> NDArray[np.bool_]:
    """[N] whether another identity of a linked sight is worse by less than `share` * price.

    Other identities: the source takes a free sight, a source left unlinked takes the sight, two sources swap. And a
    source that is not seen, but within its gate and `near_px` of a sight, may have merged with it.
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
                if worse < share * price[other] or square[k] < near_px**2:
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
    """distance^2 of a source and a sight; inf if they are no candidates."""
    for k in range(first[source], first[source + 1]):
        if sight[k] == wanted:
            return float(square[k])
    return np.inf

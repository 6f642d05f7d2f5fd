"""One frame's links in one call: candidates, the links of least sum d^2, doubts, names, and who is remembered.

Crocker and Grier's optimum (J. Colloid Interface Sci. 179, 298, 1996) is a linear assignment in which every source may
also stay unlinked, at the price of its gate^2. It is solved by shortest augmenting paths on the sparse candidates
(Jonker and Volgenant, Computing 38, 325, 1987): the work stays local, and no subnet is too large.

Values go in and new values come out. A row of `who` (whole numbers) and of `place_px` is a particle that is remembered.
All kernels are in this file: numba's cache does not see a change of a kernel in another one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from control.contract import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

GOOD, NEW, UNCERTAIN = int(State.GOOD), int(State.NEW), int(State.UNCERTAIN)
# columns of `who`: the number that names it; the frame it was seen in; looks since then; sightings without doubt since
# the first or since a doubt (-1: the next one is in doubt, too); whether there was a doubt
PARTICLE, NUMBER, MISSED, CLEAR, DOUBTED = range(5)
X, Y, AHEAD_X, AHEAD_Y = range(4)  # columns of `place_px`: where it was seen last, and where it is expected next

SIGMAS = 5.0  # of a particle's steps that a well-chosen search range has
SLACK_PX = 1e-7  # a distance equal to the gate is within it, as in trackpy
NEIGHBOURS = 10  # nearest sources that a sight considers, as in trackpy
CELL = 0.7  # side of a cell of the grid, in units of the mean distance of sources
ROUNDING = 1.0 + 1e-9  # what is one side away stays in the next cell
UNLINKED = -1
WAITING = -2
MOST_IN_CHAIN = 12  # other particles that a search for another way to link passes through


@njit(cache=True, nogil=True)
def follow(
    who: Ints, place_px: Floats, next_particle: int, number: int, sight_px: Floats, search_px: float, sqrt_time: bool,
    crowd_share: float, share: float, chains: bool, near_px: float, memory: int, confirm: int, left: Ints,
) -> tuple[Ints, Floats, Ints, int, int, int]:  # fmt: skip
    """(`who` and `place_px` after this frame; what is said of it, and how it is divided: L, D and the next name).

    What is said, one after the other: the particle of each sight [N], its State [N], the sights by rising particle [N],
    who is remembered and was not seen [L], who may be another from here on [D], pairs that are seen as one [the rest].

    Brownian steps grow with the root of time: after n frames the density of a place at distance d is that of a normal
    distribution of variance n sigma^2 in the plane, whose -2 sigma^2 log is d^2 / n + 2 sigma^2 log n, if the gate is
    SIGMAS sigma. So it is with `sqrt_time`. A source that was just seen then goes before one that was not: without the
    logarithm two that stand for one body would change places for ever. Otherwise it is Crocker and Grier's rule.

    Args:
        who: [M, 5] by rising particle.
        place_px: [M, 4].
        next_particle: the name of the next new one.
        number: of this frame.
        sight_px: [N, 2]; each considers its NEIGHBOURS nearest sources.
        search_px: how far a source may be off, after one frame with `sqrt_time`; the square is the price of leaving it
            unlinked.
        crowd_share: it may not be farther off than this share of the distance to the nearest other; 0: it may.
        share: an identity is in doubt if another is worse by less than this share of the price; 0: never.
        chains: whether ways to link in which more than two sources have other sights count, too.
        near_px: features closer than this are seen as one.
        memory: frames for which who is not seen is remembered.
        confirm: sightings after the first until a new one is GOOD.
        left: [1] steps of work that are allowed, about a ns each; what is done is taken off. Below 0 there is no
            answer: L is -1.
    """
    gate_px, ease, extra = _gates(who, place_px, number, search_px, sqrt_time, crowd_share, left)
    first, sight, square = _candidates(place_px, AHEAD_X, gate_px, sight_px, X, left)
    if left[0] < 0:
        return who, place_px, np.empty(0, np.int64), -1, 0, next_particle
    price, cost = gate_px, square.copy() if sqrt_time else square
    for i in range(gate_px.size):
        price[i] = ease[i] * gate_px[i] ** 2 if sqrt_time else gate_px[i] ** 2
        if sqrt_time:
            for k in range(first[i], first[i + 1]):
                cost[k] = ease[i] * square[k] + extra[i]
    taken, owner, source_dual, sight_dual = _solve(first, sight, cost, price, sight_px.shape[0], left)
    doubt = np.zeros(owner.size, np.bool_)
    unsure = False
    if share > 0 and left[0] >= 0:
        unsure = _doubt(first, sight, cost, square, near_px**2, price, taken, owner, share, doubt, left)
        if chains and left[0] >= 0:
            duals = source_dual, sight_dual
            unsure |= _doubt_chains(first, sight, cost, price, taken, owner, duals, share, doubt, left)
    if unsure:
        left[0] -= sight_px.shape[0] * np.sum(taken == UNLINKED)  # in _merged
    if left[0] < 0:
        return who, place_px, np.empty(0, np.int64), -1, 0, next_particle
    return _settle(
        who, place_px, next_particle, number, sight_px, taken, owner, doubt, near_px if unsure else 0.0, memory, confirm
    )


@njit(cache=True, nogil=True)
def _gates(
    who: Ints, place_px: Floats, number: int, search_px: float, sqrt_time: bool, crowd_share: float, left: Ints
) -> tuple[Floats, Floats, Floats]:
    """(how far off each source may be [M]; with sqrt_time what d^2 is multiplied with, and what is added, else [0])."""
    sources = who.shape[0]
    gate_px = np.full(sources, 1.0 * search_px)  # a setting may be a whole number
    ease, extra = np.ones(sources if sqrt_time else 0), np.zeros(sources if sqrt_time else 0)
    if sqrt_time:
        for i in range(sources):
            frames = number - who[i, NUMBER]
            if frames > 1:
                gate_px[i] = search_px * np.sqrt(frames)
                ease[i] = 1.0 / frames
                extra[i] = 2.0 * (search_px / SIGMAS) ** 2 * np.log(frames)
    if crowd_share > 0:
        first, other, square = _candidates(place_px, AHEAD_X, gate_px / crowd_share, place_px, AHEAD_X, left)
        for i in range(sources):
            for k in range(first[i], first[i + 1]):
                if other[k] != i:
                    gate_px[i] = min(gate_px[i], crowd_share * np.sqrt(square[k]))
    for i in range(sources):
        gate_px[i] += SLACK_PX
    return gate_px, ease, extra


@njit(cache=True, nogil=True)
def _candidates(
    source_px: Floats, source_x: int, gate_px: Floats, sight_px: Floats, sight_x: int, left: Ints
) -> tuple[Ints, Ints, Floats]:
    """Pairs by rising source: those of source i are [first[i], first[i + 1]) of (sight, distance_px^2).

    Args:
        source_px: [M, any] where each source is expected: column source_x and the next one.
        gate_px: [M] how far off it may be.
        sight_px: [N, any] columns sight_x and the next one; each considers its NEIGHBOURS nearest sources.
        left: [1] as in `follow`; below 0 there are no pairs.
    """
    sources, sights = source_px.shape[0], sight_px.shape[0]
    first = np.zeros(sources + 2, np.int64)
    if sources == 0 or sights == 0:
        return first, np.empty(0, np.int64), np.empty(0)
    start, member, inside, low_x, low_y, cells_per_px, rows, columns = _grid(source_px, source_x, gate_px)
    near = np.empty(sights * min(NEIGHBOURS, sources), np.int64)
    near_d2 = np.empty(near.size)
    until = np.empty(sights, np.int64)
    size = 0
    for j in range(sights):
        x, y = sight_px[j, sight_x], sight_px[j, sight_x + 1]
        row, column = int(np.floor((y - low_y) * cells_per_px)), int(np.floor((x - low_x) * cells_per_px))
        west, east = max(column - 1, 0), min(column + 2, columns)
        begin = size
        for r in range(max(row - 1, 0), min(row + 2, rows) if west < east else 0):
            left[0] -= start[r * columns + east] - start[r * columns + west]
            if left[0] < 0:
                return np.zeros(sources + 2, np.int64), np.empty(0, np.int64), np.empty(0)
            for k in range(start[r * columns + west], start[r * columns + east]):
                d2 = (inside[k, 0] - x) ** 2 + (inside[k, 1] - y) ** 2
                if d2 <= inside[k, 2]:
                    size = _insert(near, near_d2, begin, size, member[k], d2)
        until[j] = size
        for k in range(begin, size):
            first[near[k] + 2] += 1
    for i in range(sources):
        first[i + 2] += first[i + 1]
    sight = np.empty(size, np.int64)
    square = np.empty(size)
    k = 0
    for j in range(sights):
        while k < until[j]:
            at = first[near[k] + 1]  # where the next of this source goes: in the end where the next source begins
            sight[at] = j
            square[at] = near_d2[k]
            first[near[k] + 1] = at + 1
            k += 1
    return first, sight, square


@njit(cache=True, nogil=True)
def _grid(
    source_px: Floats, source_x: int, gate_px: Floats
) -> tuple[Ints, Ints, Floats, float, float, float, int, int]:
    """(first member of each cell, members, their x, y, gate^2, low corner x, y, cells a px, rows, columns)."""
    sources = source_px.shape[0]
    low_x = high_x = source_px[0, source_x]
    low_y = high_y = source_px[0, source_x + 1]
    widest_px = gate_px[0]
    for i in range(1, sources):
        x, y = source_px[i, source_x], source_px[i, source_x + 1]
        low_x, high_x = min(low_x, x), max(high_x, x)
        low_y, high_y = min(low_y, y), max(high_y, y)
        widest_px = max(widest_px, gate_px[i])
    span_x, span_y = high_x - low_x, high_y - low_y
    # few sources in nine cells, and not many more cells than sources
    apart_px = np.sqrt(span_x * span_y / sources)
    side_px = max(widest_px * ROUNDING, CELL * apart_px, (span_x + span_y) / (4.0 * sources + 16.0))
    cells_per_px = 1.0 / side_px
    rows, columns = int(span_y * cells_per_px) + 1, int(span_x * cells_per_px) + 1
    start = np.zeros(rows * columns + 2, np.int64)
    cell = np.empty(sources, np.int64)
    for i in range(sources):
        row = int((source_px[i, source_x + 1] - low_y) * cells_per_px)
        cell[i] = row * columns + int((source_px[i, source_x] - low_x) * cells_per_px)
        start[cell[i] + 2] += 1
    for c in range(rows * columns):
        start[c + 2] += start[c + 1]
    member = np.empty(sources, np.int64)
    inside = np.empty((sources, 3))
    for i in range(sources):
        at = start[cell[i] + 1]  # in the end where the next cell begins
        member[at] = i
        inside[at, 0] = source_px[i, source_x]
        inside[at, 1] = source_px[i, source_x + 1]
        inside[at, 2] = gate_px[i] ** 2
        start[cell[i] + 1] = at + 1
    return start, member, inside, low_x, low_y, cells_per_px, rows, columns


@njit(cache=True, nogil=True)
def _insert(near: Ints, near_d2: Floats, begin: int, end: int, source: int, d2: float) -> int:
    """Keep the nearest NEIGHBOURS in order from `begin` to `end`; where they end now."""
    at = end
    if end - begin == NEIGHBOURS:
        if d2 >= near_d2[end - 1]:
            return end
        at = end - 1
        end -= 1
    while at > begin and near_d2[at - 1] > d2:
        near[at] = near[at - 1]
        near_d2[at] = near_d2[at - 1]
        at -= 1
    near[at] = source
    near_d2[at] = d2
    return end + 1


@njit(cache=True, nogil=True)
def _solve(
    first: Ints, sight: Ints, square: Floats, price: Floats, sights: int, left: Ints
) -> tuple[Ints, Ints, Floats, Floats]:  # fmt: skip
    """The links, by dual prices that keep every candidate's reduced cost at least 0; none to rely on if `left` < 0.

    Answers (sight of each source [M], source of each sight [N], dual prices of the sources [M] and of the sights [N]).
    """
    sources = price.size
    taken = np.full(sources, WAITING, np.int64)
    owner = np.full(sights, UNLINKED, np.int64)
    source_dual = price.copy()
    sight_dual = np.zeros(sights)
    waiting = 0
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
        else:
            waiting += 1
    if waiting > 0:
        cost = np.full(sights, np.inf)  # of the cheapest path from the waiting source to a sight
        came_from, touched = np.empty(sights, np.int64), np.empty(sights, np.int64)
        done = np.zeros(sights, np.bool_)
        for i in range(sources):
            if taken[i] == WAITING and left[0] >= 0:
                _augment(
                    i, first, sight, square, price, taken, owner, source_dual, sight_dual, cost, came_from, touched,
                    done, left,
                )  # fmt: skip
    return taken, owner, source_dual, sight_dual


@njit(cache=True, nogil=True)
def _augment(
    root: int, first: Ints, sight: Ints, square: Floats, price: Floats, taken: Ints, owner: Ints, source_dual: Floats,
    sight_dual: Floats, cost: Floats, came_from: Ints, touched: Ints, done: Bools, left: Ints,
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
        left[0] -= first[source + 1] - first[source] + count
        if left[0] < 0:
            return
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
    first: Ints, sight: Ints, cost: Floats, square: Floats, near_px2: float, price: Floats, taken: Ints, owner: Ints,
    share: float, doubt: Bools, left: Ints,
) -> bool:  # fmt: skip
    """Whether any sight is in `doubt` [N]: another identity of it is worse by less than `share` * price.

    Other identities: the source takes a free sight, a source left unlinked takes the sight, two sources swap. And a
    source that is not seen, but within its gate and near a sight, may have merged with it.
    """
    unsure = False
    for i in range(price.size):
        if first[i + 1] - first[i] == (taken[i] >= 0):
            continue  # no other sight
        if left[0] < 0:
            return False
        mine = _cost(first, sight, cost, i, taken[i]) if taken[i] >= 0 else 0.0
        for k in range(first[i], first[i + 1]):
            j = sight[k]
            other = owner[j]
            left[0] -= first[other + 1] - first[other] if other >= 0 else 1
            if taken[i] < 0:  # the sight is another's, or this one had it
                theirs = _cost(first, sight, cost, other, j)
                worse = cost[k] - theirs + price[other] - price[i]
                if worse < share * price[other] or square[k] < near_px2:
                    doubt[j] = unsure = True
            elif other < 0:
                if cost[k] - mine < share * price[i]:
                    doubt[taken[i]] = unsure = True
            elif other != i:
                crossed = _cost(first, sight, cost, other, taken[i])
                worse = cost[k] + crossed - mine - _cost(first, sight, cost, other, j)
                if worse < share * price[i]:
                    doubt[taken[i]] = doubt[j] = unsure = True
    return unsure


@njit(cache=True, nogil=True)
def _doubt_chains(
    first: Ints, sight: Ints, cost: Floats, price: Floats, taken: Ints, owner: Ints, duals: tuple[Floats, Floats],
    share: float, doubt: Bools, left: Ints,
) -> bool:  # fmt: skip
    """Whether any sight is in `doubt` [N]: another way to link all is worse by less than `share` * price.

    For each source the cheapest other way in which it has another sight than now: along a path of reduced costs
    (Dijkstra) each source takes the sight of the next one. The last takes the first one's sight, a free one, or none.
    Each search passes through MOST_IN_CHAIN other sources at most.
    """
    unsure = False
    source_dual, sight_dual = duals
    sights = owner.size
    reach = np.full(sights, np.inf)  # reduced cost of the cheapest path from the root to a sight
    came_from, touched = np.empty(sights, np.int64), np.empty(sights, np.int64)
    done = np.zeros(sights, np.bool_)
    for root in range(price.size):
        mine = taken[root]
        if first[root + 1] - first[root] == (mine >= 0):
            continue  # no other sight
        margin = share * price[root]
        released = sight_dual[mine] if mine >= 0 else 0.0  # the price of a sight that is left free
        least, last = margin, UNLINKED
        count, source, base, passed = 0, root, 0.0, 0
        while True:
            if source != root and base + price[source] - source_dual[source] - released < least:
                least, last = base + price[source] - source_dual[source] - released, source
            for k in range(first[source], first[source + 1]):
                j = sight[k]
                through = base + cost[k] - source_dual[source] - sight_dual[j]
                if through >= least or (source == root and j == mine) or taken[source] == j:
                    continue
                if j == mine:
                    least, last = through, source
                elif owner[j] == UNLINKED:
                    if through - released < least:
                        least, last = through - released, source
                elif not done[j] and through < reach[j]:
                    if reach[j] == np.inf:
                        touched[count] = j
                        count += 1
                    reach[j] = through
                    came_from[j] = source
            left[0] -= first[source + 1] - first[source] + count
            nearest, shortest = -1, least
            for k in range(count):
                j = touched[k]
                if not done[j] and reach[j] < shortest:
                    nearest, shortest = j, reach[j]
            if nearest < 0 or left[0] < 0 or passed == MOST_IN_CHAIN:
                break
            done[nearest] = True
            source, base, passed = owner[nearest], shortest, passed + 1
        while last >= 0:
            if taken[last] >= 0:
                doubt[taken[last]] = unsure = True
            last = came_from[taken[last]] if last != root else UNLINKED
        for k in range(count):
            reach[touched[k]] = np.inf
            done[touched[k]] = False
        if left[0] < 0:
            return False
    return unsure


@njit(cache=True, nogil=True)
def _cost(first: Ints, sight: Ints, cost: Floats, source: int, wanted: int) -> float:
    """What the link of a source and a sight costs; inf if they are no candidates."""
    for k in range(first[source], first[source + 1]):
        if sight[k] == wanted:
            return float(cost[k])
    return np.inf


@njit(cache=True, nogil=True)
def _settle(
    who: Ints, place_px: Floats, next_particle: int, number: int, sight_px: Floats, taken: Ints, owner: Ints,
    doubt: Bools, near_px: float, memory: int, confirm: int,
) -> tuple[Ints, Floats, Ints, int, int, int]:  # fmt: skip
    """The answer of `follow`; near_px is 0 if nobody is in doubt."""
    sources, sights = taken.size, owner.size
    linked = kept = vanished = 0
    for i in range(sources):
        linked += taken[i] >= 0
        kept += taken[i] >= 0 or who[i, MISSED] < memory
        vanished += taken[i] < 0 and who[i, MISSED] == 0
    lost = kept - linked
    after = np.empty((kept + sights - linked, 5), np.int64)
    places = np.empty((after.shape[0], 4))
    said = np.empty(3 * sights + lost + (sights + 2 * vanished if near_px > 0 else 0), np.int64)
    row = seen = unseen = doubts = 0
    for i in range(sources):
        j = taken[i]
        if j >= 0:
            said[j] = who[i, PARTICLE]
            said[2 * sights + seen] = j
            seen += 1
            clear, doubted = who[i, CLEAR] + 1, who[i, DOUBTED] > 0 and who[i, CLEAR] < confirm
            if doubt[j] and not doubted and clear > confirm:
                said[3 * sights + lost + doubts] = j
                doubts += 1
            _enter(after, places, row, who[i, PARTICLE], number, clear, doubted, doubt[j], sight_px, j)
            said[sights + j] = _state(after, row, confirm)
            row += 1
        elif who[i, MISSED] < memory:
            said[3 * sights + unseen] = who[i, PARTICLE]
            unseen += 1
            for column in range(5):
                after[row, column] = who[i, column]
            after[row, MISSED] += 1
            for column in range(4):
                places[row, column] = place_px[i, column % 2]
            row += 1
    for j in range(sights):
        if owner[j] < 0:
            said[j] = next_particle
            said[2 * sights + seen] = j
            seen += 1
            _enter(after, places, row, next_particle, number, 0, False, doubt[j], sight_px, j)
            said[sights + j] = _state(after, row, confirm)
            next_particle += 1
            row += 1
    end = 3 * sights + lost + doubts
    if near_px > 0:
        rising = said[3 * sights + lost : end]
        rising.sort()  # in the order of the sights
        for k in range(doubts):
            rising[k] = said[rising[k]]
        end += _merged(who, place_px, sight_px, taken, owner, near_px, said[end:])
    return after, places, said[:end], lost, doubts, next_particle


@njit(cache=True, nogil=True)
def _enter(
    after: Ints, places: Floats, row: int, particle: int, number: int, clear: int, doubted: bool, doubt: bool,
    sight_px: Floats, j: int,
) -> None:  # fmt: skip
    """The row of one that was seen."""
    after[row, PARTICLE] = particle
    after[row, NUMBER] = number
    after[row, MISSED] = 0
    after[row, CLEAR] = 0 if doubt else clear
    after[row, DOUBTED] = doubt or doubted
    places[row, X] = places[row, AHEAD_X] = sight_px[j, 0]
    places[row, Y] = places[row, AHEAD_Y] = sight_px[j, 1]


@njit(cache=True, nogil=True)
def _state(after: Ints, row: int, confirm: int) -> int:
    return UNCERTAIN if after[row, DOUBTED] else NEW if after[row, CLEAR] < confirm else GOOD


@njit(cache=True, nogil=True)
def _merged(
    who: Ints, place_px: Floats, sight_px: Floats, taken: Ints, owner: Ints, near_px: float, pairs: Ints
) -> int:
    """Who has just vanished nearer to another than two features can be told apart: how much of `pairs` is filled."""
    size = 0
    for i in range(taken.size):
        if taken[i] >= 0 or who[i, MISSED] > 0:
            continue
        nearest, least = -1, near_px**2
        for j in range(owner.size):
            d2 = (place_px[i, AHEAD_X] - sight_px[j, 0]) ** 2 + (place_px[i, AHEAD_Y] - sight_px[j, 1]) ** 2
            if d2 < least:
                nearest, least = j, d2
        if nearest >= 0 and owner[nearest] >= 0:
            one, other = who[i, PARTICLE], who[owner[nearest], PARTICLE]
            pairs[size], pairs[size + 1] = min(one, other), max(one, other)
            size += 2
    return size

"""Links the features of one frame to the remembered particles: candidates, optimal links, doubtful links, new memory.

A source is a remembered particle. Crocker and Grier's optimum (J. Colloid Interface Sci. 179, 298, 1996) is a linear
assignment in which a source may also stay unlinked, at the cost of its gate^2. It is solved by shortest augmenting
paths on the sparse candidates (Jonker and Volgenant, Computing 38, 325, 1987): the work is local, and no subnet is too
large.

The arrays of the memory are read and not changed. Row i of `remembered` (int64) and of `place_px` is one particle.
All kernels are in this file: numba's cache does not notice a change of a kernel in another file.
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
# columns of `remembered`: ID; frame of the last detection; frames since then; detections without doubt since the first
# one or since a doubt (-1: the next detection is doubtful, too); 1 after a doubt, else 0
PARTICLE, NUMBER, MISSED, CLEAR, DOUBTED = range(5)
X, Y, AHEAD_X, AHEAD_Y = range(4)  # columns of `place_px`: last position, expected position

SIGMAS = 5.0  # a well-chosen search range over the standard deviation of a particle's steps
SLACK_PX = 1e-7  # a distance equal to the gate counts as within it, as in trackpy
NEIGHBOURS = 10  # nearest sources that are candidates for a feature, as in trackpy
CELL = 0.7  # side of a cell of the grid, in units of the mean distance of sources
ROUNDING = 1.0 + 1e-9  # cells are larger than the gate by this: candidates lie in the next cell at most
UNLINKED = -1
WAITING = -2
MOST_IN_CHAIN = 12  # most other sources in a chain of exchanged links


@njit(cache=True, nogil=True)
def follow(
    remembered: Ints, place_px: Floats, next_particle: int, number: int, feature_px: Floats, search_px: float,
    sqrt_time: bool, crowd_share: float, share: float, chains: bool, near_px: float, memory: int, confirm: int,
    budget: Ints,
) -> tuple[Ints, Floats, Ints, int, int, int]:  # fmt: skip
    """(new `remembered`; new `place_px`; packed result; L; D; next new ID).

    The packed result is one int64 array: ID of each feature [N], State of each feature [N], features by rising ID [N],
    IDs of remembered particles without a feature [L], IDs that may be another particle's from now on [D], and pairs of
    IDs that share one feature [the rest].

    With `sqrt_time` the cost follows Brownian motion: after n frames the displacement d has a normal distribution of
    variance n sigma^2 in the plane, whose -2 sigma^2 log density is d^2 / n + 2 sigma^2 log n, for a gate of SIGMAS
    sigma. So a source with a link in the last frame is preferred to an older one; without the logarithm two sources on
    one particle would alternate. Otherwise the cost is d^2, as in Crocker and Grier.

    Args:
        remembered, place_px: [M, 5], [M, 4] by rising ID.
        next_particle, number: the next new ID; the number of this frame.
        feature_px: [N, 2] x, y; each feature considers its NEIGHBOURS nearest sources.
        search_px: gate, after one frame with `sqrt_time`; its square is the cost of an unlinked source.
        crowd_share: the gate is at most this share of the distance to the nearest other source; 0: no such limit.
        share: an ID is doubtful if another assignment costs less than this share of the gate^2 more; 0: never.
        chains: also compare assignments in which more than two sources exchange features.
        near_px: features closer than this are detected as one.
        memory: frames for which a particle without a feature is remembered.
        confirm: detections after the first until a new particle is GOOD.
        budget: [1] remaining work in steps of about 1 ns; is decremented. Below 0 there is no result, and L is -1.
    """
    gate_px, ease, extra = _gates(remembered, place_px, number, search_px, sqrt_time, crowd_share, budget)
    first, feature, square = _candidates(place_px, AHEAD_X, gate_px, feature_px, X, budget)
    if budget[0] < 0:
        return remembered, place_px, np.empty(0, np.int64), -1, 0, next_particle
    price, cost = _costs(gate_px, ease, extra, first, square)
    assigned, owner, source_dual, feature_dual = _solve(first, feature, cost, price, feature_px.shape[0], budget)
    doubt = np.zeros(owner.size, np.bool_)
    any_doubt = False
    if share > 0 and budget[0] >= 0:
        any_doubt = _doubt(first, feature, cost, square, near_px**2, price, assigned, owner, share, doubt, budget)
    if share > 0 and chains and budget[0] >= 0:
        duals = source_dual, feature_dual
        any_doubt |= _doubt_chains(first, feature, cost, price, assigned, owner, duals, share, doubt, budget)
    if any_doubt:
        budget[0] -= feature_px.shape[0] * np.sum(assigned == UNLINKED)  # in _merged
    if budget[0] < 0:
        return remembered, place_px, np.empty(0, np.int64), -1, 0, next_particle
    return _settle(
        remembered, place_px, next_particle, number, feature_px, assigned, owner, doubt, near_px if any_doubt else 0.0,
        memory, confirm,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _gates(
    remembered: Ints, place_px: Floats, number: int, search_px: float, sqrt_time: bool, crowd_share: float, budget: Ints
) -> tuple[Floats, Floats, Floats]:
    """(gate of each source [M]; with sqrt_time the factor of d^2 and the term added to it [M], else [0])."""
    sources = remembered.shape[0]
    gate_px = np.full(sources, 1.0 * search_px)  # the setting may be an int
    ease, extra = np.ones(sources if sqrt_time else 0), np.zeros(sources if sqrt_time else 0)
    if sqrt_time:
        for i in range(sources):
            frames = number - remembered[i, NUMBER]
            if frames > 1:
                gate_px[i] = search_px * np.sqrt(frames)
                ease[i] = 1.0 / frames
                extra[i] = 2.0 * (search_px / SIGMAS) ** 2 * np.log(frames)
    if crowd_share > 0:
        first, other, square = _candidates(place_px, AHEAD_X, gate_px / crowd_share, place_px, AHEAD_X, budget)
        for i in range(sources):
            for k in range(first[i], first[i + 1]):
                if other[k] != i:
                    gate_px[i] = min(gate_px[i], crowd_share * np.sqrt(square[k]))
    for i in range(sources):
        gate_px[i] += SLACK_PX
    return gate_px, ease, extra


@njit(cache=True, nogil=True)
def _costs(gate_px: Floats, ease: Floats, extra: Floats, first: Ints, square: Floats) -> tuple[Floats, Floats]:
    """(cost of an unlinked source [M], of each candidate [K]), from `_gates` and `_candidates`; overwrites gate_px."""
    timed = ease.size > 0
    price, cost = gate_px, square.copy() if timed else square
    for i in range(gate_px.size):
        price[i] = ease[i] * gate_px[i] ** 2 if timed else gate_px[i] ** 2
        if timed:
            for k in range(first[i], first[i + 1]):
                cost[k] = ease[i] * square[k] + extra[i]
    return price, cost


@njit(cache=True, nogil=True)
def _candidates(
    source_px: Floats, source_x: int, gate_px: Floats, feature_px: Floats, feature_x: int, budget: Ints
) -> tuple[Ints, Ints, Floats]:
    """(first [M + 2], feature [K], distance_px^2 [K]): candidates of source i are rows first[i] to first[i + 1] - 1.

    Args:
        source_px: [M, any] expected position of each source: x in column source_x, y in the next one.
        gate_px: [M] largest distance of each source.
        feature_px: [N, any] x in column feature_x, y in the next one; each has its NEIGHBOURS nearest sources.
        budget: [1] as in `follow`; below 0 the result is empty.
    """
    sources, features = source_px.shape[0], feature_px.shape[0]
    first = np.zeros(sources + 2, np.int64)
    if sources == 0 or features == 0:
        return first, np.empty(0, np.int64), np.empty(0)
    start, member, inside, low_x, low_y, cells_per_px, rows, columns = _grid(source_px, source_x, gate_px)
    nearest = np.empty(features * min(NEIGHBOURS, sources), np.int64)
    near_d2 = np.empty(nearest.size)
    until = np.empty(features, np.int64)
    size = 0
    for j in range(features):
        x, y = feature_px[j, feature_x], feature_px[j, feature_x + 1]
        row, column = int(np.floor((y - low_y) * cells_per_px)), int(np.floor((x - low_x) * cells_per_px))
        west, east = max(column - 1, 0), min(column + 2, columns)
        begin = size
        for r in range(max(row - 1, 0), min(row + 2, rows) if west < east else 0):
            budget[0] -= start[r * columns + east] - start[r * columns + west]
            if budget[0] < 0:
                return np.zeros(sources + 2, np.int64), np.empty(0, np.int64), np.empty(0)
            for k in range(start[r * columns + west], start[r * columns + east]):
                d2 = (inside[k, 0] - x) ** 2 + (inside[k, 1] - y) ** 2
                if d2 <= inside[k, 2]:
                    size = _insert(nearest, near_d2, begin, size, member[k], d2)
        until[j] = size
        for k in range(begin, size):
            first[nearest[k] + 2] += 1
    for i in range(sources):
        first[i + 2] += first[i + 1]
    feature = np.empty(size, np.int64)
    square = np.empty(size)
    k = 0
    for j in range(features):
        while k < until[j]:
            slot = first[nearest[k] + 1]  # next free row of this source
            feature[slot] = j
            square[slot] = near_d2[k]
            first[nearest[k] + 1] = slot + 1
            k += 1
    return first, feature, square


@njit(cache=True, nogil=True)
def _grid(
    source_px: Floats, source_x: int, gate_px: Floats
) -> tuple[Ints, Ints, Floats, float, float, float, int, int]:
    """(first member of each cell, members, their x, y, gate^2, smallest x, smallest y, cells per px, rows, columns)."""
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
    # few sources in nine cells, and about as many cells as sources at most
    spacing_px = np.sqrt(span_x * span_y / sources)
    side_px = max(widest_px * ROUNDING, CELL * spacing_px, (span_x + span_y) / (4.0 * sources + 16.0))
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
        slot = start[cell[i] + 1]  # next free row of this cell
        member[slot] = i
        inside[slot, 0] = source_px[i, source_x]
        inside[slot, 1] = source_px[i, source_x + 1]
        inside[slot, 2] = gate_px[i] ** 2
        start[cell[i] + 1] = slot + 1
    return start, member, inside, low_x, low_y, cells_per_px, rows, columns


@njit(cache=True, nogil=True)
def _insert(nearest: Ints, near_d2: Floats, begin: int, end: int, source: int, d2: float) -> int:
    """Insert a source into the sorted rows `begin` to `end`, at most NEIGHBOURS of them. Returns the new end."""
    slot = end
    if end - begin == NEIGHBOURS:
        if d2 >= near_d2[end - 1]:
            return end
        slot = end - 1
        end -= 1
    while slot > begin and near_d2[slot - 1] > d2:
        nearest[slot] = nearest[slot - 1]
        near_d2[slot] = near_d2[slot - 1]
        slot -= 1
    nearest[slot] = source
    near_d2[slot] = d2
    return end + 1


@njit(cache=True, nogil=True)
def _solve(
    first: Ints, feature: Ints, square: Floats, price: Floats, features: int, budget: Ints
) -> tuple[Ints, Ints, Floats, Floats]:  # fmt: skip
    """The optimal links, by dual prices that keep every reduced cost at 0 or more. Invalid if `budget` < 0 afterwards.

    Returns (feature of each source [M], source of each feature [N], dual prices of sources [M] and of features [N]).
    """
    sources = price.size
    assigned = np.full(sources, WAITING, np.int64)
    owner = np.full(features, UNLINKED, np.int64)
    source_dual = price.copy()
    feature_dual = np.zeros(features)
    waiting = 0
    for i in range(sources):
        best = UNLINKED
        for k in range(first[i], first[i + 1]):
            if square[k] <= source_dual[i]:
                source_dual[i] = square[k]
                best = feature[k]
        if best == UNLINKED or owner[best] == UNLINKED:
            assigned[i] = best
            if best != UNLINKED:
                owner[best] = i
        else:
            waiting += 1
    if waiting > 0:
        cost = np.full(features, np.inf)  # of the cheapest path from the waiting source to a feature
        predecessor, visited = np.empty(features, np.int64), np.empty(features, np.int64)
        done = np.zeros(features, np.bool_)
        for i in range(sources):
            if assigned[i] == WAITING and budget[0] >= 0:
                _augment(
                    i, first, feature, square, price, assigned, owner, source_dual, feature_dual, cost, predecessor,
                    visited, done, budget,
                )  # fmt: skip
    return assigned, owner, source_dual, feature_dual


@njit(cache=True, nogil=True)
def _augment(
    root: int, first: Ints, feature: Ints, square: Floats, price: Floats, assigned: Ints, owner: Ints,
    source_dual: Floats, feature_dual: Floats, cost: Floats, predecessor: Ints, visited: Ints,
    done: Bools, budget: Ints,
) -> None:  # fmt: skip
    """Link `root` along the cheapest path that ends at a free feature or at a source left unlinked (Dijkstra)."""
    count = 0
    source, base = root, 0.0
    end, end_source, end_feature = np.inf, -1, -1
    while True:
        unlinked_cost = base + price[source] - source_dual[source]
        if unlinked_cost < end:
            end, end_source = unlinked_cost, source
        for k in range(first[source], first[source + 1]):
            j = feature[k]
            reached = base + square[k] - source_dual[source] - feature_dual[j]
            if not done[j] and reached < cost[j]:
                if cost[j] == np.inf:
                    visited[count] = j
                    count += 1
                cost[j] = reached
                predecessor[j] = source
        budget[0] -= first[source + 1] - first[source] + count
        if budget[0] < 0:
            return
        nearest, least = -1, end
        for k in range(count):
            j = visited[k]
            if not done[j] and cost[j] <= least:
                nearest, least = j, cost[j]
        if nearest < 0:
            break
        if owner[nearest] == UNLINKED:
            end, end_feature = least, nearest
            break
        done[nearest] = True
        source, base = owner[nearest], least
    source_dual[root] += end
    for k in range(count):
        j = visited[k]
        if done[j]:
            source_dual[owner[j]] += end - cost[j]
            feature_dual[j] -= end - cost[j]
            done[j] = False
        cost[j] = np.inf
    _relink(root, end_source, end_feature, assigned, owner, predecessor)


@njit(cache=True, nogil=True)
def _relink(root: int, end_source: int, end_feature: int, assigned: Ints, owner: Ints, predecessor: Ints) -> None:
    """Each source on the path takes the next feature; the last is left unlinked if no free feature was reached."""
    j = end_feature
    if j < 0:
        j = assigned[end_source]
        assigned[end_source] = UNLINKED
        if end_source == root:
            return
    while True:
        source = predecessor[j]
        released = assigned[source]
        assigned[source] = j
        owner[j] = source
        if source == root:
            return
        j = released


@njit(cache=True, nogil=True)
def _doubt(
    first: Ints, feature: Ints, cost: Floats, square: Floats, near_px2: float, price: Floats, assigned: Ints,
    owner: Ints, share: float, doubt: Bools, budget: Ints,
) -> bool:  # fmt: skip
    """Set `doubt` [N] where another ID of a feature costs less than `share` * price more. Returns whether any is set.

    Compared are: the source takes a free feature; a source left unlinked takes the feature; two sources exchange
    features. A feature is also doubtful if an unlinked source has it within its gate and nearer than near_px: the two
    particles may have merged.
    """
    any_doubt = False
    for i in range(price.size):
        if first[i + 1] - first[i] == (assigned[i] >= 0):
            continue  # no other feature
        if budget[0] < 0:
            return False
        own_cost = _cost(first, feature, cost, i, assigned[i]) if assigned[i] >= 0 else 0.0
        for k in range(first[i], first[i + 1]):
            j = feature[k]
            other = owner[j]
            budget[0] -= first[other + 1] - first[other] if other >= 0 else 1
            if assigned[i] < 0:  # linked to another source, else source i would have it
                other_cost = _cost(first, feature, cost, other, j)
                worse = cost[k] - other_cost + price[other] - price[i]
                if worse < share * price[other] or square[k] < near_px2:
                    doubt[j] = any_doubt = True
            elif other < 0:
                if cost[k] - own_cost < share * price[i]:
                    doubt[assigned[i]] = any_doubt = True
            elif other != i:
                crossed = _cost(first, feature, cost, other, assigned[i])
                worse = cost[k] + crossed - own_cost - _cost(first, feature, cost, other, j)
                if worse < share * price[i]:
                    doubt[assigned[i]] = doubt[j] = any_doubt = True
    return any_doubt


@njit(cache=True, nogil=True)
def _doubt_chains(
    first: Ints, feature: Ints, cost: Floats, price: Floats, assigned: Ints, owner: Ints, duals: tuple[Floats, Floats],
    share: float, doubt: Bools, budget: Ints,
) -> bool:  # fmt: skip
    """Set `doubt` [N] where another assignment costs less than `share` * price more. Returns whether any is set.

    For each source the cheapest assignment is searched in which it has another feature: along a path of reduced costs
    (Dijkstra) each source takes the feature of the next one. The last source takes the first one's feature, a free
    one, or none. A path has at most MOST_IN_CHAIN other sources.
    """
    any_doubt = False
    features = owner.size
    reach = np.full(features, np.inf)  # reduced cost of the cheapest path from the root to a feature
    predecessor, visited = np.empty(features, np.int64), np.empty(features, np.int64)
    done = np.zeros(features, np.bool_)
    for root in range(price.size):
        if first[root + 1] - first[root] == (assigned[root] >= 0):
            continue  # no other feature
        last, count = _exchange(
            root, share * price[root], first, feature, cost, price, assigned, owner, duals, reach, predecessor, visited,
            done, budget,
        )  # fmt: skip
        while last >= 0:
            if assigned[last] >= 0:
                doubt[assigned[last]] = any_doubt = True
            last = predecessor[assigned[last]] if last != root else UNLINKED
        for k in range(count):
            reach[visited[k]] = np.inf
            done[visited[k]] = False
        if budget[0] < 0:
            return False
    return any_doubt


@njit(cache=True, nogil=True)
def _exchange(
    root: int, margin: float, first: Ints, feature: Ints, cost: Floats, price: Floats, assigned: Ints, owner: Ints,
    duals: tuple[Floats, Floats], reach: Floats, predecessor: Ints, visited: Ints, done: Bools, budget: Ints,
) -> tuple[int, int]:  # fmt: skip
    """The cheapest other assignment of `root` that costs less than `margin` more: (its last source, or UNLINKED; K).

    Writes the path to `predecessor`, and its work to `reach`, `done` and the first K rows of `visited`.
    """
    source_dual, feature_dual = duals
    linked = assigned[root]
    released = feature_dual[linked] if linked >= 0 else 0.0  # dual price of a feature that becomes free
    least, last = margin, UNLINKED
    count, source, base, passed = 0, root, 0.0, 0
    while True:
        if source != root and base + price[source] - source_dual[source] - released < least:
            least, last = base + price[source] - source_dual[source] - released, source
        for k in range(first[source], first[source + 1]):
            j = feature[k]
            through = base + cost[k] - source_dual[source] - feature_dual[j]
            if through >= least or (source == root and j == linked) or assigned[source] == j:
                continue
            if j == linked:
                least, last = through, source
            elif owner[j] == UNLINKED:
                if through - released < least:
                    least, last = through - released, source
            elif not done[j] and through < reach[j]:
                if reach[j] == np.inf:
                    visited[count] = j
                    count += 1
                reach[j] = through
                predecessor[j] = source
        budget[0] -= first[source + 1] - first[source] + count
        nearest, shortest = -1, least
        for k in range(count):
            j = visited[k]
            if not done[j] and reach[j] < shortest:
                nearest, shortest = j, reach[j]
        if nearest < 0 or budget[0] < 0 or passed == MOST_IN_CHAIN:
            break
        done[nearest] = True
        source, base, passed = owner[nearest], shortest, passed + 1
    return last, count


@njit(cache=True, nogil=True)
def _cost(first: Ints, feature: Ints, cost: Floats, source: int, target: int) -> float:
    """The cost of a link; inf if the feature is no candidate of the source."""
    for k in range(first[source], first[source + 1]):
        if feature[k] == target:
            return float(cost[k])
    return np.inf


@njit(cache=True, nogil=True)
def _settle(
    remembered: Ints, place_px: Floats, next_particle: int, number: int, feature_px: Floats, assigned: Ints,
    owner: Ints, doubt: Bools, near_px: float, memory: int, confirm: int,
) -> tuple[Ints, Floats, Ints, int, int, int]:  # fmt: skip
    """The result of `follow` from the links; near_px is 0 if no link is doubtful."""
    sources, features = assigned.size, owner.size
    linked = remaining = vanished = 0
    for i in range(sources):
        linked += assigned[i] >= 0
        remaining += assigned[i] >= 0 or remembered[i, MISSED] < memory
        vanished += assigned[i] < 0 and remembered[i, MISSED] == 0
    lost = remaining - linked
    after = np.empty((remaining + features - linked, 5), np.int64)
    places = np.empty((after.shape[0], 4))
    packed = np.empty(3 * features + lost + (features + 2 * vanished if near_px > 0 else 0), np.int64)
    row = detected = missing = doubts = 0
    for i in range(sources):
        j = assigned[i]
        if j >= 0:
            packed[j] = remembered[i, PARTICLE]
            packed[2 * features + detected] = j
            detected += 1
            clear, doubted = remembered[i, CLEAR] + 1, remembered[i, DOUBTED] > 0 and remembered[i, CLEAR] < confirm
            if doubt[j] and not doubted and clear > confirm:
                packed[3 * features + lost + doubts] = j
                doubts += 1
            _enter(after, places, row, remembered[i, PARTICLE], number, clear, doubted, doubt[j], feature_px, j)
            packed[features + j] = _state(after, row, confirm)
            row += 1
        elif remembered[i, MISSED] < memory:
            packed[3 * features + missing] = remembered[i, PARTICLE]
            missing += 1
            _keep(after, places, row, remembered, place_px, i)
            row += 1
    for j in range(features):
        if owner[j] < 0:
            packed[j] = next_particle
            packed[2 * features + detected] = j
            detected += 1
            _enter(after, places, row, next_particle, number, 0, False, doubt[j], feature_px, j)
            packed[features + j] = _state(after, row, confirm)
            next_particle += 1
            row += 1
    end = 3 * features + lost + doubts
    if near_px > 0:
        _sort_ids(packed, 3 * features + lost, end)
        end += _merged(remembered, place_px, feature_px, assigned, owner, near_px, packed[end:])
    return after, places, packed[:end], lost, doubts, next_particle


@njit(cache=True, nogil=True)
def _enter(
    after: Ints, places: Floats, row: int, particle: int, number: int, clear: int, doubted: bool, doubt: bool,
    feature_px: Floats, j: int,
) -> None:  # fmt: skip
    """Write the row of a particle with feature j."""
    after[row, PARTICLE] = particle
    after[row, NUMBER] = number
    after[row, MISSED] = 0
    after[row, CLEAR] = 0 if doubt else clear
    after[row, DOUBTED] = doubt or doubted
    places[row, X] = places[row, AHEAD_X] = feature_px[j, 0]
    places[row, Y] = places[row, AHEAD_Y] = feature_px[j, 1]


@njit(cache=True, nogil=True)
def _keep(after: Ints, places: Floats, row: int, remembered: Ints, place_px: Floats, i: int) -> None:
    """Write the row of particle i, which has no feature: where it was last."""
    for column in range(5):
        after[row, column] = remembered[i, column]
    after[row, MISSED] += 1
    for column in range(4):
        places[row, column] = place_px[i, column % 2]


@njit(cache=True, nogil=True)
def _sort_ids(packed: Ints, begin: int, end: int) -> None:
    """Features in rows `begin` to `end` become their IDs, in the order of the features."""
    rising = packed[begin:end]
    rising.sort()
    for k in range(rising.size):
        rising[k] = packed[rising[k]]


@njit(cache=True, nogil=True)
def _state(after: Ints, row: int, confirm: int) -> int:
    return UNCERTAIN if after[row, DOUBTED] else NEW if after[row, CLEAR] < confirm else GOOD


@njit(cache=True, nogil=True)
def _merged(
    remembered: Ints, place_px: Floats, feature_px: Floats, assigned: Ints, owner: Ints, near_px: float, pairs: Ints
) -> int:
    """Write ID pairs (lost in this frame, linked source nearer than near_px) to `pairs`. Returns the length used."""
    size = 0
    for i in range(assigned.size):
        if assigned[i] >= 0 or remembered[i, MISSED] > 0:
            continue
        nearest, least = -1, near_px**2
        for j in range(owner.size):
            d2 = (place_px[i, AHEAD_X] - feature_px[j, 0]) ** 2 + (place_px[i, AHEAD_Y] - feature_px[j, 1]) ** 2
            if d2 < least:
                nearest, least = j, d2
        if nearest >= 0 and owner[nearest] >= 0:
            lost_particle, near_particle = remembered[i, PARTICLE], remembered[owner[nearest], PARTICLE]
            pairs[size], pairs[size + 1] = min(lost_particle, near_particle), max(lost_particle, near_particle)
            size += 2
    return size

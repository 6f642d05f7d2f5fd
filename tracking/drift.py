"""Moves that many particles share, and steps that are too long for the search range: what one frame says of both.

All kernels are in this file: numba's cache does not see a change of a kernel in another one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.assign import AHEAD_X, MISSED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEAR = 0.25  # of the search range: moves that differ by less are one
FAR = 0.7  # of the search range: a longer step crowds its end
REACH = 2.0  # search ranges, in which a common move is looked for
CELLS = 4  # of the histogram of moves, in NEAR of the search range
MOST_ASKED = 256  # particles that vote on a common move
FEWEST_VOTES, FEWEST_SHARE, AGAINST_NONE, RIVAL = 5, 0.35, 2.0, 0.6  # a common move has so many votes, such a share of
# those who vote, so many times those for no move; with a second one of such a share of its votes it is ambiguous
MANY, MANY_FAR = 8, 0.25  # steps, and the share of far ones that is an alarm
SURGE, FEWEST_SURGE = 1 / 3, 4  # share of new and of vanished particles that is an alarm, and their least number
GONE = 1 / 2  # share of vanished ones that is an alarm if as many sights are linked to none that was just seen

CALM, SHARED, AMBIGUOUS, CROWDED, SURGING = range(5)


@njit(cache=True, nogil=True)
def common(
    who: Ints, place_px: Floats, held: Bools, sight_px: Floats, search_px: float, missed: int
) -> tuple[int, float, float]:  # fmt: skip
    """(CALM, SHARED or AMBIGUOUS; the move x, y beyond what is expected) of those who were seen last.

    Every pair of a particle and a sight within REACH votes for the move between them. Wrong pairs differ, right ones
    agree.

    Args:
        who, place_px: [M, 5], [M, 4] as in `tracking.assign`.
        held: [M] those that light moves, who do not vote.
        sight_px: [N, 2].
        missed: looks since those were seen who vote; 0, but after looks in which none was seen.
    """
    voters = 0
    for i in range(who.shape[0]):
        voters += who[i, MISSED] == missed and not held[i]
    if min(voters, sight_px.shape[0]) < FEWEST_VOTES:
        return CALM, 0.0, 0.0
    every = (voters + MOST_ASKED - 1) // MOST_ASKED
    asked = np.empty((voters // every + 1, 2))
    count = turn = 0
    for i in range(who.shape[0]):
        if who[i, MISSED] == missed and not held[i]:
            if turn % every == 0:
                asked[count, 0], asked[count, 1] = place_px[i, AHEAD_X], place_px[i, AHEAD_X + 1]
                count += 1
            turn += 1
    asked = asked[:count]
    near_px = NEAR * search_px
    none = _votes(asked, sight_px, 0.0, 0.0, near_px)[0]
    if 2 * none >= count:
        return CALM, 0.0, 0.0
    x, y, rival = _peaks(asked, sight_px, search_px)
    votes = 0
    for _ in range(3):
        votes, x, y = _votes(asked, sight_px, x, y, near_px)
    clear = votes >= FEWEST_VOTES and votes >= FEWEST_SHARE * count and votes >= AGAINST_NONE * none
    if not clear or x * x + y * y < near_px * near_px:
        return CALM, 0.0, 0.0
    return (AMBIGUOUS if rival else SHARED), x, y


@njit(cache=True, nogil=True)
def _votes(asked: Floats, sight_px: Floats, x: float, y: float, near_px: float) -> tuple[int, float, float]:
    """(pairs whose move is within near_px of x, y; the mean of their moves)."""
    votes = 0
    sum_x = sum_y = 0.0
    for i in range(asked.shape[0]):
        to_x, to_y = asked[i, 0] + x, asked[i, 1] + y
        for j in range(sight_px.shape[0]):
            dx, dy = sight_px[j, 0] - to_x, sight_px[j, 1] - to_y
            if dx * dx + dy * dy <= near_px * near_px:
                votes += 1
                sum_x += dx
                sum_y += dy
    if votes == 0:
        return 0, x, y
    return votes, x + sum_x / votes, y + sum_y / votes


@njit(cache=True, nogil=True)
def _peaks(asked: Floats, sight_px: Floats, search_px: float) -> tuple[float, float, bool]:
    """(the move x, y with the most votes, whether another one has nearly as many)."""
    half = int(REACH / NEAR) * CELLS
    cells_per_px = CELLS / (NEAR * search_px)
    counts = np.zeros((2 * half + 1, 2 * half + 1), np.int64)
    for i in range(asked.shape[0]):
        for j in range(sight_px.shape[0]):
            column = (sight_px[j, 0] - asked[i, 0]) * cells_per_px
            row = (sight_px[j, 1] - asked[i, 1]) * cells_per_px
            if abs(column) <= half and abs(row) <= half:
                counts[half + int(np.rint(row)), half + int(np.rint(column))] += 1
    sums = _within(_within(counts, CELLS).T.copy(), CELLS).T  # of boxes with sides of twice NEAR
    best = 0
    at_row = at_column = half
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            if sums[row, column] > best:
                best, at_row, at_column = sums[row, column], row, column
    level = sum_row = sum_column = 0  # cells of the peak with as many votes: a move that all share has a level top
    for row in range(max(at_row - 2 * CELLS, 0), min(at_row + 2 * CELLS + 1, sums.shape[0])):
        for column in range(max(at_column - 2 * CELLS, 0), min(at_column + 2 * CELLS + 1, sums.shape[1])):
            if sums[row, column] == best:
                level, sum_row, sum_column = level + 1, sum_row + row, sum_column + column
    middle_row, middle_column = sum_row / level, sum_column / level
    rival = False
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            apart = max(abs(row - middle_row), abs(column - middle_column)) > 2 * CELLS
            rival = rival or (apart and sums[row, column] >= RIVAL * best)
    return (middle_column - half) / cells_per_px, (middle_row - half) / cells_per_px, rival


@njit(cache=True, nogil=True)
def _within(counts: Ints, reach: int) -> Ints:
    """Sums of each row's cells up to `reach` to either side."""
    made = np.zeros_like(counts)
    for row in range(counts.shape[0]):
        here = 0
        for column in range(-reach, counts.shape[1]):
            if column + reach < counts.shape[1]:
                here += counts[row, column + reach]
            if column - reach - 1 >= 0:
                here -= counts[row, column - reach - 1]
            if column >= 0:
                made[row, column] = here
    return made


@njit(cache=True, nogil=True)
def watch(
    who: Ints, place_px: Floats, held: Bools, said: Ints, sight_px: Floats, search_px: float, missed: int, wary: Bools
) -> int:  # fmt: skip
    """What is alarming about the links of a frame, if anything is; `wary` [N] gets the sights whose links it is about.

    A link that agrees with a clear common move is none of them.

    Args:
        who, place_px, held, sight_px, search_px, missed: as of `common`, before this frame.
        said: as `tracking.assign.follow` answers.
    """
    sights = sight_px.shape[0]
    step_px = np.full((sights, 2), np.nan)  # of those who were seen in the last frame and are seen again
    old = np.zeros(sights, np.bool_)
    voters = linked = again = near = far = source = 0
    sum_x = sum_y = 0.0
    for i in range(who.shape[0]):
        voters += who[i, MISSED] == missed and not held[i]
    for k in range(sights):
        j = said[2 * sights + k]
        while source < who.shape[0] and who[source, 0] < said[j]:
            source += 1
        if source == who.shape[0] or who[source, 0] != said[j]:
            continue
        linked += 1
        if held[source]:
            continue
        old[j] = True
        if who[source, MISSED] > missed:
            continue
        x, y = sight_px[j, 0] - place_px[source, AHEAD_X], sight_px[j, 1] - place_px[source, AHEAD_X + 1]
        step_px[j, 0], step_px[j, 1] = x, y
        again += 1
        sum_x += x
        sum_y += y
        square = x * x + y * y
        near += square <= NEAR * search_px * NEAR * search_px
        far += square > FAR * search_px * FAR * search_px
    new, vanished = sights - linked, voters - again
    surge = min(new, vanished) >= FEWEST_SURGE and new >= SURGE * sights and vanished >= SURGE * voters
    other = sights - again
    surge = surge or (min(other, vanished) >= FEWEST_SURGE and other >= GONE * sights and vanished >= GONE * voters)
    expected = MANY_FAR * again
    crowd = again >= MANY and far > expected + 2.0 * np.sqrt(expected * (1.0 - MANY_FAR))
    aside = sum_x * sum_x + sum_y * sum_y > (0.5 * NEAR * search_px * again) * (0.5 * NEAR * search_px * again)
    if (2 if aside else 3) * near >= again and not surge and not crowd:
        return CALM
    kind, x, y = common(who, place_px, held, sight_px, search_px, missed)
    if kind == CALM and not surge and not crowd:
        return CALM
    for j in range(sights):
        off_x, off_y = step_px[j, 0] - x, step_px[j, 1] - y
        agrees = off_x * off_x + off_y * off_y < NEAR * search_px * NEAR * search_px  # not if unknown
        wary[j] = old[j] and not (kind == SHARED and agrees)
    if kind != CALM:
        return kind
    return SURGING if surge else CROWDED

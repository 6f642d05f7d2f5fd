"""Common moves of many particles, and steps too long for the search range, detected from one frame.

All kernels are in this file: numba's cache does not notice a change of a kernel in another file.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tracking.assign import AHEAD_X, MISSED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEAR = 0.25  # of the search range: moves that differ by less count as equal
FAR = 0.7  # of the search range: a longer step is close to the limit
REACH = 2.0  # search ranges: largest common move that is searched for
CELLS = 4  # cells of the histogram of moves per NEAR * search range
MOST_VOTERS = 256  # most particles whose moves are counted
# A common move has at least FEWEST_VOTES votes, FEWEST_SHARE of the voters, and AGAINST_NONE times the votes for no
# move. It is ambiguous if a second move has RIVAL of its votes.
FEWEST_VOTES, FEWEST_SHARE, AGAINST_NONE, RIVAL = 5, 0.35, 2.0, 0.6
MANY, MANY_FAR = 8, 0.25  # least number of steps, and share of those beyond FAR, that raise an alarm
SURGE, FEWEST_SURGE = 1 / 3, 4  # share of new and of vanished particles that raises an alarm, and their least number
GONE = 1 / 2  # alarm: this share of particles vanished, and this share of features is not linked to the last frame

CALM, SHARED, AMBIGUOUS, CROWDED, SURGING = range(5)


@njit(cache=True, nogil=True)
def common(
    remembered: Ints, place_px: Floats, held: Bools, feature_px: Floats, search_px: float, missed: int
) -> tuple[int, float, float]:  # fmt: skip
    """(CALM, SHARED or AMBIGUOUS; common move x, y in px beyond the expected positions).

    Each pair of a particle and a feature within REACH votes for the move between them. Moves of wrong pairs differ;
    those of right pairs agree.

    Args:
        remembered, place_px: [M, 5], [M, 4] as in `tracking.assign`.
        held: [M] particles that light moves; they do not vote.
        feature_px: [N, 2] x, y.
        missed: particles with this value of MISSED vote; 0, or more after frames without any link.
    """
    voters = 0
    for i in range(remembered.shape[0]):
        voters += remembered[i, MISSED] == missed and not held[i]
    if min(voters, feature_px.shape[0]) < FEWEST_VOTES:
        return CALM, 0.0, 0.0
    stride = (voters + MOST_VOTERS - 1) // MOST_VOTERS
    voter_px = np.empty((voters // stride + 1, 2))
    count = turn = 0
    for i in range(remembered.shape[0]):
        if remembered[i, MISSED] == missed and not held[i]:
            if turn % stride == 0:
                voter_px[count, 0], voter_px[count, 1] = place_px[i, AHEAD_X], place_px[i, AHEAD_X + 1]
                count += 1
            turn += 1
    voter_px = voter_px[:count]
    near_px = NEAR * search_px
    votes_at_rest = _votes(voter_px, feature_px, 0.0, 0.0, near_px)[0]
    if 2 * votes_at_rest >= count:
        return CALM, 0.0, 0.0
    x, y, rival = _peaks(voter_px, feature_px, search_px)
    votes = 0
    for _ in range(3):
        votes, x, y = _votes(voter_px, feature_px, x, y, near_px)
    clear = votes >= FEWEST_VOTES and votes >= FEWEST_SHARE * count and votes >= AGAINST_NONE * votes_at_rest
    if not clear or x * x + y * y < near_px * near_px:
        return CALM, 0.0, 0.0
    return (AMBIGUOUS if rival else SHARED), x, y


@njit(cache=True, nogil=True)
def _votes(voter_px: Floats, feature_px: Floats, x: float, y: float, near_px: float) -> tuple[int, float, float]:
    """(number of pairs whose move is within near_px of (x, y); mean of their moves x, y)."""
    votes = 0
    sum_x = sum_y = 0.0
    for i in range(voter_px.shape[0]):
        to_x, to_y = voter_px[i, 0] + x, voter_px[i, 1] + y
        for j in range(feature_px.shape[0]):
            dx, dy = feature_px[j, 0] - to_x, feature_px[j, 1] - to_y
            if dx * dx + dy * dy <= near_px * near_px:
                votes += 1
                sum_x += dx
                sum_y += dy
    if votes == 0:
        return 0, x, y
    return votes, x + sum_x / votes, y + sum_y / votes


@njit(cache=True, nogil=True)
def _peaks(voter_px: Floats, feature_px: Floats, search_px: float) -> tuple[float, float, bool]:
    """(the move x, y with the most votes, whether another move has at least RIVAL of them)."""
    half = int(REACH / NEAR) * CELLS
    cells_per_px = CELLS / (NEAR * search_px)
    counts = np.zeros((2 * half + 1, 2 * half + 1), np.int64)
    for i in range(voter_px.shape[0]):
        for j in range(feature_px.shape[0]):
            column = (feature_px[j, 0] - voter_px[i, 0]) * cells_per_px
            row = (feature_px[j, 1] - voter_px[i, 1]) * cells_per_px
            if abs(column) <= half and abs(row) <= half:
                counts[half + int(np.rint(row)), half + int(np.rint(column))] += 1
    sums = _within(_within(counts, CELLS).T.copy(), CELLS).T  # over boxes of side 2 NEAR
    best = 0
    at_row = at_column = half
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            if sums[row, column] > best:
                best, at_row, at_column = sums[row, column], row, column
    level = sum_row = sum_column = 0  # cells with the maximum: a common move has a plateau
    for row in range(max(at_row - 2 * CELLS, 0), min(at_row + 2 * CELLS + 1, sums.shape[0])):
        for column in range(max(at_column - 2 * CELLS, 0), min(at_column + 2 * CELLS + 1, sums.shape[1])):
            if sums[row, column] == best:
                level, sum_row, sum_column = level + 1, sum_row + row, sum_column + column
    middle_row, middle_column = sum_row / level, sum_column / level
    rival = False
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            is_separate = max(abs(row - middle_row), abs(column - middle_column)) > 2 * CELLS
            rival = rival or (is_separate and sums[row, column] >= RIVAL * best)
    return (middle_column - half) / cells_per_px, (middle_row - half) / cells_per_px, rival


@njit(cache=True, nogil=True)
def _within(counts: Ints, reach: int) -> Ints:
    """Sum of the cells of each row from `reach` before to `reach` behind each cell."""
    sums = np.zeros_like(counts)
    for row in range(counts.shape[0]):
        total = 0
        for column in range(-reach, counts.shape[1]):
            if column + reach < counts.shape[1]:
                total += counts[row, column + reach]
            if column - reach - 1 >= 0:
                total -= counts[row, column - reach - 1]
            if column >= 0:
                sums[row, column] = total
    return sums


@njit(cache=True, nogil=True)
def _steps(
    remembered: Ints, place_px: Floats, held: Bools, packed: Ints, feature_px: Floats, search_px: float, missed: int
) -> tuple[Floats, Bools, Floats, int, int, int, int]:  # fmt: skip
    """Steps from the expected positions, of particles linked now and in the last frame; arguments as in `watch`.

    Returns (step of each feature [N, 2], nan without one; whether its particle is older [N]; sum of the steps [2];
    numbers of linked features, of steps, of steps below NEAR and above FAR).
    """
    features = feature_px.shape[0]
    step_px, old, sums = np.full((features, 2), np.nan), np.zeros(features, np.bool_), np.zeros(2)
    linked = followed = near = far = source = 0
    for k in range(features):
        j = packed[2 * features + k]
        while source < remembered.shape[0] and remembered[source, 0] < packed[j]:
            source += 1
        if source == remembered.shape[0] or remembered[source, 0] != packed[j]:
            continue
        linked += 1
        if held[source]:
            continue
        old[j] = True
        if remembered[source, MISSED] > missed:
            continue
        x, y = feature_px[j, 0] - place_px[source, AHEAD_X], feature_px[j, 1] - place_px[source, AHEAD_X + 1]
        step_px[j, 0], step_px[j, 1] = x, y
        followed += 1
        sums[0] += x
        sums[1] += y
        square = x * x + y * y
        near += square <= NEAR * search_px * NEAR * search_px
        far += square > FAR * search_px * FAR * search_px
    return step_px, old, sums, linked, followed, near, far


@njit(cache=True, nogil=True)
def watch(
    remembered: Ints, place_px: Floats, held: Bools, packed: Ints, feature_px: Floats, search_px: float, missed: int,
    doubtful: Bools,
) -> int:  # fmt: skip
    """The alarm of a frame's links: CALM, SHARED, AMBIGUOUS, CROWDED or SURGING. Sets `doubtful` [N] at doubtful links.

    Links that agree with a SHARED move are not doubtful.

    Args:
        remembered, place_px, held, feature_px, search_px, missed: as in `common`, before this frame.
        packed: result of `tracking.assign.follow`.
    """
    features, voters = feature_px.shape[0], 0
    for i in range(remembered.shape[0]):
        voters += remembered[i, MISSED] == missed and not held[i]
    step_px, old, sums, linked, followed, near, far = _steps(
        remembered, place_px, held, packed, feature_px, search_px, missed
    )
    new, vanished = features - linked, voters - followed
    surge = min(new, vanished) >= FEWEST_SURGE and new >= SURGE * features and vanished >= SURGE * voters
    unlinked = features - followed
    surge = surge or (
        min(unlinked, vanished) >= FEWEST_SURGE and unlinked >= GONE * features and vanished >= GONE * voters
    )
    expected = MANY_FAR * followed
    crowd = followed >= MANY and far > expected + 2.0 * np.sqrt(expected * (1.0 - MANY_FAR))
    is_shifted = sums[0] * sums[0] + sums[1] * sums[1] > (0.5 * NEAR * search_px * followed) * (
        0.5 * NEAR * search_px * followed
    )
    if (2 if is_shifted else 3) * near >= followed and not surge and not crowd:
        return CALM
    kind, x, y = common(remembered, place_px, held, feature_px, search_px, missed)
    if kind == CALM and not surge and not crowd:
        return CALM
    for j in range(features):
        off_x, off_y = step_px[j, 0] - x, step_px[j, 1] - y
        agrees = off_x * off_x + off_y * off_y < NEAR * search_px * NEAR * search_px  # False where the step is nan
        doubtful[j] = old[j] and not (kind == SHARED and agrees)
    if kind != CALM:
        return kind
    return SURGING if surge else CROWDED

"""Who is who from frame to frame: online linking with memory.

The rule is that of Crocker and Grier (J. Colloid Interface Sci. 179, 298, 1996). Sources (particles seen before) and
sights (features of this frame) closer than the gate are candidates; of all ways to link them the one of least sum d^2
is taken, where an unlinked source costs its gate^2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from control.contract import State
from tracking.assign import assign, candidates
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

GOOD, NEW, UNCERTAIN = int(State.GOOD), int(State.NEW), int(State.UNCERTAIN)
DRIFT_SHARE = 0.05  # of the newest move in the running drift
FEWEST = 8  # linked particles that a drift is read from
NO_CROWD, STILL = np.empty(0), (0.0, 0.0)
NUMBER, MISSED, CLEAR, DOUBTED = 0, 1, 2, 3  # columns of Remembered.count


@dataclass(frozen=True, slots=True)
class Remembered:
    """Every particle that may still be seen again, in order of rising `particle`."""

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M]
    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] where it was seen last
    expected_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] where it is expected next
    # [M, 4] the frame it was seen in; looks since then; sightings without doubt since the first or since a doubt;
    # whether there was a doubt
    count: Ints = field(default_factory=lambda: np.empty((0, 4), np.int64))
    next_particle: int = 0
    drift_px: tuple[float, float] = (0.0, 0.0)  # a frame, common to all

    def __len__(self) -> int:
        return len(self.particle)


@dataclass(frozen=True, slots=True)
class Linked:
    """One row a feature of the frame, in the features' order."""

    particle: Ints  # [N]
    state: NDArray[np.uint8]  # [N] State
    order: Ints  # [N] rows of the features, by rising particle
    lost: Ints  # [L] remembered and not seen
    notes: tuple[str, ...] = ()


def link(before: Remembered, number: int, position_px: Floats, s: Tracking) -> tuple[Remembered, Linked]:
    """The features at `position_px` [N, 2] of frame `number` get their identities.

    With the gate `constant` the partition is that of trackpy.link with the same search range and memory.
    """
    crowd_px = _crowd(before, number, s) if s.crowd_share > 0 else NO_CROWD
    taken, owner, doubt, unsure = assign(
        before.expected_px, position_px, before.count, number, s.search_px, s.gate == "sqrt_time", crowd_px,
        s.doubt, s.least_distance_px,
    )  # fmt: skip
    drift_px = _drift(before, number, taken, position_px) if s.predict == "drift" else before.drift_px
    particle, state, order, lost, known, where, ahead, count, doubts, next_particle = _settle(
        before.particle, before.position_px, before.count, before.next_particle, number, position_px,
        taken, owner, doubt, s.memory, s.confirm, drift_px if s.predict == "drift" else STILL,
    )  # fmt: skip
    after = Remembered(known, where, ahead, count, next_particle, drift_px)
    notes = _merged(before, taken, owner, position_px, s) + _notes(doubts) if unsure else ()
    return after, Linked(particle, state, order, lost, notes)


def _drift(before: Remembered, number: int, taken: Ints, position_px: Floats) -> tuple[float, float]:
    """The median move a frame of all that were linked, low-passed; Brownian moves have a median of 0."""
    seen = (taken >= 0) & (before.count[:, MISSED] == 0)
    if np.count_nonzero(seen) < FEWEST:
        return before.drift_px
    frames = np.maximum(number - before.count[seen, NUMBER], 1)
    move = np.median((position_px[taken[seen]] - before.position_px[seen]) / frames[:, None], axis=0)
    x, y = before.drift_px
    return x + DRIFT_SHARE * (float(move[0]) - x), y + DRIFT_SHARE * (float(move[1]) - y)


def _merged(before: Remembered, taken: Ints, owner: Ints, position_px: Floats, s: Tracking) -> tuple[str, ...]:
    """Who has just vanished nearer to another than two features can be told apart."""
    vanished = np.flatnonzero((taken < 0) & (before.count[:, MISSED] == 0))
    if len(position_px) == 0 or len(vanished) == 0:
        return ()
    away_px = np.linalg.norm(before.expected_px[vanished, None] - position_px, axis=-1)  # [V, N]
    sight = away_px.argmin(axis=1)
    near = (away_px.min(axis=1) < s.least_distance_px) & (owner[sight] >= 0)
    pairs = np.stack([before.particle[vanished[near]], before.particle[owner[sight[near]]]], axis=1)
    return tuple(f"particles {one} and {other} are seen as one" for one, other in np.sort(pairs, axis=1).tolist())


def _notes(doubts: Ints) -> tuple[str, ...]:
    return tuple(f"particle {particle} may be another from here on" for particle in doubts.tolist())


def _crowd(before: Remembered, number: int, s: Tracking) -> Floats:
    """[M] a share of the distance to the nearest other."""
    gate_px = np.full(len(before), s.search_px)
    if s.gate == "sqrt_time":
        gate_px *= np.sqrt(np.maximum(number - before.count[:, NUMBER], 1))
    return s.crowd_share * _apart(before.expected_px, gate_px / s.crowd_share)


def _apart(position_px: Floats, reach_px: Floats) -> Floats:
    """[M] distance to the nearest other, inf where none is within reach_px [M]."""
    first, other, square = candidates(position_px, reach_px, position_px)
    source = np.repeat(np.arange(len(position_px)), np.diff(first))
    nearest = np.full(len(position_px), np.inf)
    different = source != other
    np.minimum.at(nearest, source[different], square[different])
    distance: Floats = np.sqrt(nearest)
    return distance


@njit(cache=True, nogil=True)
def _settle(
    known: Ints, where_px: Floats, count: Ints, next_particle: int, number: int, position_px: Floats,
    taken: Ints, owner: Ints, doubt: Bools, memory: int, confirm: int, drift_px: tuple[float, float],
) -> tuple[Ints, NDArray[np.uint8], Ints, Ints, Ints, Floats, Floats, Ints, Ints, int]:  # fmt: skip
    """(particle, state, order, lost; Remembered's particle, places, expected places, count; new doubts; next id)."""
    particle, order, lost = _name(known, count, taken, owner, next_particle, memory)
    tally, state, doubts = _judge(count, owner, doubt, particle, number, confirm)
    everyone, where, counts = _keep(known, where_px, count, taken, owner, particle, position_px, tally, order, memory)
    ahead = where.copy()
    for i in range(everyone.size):
        ahead[i, 0] += drift_px[0] * (1 + counts[i, MISSED])
        ahead[i, 1] += drift_px[1] * (1 + counts[i, MISSED])
    return particle, state, order, lost, everyone, where, ahead, counts, doubts, next_particle + (owner < 0).sum()


@njit(cache=True, nogil=True)
def _name(
    known: Ints, count: Ints, taken: Ints, owner: Ints, next_particle: int, memory: int
) -> tuple[Ints, Ints, Ints]:
    """(particle [N], rows by rising particle [N], lost [L]): known ones are older than new ones."""
    particle = np.empty(owner.size, np.int64)
    order = np.empty(owner.size, np.int64)
    lost = np.empty(known.size, np.int64)
    seen = unseen = 0
    for i in range(known.size):
        if taken[i] >= 0:
            particle[taken[i]] = known[i]
            order[seen] = taken[i]
            seen += 1
        elif count[i, MISSED] < memory:
            lost[unseen] = known[i]
            unseen += 1
    for j in range(owner.size):
        if owner[j] < 0:
            particle[j] = next_particle
            next_particle += 1
            order[seen] = j
            seen += 1
    return particle, order, lost[:unseen]


@njit(cache=True, nogil=True)
def _judge(
    count: Ints, owner: Ints, doubt: Bools, particle: Ints, number: int, confirm: int
) -> tuple[Ints, NDArray[np.uint8], Ints]:
    """(Remembered.count of the seen [N, 4], State [N], who was sure and is not any more)."""
    tally = np.zeros((owner.size, 4), np.int64)
    state = np.empty(owner.size, np.uint8)
    doubts = np.empty(owner.size, np.int64)
    fallen = 0
    for j in range(owner.size):
        tally[j, NUMBER] = number
        i = owner[j]
        if i >= 0:
            tally[j, CLEAR] = count[i, CLEAR] + 1
            tally[j, DOUBTED] = count[i, DOUBTED] and count[i, CLEAR] < confirm
        if doubt[j]:
            if i >= 0 and not tally[j, DOUBTED] and tally[j, CLEAR] > confirm:
                doubts[fallen] = particle[j]
                fallen += 1
            tally[j, CLEAR] = 0
            tally[j, DOUBTED] = 1
        state[j] = UNCERTAIN if tally[j, DOUBTED] else NEW if tally[j, CLEAR] < confirm else GOOD
    return tally, state, doubts[:fallen]


@njit(cache=True, nogil=True)
def _keep(
    known: Ints, where_px: Floats, count: Ints, taken: Ints, owner: Ints, particle: Ints, position_px: Floats,
    tally: Ints, order: Ints, memory: int,
) -> tuple[Ints, Floats, Ints]:  # fmt: skip
    """Remembered's particle, position_px and count after this frame, by rising particle."""
    everyone = np.empty(known.size + owner.size, np.int64)
    where = np.empty((known.size + owner.size, 2))
    counts = np.empty((known.size + owner.size, 4), np.int64)
    size = 0
    for i in range(known.size):
        j = taken[i]
        if j >= 0:
            everyone[size], where[size], counts[size] = known[i], position_px[j], tally[j]
            size += 1
        elif count[i, MISSED] < memory:
            everyone[size], where[size], counts[size] = known[i], where_px[i], count[i]
            counts[size, MISSED] += 1
            size += 1
    for j in order:
        if owner[j] < 0:
            everyone[size], where[size], counts[size] = particle[j], position_px[j], tally[j]
            size += 1
    return everyone[:size].copy(), where[:size].copy(), counts[:size].copy()

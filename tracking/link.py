"""Who is who from frame to frame: online linking with memory.

The rule is that of Crocker and Grier (J. Colloid Interface Sci. 179, 298, 1996). Sources (particles seen before) and
sights (features of this frame) closer than the gate are candidates; of all ways to link them the one of least sum d^2
is taken, where an unlinked source costs its gate^2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from control.contract import Fault
from tracking.assign import AHEAD_X, MISSED, NUMBER, PARTICLE, X, follow
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRIFT_SHARE = 0.05  # of the newest move in the running drift
MOST_FEATURES = 20_000  # of a frame
MOST_REMEMBERED = 200_000  # particles, those that are not seen included
MOST_STEPS = 40_000_000  # of linking one frame: some tenths of a second
FEWEST = 8  # linked particles that a drift is read from


@dataclass(frozen=True, slots=True)
class Remembered:
    """Every particle that may still be seen again, in order of rising `particle`."""

    who: Ints = field(default_factory=lambda: np.empty((0, 5), np.int64))  # [M, 5] columns of tracking.assign
    place_px: Floats = field(default_factory=lambda: np.empty((0, 4)))  # [M, 4]
    next_particle: int = 0
    drift_px: tuple[float, float] = (0.0, 0.0)  # a frame, common to all

    def __len__(self) -> int:
        return len(self.who)

    @property
    def particle(self) -> Ints:
        """[M]."""
        return self.who[:, PARTICLE]

    @property
    def position_px(self) -> Floats:
        """[M, 2] where it was seen last."""
        return self.place_px[:, X:AHEAD_X]

    @property
    def expected_px(self) -> Floats:
        """[M, 2] where it is expected next."""
        return self.place_px[:, AHEAD_X:]

    def expecting(self, row: Ints, position_px: Floats) -> Remembered:
        """Some rows are expected elsewhere, at [len(row), 2]."""
        place_px = self.place_px.copy()
        place_px[row, AHEAD_X:] = position_px
        return Remembered(self.who, place_px, self.next_particle, self.drift_px)


@dataclass(frozen=True, slots=True)
class Linked:
    """What is said of the features of one frame, in their order."""

    said: Ints  # as tracking.assign.follow answers
    features: int  # N
    ends: tuple[int, int]  # of `lost` and of those in doubt

    @property
    def particle(self) -> Ints:
        """[N]."""
        return self.said[: self.features]

    @property
    def state(self) -> NDArray[np.uint8]:
        """[N] State."""
        return self.said[self.features : 2 * self.features].astype(np.uint8)

    @property
    def order(self) -> Ints:
        """[N] rows of the features, by rising particle."""
        return self.said[2 * self.features : 3 * self.features]

    @property
    def lost(self) -> Ints:
        """[L] remembered and not seen."""
        return self.said[3 * self.features : self.ends[0]]

    @property
    def notes(self) -> tuple[str, ...]:
        """Who is seen as one with another, and who may be another from here on."""
        if len(self.said) == self.ends[0]:
            return ()
        doubts, pairs = self.said[self.ends[0] : self.ends[1]], self.said[self.ends[1] :].reshape(-1, 2)
        merged = (f"particles {one} and {other} are seen as one" for one, other in pairs.tolist())
        return *merged, *(f"particle {particle} may be another from here on" for particle in doubts.tolist())


def link(before: Remembered, number: int, position_px: Floats, s: Tracking) -> tuple[Remembered, Linked]:
    """The features at `position_px` [N, 2] of frame `number` get their identities.

    With the gate `constant` the partition is that of trackpy.link with the same search range and memory.

    Raises:
        Fault: more than MOST_FEATURES or MOST_REMEMBERED, or so many within search_px of each other that linking takes
            more than MOST_STEPS.
    """
    features = len(position_px)
    if features > MOST_FEATURES:
        raise Fault(
            f"a frame has {features} features, and {MOST_FEATURES} are allowed; a larger tracking.minmass, "
            "diameter_px or separation_px finds fewer"
        )
    if len(before) > MOST_REMEMBERED:
        raise Fault(
            f"{len(before)} particles are remembered, and {MOST_REMEMBERED} are allowed; a smaller tracking.memory "
            "forgets sooner"
        )
    left = np.full(1, MOST_STEPS)
    who, place_px, said, lost, doubts, next_particle = follow(
        before.who, before.place_px, before.next_particle, number, position_px, s.search_px, s.gate == "sqrt_time",
        s.crowd_share, s.doubt, s.least_distance_px, s.memory, s.confirm, left,
    )  # fmt: skip
    if lost < 0:
        raise Fault(
            f"{features} features and {len(before)} that are remembered can't be linked in one frame's time: too many "
            f"lie within tracking.search_px ({s.search_px:g}) of each other; a smaller search_px leaves fewer choices, "
            "a larger minmass finds fewer features"
        )
    end = 3 * features + lost
    linked = Linked(said, features, (end, end + doubts))
    if s.predict == "last":
        return Remembered(who, place_px, next_particle, before.drift_px), linked
    drift_px = _drift(before, number, linked, position_px)
    place_px[:, AHEAD_X:] += np.multiply.outer(1 + who[:, MISSED], drift_px)
    return Remembered(who, place_px, next_particle, drift_px), linked


def _drift(before: Remembered, number: int, linked: Linked, position_px: Floats) -> tuple[float, float]:
    """The median move a frame of all that were linked, low-passed; Brownian moves have a median of 0."""
    seen = (before.who[:, MISSED] == 0) & np.isin(before.particle, linked.particle)
    if np.count_nonzero(seen) < FEWEST:
        return before.drift_px
    frames = np.maximum(number - before.who[seen, NUMBER], 1)
    now_px = position_px[linked.order][np.searchsorted(linked.particle[linked.order], before.particle[seen])]
    move = np.median((now_px - before.position_px[seen]) / frames[:, None], axis=0)
    x, y = before.drift_px
    return x + DRIFT_SHARE * (float(move[0]) - x), y + DRIFT_SHARE * (float(move[1]) - y)

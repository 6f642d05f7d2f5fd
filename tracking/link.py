"""Gives particles the same ID from frame to frame: online linking with memory.

The rule is Crocker and Grier's (J. Colloid Interface Sci. 179, 298, 1996). Sources (remembered particles) and
features closer than the gate are candidates. Of all assignments the one of least sum d^2 is taken, where an unlinked
source costs its gate^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from control.contract import ALARM, Fault
from tracking.assign import AHEAD_X, CLEAR, DOUBTED, MISSED, NUMBER, PARTICLE, UNCERTAIN, X, follow
from tracking.drift import AMBIGUOUS, CALM, CROWDED, SHARED, SURGING, common, watch
from tracking.flow import Flow, mean_after, velocities_px, velocity_of
from tracking.own_steps import after_links
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WORDS = {
    CALM: "",
    SHARED: f"{ALARM}the particles move together by more than a quarter of tracking.search_px a frame, and are not "
    "expected to; see tracking.predict",
    AMBIGUOUS: f"{ALARM}the particles have moved together, and more than one move fits their pattern; see "
    "tracking.predict and initial_velocity_px_per_frame, or take more frames a second",
    CROWDED: f"{ALARM}many steps are nearly as long as tracking.search_px; a larger one, tracking.predict or more "
    "frames a second make links sure",
    SURGING: f"{ALARM}a third of the particles are new, and as many have vanished: they may have moved farther than "
    "tracking.search_px",
}

DRIFT_SHARE = 0.05  # weight of the newest move in the running drift, in runs of older kernels
MOST_FEATURES = 20_000  # in a frame
MOST_REMEMBERED = 200_000  # particles, including those without a feature now
MOST_STEPS = 40_000_000  # work allowed to link one frame: some tenths of a second
FEWEST = 8  # linked particles from which a drift is measured, at least
LOG_ODDS = math.log(1000.0)  # an ID is uncertain if another assignment is more likely than 1 in 1000
LATELY = 3  # a particle without a feature for this many frames no longer counts as possibly merged
NEWEST_STEPS = 500  # effective number of steps in the running variance


@dataclass(frozen=True, slots=True)
class LinkMemory:
    """Particles that may be detected again, by rising ID."""

    who: Ints = field(default_factory=lambda: np.empty((0, 5), np.int64))  # [M, 5] columns as in assign
    place_px: Floats = field(default_factory=lambda: np.empty((0, 4)))  # [M, 4]
    next_particle: int = 0
    drift_px: tuple[float, float] = (0.0, 0.0)  # common to all, per frame
    moves: int = 0  # frames in the mean drift; 0: drift unknown
    velocity_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] newest moves per frame, nan: none
    variance_px2: float = 0.0  # of one step in one frame about the expected position, along one axis
    steps: int = 0  # links in the variance; 0: variance unknown
    own_steps: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2] columns as in own_steps

    def __len__(self) -> int:
        return len(self.who)

    @property
    def particle(self) -> Ints:
        """[M] IDs."""
        return self.who[:, PARTICLE]

    @property
    def position_px(self) -> Floats:
        """[M, 2] last position."""
        return self.place_px[:, X:AHEAD_X]

    @property
    def expected_px(self) -> Floats:
        """[M, 2] position expected in the next frame."""
        return self.place_px[:, AHEAD_X:]

    def expecting(self, row: Ints, position_px: Floats) -> LinkMemory:
        """A copy in which these rows are expected at `position_px` [len(row), 2]."""
        place_px = self.place_px.copy()
        place_px[row, AHEAD_X:] = position_px
        return replace(self, place_px=place_px)


@dataclass(frozen=True, slots=True)
class Linked:
    """IDs and states of the features of one frame, in the order of the features."""

    packed: Ints  # packed result of tracking.assign.follow
    features: int  # N, number of features
    ends: tuple[int, int]  # of `lost` and of the doubtful IDs in `packed`
    alarm: str = ""  # sentence, if many links are doubtful at once

    @property
    def particle(self) -> Ints:
        """[N] ID of each feature."""
        return self.packed[: self.features]

    @property
    def state(self) -> NDArray[np.uint8]:
        """[N] State."""
        return self.packed[self.features : 2 * self.features].astype(np.uint8)

    @property
    def order(self) -> Ints:
        """[N] indices of the features, by rising ID."""
        return self.packed[2 * self.features : 3 * self.features]

    @property
    def lost(self) -> Ints:
        """[L] IDs of remembered particles without a feature."""
        return self.packed[3 * self.features : self.ends[0]]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences: the alarm, particles that merged, and IDs that may be another particle's from now on."""
        alarm = (self.alarm,) if self.alarm else ()
        if len(self.packed) == self.ends[0]:
            return alarm
        doubtful, pairs = self.packed[self.ends[0] : self.ends[1]], self.packed[self.ends[1] :].reshape(-1, 2)
        merged = (f"particles {first} and {second} are seen as one" for first, second in pairs.tolist())
        return *alarm, *merged, *(f"particle {particle} may be another from here on" for particle in doubtful.tolist())


def led(before: LinkMemory, number: int, s: Tracking) -> LinkMemory:
    """The memory with expected positions for frame `number`, from the flow model that `predict` names."""
    if s.predict == "last" or len(before) == 0:
        return before
    frames = number - before.who[:, NUMBER]
    velocity_px = velocity_of(_flow(before, s), before.position_px, s)
    return before.expecting(np.arange(len(before)), before.position_px + frames[:, None] * velocity_px)


def link(
    before: LinkMemory, number: int, position_px: Floats, s: Tracking, held: Bools | None = None, rules: Rules = NEWEST
) -> tuple[LinkMemory, Linked]:
    """Give the features at `position_px` [N, 2] of frame `number` their IDs.

    With the gate `constant` the links are those of trackpy.link with the same search range and memory.

    Args:
        before: the memory, with expected positions from `led`.
        held: [M] particles that light moves, expected at their commanded place; not used to measure a flow. None: none.
        rules: `leads` (common moves are followed, or raise an alarm), `spread` (see `_doubt_share`) and `own` (see
            `own_steps.after_links`).

    Raises:
        Fault: more than MOST_FEATURES features or MOST_REMEMBERED particles, or so many of them within search_px of
            each other that linking takes more than MOST_STEPS.
    """
    if not rules.leads:
        return _link_without_alarms(before, number, position_px, s)
    held = np.zeros(len(before), np.bool_) if held is None else held
    missed = int(before.who[:, MISSED].min()) if rules.spread and len(before) else 0
    shared = CALM
    if s.predict != "last":
        shared, before = _with_common_move(before, number, position_px, s, held, missed)
    after, linked = _linked(before, number, position_px, s, _doubt_share(before, s), rules.spread)
    if rules.spread and s.doubt > 0:
        variance = _with_steps(before, number, position_px, linked)
        if before.steps == 0 and _doubt_share(variance, s) > s.doubt:
            after, linked = _linked(before, number, position_px, s, _doubt_share(variance, s), True)
        after = replace(after, variance_px2=variance.variance_px2, steps=variance.steps)
        pairs, merged = _merging(before, variance.variance_px2, position_px, linked)
        if len(pairs):
            singles, listed = linked.packed[: linked.ends[1]], linked.packed[linked.ends[1] :].reshape(-1, 2)
            linked = replace(linked, packed=np.concatenate([singles, np.unique([*listed, *pairs], axis=0).ravel()]))
            _doubt(after, linked, merged)
            _doubt_when_seen_again(after, np.unique(pairs))
    if rules.own and s.doubt > 0:
        after, linked = _with_own_steps(before, after, linked, s, held, rules.own_over_gaps)
    if s.doubt > 0:
        wary = np.zeros(len(position_px), np.bool_)
        kind = watch(before.who, before.place_px, held, linked.packed, position_px, s.search_px, missed, wary)
        if kind != CALM:
            linked = replace(linked, alarm=WORDS[kind])
            _doubt(after, linked, wary)
    if s.predict == "last":
        return replace(after, drift_px=(0.0, 0.0), moves=0), linked
    doubted = after.who[:, DOUBTED] > 0 if rules.spread else np.zeros(len(after), np.bool_)
    return _with_flow(before, after, number, position_px, s, held, doubted, learns=shared != AMBIGUOUS), linked


def _doubt_share(before: LinkMemory, s: Tracking) -> float:
    """The least extra cost of any other assignment, in units of search_px^2, below which an ID is uncertain.

    For Gaussian steps of variance sigma^2 along each axis, an assignment whose sum of squares is larger by
    2 sigma^2 log(q) is q times less likely. The margin is `tracking.doubt`, or that of odds of 1000 if it is larger.
    """
    if s.doubt == 0:
        return 0.0
    return max(s.doubt, 2.0 * LOG_ODDS * before.variance_px2 / s.search_px**2)


def _with_steps(before: LinkMemory, number: int, position_px: Floats, linked: Linked) -> LinkMemory:
    """`before` with the running variance of the steps after this frame; a move common to all is subtracted first."""
    row = np.minimum(np.searchsorted(before.particle, linked.particle), max(len(before) - 1, 0))
    again = np.zeros(len(position_px), np.bool_)
    if len(before):
        again = (before.particle[row] == linked.particle) & (before.who[row, MISSED] == 0)
    links = int(np.count_nonzero(again))
    if links == 0:
        return before
    frames = np.maximum(number - before.who[row[again], NUMBER], 1)
    off_px = (position_px[again] - before.expected_px[row[again]]) / np.sqrt(frames)[:, None]
    if links >= FEWEST:
        off_px = off_px - off_px.mean(axis=0)
    variance_px2 = float((off_px**2).sum()) / (2 * links)
    share = links / min(before.steps + links, max(NEWEST_STEPS, links))
    return replace(
        before,
        variance_px2=before.variance_px2 + share * (variance_px2 - before.variance_px2),
        steps=min(before.steps + links, NEWEST_STEPS),
    )


def _with_own_steps(
    before: LinkMemory, after: LinkMemory, linked: Linked, s: Tracking, held: Bools, over_gaps: bool
) -> tuple[LinkMemory, Linked]:  # fmt: skip
    """`after` with the steps of each particle; links that are too long for a particle become UNCERTAIN."""
    own_steps, too_long = after_links(
        before.own_steps, (before.who, before.place_px), (after.who, after.place_px), held, s.search_px, over_gaps
    )
    after = replace(after, own_steps=own_steps)
    if not too_long.any():
        return after, linked
    wary = np.zeros(linked.features, np.bool_)
    wary[linked.order[too_long[after.who[:, MISSED] == 0]]] = True
    confirmed = after.particle[too_long & (after.who[:, CLEAR] > s.confirm)]
    listed = linked.packed[linked.ends[0] : linked.ends[1]]
    doubtful = np.union1d(listed, confirmed)
    packed = np.concatenate([linked.packed[: linked.ends[0]], doubtful, linked.packed[linked.ends[1] :]])
    linked = replace(linked, packed=packed, ends=(linked.ends[0], linked.ends[0] + len(doubtful)))
    _doubt(after, linked, wary)
    return after, linked


def _merging(
    before: LinkMemory, variance_px2: float, position_px: Floats, linked: Linked
) -> tuple[Ints, Bools]:  # fmt: skip
    """([P, 2] IDs of particles that may share a feature; [N] whether a feature is one of those).

    Checked is each particle without a feature, with the nearest feature, which has another ID. If both particles share
    it, it lies halfway between their expected positions. For steps of variance sigma^2 per frame its position has the
    variance sigma^2 (k + 2) / 4, if one of them is unseen for k frames more than the other. The feature is doubtful
    unless it is 1000 times more likely to be the other particle alone.
    """
    none = np.empty((0, 2), np.int64), np.zeros(len(position_px), np.bool_)
    row = np.minimum(np.searchsorted(before.particle, linked.particle), max(len(before) - 1, 0))
    if len(before) == 0 or len(position_px) == 0 or variance_px2 == 0.0:
        return none
    has_id = before.particle[row] == linked.particle  # [N]
    gone = before.who[:, MISSED] < LATELY
    gone[row[has_id]] = False
    vanished = np.flatnonzero(gone)  # [V]
    if len(vanished) == 0 or not has_id.any():
        return none
    feature = np.flatnonzero(has_id)[cKDTree(position_px[has_id]).query(before.expected_px[vanished])[1]]  # [V]
    alone_px, gone_px = before.expected_px[row[feature]], before.expected_px[vanished]
    seen_px = position_px[feature]
    as_one = ((seen_px - (alone_px + gone_px) / 2) ** 2).sum(axis=1) * 2 / (before.who[vanished, MISSED] + 2)
    as_other = ((seen_px - alone_px) ** 2).sum(axis=1) / 2
    likely = as_one - as_other < LOG_ODDS * variance_px2
    lost, kept = before.particle[vanished[likely]], linked.particle[feature[likely]]
    merged = none[1]
    merged[feature[likely]] = True
    return np.stack([np.minimum(lost, kept), np.maximum(lost, kept)], 1), merged


def _linked(
    before: LinkMemory, number: int, position_px: Floats, s: Tracking, doubt: float, chains: bool
) -> tuple[LinkMemory, Linked]:
    """The memory after this frame and its links, by `tracking.assign.follow`. Raises Fault as `link` does."""
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
    remembered, place_px, packed, lost, doubts, next_particle = follow(
        before.who, before.place_px, before.next_particle, number, position_px, s.search_px, s.gate == "sqrt_time",
        s.crowd_share, doubt, chains, s.least_distance_px, s.memory, s.confirm, left,
    )  # fmt: skip
    if lost < 0:
        raise Fault(
            f"{features} features and {len(before)} remembered particles can't be linked in one frame's time: too many "
            f"lie within tracking.search_px ({s.search_px:g}) of each other; a smaller search_px leaves fewer choices, "
            "a larger minmass finds fewer features"
        )
    end = 3 * features + lost
    linked = Linked(packed, features, (end, end + doubts))
    return LinkMemory(remembered, place_px, next_particle, before.drift_px, before.moves), linked


def _with_common_move(
    before: LinkMemory, number: int, position_px: Floats, s: Tracking, held: Bools, missed: int
) -> tuple[int, LinkMemory]:  # fmt: skip
    """(kind of common move; `before`, with a SHARED move added to the expected positions)."""
    kind, x, y = common(before.who, before.place_px, held, position_px, s.search_px, missed)
    if kind != SHARED:
        return kind, before
    frames = np.maximum(number - before.who[:, NUMBER], 1)
    there_px = before.expected_px + np.multiply.outer(frames / frames.min(), [x, y])
    return kind, before.expecting(np.flatnonzero(~held), there_px[~held])


def _doubt(after: LinkMemory, linked: Linked, wary: Bools) -> None:
    """Make the links of the features `wary` [N] UNCERTAIN. Writes to `after` and `linked`."""
    row = np.searchsorted(after.particle, linked.particle[wary])
    after.who[row, CLEAR] = 0
    after.who[row, DOUBTED] = 1
    linked.packed[linked.features : 2 * linked.features][wary] = UNCERTAIN


def _doubt_when_seen_again(after: LinkMemory, particle: Ints) -> None:
    """Make the next detection of these particles UNCERTAIN, if they have no feature now. Writes to `after`."""
    row = np.minimum(np.searchsorted(after.particle, particle), len(after) - 1)
    row = row[(after.particle[row] == particle) & (after.who[row, MISSED] > 0)]
    after.who[row, CLEAR] = -1
    after.who[row, DOUBTED] = 1


def _flow(before: LinkMemory, s: Tracking) -> Flow:
    """The flow measured so far, or the initial velocity of the settings before the first measurement."""
    drift_px = before.drift_px if before.moves else s.initial_velocity_px_per_frame
    has_velocity: Bools = np.isfinite(before.velocity_px.sum(axis=1))
    if len(has_velocity) != len(before) or s.predict == "drift":
        return Flow(drift_px)
    return Flow(drift_px, before.position_px[has_velocity], before.velocity_px[has_velocity])


def _with_flow(
    before: LinkMemory, after: LinkMemory, number: int, position_px: Floats, s: Tracking, held: Bools, doubted: Bools,
    learns: bool,
) -> LinkMemory:  # fmt: skip
    """`after` with the flow updated by the moves of this frame, without `doubted` links [rows of `after`]."""
    row = np.minimum(np.searchsorted(after.particle, before.particle), max(len(after) - 1, 0))
    again = (before.who[:, MISSED] == 0) & ~held
    if len(after):
        again &= (after.particle[row] == before.particle) & (after.who[row, MISSED] == 0) & ~doubted[row]
    frames = np.maximum(number - before.who[again, NUMBER], 1)
    moves_px = velocities_px(before.position_px[again], after.position_px[row[again]], frames)
    velocity_px = np.empty((0, 2))
    if s.predict != "drift" and learns:
        velocity_px = np.full((len(after), 2), np.nan)
        velocity_px[row[again]] = moves_px
    drift_px, moves = before.drift_px, before.moves
    if learns:
        drift_px, moves = mean_after(drift_px, moves, moves_px)
    return replace(after, drift_px=drift_px, moves=moves, velocity_px=velocity_px)


def _link_without_alarms(
    before: LinkMemory, number: int, position_px: Floats, s: Tracking
) -> tuple[LinkMemory, Linked]:  # fmt: skip
    """The rule of kernels up to 3: the expected positions are in the memory already."""
    after, linked = _linked(before, number, position_px, s, s.doubt, False)
    if s.predict == "last":
        return after, linked
    drift_px = _drift(before, number, linked, position_px)
    after.place_px[:, AHEAD_X:] += np.multiply.outer(1 + after.who[:, MISSED], drift_px)
    return replace(after, drift_px=drift_px), linked


def _drift(before: LinkMemory, number: int, linked: Linked, position_px: Floats) -> tuple[float, float]:
    """Low-passed median move per frame of all linked particles, x and y; Brownian moves have a median of 0."""
    linked_again = (before.who[:, MISSED] == 0) & np.isin(before.particle, linked.particle)
    if np.count_nonzero(linked_again) < FEWEST:
        return before.drift_px
    frames = np.maximum(number - before.who[linked_again, NUMBER], 1)
    now_px = position_px[linked.order][np.searchsorted(linked.particle[linked.order], before.particle[linked_again])]
    move = np.median((now_px - before.position_px[linked_again]) / frames[:, None], axis=0)
    x, y = before.drift_px
    return x + DRIFT_SHARE * (float(move[0]) - x), y + DRIFT_SHARE * (float(move[1]) - y)

"""Response of particles to their traps: the configured values, and estimates learned during the run.

A position y1 is predicted from the previous one, y0, and from the traps that acted in between: y1 = yhat(y0) + e. If
the rate kappa or the latency is wrong, the innovation e correlates with dyhat/dkappa or dyhat/dlatency. But y0 has a
measurement error, and e contains a part of it. So e is not correlated with dyhat/dkappa itself but with an instrumental
variable zeta that does not contain y0, the offset from the position before y0 to the trap that acted at y0:
theta <- theta + S^-1 sum(zeta e), S <- forget S + sum(zeta dyhat/dtheta^T), a recursive instrumental variable method
(Soederstroem and Stoica 1983, Instrumental Variable Methods for System Identification; Ljung 1999, System
Identification, sections 7.6 and 11.3). The initial values are weighted by their standard errors. For the latency,
zeta is the derivative itself. But a trap that was placed on y0 contains a part of y0's error, and a late command can't
be distinguished from a position error: where commands act before the next position, the latency keeps its initial
value.

The innovations' variance is q + v (1 + a^2) and their covariance from one position to the next is -a v, where
a = exp(-kappa h), v is the variance of a position (noise less motion blur) and q = D / kappa (1 - a^2): so v and D are
learned (the covariance estimator of Vestergaard, Blainey and Flyvbjerg 2014, Phys. Rev. E 89, 022726, for a trapped
particle).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from control.contract import Command, State, Tracks
from control.history import Sighting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORGET_S = 300.0  # age at which data have the weight 1/e
BELIEF = np.array([0.3, 0.3])  # initial standard errors of ln kappa and of latency over hold
FARTHEST = np.array([math.log(3.0), 1.0])  # largest learned deviation of either from its initial value
BELIEF_PAIRS = 500.0  # weight of the initial noise and diffusion, in innovations
ALONE = 1.25  # diameters: a particle with a nearer neighbour is pushed by it, and is not used
OUTLIER = 4.5  # standard deviations


@dataclass(frozen=True)
class CommandedTraps:
    """The traps of one command, and the time from which they act."""

    effect_s: float
    particle: Ints  # [N] rising
    trap_um: Floats  # [N, 2]
    seen_s: float = -math.inf  # time of the sighting on which they were placed

    @classmethod
    def by(cls, command: Command, seen_s: float) -> CommandedTraps:
        """The traps of a command that was decided on the sighting at `seen_s`."""
        rows = np.flatnonzero(command.particle >= 0)
        rows = rows[np.argsort(command.particle[rows], kind="stable")]
        return cls(command.effect_s, command.particle[rows], command.position_um[rows], seen_s)

    def of(self, particle: Ints) -> tuple[NDArray[np.bool_], Floats]:
        """([N] whether each particle has a trap, [N, 2] position of the trap; 0 where there is none)."""
        trap_um = np.zeros((len(particle), 2))
        if len(self.particle) == 0:
            return np.zeros(len(particle), np.bool_), trap_um
        row = np.minimum(np.searchsorted(self.particle, particle), len(self.particle) - 1)
        has_trap = self.particle[row] == particle
        trap_um[has_trap] = self.trap_um[row[has_trap]]
        return has_trap, trap_um


@dataclass(frozen=True)
class Response:
    """Response of a particle to its trap."""

    rate_hz: float  # kappa
    diffusion_um2_per_s: float
    sight_um2: float  # variance of a measured position per axis, at the middle of its exposure; blur decreases it
    late_s: float = 0.0  # delay of a command beyond its planned time

    def relaxed(
        self, place_um: Floats, variance_um2: Floats, particle: Ints, traps: tuple[CommandedTraps, ...], start_s: float,
        end_s: float,
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:  # fmt: skip
        """(position [N, 2], its variance [N] per axis, [N] whether the particle always had a trap) at end_s.

        A particle relaxes towards its trap; without a trap it diffuses freely.
        """
        d = self.diffusion_um2_per_s
        always_held = np.ones(len(particle), np.bool_)
        starts_s = [start_s, *(max(trap.effect_s + self.late_s, start_s) for trap in traps)]
        ends_s = [*starts_s[1:], end_s]
        for trap, begin_s, until_s in zip((None, *traps), starts_s, ends_s, strict=True):
            lasting_s = min(until_s, end_s) - begin_s
            if lasting_s <= 0:
                continue
            has_trap, trap_um = (np.zeros_like(always_held), place_um) if trap is None else trap.of(particle)
            keep = np.where(has_trap, math.exp(-self.rate_hz * lasting_s), 1.0)  # [N]
            place_um = np.where(has_trap[:, None], trap_um + keep[:, None] * (place_um - trap_um), place_um)
            grown = np.where(has_trap, d / self.rate_hz * (1.0 - keep**2), 2.0 * d * lasting_s)
            variance_um2, always_held = keep**2 * variance_um2 + grown, always_held & has_trap
        return place_um, variance_um2, always_held


@dataclass(frozen=True)
class Learning:
    """The current estimates, and the sums from which they are computed."""

    first: Response
    now: Response
    theta: Floats = field(default_factory=lambda: np.zeros(2))  # ln(kappa / first kappa), late_s / hold
    information: Floats | None = None  # [2, 2] S
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # IDs of the last innovations
    innovation_um: Floats = field(default_factory=lambda: np.empty((0, 2)))
    sums: Floats = field(default_factory=lambda: np.zeros(4))  # sum of e^2, its count, sum of e e', its count
    shared: Floats = field(
        default_factory=lambda: np.zeros(2)
    )  # of e' dyhat/dlatency where traps are new, their number

    @classmethod
    def of(cls, first: Response) -> Learning:
        return cls(first, first)

    def step(
        self, sightings: tuple[Sighting, ...], traps: tuple[CommandedTraps, ...], hold_s: float, isolated: Ints
    ) -> Learning:
        """The estimates after the newest sighting, from the particles `isolated`, which only their traps push."""
        if len(sightings) < 3 or sightings[-1].time_s - sightings[-3].time_s > 2.5 * hold_s:
            return self._interrupted()
        older, before, newest = sightings[-3:]
        lasting_s = newest.time_s - before.time_s
        particle = np.intersect1d(np.intersect1d(isolated, before.particle), older.particle)
        place_um, before_um, older_um = (_rows(sighting, particle) for sighting in (newest, before, older))
        yhat, tilt, always_held = self._predicted(before_um, particle, traps, before.time_s, newest.time_s, hold_s)
        error = place_um - yhat  # [N, 2]
        sums = self.sums if self.sums[1] else self._initial_sums(lasting_s)
        inlier = always_held & (np.abs(error) < OUTLIER * math.sqrt(sums[0] / sums[1])).all(axis=1)
        if not inlier.any():
            return self._interrupted()
        particle, error, tilt, older_um = particle[inlier], error[inlier], tilt[inlier], older_um[inlier]
        trap_um = trap_at(traps, before.time_s - self.now.late_s, particle)
        strength = self.now.rate_hz * lasting_s * math.exp(-self.now.rate_hz * lasting_s)
        if any(trap.seen_s >= before.time_s and trap.effect_s < newest.time_s for trap in traps):
            tilt[..., 1] = 0.0
        instrument = np.stack([strength * (trap_um - older_um), tilt[..., 1]], axis=-1)  # [N, 2 axes, 2]
        forget = math.exp(-lasting_s / FORGET_S)
        theta, information = self._updated(error, tilt, instrument, forget, sums[0] / sums[1])
        sums = forget * sums + self._squares(particle, error)
        after = Learning(self.first, self.now, theta, information, particle, error, sums)
        return replace(after, now=after._response(lasting_s, hold_s))

    def _interrupted(self) -> Learning:
        return replace(self, particle=np.empty(0, np.int64), innovation_um=np.empty((0, 2)))

    def _predicted(
        self,
        start_um: Floats,
        particle: Ints,
        traps: tuple[CommandedTraps, ...],
        start_s: float,
        end_s: float,
        hold_s: float,
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """(yhat [N, 2], its derivatives dyhat/dtheta [N, 2, 2], [N] whether the particle always had a trap)."""
        no_variance = np.zeros(len(particle))
        step = 1e-4
        yhat, _, always_held = self.now.relaxed(start_um, no_variance, particle, traps, start_s, end_s)
        faster = replace(self.now, rate_hz=self.now.rate_hz * (1.0 + step))
        later = replace(self.now, late_s=self.now.late_s + step * hold_s)
        moved = [
            varied.relaxed(start_um, no_variance, particle, traps, start_s, end_s)[0] for varied in (faster, later)
        ]
        return yhat, np.stack([(varied - yhat) / step for varied in moved], axis=-1), always_held

    def _initial_sums(self, lasting_s: float) -> Floats:
        """The sums for the initial values, with the weight of BELIEF_PAIRS innovations."""
        keep = math.exp(-self.first.rate_hz * lasting_s)
        q = self.first.diffusion_um2_per_s / self.first.rate_hz * (1.0 - keep**2)
        v = self.first.sight_um2
        return BELIEF_PAIRS * np.array([q + v * (1.0 + keep**2), 1.0, -keep * v, 1.0])

    def _updated(
        self, error: Floats, tilt: Floats, instrument: Floats, forget: float, noise_um2: float
    ) -> tuple[Floats, Floats]:
        """(new theta, its information S [2, 2])."""
        before = np.diag(noise_um2 / BELIEF**2) if self.information is None else self.information
        information = forget * before + np.einsum("nai,naj->ij", instrument, tilt)
        theta = self.theta + np.linalg.solve(information, np.einsum("nai,na->i", instrument, error))
        return np.clip(theta, -FARTHEST, FARTHEST), information

    def _last(self, particle: Ints) -> Floats:
        """[N, 2] last innovation of each particle; 0 where there is none."""
        last = np.zeros((len(particle), 2))
        _, row, column = np.intersect1d(particle, self.particle, assume_unique=True, return_indices=True)
        last[row] = self.innovation_um[column]
        return last

    def _squares(self, particle: Ints, error: Floats) -> Floats:
        """Contribution of these innovations to the sums."""
        product = error * self._last(particle)
        followed = 2 * len(np.intersect1d(particle, self.particle, assume_unique=True))
        return np.array([(error**2).sum(), error.size, product.sum(), followed])

    def _response(self, lasting_s: float, hold_s: float) -> Response:
        """The response that follows from theta and the sums."""
        rate_hz = self.first.rate_hz * math.exp(self.theta[0])
        keep = math.exp(-rate_hz * lasting_s)
        square, product = self.sums[0] / self.sums[1], self.sums[2] / self.sums[3]
        v = min(max(-product / keep, -0.3 * square), 0.4 * square)
        d = (square - v * (1.0 + keep**2)) * rate_hz / (1.0 - keep**2)
        d = min(max(d, self.first.diffusion_um2_per_s / 3.0), 3.0 * self.first.diffusion_um2_per_s)
        return Response(rate_hz, d, v, hold_s * float(self.theta[1]))


def trap_at(traps: tuple[CommandedTraps, ...], time_s: float, particle: Ints) -> Floats:
    """[N, 2] positions of the traps that acted at this time; 0 for particles without one."""
    acting = [trap for trap in traps if trap.effect_s <= time_s]
    return (acting[-1] if acting else traps[0]).of(particle)[1]


def alone(tracks: Tracks, diameter_um: float) -> Ints:
    """IDs of GOOD particles without a neighbour within ALONE diameters."""
    trusted = tracks.state == State.GOOD
    if len(tracks) > 1:
        # a third coordinate separates the cells: particles of different cells are no neighbours
        place = np.column_stack([tracks.position_um, 1e6 * tracks.cell])
        trusted &= cKDTree(place).query(place, k=2)[0][:, 1] > ALONE * diameter_um
    return np.asarray(tracks.particle[trusted], np.int64)


def _rows(sighting: Sighting, particle: Ints) -> Floats:
    """[N, 2] positions of particles that are in the sighting."""
    return sighting.position_um[np.searchsorted(sighting.particle, particle)]

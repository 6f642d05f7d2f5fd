"""A steered law that acts as it is written, in spite of latency and hold: where will the particle be, and how surely?

A trap that is put where a particle was seen acts when the particle has moved on, and is then held for a frame. Between
two commands the particle relaxes in a known trap, so that its place when the next command acts is known up to a normal
error of variance P, and the mean of its place one hold later can be chosen. What is left to chance in that choice has
the variance s^2 = P' - P (P' is P one hold later). So the estimates x are a random walk with steps of variance s^2,
whose drift is free, and the particle is x blurred by P. It has the density exp(-u), u = U / kT, if the walk has

    drift = tau [f - (P + tau/2) u' u'' - (P + tau) f'' / 2],    f = -u',  tau = s^2 / 2,

to second order in P and tau: a blurred density is sharpened by u + P (u'^2 - u'') / 2, and a walk with drift b and
finite steps keeps a density if b is corrected by -(tau/2)(b'' + b b'). (Derived by integrating the walk's generator by
parts; for a harmonic U the exact drift agrees to that order.) The first correction is the force at y = x - (P + tau/2)
f(y), the second a stencil, so that only forces are asked for, of any law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from control.allocate import Light
from control.contract import Forces, Seen
from control.plant import Plant
from control.policies.now import Force, Now
from control.policies.programmed import achieved_s, without_past

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 6  # of the fixed point y
FARTHEST = 2.0  # standard deviations that a correction, or the drift of one step, may reach: steep walls stay stable
AROUND = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


@dataclass(frozen=True)
class Told:
    """Where the traps were put, and from when on."""

    effect_s: float
    particle: Ints  # [N] rising
    trap_um: Floats  # [N, 2]


@dataclass(frozen=True)
class Predictive:
    """One trap a particle, placed so that the particle's density is that of the law as it is written."""

    forces: tuple[Force, ...]
    plant: Plant
    light: Light
    middle_um: tuple[float, float]
    exposure_s: float
    error_um: float = 0.0

    @property
    def longest_delay_s(self) -> float:
        return max((force.delay_s or 0.0 for force in self.forces), default=0.0)

    @property
    def rate_hz(self) -> float:
        """kappa of a trap."""
        return self.plant.rate_hz(self.light.stiffness_pn_per_um)

    def start(self) -> tuple[Told, ...]:
        return ()

    def step(self, memory: tuple[Told, ...], seen: Seen) -> tuple[tuple[Told, ...], Forces]:
        now = Now.of(seen, self.plant, self.middle_um)
        place_um, variance_um2 = self.predicted(memory, now)
        trap_um = place_um + self.way_um(now, place_um, variance_um2)
        offset_um = within(trap_um - now.position_um, self.light.waist_um / 2.0)
        unknown, withheld = without_past(now, self.forces)
        keep = ~unknown & np.isfinite(offset_um).all(axis=1)
        number = int(np.count_nonzero(keep))
        told = Told(seen.effect_s, now.particle[keep], (now.position_um + offset_um)[keep])
        since_s = seen.tracks.time_s
        newer = [one for one, after in pairwise((*memory, told)) if after.effect_s > since_s]
        return (*newer, told), Forces(
            particle=now.particle[keep],
            force_pn=self.light.stiffness_pn_per_um * offset_um[keep],
            delay_s=np.full(number, achieved_s(self.forces)),
            carried=np.zeros(number, np.bool_),
            withheld=withheld,
        )

    def predicted(self, memory: tuple[Told, ...], now: Now) -> tuple[Floats, Floats]:
        """(place [N, 2], its variance [N] an axis) of each particle when the next command acts.

        A particle relaxes towards the trap that it was given, and is free before it was given one. The mean over an
        exposure is as sure as a sharp sight a sixth of the exposure later (of free motion, at the exposure's end).
        """
        d = self.plant.diffusion_um2_per_s
        place_um = now.position_um.copy()
        variance = np.full(len(place_um), self.error_um**2 - d * self.exposure_s / 3.0)
        starts_s = [now.seen.tracks.time_s, *(max(one.effect_s, now.seen.tracks.time_s) for one in memory)]
        ends_s = [*starts_s[1:], now.seen.effect_s]
        for one, start_s, end_s in zip((None, *memory), starts_s, ends_s, strict=True):
            lasting_s = min(end_s, now.seen.effect_s) - start_s
            if lasting_s <= 0:
                continue
            held, trap_um = self._held(one, now.particle)
            keep = np.where(held, math.exp(-self.rate_hz * lasting_s), 1.0)  # [N]
            place_um = trap_um + keep[:, None] * (place_um - trap_um) if held.all() else np.where(
                held[:, None], trap_um + keep[:, None] * (place_um - trap_um), place_um
            )  # fmt: skip
            variance = keep**2 * variance + np.where(held, d / self.rate_hz * (1.0 - keep**2), 2.0 * d * lasting_s)
        return place_um, np.maximum(variance, 0.0)

    def _held(self, one: Told | None, particle: Ints) -> tuple[NDArray[np.bool_], Floats]:
        """([N] who has a trap, [N, 2] where it is; 0 where there is none)."""
        trap_um = np.zeros((len(particle), 2))
        if one is None or len(one.particle) == 0:
            return np.zeros(len(particle), np.bool_), trap_um
        row = np.minimum(np.searchsorted(one.particle, particle), len(one.particle) - 1)
        held = one.particle[row] == particle
        trap_um[held] = one.trap_um[row[held]]
        return held, trap_um

    def way_um(self, now: Now, place_um: Floats, variance_um2: Floats) -> Floats:
        """[N, 2] from the predicted place to the trap."""
        keep = math.exp(-self.rate_hz * now.seen.hold_s)
        later = keep**2 * variance_um2 + self.plant.diffusion_um2_per_s / self.rate_hz * (1.0 - keep**2)
        # a particle that was long without a trap is less sure now than a hold later: it is only caught then
        tau = np.maximum(later - variance_um2, 0.0)[:, None] / 2.0  # [N, 1]
        blur = variance_um2[:, None]
        most_um = FARTHEST * np.sqrt(blur + tau / 2.0)
        at_um = place_um
        for _ in range(ROUNDS):
            pull = self._force_per_um(now, place_um, at_um)
            at_um = place_um - within((blur + tau / 2.0) * pull, most_um)
        pull = self._force_per_um(now, place_um, at_um)
        reach = np.sqrt(2.0 * (blur + tau))  # [N, 1] of the stencil: <f> = f + (P + tau) f'' / 2
        near = np.mean([self._force_per_um(now, place_um, at_um + reach * side) for side in AROUND], axis=0)
        way = within(tau * (2.0 * pull - near), FARTHEST * np.sqrt(2.0 * tau))
        return np.asarray(way / (1.0 - keep))

    def _force_per_um(self, now: Now, centre_um: Floats, place_um: Floats) -> Floats:
        """[N, 2] F / kT of the whole law on particles at place_um, while the others are at centre_um."""
        there = replace(now, position_um=place_um, newest_um=centre_um)
        total = sum((force.pull(there).force_pn for force in self.forces), np.zeros_like(place_um))
        return np.asarray(total / self.plant.kt_pn_um)


def within(offset_um: Floats, most_um: float | Floats) -> Floats:
    """Offsets [N, 2], none longer than most_um (a number, or [N, 1])."""
    length = np.hypot(offset_um[:, 0], offset_um[:, 1])[:, None]
    part = np.divide(most_um, length, out=np.ones_like(length), where=length > most_um)
    return np.asarray(offset_um * part)

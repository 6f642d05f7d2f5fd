"""A steered law with prediction: it corrects for latency and hold, so that the potential acts as written.

A trap that is placed on a measured position acts after the particle has moved on, and is then held for a frame. Between
two commands the particle relaxes in a known trap. So its position when the next command acts is known up to a normal
error of variance P, and the placement of the trap determines its mean position one hold later. The random part of the
step from one estimate x to the next has the variance s^2 = P' - P (P' is P one hold later). So the estimates perform a
random walk with steps of variance s^2 and a drift that can be chosen, and the particle's density is that of x, blurred
by P. It is exp(-u), u = U / kT, if the walk has

    drift = tau [f - (P + tau/2) u' u'' - (P + tau) f'' / 2],    f = -u',  tau = s^2 / 2,

to second order in P and tau: the potential u + P (u'^2 - u'') / 2 compensates the blur, and a walk with drift b and
finite steps keeps a density if b is corrected by -(tau/2)(b'' + b b'). (Derived by integrating the walk's generator by
parts; for a harmonic U the exact drift agrees to that order.) The first correction is the force at y = x - (P + tau/2)
f(y), the second a finite-difference stencil, so that only the forces of the law are needed. Stiffness, latency and
localisation error are learned during the run (control.policies.response).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from control.allocate import LightModel
from control.contract import Forces, Seen
from control.plant import Plant
from control.policies.force_context import Force, Now
from control.policies.programmed import achieved_s, without_past
from control.policies.response import CommandedTraps, Learning, Response, alone

Floats = NDArray[np.float64]
ROUNDS = 6  # iterations of the fixed point y
FARTHEST = 2.0  # limit of a correction, and of the drift of one step, in standard deviations: steep walls stay stable
NOTICE = 0.05  # relative change of the rate that is reported to the operator
AROUND = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


@dataclass(frozen=True)
class PredictiveMemory:
    """State between two turns: traps that still act or acted during the last sightings, and the learned response."""

    learning: Learning
    told: tuple[CommandedTraps, ...] = ()
    seen_s: float = -math.inf  # time of the newest sighting
    said_hz: float = 0.0  # rate that was last reported to the operator


@dataclass(frozen=True)
class Predictive:
    """One trap per particle, placed so that the particle's density is that of the law as written."""

    forces: tuple[Force, ...]
    plant: Plant
    light: LightModel
    middle_um: tuple[float, float]
    exposure_s: float
    error_um: float = 0.0
    learn: bool = True

    @property
    def longest_delay_s(self) -> float:
        return max((force.delay_s or 0.0 for force in self.forces), default=0.0)

    @cached_property
    def believed(self) -> Response:
        """Response of particles to their traps, as configured.

        For free motion, at the exposure's end, a mean position over the exposure t_E is as accurate as an instantaneous
        one at t_E / 6 after its middle: its variance at the middle is error^2 - D t_E / 3.
        """
        d = self.plant.diffusion_um2_per_s
        rate_hz = self.plant.rate_hz(self.light.stiffness_pn_per_um)
        return Response(rate_hz, d, self.error_um**2 - d * self.exposure_s / 3.0)

    def start(self) -> PredictiveMemory:
        return PredictiveMemory(Learning.of(self.believed), said_hz=self.believed.rate_hz)

    def step(self, memory: PredictiveMemory, seen: Seen) -> tuple[PredictiveMemory, Forces]:
        memory = self.informed(memory, seen)
        response = memory.learning.now
        now = Now.of(seen, self.plant, self.middle_um)
        place_um, variance_um2 = self.predicted(memory, now)
        trap_um = place_um + self.way_um(response, now, place_um, variance_um2)
        offset_um = within(trap_um - now.position_um, self.light.waist_um / 2.0)
        unknown, withheld = without_past(now, self.forces)
        keep = ~unknown & np.isfinite(offset_um).all(axis=1)
        changed = abs(response.rate_hz / memory.said_hz - 1.0) > NOTICE
        return replace(memory, said_hz=response.rate_hz if changed else memory.said_hz), Forces(
            particle=now.particle[keep],
            force_pn=self.light.stiffness_pn_per_um * offset_um[keep],
            delay_s=np.full(int(np.count_nonzero(keep)), achieved_s(self.forces)),
            carried=np.zeros(int(np.count_nonzero(keep)), np.bool_),
            withheld=withheld,
            notes=(self.words(response),) if changed else (),
        )

    def informed(self, memory: PredictiveMemory, seen: Seen) -> PredictiveMemory:
        """The memory with the traps of the last turn, and with the response learned from the newest sighting."""
        traps = memory.told
        if math.isfinite(seen.allowed.effect_s):
            traps = (*traps, CommandedTraps.by(seen.allowed, memory.seen_s))
        sightings = seen.history.sightings
        oldest_s = min((sighting.time_s for sighting in sightings[-3:]), default=seen.tracks.time_s) - seen.hold_s
        traps = (*(trap for trap, after in pairwise(traps) if after.effect_s > oldest_s), *traps[-1:])
        learning = memory.learning
        if self.learn and traps and sightings and sightings[-1].time_s == seen.tracks.time_s:
            learning = learning.step(sightings, traps, seen.hold_s, alone(seen.tracks, self.plant.diameter_um))
        return PredictiveMemory(learning, traps, sightings[-1].time_s if sightings else memory.seen_s, memory.said_hz)

    def words(self, response: Response) -> str:
        stiffer = response.rate_hz / self.believed.rate_hz
        return (
            f"learned: a trap's rate is {stiffer:.3g} times the believed one, and {1e3 * response.late_s:.2g} ms late"
        )

    def predicted(self, memory: PredictiveMemory, now: Now) -> tuple[Floats, Floats]:
        """(position [N, 2], its variance [N] per axis) of each particle when the next command acts."""
        response = memory.learning.now
        sight_um2 = np.full(len(now.particle), response.sight_um2)
        effect_s = now.seen.effect_s + response.late_s
        place_um, variance, _ = response.relaxed(
            now.position_um, sight_um2, now.particle, memory.told, now.seen.tracks.time_s, effect_s
        )
        return place_um, np.maximum(variance, 0.0)

    def way_um(self, response: Response, now: Now, place_um: Floats, variance_um2: Floats) -> Floats:
        """[N, 2] offset of the trap from the predicted position."""
        keep = math.exp(-response.rate_hz * now.seen.hold_s)
        later = keep**2 * variance_um2 + response.diffusion_um2_per_s / response.rate_hz * (1.0 - keep**2)
        # after a long time without a trap, the variance decreases during the hold: the trap only catches the particle
        tau = np.maximum(later - variance_um2, 0.0)[:, None] / 2.0  # [N, 1]
        blur = variance_um2[:, None]
        most_um = FARTHEST * np.sqrt(blur + tau / 2.0)
        at_um = place_um
        for _ in range(ROUNDS):
            pull = self._force_per_um(now, place_um, at_um)
            at_um = place_um - within((blur + tau / 2.0) * pull, most_um)
        pull = self._force_per_um(now, place_um, at_um)
        reach = np.sqrt(2.0 * (blur + tau))  # [N, 1] half-width of the stencil: <f> = f + (P + tau) f'' / 2
        near = np.mean([self._force_per_um(now, place_um, at_um + reach * side) for side in AROUND], axis=0)
        shift = within(tau * (2.0 * pull - near), FARTHEST * np.sqrt(2.0 * tau))
        return np.asarray(shift / (1.0 - keep))

    def _force_per_um(self, now: Now, centre_um: Floats, place_um: Floats) -> Floats:
        """[N, 2] F / kT of the whole law on particles at place_um, while the others are at centre_um."""
        moved = replace(now, position_um=place_um, newest_um=centre_um)
        total = sum((force.pull(moved).force_pn for force in self.forces), np.zeros_like(place_um))
        return np.asarray(total / self.plant.kt_pn_um)


def within(offset_um: Floats, most_um: float | Floats) -> Floats:
    """Offsets [N, 2], shortened to at most most_um (a number, or [N, 1])."""
    length = np.hypot(offset_um[:, 0], offset_um[:, 1])[:, None]
    part = np.divide(most_um, length, out=np.ones_like(length), where=length > most_um)
    return np.asarray(offset_um * part)

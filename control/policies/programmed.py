"""A law written as a sum of forces, applied by steered traps or by a painted landscape (docs/predictions.md 2.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.allocate import LightModel
from control.contract import Forces, Seen
from control.plant import Plant
from control.policies.force_context import Force, Now
from control.potentials.painting import Rings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SteeredTraps:
    """One trap per particle: the sum of all forces, from the particle's measured position and the past centres."""

    forces: tuple[Force, ...]
    plant: Plant
    light: LightModel
    middle_um: tuple[float, float]
    compensate_latency: bool = False

    @property
    def longest_delay_s(self) -> float:
        return max((force.delay_s or 0.0 for force in self.forces), default=0.0)

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        now = Now.of(seen, self.plant, self.middle_um)
        force_pn = sum((force.pull(now).force_pn for force in self.forces), np.zeros_like(now.position_um))
        unknown, withheld = without_past(now, self.forces)
        keep = ~unknown
        return None, Forces(
            particle=now.particle[keep],
            force_pn=force_pn[keep] * self.correction(now),
            delay_s=np.full(np.count_nonzero(keep), achieved_s(self.forces)),
            carried=np.zeros(np.count_nonzero(keep), np.bool_),
            withheld=withheld,
        )

    def correction(self, now: Now) -> float:
        """1 / (1 + z), z = kappa latency: it corrects the density under a late trap to leading order (P9, P15)."""
        if not self.compensate_latency:
            return 1.0
        age_s = now.acts_s - now.seen.tracks.time_s
        return 1.0 / (1.0 + self.plant.rate_hz(self.light.stiffness_pn_per_um) * age_s)


@dataclass(frozen=True)
class Landscape:
    """Light painted about the centres; every particle feels all of it, without delay."""

    forces: tuple[Force, ...]
    rings: tuple[Rings, ...]  # of each force's shape
    plant: Plant
    middle_um: tuple[float, float]

    @property
    def longest_delay_s(self) -> float:
        return max((force.delay_s or 0.0 for force in self.forces), default=0.0)

    def start(self) -> None:
        return None

    def step(self, memory: None, seen: Seen) -> tuple[None, Forces]:
        now = Now.of(seen, self.plant, self.middle_um)
        unknown, withheld = without_past(now, self.forces)
        lit = [painted(force, rings, now, unknown) for force, rings in zip(self.forces, self.rings, strict=True)]
        whose, centre_um, radius_um, depth_kt, delay_s = (np.concatenate(column) for column in zip(*lit, strict=True))
        return None, Forces(
            ring_particle=whose, ring_um=centre_um, ring_radius_um=radius_um, ring_kt=depth_kt, ring_delay_s=delay_s,
            withheld=withheld,
        )  # fmt: skip


def painted(force: Force, rings: Rings, now: Now, unknown: NDArray[np.bool_]) -> tuple[NDArray[np.generic], ...]:
    """Rings of one force: (particle [M], centre [M, 2], radius [M], depth kT [M], delay [M])."""
    glow = force.glow(now)
    valid = np.all(np.isfinite(glow.centre_um), axis=1)  # [C]
    if len(valid) == len(unknown):
        valid &= ~unknown
    count, number = int(np.count_nonzero(valid)), len(rings.radius_um)
    delay_s = np.nan if force.delay_s is None else force.delay_s
    return (
        np.repeat(glow.particle[valid], number),
        np.repeat(glow.centre_um[valid], number, axis=0),
        np.tile(rings.radius_um, count),
        np.tile(rings.total_kt, count),
        np.full(count * number, delay_s),
    )


def without_past(now: Now, forces: tuple[Force, ...]) -> tuple[NDArray[np.bool_], tuple[tuple[int, str], ...]]:
    """([N] whether a past position of the particle is unknown, (particle, reason) of these particles)."""
    unknown = np.zeros(len(now.particle), np.bool_)
    reasons: dict[int, str] = {}
    for delay_s in {force.delay_s for force in forces if force.delay_s is not None}:
        missing = np.isnan(now.past_um(delay_s)).any(axis=1)
        unknown |= missing
        reasons |= {int(number): f"where it was {delay_s:g} s ago is not known" for number in now.particle[missing]}
    return unknown, tuple(sorted(reasons.items()))


def achieved_s(forces: tuple[Force, ...]) -> float:
    """The longest delay of a sum of forces; nan if no force has a delay.

    Past positions are looked up by time, so that the achieved delay differs only by the command's error in time.
    """
    return max((force.delay_s for force in forces if force.delay_s is not None), default=float("nan"))

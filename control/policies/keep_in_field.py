"""Brings a particle back before it leaves the field, with the same trap that steers it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Gt, settings
from control.allocate import LightModel
from control.contract import Forces, Policy, Seen, State

Floats = NDArray[np.float64]


@settings
class KeepInField:
    """A particle within the margin of the field's edge is carried towards the middle; the journal records when."""

    margin_um: Annotated[float, Gt(0), Doc("distance from the edge where carrying begins")] = 2.0
    release_um: Annotated[float, Gt(0), Doc("half size of the middle region where it ends")] = 1.0


@dataclass(frozen=True)
class Kept:
    """A policy with KeepInField added. Its memory: the IDs of carried particles, and the policy's own memory."""

    policy: Policy
    keep: KeepInField
    light: LightModel
    low_um: tuple[float, float]
    high_um: tuple[float, float]

    @property
    def longest_delay_s(self) -> float:
        return self.policy.longest_delay_s

    def start(self) -> tuple[frozenset[int], Any]:
        return frozenset(), self.policy.start()

    def step(self, memory: tuple[frozenset[int], Any], seen: Seen) -> tuple[tuple[frozenset[int], Any], Forces]:
        carried, inner = memory
        inner, forces = self.policy.step(inner, seen)
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        particle, position_um = tracks.particle[good], tracks.position_um[good]
        aim_um = self.aim(position_um)
        was_carried = np.isin(particle, list(carried))
        arrived = (aim_um == position_um).all(axis=1)
        # [N]; a wide margin may reach into the middle region
        is_carried = ~arrived & (was_carried | self.at_edge(position_um))
        notes = (
            *(f"particle {number} is brought back" for number in particle[is_carried & ~was_carried]),
            *(f"particle {number} is free again" for number in particle[was_carried & ~is_carried]),
        )
        lost = carried & {int(number) for number in tracks.lost}  # not detected now: carried on when detected again
        return (lost | {int(number) for number in particle[is_carried]}, inner), self.carry(
            forces, particle[is_carried], aim_um[is_carried] - position_um[is_carried], notes
        )

    def at_edge(self, position_um: Floats) -> NDArray[np.bool_]:
        """[N] whether a position is within the margin of the edge, or beyond it."""
        low = np.asarray(self.low_um) + self.keep.margin_um
        high = np.asarray(self.high_um) - self.keep.margin_um
        outside: NDArray[np.bool_] = np.any((position_um < low) | (position_um > high), axis=1)
        return outside

    def aim(self, position_um: Floats) -> Floats:
        """[N, 2] the nearest point of the middle region."""
        middle = (np.asarray(self.low_um) + np.asarray(self.high_um)) / 2.0
        return np.clip(position_um, middle - self.keep.release_um, middle + self.keep.release_um)

    def carry(
        self, forces: Forces, particle: NDArray[np.int64], direction_um: Floats, notes: tuple[str, ...]
    ) -> Forces:
        """The forces with the trap's largest force along `direction_um` [C, 2] on `particle` [C], and no other."""
        if len(particle) == 0:
            return replace(forces, notes=(*forces.notes, *notes))
        keep = ~np.isin(forces.particle, particle)
        keep_ring = ~np.isin(forces.ring_particle, particle)
        reach_pn = self.light.stiffness_pn_per_um * self.light.waist_um / 2.0
        # hypot: squares would underflow
        pull_pn = reach_pn * direction_um / np.hypot(direction_um[:, :1], direction_um[:, 1:])
        order = np.argsort(np.concatenate([forces.particle[keep], particle]), kind="stable")
        return replace(
            forces,
            particle=np.concatenate([forces.particle[keep], particle])[order],
            force_pn=np.concatenate([forces.force_pn[keep], pull_pn])[order],
            delay_s=np.concatenate([forces.delay_s[keep], np.full(len(particle), np.nan)])[order],
            carried=np.concatenate([forces.carried[keep], np.ones(len(particle), np.bool_)])[order],
            ring_particle=forces.ring_particle[keep_ring],
            ring_um=forces.ring_um[keep_ring],
            ring_radius_um=forces.ring_radius_um[keep_ring],
            ring_kt=forces.ring_kt[keep_ring],
            ring_delay_s=forces.ring_delay_s[keep_ring],
            withheld=tuple(entry for entry in forces.withheld if entry[0] not in particle),
            notes=(*forces.notes, *notes),
        )

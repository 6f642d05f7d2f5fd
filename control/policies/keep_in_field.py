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
        inner, wanted = self.policy.step(inner, seen)
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        particle, position_um = tracks.particle[good], tracks.position_um[good]
        aim_um = self.aim(position_um)
        was = np.isin(particle, list(carried))
        arrived = (aim_um == position_um).all(axis=1)
        now = ~arrived & (was | self.at_edge(position_um))  # [N] a wide margin may reach into the middle region
        notes = (
            *(f"particle {who} is brought back" for who in particle[now & ~was]),
            *(f"particle {who} is free again" for who in particle[was & ~now]),
        )
        gone = carried & {int(who) for who in tracks.lost}  # not detected now: carried on when detected again
        return (gone | {int(who) for who in particle[now]}, inner), self.carry(
            wanted, particle[now], aim_um[now] - position_um[now], notes
        )

    def at_edge(self, position_um: Floats) -> NDArray[np.bool_]:
        """[N] whether a position is within the margin of the edge, or beyond it."""
        low = np.asarray(self.low_um) + self.keep.margin_um
        high = np.asarray(self.high_um) - self.keep.margin_um
        beyond: NDArray[np.bool_] = np.any((position_um < low) | (position_um > high), axis=1)
        return beyond

    def aim(self, position_um: Floats) -> Floats:
        """[N, 2] the nearest point of the middle region."""
        middle = (np.asarray(self.low_um) + np.asarray(self.high_um)) / 2.0
        return np.clip(position_um, middle - self.keep.release_um, middle + self.keep.release_um)

    def carry(self, wanted: Forces, particle: NDArray[np.int64], way_um: Floats, notes: tuple[str, ...]) -> Forces:
        """The forces with the trap's largest force along `way_um` [C, 2] on `particle` [C], and no other on them."""
        if len(particle) == 0:
            return replace(wanted, notes=(*wanted.notes, *notes))
        stays = ~np.isin(wanted.particle, particle)
        lit = ~np.isin(wanted.ring_particle, particle)
        reach_pn = self.light.stiffness_pn_per_um * self.light.waist_um / 2.0
        pull_pn = reach_pn * way_um / np.hypot(way_um[:, :1], way_um[:, 1:])  # hypot: squares would underflow
        order = np.argsort(np.concatenate([wanted.particle[stays], particle]), kind="stable")
        return replace(
            wanted,
            particle=np.concatenate([wanted.particle[stays], particle])[order],
            force_pn=np.concatenate([wanted.force_pn[stays], pull_pn])[order],
            delay_s=np.concatenate([wanted.delay_s[stays], np.full(len(particle), np.nan)])[order],
            carried=np.concatenate([wanted.carried[stays], np.ones(len(particle), np.bool_)])[order],
            ring_particle=wanted.ring_particle[lit],
            ring_um=wanted.ring_um[lit],
            ring_radius_um=wanted.ring_radius_um[lit],
            ring_kt=wanted.ring_kt[lit],
            ring_delay_s=wanted.ring_delay_s[lit],
            withheld=tuple(said for said in wanted.withheld if said[0] not in particle),
            notes=(*wanted.notes, *notes),
        )

"""Predicted positions of the particles in traps, for the tracker.

A trap acts from `effect_s` on and until the next command acts. It pulls its particle at the rate kappa = k / gamma,
which falls off from the trap's centre as exp(-2 rho^2 / waist^2) (docs/predictions.md 2.2). Only particles with one
spot of their own are predicted: a ring of spots has no single equilibrium position.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from control.allocate import LightModel
from control.contract import Command, Expected, RecordedLight, Tracks
from control.plant import Plant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hold:
    """The particles in the traps of one command."""

    effect_s: float  # start of the command
    waist_um: float
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    trap_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    rate_hz: Floats = field(default_factory=lambda: np.empty(0))  # [N] kappa at the trap's centre

    @classmethod
    def of(cls, command: Command, effect_s: float, light: LightModel, plant: Plant) -> Hold:
        """The hold of a command: particles that have exactly one spot."""
        ids, row, spots = np.unique(command.particle, return_index=True, return_counts=True)
        row = row[(spots == 1) & (ids >= 0)]
        depth_kt = light.depth_kt(command)[row]
        kappa_hz = plant.rate_hz(light.stiffness_of(1.0)) * depth_kt
        return cls(effect_s, light.waist_um, command.particle[row], command.position_um[row], kappa_hz)

    def pull(self, particle: Ints, position_um: Floats, lasting_s: float) -> tuple[Floats, NDArray[np.bool_]]:
        """(positions [N, 2] of `particle` [N] after `lasting_s`, [N] True where a trap holds the particle)."""
        if len(self.particle) == 0 or len(particle) == 0:
            return position_um, np.zeros(len(particle), np.bool_)
        row = np.minimum(np.searchsorted(self.particle, particle), len(self.particle) - 1)
        trapped = self.particle[row] == particle
        offset_um = position_um - self.trap_um[row]
        reach = 2.0 * (offset_um**2).sum(axis=1) / self.waist_um**2  # [N]
        # share of the offset that is left after half the time
        half = np.exp(-0.5 * lasting_s * self.rate_hz[row] * np.exp(-reach))
        remaining = np.where(trapped, np.exp(-lasting_s * self.rate_hz[row] * np.exp(-reach * half**2)), 1.0)
        return position_um - (1.0 - remaining)[:, None] * offset_um, trapped


@dataclass(frozen=True, slots=True)
class PredictedPositions:
    """Predicted positions, at `time_s`, of the particles that may be detected again."""

    time_s: float = float("nan")
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    moved: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # [N] by light since detected

    def at(self, time_s: float, holds: tuple[Hold, ...]) -> PredictedPositions:
        """The positions at a later `time_s`, under these holds, each of which lasts until the next one."""
        position_um, moved = self.position_um, self.moved
        ends_s = [*(hold.effect_s for hold in holds[1:]), time_s]
        for hold, end_s in zip(holds, ends_s, strict=False):  # without holds, one end is left over
            lasting_s = min(end_s, time_s) - max(hold.effect_s, self.time_s)
            if lasting_s > 0:
                position_um, trapped = hold.pull(self.particle, position_um, lasting_s)
                moved = moved | trapped
        return PredictedPositions(time_s, self.particle, position_um, moved)

    def updated(self, tracks: Tracks) -> PredictedPositions:
        """The positions after a frame: those in `tracks`, and the predicted ones of lost particles."""
        if len(tracks.lost) == 0:
            return PredictedPositions(
                tracks.time_s, tracks.particle, tracks.position_um, np.zeros(len(tracks), np.bool_)
            )
        is_lost = np.isin(self.particle, tracks.lost)
        particle = np.concatenate([tracks.particle, self.particle[is_lost]])
        order = np.argsort(particle, kind="stable")
        return PredictedPositions(
            tracks.time_s,
            particle[order],
            np.concatenate([tracks.position_um, self.position_um[is_lost]])[order],
            np.concatenate([np.zeros(len(tracks), np.bool_), self.moved[is_lost]])[order],
        )

    @property
    def expected(self) -> Expected:
        """The predictions for particles that light has moved."""
        return Expected(self.particle[self.moved], self.position_um[self.moved])


def assign_recorded_light(felt: RecordedLight, tracks: Tracks, within_um: float) -> Command:
    """The recorded command, with its spots assigned to the particles in `tracks` at the recorded positions.

    A spot gets ID -1 if it was recorded with -1, or if no particle is within `within_um`.
    """
    command = felt.command
    if len(felt.particle) == 0 or len(tracks) == 0:
        return replace(command, particle=np.full(len(command), -1))
    row = np.minimum(np.searchsorted(felt.particle, command.particle), len(felt.particle) - 1)
    has_place = felt.particle[row] == command.particle  # [M]
    has_place &= np.isfinite(felt.position_um[row]).all(axis=1)  # records may contain any values
    place_um = np.where(has_place[:, None], felt.position_um[row], 0.0)
    finite = np.isfinite(tracks.position_um).all(axis=1)  # tracks may come from a record
    distance_um, nearest = cKDTree(tracks.position_um[finite]).query(place_um)
    ids = np.append(tracks.particle[finite], -1)  # last: no particle within reach
    return replace(command, particle=np.where(has_place & (distance_um <= within_um), ids[nearest], -1))


def still_acting(holds: tuple[Hold, ...], newest: Hold, since_s: float) -> tuple[Hold, ...]:
    """The holds and the newest one, without those that ended by `since_s`. Successive empty holds are merged."""
    if holds and len(holds[-1].particle) == len(newest.particle) == 0:
        newest, holds = holds[-1], holds[:-1]
    return (*(hold for hold, after in pairwise((*holds, newest)) if not after.effect_s <= since_s), newest)

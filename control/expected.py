"""Where the light has brought the particles that it holds: what the tracker is told before it looks at a frame.

A trap acts from `effect_s` on and until the next command acts. It pulls its particle at the rate kappa = k / gamma,
which falls off from the trap's middle as exp(-2 rho^2 / waist^2) (physics brief 2.2). Only who has a spot of its own
is held: of a ring of spots there is no one place that its particle goes to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from control.allocate import LightModel
from control.contract import Command, Expected, Felt, Tracks
from control.plant import Plant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hold:
    """Whom one command's traps hold."""

    effect_s: float  # from then on
    waist_um: float
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    trap_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    rate_hz: Floats = field(default_factory=lambda: np.empty(0))  # [N] kappa in the trap's middle

    @classmethod
    def of(cls, command: Command, effect_s: float, light: LightModel, plant: Plant) -> Hold:
        """The particles that have one spot each."""
        who, row, spots = np.unique(command.particle, return_index=True, return_counts=True)
        row = row[(spots == 1) & (who >= 0)]
        depth_kt = light.depth_kt(command)[row]
        kappa_hz = plant.rate_hz(light.stiffness_of(1.0)) * depth_kt
        return cls(effect_s, light.waist_um, command.particle[row], command.position_um[row], kappa_hz)

    def pull(self, particle: Ints, position_um: Floats, lasting_s: float) -> tuple[Floats, NDArray[np.bool_]]:
        """(where `particle` [N] are so much later [N, 2], who of them was held [N])."""
        if len(self.particle) == 0 or len(particle) == 0:
            return position_um, np.zeros(len(particle), np.bool_)
        row = np.minimum(np.searchsorted(self.particle, particle), len(self.particle) - 1)
        held = self.particle[row] == particle
        offset_um = position_um - self.trap_um[row]
        reach = 2.0 * (offset_um**2).sum(axis=1) / self.waist_um**2  # [N]
        half = np.exp(
            -0.5 * lasting_s * self.rate_hz[row] * np.exp(-reach)
        )  # of the offset is left in the middle of it
        left = np.where(held, np.exp(-lasting_s * self.rate_hz[row] * np.exp(-reach * half**2)), 1.0)
        return position_um - (1.0 - left)[:, None] * offset_um, held


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where everyone is who may be seen again, as far as is known, at `time_s`."""

    time_s: float = float("nan")
    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [N] rising
    position_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2]
    moved: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # [N] by light, since it was seen

    def at(self, time_s: float, holds: tuple[Hold, ...]) -> Whereabouts:
        """So much later, under these holds, each until the next one."""
        position_um, moved = self.position_um, self.moved
        ends_s = [*(hold.effect_s for hold in holds[1:]), time_s]
        for hold, end_s in zip(holds, ends_s, strict=False):  # without holds there is one end too many
            lasting_s = min(end_s, time_s) - max(hold.effect_s, self.time_s)
            if lasting_s > 0:
                position_um, held = hold.pull(self.particle, position_um, lasting_s)
                moved = moved | held
        return Whereabouts(time_s, self.particle, position_um, moved)

    def seen(self, tracks: Tracks) -> Whereabouts:
        """Those in `tracks` are where they were seen; the lost ones are where they were thought to be."""
        if len(tracks.lost) == 0:
            return Whereabouts(tracks.time_s, tracks.particle, tracks.position_um, np.zeros(len(tracks), np.bool_))
        still = np.isin(self.particle, tracks.lost)
        particle = np.concatenate([tracks.particle, self.particle[still]])
        order = np.argsort(particle, kind="stable")
        return Whereabouts(
            tracks.time_s,
            particle[order],
            np.concatenate([tracks.position_um, self.position_um[still]])[order],
            np.concatenate([np.zeros(len(tracks), np.bool_), self.moved[still]])[order],
        )

    @property
    def expected(self) -> Expected:
        """Whom the light has moved, and where to."""
        return Expected(self.particle[self.moved], self.position_um[self.moved])


def felt_by(felt: Felt, tracks: Tracks, within_um: float) -> Command:
    """The recorded command, its spots for those in `tracks` who are where those were for whom they were recorded.

    A spot is for particle -1 where that was recorded, and where no particle is within `within_um`.
    """
    command = felt.command
    if len(felt.particle) == 0 or len(tracks) == 0:
        return replace(command, particle=np.full(len(command), -1))
    row = np.minimum(np.searchsorted(felt.particle, command.particle), len(felt.particle) - 1)
    known = felt.particle[row] == command.particle  # [M]
    known &= np.isfinite(felt.position_um[row]).all(axis=1)  # a record may come from anywhere
    place_um = np.where(known[:, None], felt.position_um[row], 0.0)
    seen = np.isfinite(tracks.position_um).all(axis=1)  # of a record: its tracks may be played
    distance_um, nearest = cKDTree(tracks.position_um[seen]).query(place_um)
    who = np.append(tracks.particle[seen], -1)  # last: no particle there, or the distance is not a number
    return replace(command, particle=np.where(known & (distance_um <= within_um), who[nearest], -1))


def still_acting(holds: tuple[Hold, ...], newest: Hold, since_s: float) -> tuple[Hold, ...]:
    """These and the newest, without those that had ended by since_s. Darkness after darkness is one."""
    if holds and len(holds[-1].particle) == len(newest.particle) == 0:
        newest, holds = holds[-1], holds[:-1]
    return (*(one for one, after in pairwise((*holds, newest)) if not after.effect_s <= since_s), newest)

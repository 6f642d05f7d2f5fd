"""Programmed forces, and their input: the trusted particles of this turn, their past, and the plant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from config.fields import set_absent
from control.contract import Seen, State
from control.plant import Plant
from control.potentials.shape import Shape
from control.read_only import read_only
from control.theory.conditions import Conditions, PredictedQuantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Now:
    """The particles that may get light, one row each. All forces share the arrays, which are read-only."""

    seen: Seen
    plant: Plant
    middle_um: tuple[float, float]
    particle: Ints  # [N]
    position_um: Floats  # [N, 2]
    species: Ints  # [N]
    cell: Ints  # [N]
    newest_um: Floats | None = None  # [N, 2] estimated newest positions; None: the measured ones

    @classmethod
    def of(cls, seen: Seen, plant: Plant, middle_um: tuple[float, float]) -> Now:
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        columns = (tracks.particle, tracks.position_um, tracks.species, tracks.cell)
        return cls(seen, plant, middle_um, *[read_only(column[good]) for column in columns])

    @property
    def acts_s(self) -> float:
        """Middle of the time during which the command acts."""
        return self.seen.effect_s + self.seen.hold_s / 2.0

    def past_um(self, delay_s: float | None) -> Floats:
        """[N, 2] positions `delay_s` before the command acts, on average; None: the newest positions.

        An unknown position is nan (docs/predictions.md 2.7: looked up by timestamp, never by frame index).

        Raises ValueError for a negative delay, and for one that is longer than the history.
        """
        if delay_s is None:
            return self.position_um if self.newest_um is None else read_only(self.newest_um)
        history = self.seen.history
        longest_s = self.acts_s - history.sightings[-1].time_s + history.depth_s if history.sightings else np.inf
        if not 0.0 <= delay_s <= longest_s:
            raise ValueError(
                f"past_um({delay_s:g}): no position of then is kept (allowed: 0 to {longest_s:.3g} s; a law names its "
                "delays in delays_s)"
            )
        return self.seen.history.at(self.acts_s - delay_s, self.particle)


@dataclass(frozen=True)
class Pull:
    """One programmed force on the trusted particles; nan where a past position is unknown."""

    force_pn: Floats  # [N, 2]


@dataclass(frozen=True)
class Glow:
    """The centres about which one programmed force is painted."""

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] particle of each centre, or -1
    centre_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2]


class Force(ABC):
    """A programmed force: its values for steered traps, and the centres about which it is painted.

    A subclass is a settings class with a `kind` and `pull`; the defaults of the rest suit a force that is not painted.
    """

    kind: str
    shape: Shape | None  # its potential; None: it declares none
    delay_s: float | None  # mean age of the positions that it uses; None: the newest
    about_own_past: ClassVar[bool] = False  # the shape is centred where the particle itself was
    about_others: ClassVar[bool] = False  # the shape is centred at each of the other particles
    about_one_point: ClassVar[bool] = False  # painted once, not about each particle

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        set_absent(cls, shape=None, delay_s=None)

    @abstractmethod
    def pull(self, now: Now) -> Pull:
        """The force on each particle of this turn. A pure function: earlier positions are in `now.past_um`."""

    def number_of_centres(self, particles: int) -> int:
        """Number of copies of the shape that are painted for this number of particles."""
        return 1 if self.about_one_point else max(particles, 1)

    def glow(self, now: Now) -> Glow:
        """The centres about which the shape is painted (mode landscape)."""
        return Glow()

    def why_not_painted(self) -> str:
        """The reason why painted light can't exert this force (mode landscape); empty if it can."""
        return f"a force of the kind {self.kind} is not painted, and needs mode: steered"

    def predict(self, conditions: Conditions) -> list[PredictedQuantity] | None:
        """Predicted effects of this force, from closed forms; None if there are none."""
        return None

"""What one programmed force sees: the trusted particles of this turn, their past, and the plant."""

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
from control.theory.conditions import Conditions, Foreseen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Now:
    """Rows are the particles that may get light. Their arrays, which all forces share, can't be written to."""

    seen: Seen
    plant: Plant
    middle_um: tuple[float, float]
    particle: Ints  # [N]
    position_um: Floats  # [N, 2]
    species: Ints  # [N]
    cell: Ints  # [N]
    newest_um: Floats | None = None  # [N, 2] where they are, as far as is known; left out: where they were seen

    @classmethod
    def of(cls, seen: Seen, plant: Plant, middle_um: tuple[float, float]) -> Now:
        tracks = seen.tracks
        good = tracks.state == State.GOOD
        columns = (tracks.particle, tracks.position_um, tracks.species, tracks.cell)
        return cls(seen, plant, middle_um, *[read_only(column[good]) for column in columns])

    @property
    def acts_s(self) -> float:
        """Middle of the time for which the answer acts."""
        return self.seen.effect_s + self.seen.hold_s / 2.0

    def past_um(self, delay_s: float | None) -> Floats:
        """[N, 2] where each was `delay_s` before the answer acts, on average; None: where it was seen last.

        A position that is not known is nan (docs/predictions.md 2.7: looked up by timestamp, never by frame index).

        Raises ValueError for a delay of which no position can be known, now or later.
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
    """One programmed force on the trusted particles; nan where a past position is not known."""

    force_pn: Floats  # [N, 2]


@dataclass(frozen=True)
class Glow:
    """One programmed force as light: rings about centres."""

    particle: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # [M] whose past, or -1
    centre_um: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [M, 2]


class Force(ABC):
    """A programmed force: how it pulls a steered trap, and the centres about which it is painted.

    A subclass is a settings class with a `kind` and `pull`; the rest has answers that suit a force without light.
    """

    kind: str
    shape: Shape | None  # the potential that it is made of; None where it declares none
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
        """How many times the shape is painted about so many particles."""
        return 1 if self.about_one_point else max(particles, 1)

    def glow(self, now: Now) -> Glow:
        """The centres about which the shape is painted (mode landscape)."""
        return Glow()

    def why_not_painted(self) -> str:
        """Why light can't exert this force (mode landscape); empty where it can."""
        return f"a force of the kind {self.kind} is not painted, and needs mode: steered"

    def predict(self, conditions: Conditions) -> list[Foreseen] | None:
        """What this force will do, from closed forms; None where there are none."""
        return None

"""The data that a check keeps of a run: positions of the particles, and of the light of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from control.contract import DARK, Command, Forces, Tracks, Turn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trajectory:
    """A run, frame by frame. Unknown values (unseen, dark) are nan."""

    time_s: Floats  # [T]
    place_um: Floats  # [T, P, 2] as seen
    centre_um: Floats  # [T, P, 2] position of the light then sent for each particle; [T, 0, 2] if not kept
    carried: NDArray[np.bool_]  # [T, P] being returned into the field, not moved by the law
    cell: Ints  # [P]

    @property
    def frame_s(self) -> float:
        return float((self.time_s[-1] - self.time_s[0]) / (len(self.time_s) - 1))

    @cached_property
    def free_um(self) -> Floats:
        """[T, P, 2] positions, nan while carried."""
        return np.where(self.carried[..., None], np.nan, self.place_um)

    def counted(self, settle_s: float, *, replicas: bool, rest_s: float) -> Trajectory:
        """The part of a run that is evaluated.

        Args:
            settle_s: frames before this time are left out.
            replicas: put every particle in a cell of its own.
            rest_s: time after being carried in which a particle does not count.
        """
        part = self.after(settle_s)
        part = part.replicas() if replicas else part
        return part.rested(rest_s) if part.carried.any() else part

    def replicas(self) -> Trajectory:
        """Every particle in a cell of its own, without particles seen in at most half of the frames."""
        frequent = np.flatnonzero(np.isfinite(self.place_um[..., 0]).mean(axis=0) > 0.5)
        return replace(self.of(frequent), cell=np.arange(len(frequent)))

    def rested(self, rest_s: float) -> Trajectory:
        """A copy in which particles count as carried for another rest_s after being carried."""
        frames = round(rest_s / self.frame_s) + 1
        carried_count = np.cumsum(self.carried, axis=0)
        earlier_count = np.concatenate([np.zeros_like(carried_count[:frames]), carried_count[:-frames]])[
            : len(carried_count)
        ]
        return replace(self, carried=carried_count > earlier_count)

    def after(self, settle_s: float) -> Trajectory:
        """The frames from settle_s on."""
        return self._frames(slice(int(np.searchsorted(self.time_s, settle_s)), None))

    def of(self, chosen: Ints) -> Trajectory:
        """The chosen particles."""
        return Trajectory(
            self.time_s,
            self.place_um[:, chosen],
            self.centre_um[:, chosen if self.centre_um.shape[1] else chosen[:0]],
            self.carried[:, chosen],
            self.cell[chosen],
        )

    def groups(self, number: int) -> list[Trajectory]:
        """The cells, divided into `number` groups (one group for each cell if there are fewer)."""
        cells = np.unique(self.cell)
        cell_groups = np.array_split(cells, min(number, len(cells)))
        return [self.of(np.flatnonzero(np.isin(self.cell, group))) for group in cell_groups]

    def stretches(self, number: int) -> list[Trajectory]:
        """The run, divided into `number` equal parts of time."""
        edges = np.linspace(0, len(self.time_s), number + 1).astype(int)
        return [self._frames(slice(begin, end)) for begin, end in pairwise(edges)]

    def _frames(self, chosen: slice) -> Trajectory:
        """The chosen frames."""
        time_s, place_um, centre_um = self.time_s[chosen], self.place_um[chosen], self.centre_um[chosen]
        return Trajectory(time_s, place_um, centre_um, self.carried[chosen], self.cell)


@dataclass
class Keeper:
    """A Recorder that keeps the data of a check in memory; turns without a frame are left out."""

    centres: bool  # whether the light is kept as well
    kept: list[tuple[Tracks, Command, Forces]] = field(default_factory=list)

    def write(self, turn: Turn) -> None:
        if turn.frame is None:
            return
        turn_tracks = turn.tracks
        tracks = Tracks(turn_tracks.time_s, turn_tracks.particle, turn_tracks.position_um, cell=turn_tracks.cell)
        returned = Forces(particle=turn.wanted.particle[turn.wanted.carried])
        sent = Command(turn.sent.position_um, particle=turn.sent.particle) if self.centres else DARK
        self.kept.append((tracks, sent, returned))

    def close(self) -> None: ...

    def seen(self) -> Trajectory:
        """All data as arrays."""
        particles = np.unique(np.concatenate([tracks.particle for tracks, _, _ in self.kept]))
        shape = (len(self.kept), len(particles))
        place_um = np.full((*shape, 2), np.nan)
        centre_um = np.full((*shape, 2) if self.centres else (shape[0], 0, 2), np.nan)
        carried, cell = np.zeros(shape, np.bool_), np.zeros(len(particles), np.int64)
        for row, (tracks, sent, returned) in enumerate(self.kept):
            column = np.searchsorted(particles, tracks.particle)
            place_um[row, column], cell[column] = tracks.position_um, tracks.cell
            carried[row, np.searchsorted(particles, returned.particle)] = True
            lit = sent.particle >= 0
            centre_um[row, np.searchsorted(particles, sent.particle[lit])] = sent.position_um[lit]
        time_s = np.array([tracks.time_s for tracks, _, _ in self.kept])
        return Trajectory(time_s, place_um, centre_um, carried, cell)

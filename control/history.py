"""Past positions of the particles by the mid-time of the exposure; looked up by time, never by frame index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from control.read_only import read_only

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST_GAP = 5  # sightings without the particle that an interpolation may bridge


@dataclass(frozen=True, slots=True)
class Sighting:
    """The positions of the particles in one frame; in a history the arrays are read-only."""

    time_s: float
    particle: Ints  # [N] rising
    position_um: Floats  # [N, 2]


@dataclass(frozen=True, slots=True)
class History:
    """The sightings of the last `depth_s` seconds, oldest first."""

    depth_s: float
    sightings: tuple[Sighting, ...] = ()
    begun_s: Mapping[int, float] = field(default_factory=dict)  # IDs whose past before that time is uncertain

    def push(self, sighting: Sighting, uncertain: Ints | None = None) -> History:
        """The history with one more sighting. Raises ValueError if it is not newer than the last one.

        uncertain: [U] IDs that are uncertain in this sighting: their earlier positions are no longer used.
        """
        if self.sightings and sighting.time_s <= self.sightings[-1].time_s:
            raise ValueError(f"a frame of {sighting.time_s:.6f} s came after one of {self.sightings[-1].time_s:.6f} s")
        oldest_s = sighting.time_s - self.depth_s
        keep = bisect_right(self.sightings, oldest_s, key=lambda old: old.time_s) - 1
        begun_s = {particle: time_s for particle, time_s in self.begun_s.items() if time_s > oldest_s}
        if uncertain is not None:
            begun_s |= dict.fromkeys(uncertain.tolist(), sighting.time_s)
        stored = Sighting(sighting.time_s, read_only(sighting.particle), read_only(sighting.position_um))
        return History(self.depth_s, (*self.sightings[max(keep, 0) :], stored), begun_s)

    def at(self, time_s: float, particle: Ints) -> Floats:
        """Positions of `particle` at `time_s`, interpolated between the sightings on either side.

        Args:
            time_s: not later than the newest sighting and not before the oldest one; otherwise the result is nan.
            particle: [N] IDs.

        Returns:
            [N, 2] um; nan if the particle was not detected within LARGEST_GAP sightings on both sides, or before its
            ID was last uncertain.
        """
        position_um = self._seen_at(time_s, particle)
        if self.begun_s:
            later = [uncertain for uncertain, begun_s in self.begun_s.items() if time_s < begun_s]
            position_um[np.isin(particle, later)] = np.nan
        return position_um

    def _seen_at(self, time_s: float, particle: Ints) -> Floats:
        """[N, 2] um, regardless of uncertain IDs."""
        unknown_um = np.full((len(particle), 2), np.nan)
        after = bisect_right(self.sightings, time_s, key=lambda old: old.time_s)
        if after == 0 or len(particle) == 0:
            return unknown_um
        if after == len(self.sightings):
            # the newest sighting is known to a nanosecond; anything later is unknown
            newest = self.sightings[-1]
            return _of(newest, particle) if time_s - newest.time_s <= 1e-9 else unknown_um
        before_s, before_um = self._nearest(range(after - 1, max(after - 1 - LARGEST_GAP, -1), -1), particle)
        after_s, after_um = self._nearest(range(after, min(after + LARGEST_GAP, len(self.sightings))), particle)
        share = (time_s - before_s) / (after_s - before_s)  # [N]
        return before_um + share[:, None] * (after_um - before_um)

    def _nearest(self, order: range, particle: Ints) -> tuple[Floats, Floats]:
        """(time_s [N], position_um [N, 2]) of the first sighting of each particle in the given order."""
        first = self.sightings[order[0]]
        times_s = np.full(len(particle), first.time_s)
        places_um = _of(first, particle)
        for index in order[1:]:
            missing = np.isnan(places_um[:, 0])
            if not missing.any():
                break
            places_um[missing] = _of(self.sightings[index], particle[missing])
            times_s[missing] = self.sightings[index].time_s
        return times_s, places_um


def _of(sighting: Sighting, particle: Ints) -> Floats:
    """[N, 2] positions of `particle` in one sighting; nan for particles that are not in it."""
    position_um = np.full((len(particle), 2), np.nan)
    if len(sighting.particle):
        row = np.minimum(np.searchsorted(sighting.particle, particle), len(sighting.particle) - 1)
        is_in = sighting.particle[row] == particle
        position_um[is_in] = sighting.position_um[row[is_in]]
    return position_um

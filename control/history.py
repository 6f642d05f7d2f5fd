"""Where every particle was: positions by exposure mid-time, looked up by timestamp, never by frame index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST_GAP = 5  # sightings that a look-up may bridge where a particle was missed


@dataclass(frozen=True, slots=True)
class Sighting:
    time_s: float
    particle: Ints  # [N] rising
    position_um: Floats  # [N, 2]


@dataclass(frozen=True, slots=True)
class History:
    """The sightings of the last `depth_s` seconds, oldest first."""

    depth_s: float
    sightings: tuple[Sighting, ...] = ()
    begun_s: Mapping[int, float] = field(default_factory=dict)  # whose past may be another's before that time

    def push(self, sighting: Sighting, uncertain: Ints | None = None) -> History:
        """With one more sighting; one that is not newer than the last is refused (ValueError).

        uncertain: [U] whose identity this sighting does not settle: what was known of them may be another's past.
        """
        if self.sightings and sighting.time_s <= self.sightings[-1].time_s:
            raise ValueError(f"a frame of {sighting.time_s:.6f} s came after one of {self.sightings[-1].time_s:.6f} s")
        oldest_s = sighting.time_s - self.depth_s
        keep = bisect_right(self.sightings, oldest_s, key=lambda old: old.time_s) - 1
        begun_s = {who: time_s for who, time_s in self.begun_s.items() if time_s > oldest_s}
        if uncertain is not None:
            begun_s |= dict.fromkeys(uncertain.tolist(), sighting.time_s)
        return History(self.depth_s, (*self.sightings[max(keep, 0) :], sighting), begun_s)

    def at(self, time_s: float, particle: Ints) -> Floats:
        """Positions of `particle` at `time_s`, interpolated between the sightings on either side.

        Args:
            time_s: not after the newest sighting; what is later, or before the oldest, is unknown.
            particle: [N] identities.

        Returns:
            [N, 2] um; nan where the particle was not seen within LARGEST_GAP sightings on both sides, and before the
            last doubt about who it is.
        """
        found = self._seen_at(time_s, particle)
        if self.begun_s:
            later = [who for who, begun_s in self.begun_s.items() if time_s < begun_s]
            found[np.isin(particle, later)] = np.nan
        return found

    def _seen_at(self, time_s: float, particle: Ints) -> Floats:
        """[N, 2] um, doubts or no doubts."""
        found = np.full((len(particle), 2), np.nan)
        after = bisect_right(self.sightings, time_s, key=lambda old: old.time_s)
        if after == 0 or len(particle) == 0:
            return found
        if after == len(self.sightings):
            # exactly at the newest sighting (to a nanosecond) is known; later is the future
            newest = self.sightings[-1]
            return _of(newest, particle) if time_s - newest.time_s <= 1e-9 else found
        before_s, before_um = self._nearest(range(after - 1, max(after - 1 - LARGEST_GAP, -1), -1), particle)
        after_s, after_um = self._nearest(range(after, min(after + LARGEST_GAP, len(self.sightings))), particle)
        share = (time_s - before_s) / (after_s - before_s)  # [N]
        return before_um + share[:, None] * (after_um - before_um)

    def _nearest(self, order: range, particle: Ints) -> tuple[Floats, Floats]:
        """(time_s [N], position_um [N, 2]) of the first sighting of each particle in this order."""
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
    """[N, 2] positions of `particle` in one sighting, nan where it is not in it."""
    found = np.full((len(particle), 2), np.nan)
    if len(sighting.particle):
        row = np.minimum(np.searchsorted(sighting.particle, particle), len(sighting.particle) - 1)
        seen = sighting.particle[row] == particle
        found[seen] = sighting.position_um[row[seen]]
    return found

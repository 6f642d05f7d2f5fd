"""Rules of tracking that changed. A run is verified with those that it was made with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Each rule is True in new runs and False in runs from before it."""

    bounded: bool = True  # fits stay near the centroid, and `auto` looks at crowding
    exact: bool = True  # whole grey levels are rounded down from float64, as in trackpy


NEWEST = Rules()

"""Tracking rules that changed between versions. A run is verified with the rules it was recorded with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Each rule is True in new runs and False in runs recorded before it existed."""

    bounded: bool = True  # fits stay near the centroid, and `auto` considers crowding
    exact: bool = True  # whole grey levels are rounded down from float64, as in trackpy
    leads: bool = True  # common moves are followed, or raise an alarm
    sloped: bool = True  # fits allow for the background's slope
    watched: bool = True  # windows are compared with the full frame, and strips overlap
    own: bool = True  # a link is uncertain if it is much longer than the particle's own steps
    own_over_gaps: bool = True  # also after missed frames; and five particles that move alike are not in doubt
    spread: bool = True  # a link is uncertain if the measured step variance makes another one likely

    @classmethod
    def of_kernels(cls, kernels: int) -> Rules:
        """The rules of a run, by the kernel number in its header (drivers.journal.header.KERNELS)."""
        fourth = kernels >= 4
        return cls(
            bounded=kernels >= 3, exact=fourth, leads=fourth, own=kernels >= 6, own_over_gaps=kernels >= 7,
            sloped=fourth, watched=fourth, spread=kernels >= 5,
        )  # fmt: skip


NEWEST = Rules()

"""Latency from the stages' own time stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stages:
    """Where the time goes, [T] turns each, from the middle of the exposure on."""

    arrival_s: Floats  # middle of the exposure to the beginning of the turn
    turn_s: Floats  # to when the beam had been told
    effect_s: Floats  # middle of the exposure to when the command acted, as the beam says

    def summary(self) -> dict[str, tuple[float, float]]:
        """(median, 99th percentile) of each."""
        found = {"arrival_s": self.arrival_s, "turn_s": self.turn_s, "effect_s": self.effect_s}
        return {name: (float(np.median(v)), float(np.percentile(v, 99))) for name, v in found.items() if len(v)}


def by_stages(frame_s: Floats, now_s: Floats, sent_s: Floats, effect_s: Floats) -> Stages:
    """Of time stamps [T]: exposure's middle, beginning of the turn, command sent, command in effect."""
    known = np.isfinite(frame_s) & np.isfinite(now_s) & np.isfinite(sent_s) & np.isfinite(effect_s)
    frame_s, now_s, sent_s, effect_s = frame_s[known], now_s[known], sent_s[known], effect_s[known]
    return Stages(now_s - frame_s, sent_s - now_s, effect_s - frame_s)

"""Latency from the time stamps of the stages of a turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stages:
    """Durations of the stages of T turns, [T] each."""

    arrival_s: Floats  # middle of the exposure to the start of the turn
    turn_s: Floats  # start of the turn to the end of beam.send
    effect_s: Floats  # middle of the exposure to the command's effect, as reported by the beam

    def summary(self) -> dict[str, tuple[float, float]]:
        """(median, 99th percentile) of each stage that has values."""
        stages = {"arrival_s": self.arrival_s, "turn_s": self.turn_s, "effect_s": self.effect_s}
        return {name: (float(np.median(v)), float(np.percentile(v, 99))) for name, v in stages.items() if len(v)}


def by_stages(frame_s: Floats, now_s: Floats, sent_s: Floats, effect_s: Floats) -> Stages:
    """Stages from time stamps [T]: middle of the exposure, start of the turn, command sent, command in effect."""
    finite = np.isfinite(frame_s) & np.isfinite(now_s) & np.isfinite(sent_s) & np.isfinite(effect_s)
    frame_s, now_s, sent_s, effect_s = frame_s[finite], now_s[finite], sent_s[finite], effect_s[finite]
    return Stages(now_s - frame_s, sent_s - now_s, effect_s - frame_s)

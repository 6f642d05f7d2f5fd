"""Latency from a flash of light that the camera sees, and from the stages' own time stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate, mean_of

Floats = NDArray[np.float64]


def by_flash(
    middle_s: Floats, brightness: Floats, told_s: Floats, *, exposure_s: float, threshold: float = 5.0
) -> Estimate:
    """From a command to when its light begins, by the share of an exposure that is lit.

    The brightness steps up in the first frame that any of the light reaches, by the share of its exposure that came
    after the onset, and in the second to its full height. Where the onset falls between two exposures, it is known to
    lie in that gap, and the gap's middle is taken.

    Args:
        middle_s, brightness: [T] of the frames; the brightness is dark, then lit after each command.
        told_s: [F] when the light was told to go on, each time after at least 4 dark frames.
        exposure_s: during which the shutter is open.
        threshold: a flash must be so many times brighter than the scatter of the dark frames.

    Raises:
        ValueError: no flash is seen, or less than two.
    """
    found = []
    for told in told_s:
        after = int(np.searchsorted(middle_s + exposure_s / 2.0, told))  # the first frame that could see it
        dark = brightness[max(after - 4, 0) : after]
        window = brightness[after : after + 12]
        if len(dark) < 3 or len(window) < 12:
            continue
        floor, full = float(dark.mean()), float(np.median(window[-4:]))
        noise = max(float(dark.std(ddof=1)), 1e-12 * max(abs(full), 1.0))
        if full - floor < threshold * noise:
            continue
        share = (window - floor) / (full - floor)
        first = int(np.argmax(share > threshold * noise / (full - floor)))
        begins_s = middle_s[after + first] + exposure_s / 2.0 - min(float(share[first]), 1.0) * exposure_s
        if share[first] > 0.98 and after + first > 0:  # it began in the gap before this exposure
            gap_s = middle_s[after + first] - middle_s[after + first - 1] - exposure_s
            begins_s -= max(gap_s, 0.0) / 2.0
        found.append(begins_s - told)
    if len(found) < 2:
        raise ValueError(f"the camera saw {len(found)} flashes, and two are needed")
    return mean_of(np.array(found))


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

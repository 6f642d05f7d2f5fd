"""Latency from a light that goes on and off in a pattern, and that the camera sees: how much of each exposure is lit.

An exposure during which the light goes on is lit in part, and that part tells when, to a fraction of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]

SEEN = 8.0  # standard deviations of chance that a pattern must stand out by, of all places and latencies tried
STRETCHES = 8  # of the recording, each of which is left out once for the error
WHITE = 1.5  # the variance of a time from differences of white noise, over what least squares takes it for
FINE = 4  # latencies tried an exposure, where a flash is looked for
TRIED = 10  # and a frame, where its latency is fitted


@dataclass(frozen=True)
class Pattern:
    """When a light was told to go on, and off, in turns; it begins dark."""

    on_s: Floats  # [F] rising
    off_s: Floats  # [F] or [F - 1], each after the `on_s` of its row

    @staticmethod
    def of(told_s: Floats, lit: NDArray[np.bool_]) -> Pattern:
        """Of commands [M] in their order, each of which leaves the light on or off."""
        change = np.diff(lit.astype(np.int8), prepend=0)
        return Pattern(np.asarray(told_s[change > 0], np.float64), np.asarray(told_s[change < 0], np.float64))

    def share(self, middle_s: Floats, exposure_s: float, on_late_s: float, off_late_s: float) -> Floats:
        """[T] which part of each exposure is lit, if the light goes on and off so late."""
        ends = [middle_s - exposure_s / 2.0, middle_s + exposure_s / 2.0]
        lit_s = [_since(self.on_s + on_late_s, at) - _since(self.off_s + off_late_s, at) for at in ends]
        return np.asarray((lit_s[1] - lit_s[0]) / exposure_s)


def _since(event_s: Floats, time_s: Floats) -> Floats:
    """[T] the sum over all events before each time of how long ago they were."""
    before = np.searchsorted(event_s, time_s)
    return np.asarray(before * time_s - np.concatenate([[0.0], np.cumsum(event_s)])[before])


@dataclass(frozen=True)
class Flashed:
    """How late the light goes on, and off, after it was told to."""

    on_s: Estimate
    off_s: Estimate
    height: float  # what the light adds to the brightness


def find(
    middle_s: Floats, brightness: Floats, pattern: Pattern, *, exposure_s: float, longest_s: float = 0.3
) -> tuple[int, float, float]:
    """Where a flash is seen best: (column, latency in s, by how many standard deviations of chance).

    Differences from frame to frame are compared, since a particle that comes by changes the brightness slowly.

    Args:
        brightness: [T, B] of B places of the image.
        longest_s: the longest latency that is thought of; the shortest is minus one frame.
    """
    period_s = float(np.median(np.diff(middle_s)))
    late_s = np.arange(-period_s, longest_s, exposure_s / FINE)
    share = np.array([np.diff(pattern.share(middle_s, exposure_s, late, late)) for late in late_s])  # [L, T - 1]
    change = np.diff(np.asarray(brightness, np.float64), axis=0)  # [T - 1, B]
    size = np.sqrt((share**2).sum(axis=1))[:, None] * np.sqrt((change**2).sum(axis=0))
    alike = np.divide(share @ change, size, out=np.zeros_like(size), where=size > 0)  # [L, B]
    late, column = np.unravel_index(int(np.argmax(alike)), alike.shape)
    return int(column), float(late_s[late]), float(alike[late, column] * math.sqrt(len(change)))


def weights(change_by: Floats, image: Floats) -> Floats:
    """[P] how much brighter each pixel of `image` [T, P] is with the light, from the differences of a share [T - 1].

    Pixels in which it does not stand out by 5 standard deviations weigh nothing.
    """
    change = np.diff(np.asarray(image, np.float64), axis=0)
    height = change_by @ change / (change_by @ change_by)
    left = np.sqrt(np.maximum((change**2).mean(axis=0) - height**2 * (change_by**2).mean(), 1e-12))
    return np.asarray(np.where(height > 5.0 * left / math.sqrt(change_by @ change_by), height, 0.0))


def by_flash(
    middle_s: Floats, brightness: Floats, pattern: Pattern, *, exposure_s: float, longest_s: float = 0.3
) -> Flashed:
    """From commands to when their light goes on, and off, by the share of each exposure that is lit.

    Errors are the larger of two: from leaving out stretches of the recording, and half of the range in which the fit
    is as good as it can be. So what happens between two exposures is known to lie there, and no better.

    Args:
        middle_s, brightness: [T] of the frames. A background that changes slowly does no harm.
        pattern: with steps of several frames, unlike each other; else latencies a step apart can't be told apart.
        exposure_s: during which all of the shutter is open.

    Raises:
        ValueError: no flash is seen, or less than STRETCHES of them.
    """
    seen = (pattern.on_s > middle_s[0]) & (pattern.on_s < middle_s[-1] - longest_s)
    if seen.sum() < STRETCHES:
        raise ValueError(f"the recording has {int(seen.sum())} flashes, and {STRETCHES} are needed")
    _, late_s, sure = find(middle_s, brightness[:, None], pattern, exposure_s=exposure_s, longest_s=longest_s)
    if not sure > SEEN:
        raise ValueError(f"no flash is seen: {sure:.2g} standard deviations of chance, and {SEEN:g} are needed")
    change = np.diff(np.asarray(brightness, np.float64))
    period_s = float(np.median(np.diff(middle_s)))
    frame = np.arange(len(change))

    def fitted(keep: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(latencies on and off, half-widths of their ranges)."""
        late, half = np.full(2, late_s), np.zeros(2)
        for _ in range(3):
            for which in (0, 1):

                def left(one_s: float, own: int = which) -> float:
                    both = np.where(np.arange(2) == own, one_s, late)
                    share = np.diff(pattern.share(middle_s, exposure_s, float(both[0]), float(both[1])))[keep]
                    seen = change[keep]
                    return float(seen @ seen - (share @ seen) ** 2 / (share @ share))

                low_s, high_s = _range(left, float(late[which]), period_s, int(keep.sum()) - 3)
                late[which], half[which] = (low_s + high_s) / 2.0, (high_s - low_s) / 2.0
        return late, half

    late, half = fitted(np.ones(len(change), np.bool_))
    parts = [fitted(frame * STRETCHES // len(frame) != part)[0] for part in range(STRETCHES)]
    scatter = np.sqrt((STRETCHES - 1) * np.var(parts, axis=0))
    error = np.maximum(scatter, half)
    share = np.diff(pattern.share(middle_s, exposure_s, float(late[0]), float(late[1])))
    on, off = (Estimate(float(late[k]), float(error[k])) for k in (0, 1))
    return Flashed(on, off, float(share @ change / (share @ share)))


def _range(left: Callable[[float], float], near_s: float, period_s: float, freedom: int) -> tuple[float, float]:
    """(lowest, highest) value near one at which the squares that are left over are within a standard error of least."""
    grid_s, step_s = np.linspace(near_s - period_s, near_s + period_s, 2 * TRIED + 1, retstep=True)
    each = np.array([left(float(one_s)) for one_s in grid_s])  # flat between two exposures: the least may be anywhere
    near_s = float(grid_s[np.argmin(each)])
    best = minimize_scalar(left, bounds=(near_s - step_s, near_s + step_s), method="bounded",
                           options={"xatol": 1e-5 * period_s})  # fmt: skip
    allowed = float(best.fun) * (1.0 + WHITE / freedom) + 1e-12 * each.max()
    ends = []
    for way_s in (-period_s, period_s):
        inside, outside = 0.0, 1.0
        for _ in range(20):
            half = (inside + outside) / 2.0
            inside, outside = (half, outside) if left(best.x + half * way_s) <= allowed else (inside, half)
        ends.append(float(best.x) + inside * way_s)
    return ends[0], ends[1]

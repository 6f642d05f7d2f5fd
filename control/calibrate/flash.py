"""Latency from a light that the camera records while it is switched on and off in a pattern.

An exposure during which the light is switched on is lit in part; that part gives the time to a fraction of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]

SEEN = 8.0  # standard deviations of the noise by which a pattern must stand out, over all places and latencies tried
STRETCHES = 8  # parts of the recording, each left out once for the standard error (jackknife)
WHITE = 1.5  # variance of a time from differences of white noise, over that of least squares
FINE = 4  # latencies tried per exposure time in the search for a flash
TRIED = 10  # latencies tried per frame in the fit


@dataclass(frozen=True)
class Pattern:
    """Times of the commands to switch a light on and off, alternating; it begins dark."""

    on_s: Floats  # [F] rising
    off_s: Floats  # [F] or [F - 1], each after the `on_s` of the same index

    @staticmethod
    def of(command_s: Floats, lit: NDArray[np.bool_]) -> Pattern:
        """The pattern of commands at times [M], each of which leaves the light on or off."""
        change = np.diff(lit.astype(np.int8), prepend=0)
        return Pattern(np.asarray(command_s[change > 0], np.float64), np.asarray(command_s[change < 0], np.float64))

    def share(self, middle_s: Floats, exposure_s: float, on_late_s: float, off_late_s: float) -> Floats:
        """[T] lit share of each exposure, if the light switches on and off with these latencies."""
        ends = [middle_s - exposure_s / 2.0, middle_s + exposure_s / 2.0]
        lit_s = [_since(self.on_s + on_late_s, at) - _since(self.off_s + off_late_s, at) for at in ends]
        return np.asarray((lit_s[1] - lit_s[0]) / exposure_s)


def _since(event_s: Floats, time_s: Floats) -> Floats:
    """[T] sum over all events before each time of the time since then."""
    before = np.searchsorted(event_s, time_s)
    return np.asarray(before * time_s - np.concatenate([[0.0], np.cumsum(event_s)])[before])


@dataclass(frozen=True)
class Flashed:
    """Latencies of a light that is switched on and off."""

    on_s: Estimate
    off_s: Estimate
    height: float  # brightness added by the light


def find(
    middle_s: Floats, brightness: Floats, pattern: Pattern, *, exposure_s: float, longest_s: float = 0.3
) -> tuple[int, float, float]:
    """The place where a flash is most significant: (column, latency in s, significance in standard deviations).

    Differences from frame to frame are compared, since passing particles change the brightness slowly.

    Args:
        brightness: [T, B] of B regions of the image.
        longest_s: longest latency that is tried; the shortest is minus one frame.
    """
    period_s = float(np.median(np.diff(middle_s)))
    late_s = np.arange(-period_s, longest_s, exposure_s / FINE)
    share = np.array([np.diff(pattern.share(middle_s, exposure_s, late, late)) for late in late_s])  # [L, T - 1]
    change = np.diff(np.asarray(brightness, np.float64), axis=0)  # [T - 1, B]
    size = np.sqrt((share**2).sum(axis=1))[:, None] * np.sqrt((change**2).sum(axis=0))
    correlation = np.divide(share @ change, size, out=np.zeros_like(size), where=size > 0)  # [L, B]
    late, column = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
    return int(column), float(late_s[late]), float(correlation[late, column] * math.sqrt(len(change)))


def weights(change_by: Floats, image: Floats) -> Floats:
    """[P] brightness added to each pixel of `image` [T, P] by the light, from differences of the lit share [T - 1].

    Pixels in which it is below 5 standard errors get 0.
    """
    change = np.diff(np.asarray(image, np.float64), axis=0)
    height = change_by @ change / (change_by @ change_by)
    residual = np.sqrt(np.maximum((change**2).mean(axis=0) - height**2 * (change_by**2).mean(), 1e-12))
    return np.asarray(np.where(height > 5.0 * residual / math.sqrt(change_by @ change_by), height, 0.0))


def by_flash(
    middle_s: Floats, brightness: Floats, pattern: Pattern, *, exposure_s: float, longest_s: float = 0.3
) -> Flashed:
    """Latencies from commands to the light's switching on and off, from the lit share of each exposure.

    The standard error is the larger of two values: that of the jackknife, and half of the range of equally good fits.
    A switch between two exposures can't be located better than that range.

    Args:
        middle_s, brightness: [T] of the frames; a slowly changing background is allowed.
        pattern: steps of several frames and of different length; else latencies that differ by a step are equivalent.
        exposure_s: time during which the whole shutter is open.

    Raises:
        ValueError: no flash is found, or the recording has fewer than STRETCHES of them.
    """
    inside = (pattern.on_s > middle_s[0]) & (pattern.on_s < middle_s[-1] - longest_s)
    if inside.sum() < STRETCHES:
        raise ValueError(f"the recording has {int(inside.sum())} flashes, and {STRETCHES} are needed")
    _, late_s, significance = find(middle_s, brightness[:, None], pattern, exposure_s=exposure_s, longest_s=longest_s)
    if not significance > SEEN:
        raise ValueError(f"no flash is seen: {significance:.2g} standard deviations of chance, and {SEEN:g} are needed")
    change = np.diff(np.asarray(brightness, np.float64))
    frame = np.arange(len(change))

    fitted = partial(_fitted, middle_s, change, pattern, exposure_s, late_s)
    delay_s, half = fitted(np.ones(len(change), np.bool_))
    parts = [fitted(frame * STRETCHES // len(frame) != part)[0] for part in range(STRETCHES)]
    scatter = np.sqrt((STRETCHES - 1) * np.var(parts, axis=0))
    error = np.maximum(scatter, half)
    share = np.diff(pattern.share(middle_s, exposure_s, float(delay_s[0]), float(delay_s[1])))
    on, off = (Estimate(float(delay_s[k]), float(error[k])) for k in (0, 1))
    return Flashed(on, off, float(share @ change / (share @ share)))


def _fitted(
    middle_s: Floats, change: Floats, pattern: Pattern, exposure_s: float, late_s: float, keep: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Fit the latencies, near `late_s`, to the changes of brightness from frame to frame that are kept.

    Returns (latencies on and off, half-widths of the ranges of equally good fits).
    """
    period_s = float(np.median(np.diff(middle_s)))
    delay_s, half = np.full(2, late_s), np.zeros(2)
    for _ in range(3):
        for which in (0, 1):

            def residual(trial_s: float, index: int = which) -> float:
                trial_delay_s = np.where(np.arange(2) == index, trial_s, delay_s)
                light = pattern.share(middle_s, exposure_s, float(trial_delay_s[0]), float(trial_delay_s[1]))
                share, observed = np.diff(light)[keep], change[keep]
                return float(observed @ observed - (share @ observed) ** 2 / (share @ share))

            low_s, high_s = _range(residual, float(delay_s[which]), period_s, int(keep.sum()) - 3)
            delay_s[which], half[which] = (low_s + high_s) / 2.0, (high_s - low_s) / 2.0
    return delay_s, half


def _range(residual: Callable[[float], float], near_s: float, period_s: float, freedom: int) -> tuple[float, float]:
    """(lowest, highest) value near near_s whose residual is within a standard error of the minimum."""
    grid_s, step_s = np.linspace(near_s - period_s, near_s + period_s, 2 * TRIED + 1, retstep=True)
    each = np.array([residual(float(value_s)) for value_s in grid_s])  # constant between two exposures
    near_s = float(grid_s[np.argmin(each)])
    best = minimize_scalar(residual, bounds=(near_s - step_s, near_s + step_s), method="bounded",
                           options={"xatol": 1e-5 * period_s})  # fmt: skip
    limit = float(best.fun) * (1.0 + WHITE / freedom) + 1e-12 * each.max()
    ends = []
    for side_s in (-period_s, period_s):
        inside, outside = 0.0, 1.0
        for _ in range(20):
            half = (inside + outside) / 2.0
            inside, outside = (half, outside) if residual(best.x + half * side_s) <= limit else (inside, half)
        ends.append(float(best.x) + inside * side_s)
    return ends[0], ends[1]

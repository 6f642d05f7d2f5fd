"""Frame numbers from frame times: a camera may miss or change its rate without leaving numbers out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from drivers.frame_rate import even_intervals, mean_hz, nominal_if_equal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WINDOWS = ((12, 0.9), (60, 0.97))  # (intervals, fraction of the mean interval below which a window has another rate)
SHORTEST = 0.1  # quantile over the windows that counts as the shortest usual interval
NEAR_WHOLE = 0.2  # allowed deviation from a whole number of intervals, in intervals
MOST_WHOLE = 0.95  # least fraction of whole intervals for which longer ones count as lost frames
BURST = 0.6  # of the mean: shorter intervals are frames that were delivered together
CHANGED = 1.4  # least ratio of two rates that counts as a change
MOST_SAID = 3  # changes listed one by one


def counting_hz(number: Ints, time_s: Floats, requested_hz: float) -> float:
    """The rate for numbering frames with these numbers [N] and times [N]: one over the shortest usual interval.

    For even frames, except for jitter or bursts, it is their mean rate. If the camera was faster for a part of the run,
    it is the rate of that part. If frames were lost without leaving numbers out, it is the rate of the camera.
    `requested_hz` if there is no interval, or if it agrees within rounding.
    """
    step, step_s, _ = even_intervals(number, time_s)
    return nominal_if_equal(1.0 / _shortest_usual_s(step, step_s), requested_hz) if len(step) else requested_hz


def rates_hz(time_s: Floats, requested_hz: float) -> tuple[float, float]:
    """(mean rate, rate for numbering) of frames at these times [N] with unknown numbers."""
    number = np.arange(len(time_s))
    return mean_hz(number, time_s, requested_hz), counting_hz(number, time_s, requested_hz)


def _shortest_usual_s(step: Ints, step_s: Floats) -> float:
    usual_s = float(step_s.sum() / step.sum())
    fast = np.ones(len(step), np.bool_)
    for size, even in WINDOWS:
        if len(step) < 4 * size:
            break
        total, total_s = np.append(0, np.cumsum(step)), np.append(0.0, np.cumsum(step_s))
        local_s = (total_s[size:] - total_s[:-size]) / (total[size:] - total[:-size])
        shortest_s = float(np.quantile(local_s, SHORTEST, method="lower"))
        if shortest_s < even * usual_s:
            fast = _covered(local_s <= (2.0 - even) * shortest_s, size)
            usual_s = float(step_s[fast].sum() / step[fast].sum())
            break
    step, step_s = step[fast], step_s[fast]  # the others have another rate, even if it differs by less than NEAR_WHOLE
    interval_s = step_s / step
    median_s = float(np.quantile(interval_s, 0.5, method="lower"))
    if median_s < BURST * usual_s:
        return usual_s
    intervals = np.maximum(np.rint(interval_s / median_s), 1.0)
    is_whole = np.abs(interval_s / median_s - intervals) <= NEAR_WHOLE
    return float(step_s.sum() / (intervals * step).sum()) if is_whole.mean() >= MOST_WHOLE else usual_s


def _covered(chosen: Bools, size: int) -> Bools:
    """[N] whether each interval lies in one of the chosen windows [N - size + 1]."""
    edges = np.zeros(len(chosen) + size, np.int64)
    edges[: len(chosen)] += chosen
    edges[size:] -= chosen
    return np.cumsum(edges[:-1]) > 0


def numbers_by_time(time_s: Floats, hz: float) -> Ints:
    """Increasing numbers [N], from 0, of frames at these increasing times [N]: time over the interval, rounded.

    Frames closer than one interval get successive numbers.
    """
    order = np.arange(len(time_s))
    offset = np.round((time_s - time_s[0]) * hz).astype(np.int64) - order
    numbers: Ints = np.maximum.accumulate(offset) + order
    return numbers


def counted_by_time(tracks: pd.DataFrame, requested_hz: float) -> tuple[pd.DataFrame, float]:
    """The tracks with frame numbers computed from the times, and the rate of these numbers.

    A number divided by the rate is then a time, even if the camera did not keep the requested rate, changed it, paused,
    or lost frames without leaving numbers out. Frames at the requested rate keep their numbers.

    Args:
        tracks: with columns frame and time_s, and at least one row.
    """
    frame, time_s = tracks["frame"].to_numpy(np.int64), tracks["time_s"].to_numpy(np.float64)
    frames, first, frame_index = np.unique(frame, return_index=True, return_inverse=True)
    numbering_hz = counting_hz(frames, time_s[first], requested_hz)
    counted = frames[0] + numbers_by_time(time_s[first], numbering_hz)
    return (tracks if np.array_equal(counted, frames) else tracks.assign(frame=counted[frame_index])), numbering_hz


def changes_in_words(number: Ints, time_s: Floats) -> str:
    """Changes of the frame rate by a factor of 1.4 or more, for frame numbers [N] and times [N], in words; "": none.

    >>> time_s = np.concatenate([np.arange(100) / 10.0, 10.0 + np.arange(200) / 30.0])
    >>> changes_in_words(np.arange(300), time_s)
    '10 frames/s, from 10 s on 30'
    """
    size = WINDOWS[-1][0]
    step, step_s, begins_s = even_intervals(number, time_s)
    if len(step) < 2 * size:
        return ""
    frames, lasted_s = np.append(0, np.cumsum(step)), np.append(0.0, np.cumsum(step_s))
    local_hz = (frames[size:] - frames[:-size]) / (lasted_s[size:] - lasted_s[:-size])
    log_ratio = np.abs(np.log(local_hz[size:] / local_hz[:-size]))  # between the frames before and after each one
    is_peak = (log_ratio >= math.log(CHANGED)) & (log_ratio == maximum_filter1d(log_ratio, 2 * size + 1))
    changes = size + np.flatnonzero(is_peak & ~np.append(False, is_peak[:-1]))
    if not len(changes):
        return ""
    edges = np.concatenate([[0], changes, [len(step)]])
    rates = np.diff(frames[edges]) / np.diff(lasted_s[edges])
    if len(changes) > MOST_SAID:
        return f"{rates.min():.3g} to {rates.max():.3g} frames/s, with {len(changes)} changes"
    phrases = (f", from {at_s:.4g} s on {hz:.3g}" for at_s, hz in zip(begins_s[changes], rates[1:], strict=True))
    return f"{rates[0]:.3g} frames/s" + "".join(phrases)

"""How often frames came, by their times: a camera may be slower than it was asked to be, and number all that it has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROUNDING = 1e-6  # of the rate: a smaller difference is that of the clock's last digits
PAUSED = 3.0  # of the interval below which nine of ten are: a longer one is a pause of the camera


def rate_hz(number: Ints, time_s: Floats, asked_hz: float) -> float:
    """The rate of frames with these numbers [N] at these times [N], pauses left out.

    `asked_hz` where there is no interval, and where it is the same but for rounding.
    """
    number, first = np.unique(number, return_index=True)
    good = (number >= 0) & np.isfinite(time_s[first])  # -1: the camera was silent
    number, time_s = number[good], time_s[first][good]
    step, step_s = np.diff(number), np.diff(time_s)
    interval_s = step_s / step
    rising = interval_s > 0.0
    if not rising.any():
        return asked_hz
    usual_s = np.quantile(interval_s[rising], 0.9, method="lower")
    even = rising & (interval_s <= PAUSED * usual_s)
    found_hz = float(step[even].sum() / step_s[even].sum())
    return asked_hz if abs(found_hz - asked_hz) <= ROUNDING * asked_hz else found_hz


def numbers_by_time(time_s: Floats, hz: float) -> Ints:
    """Numbers [N], from 0 on and rising, of frames at these times [N], which rise: time over the interval, rounded.

    Frames that come nearer to each other than that follow each other.
    """
    order = np.arange(len(time_s))
    ahead = np.round((time_s - time_s[0]) * hz).astype(np.int64) - order
    numbers: Ints = np.maximum.accumulate(ahead) + order
    return numbers


def counted_by_time(tracks: pd.DataFrame, asked_hz: float) -> tuple[pd.DataFrame, float]:
    """The tracks with their frames numbered by their times, and the rate of these numbers.

    A number over the rate is a time then, also where the camera has another rate than it was asked for, and where it
    paused without leaving a number out. Frames that came as they were asked for keep their numbers.

    Args:
        tracks: with columns frame and time_s, and at least one row.
    """
    frame, time_s = tracks["frame"].to_numpy(np.int64), tracks["time_s"].to_numpy(np.float64)
    own, first, whose = np.unique(frame, return_index=True, return_inverse=True)
    found_hz = rate_hz(own, time_s[first], asked_hz)
    counted = own[0] + numbers_by_time(time_s[first], found_hz)
    return (tracks if np.array_equal(counted, own) else tracks.assign(frame=counted[whose])), found_hz

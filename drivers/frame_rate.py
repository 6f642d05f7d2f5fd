"""The measured frame rate: a camera may be slower than requested, and still number its frames without gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROUNDING = 1e-6  # relative difference of rates below which they are equal: rounding of the clock
PAUSED = 3.0  # an interval longer than this times the 90 % quantile is a pause of the camera


def even_intervals(number: Ints, time_s: Floats) -> tuple[Ints, Floats, Floats]:
    """(steps of the number [K], their durations s [K], the times at which they begin s [K]), in order, without pauses.

    Args:
        number: [N] of the frames, in any order; -1: the camera gave no frame.
        time_s: [N].
    """
    number, first = np.unique(number, return_index=True)
    good = (number >= 0) & np.isfinite(time_s[first])
    number, time_s = number[good], np.asarray(time_s[first][good], np.float64)
    step, step_s = np.diff(number), np.diff(time_s)
    rising = step_s > 0.0
    if rising.any():
        usual_s = np.quantile(step_s[rising] / step[rising], 0.9, method="lower")
        rising &= step_s <= PAUSED * usual_s * step
    return step[rising], step_s[rising], time_s[:-1][rising]


def mean_hz(number: Ints, time_s: Floats, nominal_hz: float) -> float:
    """The mean rate of frames with these numbers [N] at these times [N], without pauses.

    `nominal_hz` if there is no interval, or if the rate equals it within rounding.
    """
    step, step_s, _ = even_intervals(number, time_s)
    return nominal_if_equal(float(step.sum() / step_s.sum()), nominal_hz) if len(step) else nominal_hz


def nominal_if_equal(measured_hz: float, nominal_hz: float) -> float:
    """The measured rate, or `nominal_hz` if both are equal within rounding."""
    return nominal_hz if abs(measured_hz - nominal_hz) <= ROUNDING * nominal_hz else measured_hz

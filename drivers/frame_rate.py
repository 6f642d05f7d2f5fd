"""The rate of frames by their times: a camera may be slower than it was asked to be, and number all that it has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROUNDING = 1e-6  # of the rate: a smaller difference is that of the clock's last digits
PAUSED = 3.0  # of the interval below which nine of ten are: a longer one is a pause of the camera


def even_intervals(number: Ints, time_s: Floats) -> tuple[Ints, Floats, Floats]:
    """(steps of the number [K], their durations s [K], the times at which they begin s [K]), in order; pauses left out.

    Args:
        number: [N] of the frames, in any order; -1: the camera was silent.
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


def mean_hz(number: Ints, time_s: Floats, asked_hz: float) -> float:
    """The mean rate of frames with these numbers [N] at these times [N], pauses left out.

    `asked_hz` where there is no interval, and where it is the same but for rounding.
    """
    step, step_s, _ = even_intervals(number, time_s)
    return unless_asked(float(step.sum() / step_s.sum()), asked_hz) if len(step) else asked_hz


def unless_asked(found_hz: float, asked_hz: float) -> float:
    """`asked_hz` where the rate that was found is the same but for rounding."""
    return asked_hz if abs(found_hz - asked_hz) <= ROUNDING * asked_hz else found_hz

"""Whether a measurement agrees with its prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]

CHANCE = 0.0027  # probability of rejecting a true prediction: three sigma
LEAST_BLOCKS = {"plant": 16, "instrument": 8}
SIGMAS = 3.0


@dataclass(frozen=True)
class CheckVerdict:
    """One line of the table."""

    predicted: float
    measured: float
    stderr: float
    blocks: int
    passed: bool
    why: str  # in words, passed or not

    @property
    def caught(self) -> bool:
        """Whether a sabotage was detected: measured, in enough blocks, and rejected."""
        return not self.passed and math.isfinite(self.measured) and math.isfinite(self.stderr)

    @property
    def word(self) -> Literal["pass", "fail"]:
        return "pass" if self.passed else "fail"


def judge(
    values: Floats, predicted: float, *, exact: bool, tolerance: float, precision: float, level: str,
    within: float = math.inf,
) -> CheckVerdict:  # fmt: skip
    """Compare independent measurements with a prediction.

    Exact: Student's t over the blocks, p > 0.0027. Approximate: |difference| <= tolerance * prediction + 3 s.e.
    Both: a standard error of at most precision * prediction, enough blocks, and |difference| + 2 s.e. less than
    within * prediction, the bound of the undetected error.

    Args:
        values: [B] one value for each block.
    """
    values = values[np.isfinite(values)]
    count = len(values)
    least = LEAST_BLOCKS[level]
    if count < least:
        return CheckVerdict(
            predicted, math.nan, math.nan, count, False, f"{count} independent blocks, and {least} are needed"
        )
    measured, stderr = float(values.mean()), float(values.std(ddof=1) / math.sqrt(count))
    deviation = abs(measured - predicted)
    if stderr > precision * abs(predicted):
        relative = stderr / abs(predicted) if predicted else math.inf
        reason = f"the standard error is {relative:.1%} of the prediction, and {precision:.1%} is allowed"
        return CheckVerdict(predicted, measured, stderr, count, False, reason)
    bound = (deviation + 2.0 * stderr) / abs(predicted) if predicted else math.inf
    if bound >= within:
        reason = (
            f"off by {deviation / abs(predicted):.2%}, with two standard errors {bound:.2%}, "
            f"and {within:.1%} is allowed"
        )
        return CheckVerdict(predicted, measured, stderr, count, False, reason)
    if exact:
        chance = float(2.0 * student.sf(deviation / stderr, count - 1)) if stderr > 0 else float(deviation == 0)
        reason = f"p = {chance:.3g} of {count} blocks, and more than {CHANCE} is needed"
        return CheckVerdict(predicted, measured, stderr, count, chance > CHANCE, reason)
    allowed = tolerance * abs(predicted) + SIGMAS * stderr
    reason = f"off by {deviation / abs(predicted):.2%}, and {allowed / abs(predicted):.2%} is allowed"
    return CheckVerdict(predicted, measured, stderr, count, deviation <= allowed, reason)

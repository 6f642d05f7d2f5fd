"""Steps of each particle, and links that are much longer than its own steps.

If one particle vanishes and another one appears within the search range, no other assignment competes with the link
between them. Its length is the only evidence that it is wrong.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tracking.assign import AHEAD_X, MISSED, NUMBER, PARTICLE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

COUNT, SQUARE = range(2)  # columns of `own_steps`: effective number of steps; their mean d^2 in one frame, in px^2
FEWEST_STEPS, MOST_STEPS = 5, 30  # steps before a link is judged; largest effective number
LOG_ODDS = math.log(1e6)  # one false doubt in a million links of a particle with Gaussian steps
LEAST_SHARE = 0.25  # of the search range: shorter steps are never in doubt
LEAST_PX2 = 0.04**2  # mean d^2 is at least that of the position noise
TOGETHER = 5  # linked particles from which their median step is subtracted, as for common moves in `drift`
TOGETHER_BEFORE = 8  # in runs of kernels 6


def after_links(
    own_steps: Floats,
    before: tuple[Ints, Floats],
    after: tuple[Ints, Floats],
    held: Bools,
    search_px: float,
    over_gaps: bool = True,
) -> tuple[Floats, Bools]:
    """(`own_steps` after this frame [A, 2]; particles whose link is too long for their own steps [A]).

    A particle has made n steps with the mean square m. If its steps are normally distributed along two axes, the next
    one is longer than d with the probability (1 + d^2 / (n m))^-n (F distribution with 2 and 2 n degrees of freedom).
    A link is too long if this is below exp(-LOG_ODDS). Then n becomes 1: the ID may be another particle's from now on,
    or the particle has begun to move faster. d is measured from the expected position, and counts per root of the
    number of frames. A velocity that is predicted from one step (`predict: nearest_velocity`) makes d longer after a
    gap, and these links are then in doubt more often.

    Args:
        own_steps: [B, 2] before this frame; in any other shape, no step is known.
        before, after: rows [B], [A] of `remembered` and `place_px` as in `tracking.assign`, before and after the links.
        held: [B] particles that light moves; their steps are not measured.
        search_px: gate after one frame.
        over_gaps: whether LEAST_SHARE is of d, else of d per root of the number of frames, as in runs of kernels 6.
    """
    (who, place_px), (who_after, place_after_px) = before, after
    known = own_steps if own_steps.shape == (len(who), 2) else np.zeros((len(who), 2))
    row = np.minimum(np.searchsorted(who[:, PARTICLE], who_after[:, PARTICLE]), max(len(who) - 1, 0))  # [A]
    old = who[row, PARTICLE] == who_after[:, PARTICLE] if len(who) else np.zeros(len(who_after), np.bool_)
    steps, too_long = np.zeros((len(who_after), 2)), np.zeros(len(who_after), np.bool_)
    steps[old] = known[row[old]]
    again = np.flatnonzero(old & (who_after[:, MISSED] == 0))
    again = again[~held[row[again]]]
    if len(again) == 0:
        return steps, too_long
    frames = np.maximum(who_after[again, NUMBER] - who[row[again], NUMBER], 1)
    off_px = (place_after_px[again, :AHEAD_X] - place_px[row[again], AHEAD_X:]) / np.sqrt(frames)[:, None]
    if len(again) >= (TOGETHER if over_gaps else TOGETHER_BEFORE):
        off_px = off_px - np.median(off_px, axis=0)
    square = (off_px**2).sum(axis=1)
    count, mean = steps[again, COUNT], steps[again, SQUARE]
    unlikely = count * np.log1p(square / (np.maximum(count, 1.0) * np.maximum(mean, LEAST_PX2))) > LOG_ODDS
    whole_square = square * frames if over_gaps else square
    far = unlikely & (count >= FEWEST_STEPS) & (whole_square > (LEAST_SHARE * search_px) ** 2)
    count = np.where(far, 1.0, np.minimum(count + 1.0, MOST_STEPS))
    steps[again, SQUARE] = mean + (square - mean) / count
    steps[again, COUNT] = count
    too_long[again] = far
    return steps, too_long

"""What tracking settings keep in an image, and what they reject: seen before they are put in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.settings import Tracking
from tracking.tracker import locator

Floats = NDArray[np.float64]
SAME_PX = 1.5  # two findings nearer than this are of one particle


@dataclass(frozen=True)
class Candidates:
    kept_px: Floats  # [K, 2] x, y
    rejected_px: Floats  # [R, 2] what would be found if it did not matter how faint or how large it is


def candidates(settings: Tracking, image: NDArray[Any]) -> Candidates:
    """Both kinds in one image [height, width]. Raises Fault as the locator does."""
    kept_px = locator(settings)(image).position_px
    loose = replace(settings, minmass=0.0, maxsize_px=None)
    every_px = locator(loose)(image).position_px
    if len(kept_px) == 0:
        return Candidates(kept_px, every_px)
    gap_px: Floats = cKDTree(kept_px).query(every_px)[0]  # [E]
    return Candidates(kept_px, every_px[gap_px > SAME_PX])

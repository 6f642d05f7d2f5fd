"""What tracking settings keep in an image, and what they reject: seen before they are put in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.assembly.correction_images import correction_of, images_of
from tracking.correct import outside
from tracking.settings import Tracking
from tracking.tracker import locator

Floats = NDArray[np.float64]
SAME_PX = 1.5  # two findings nearer than this are of one particle


@dataclass(frozen=True)
class Candidates:
    kept_px: Floats  # [K, 2] x, y
    rejected_px: Floats  # [R, 2] what would be found if it did not matter how faint or how large it is, or where


def candidates(
    settings: Tracking, image: NDArray[Any], corrections: Mapping[str, NDArray[Any]] | None = None
) -> Candidates:
    """Both kinds in one image [height, width] as the camera gave it. Raises Fault as the locator does, Refused.

    Args:
        corrections: images that correct it, by their files, as far as they are known; others are read.
    """
    height_px, width_px = image.shape
    images = images_of(settings, corrections or {}, (width_px, height_px))
    image = correction_of(settings, images)(image)
    kept_px = outside(locator(settings)(image), settings.excluded_regions).position_px
    loose = replace(settings, minmass=0.0, maxsize_px=None)
    every_px = locator(loose)(image).position_px
    if len(kept_px) == 0:
        return Candidates(kept_px, every_px)
    gap_px: Floats = cKDTree(kept_px).query(every_px)[0]  # [E]
    return Candidates(kept_px, every_px[gap_px > SAME_PX])

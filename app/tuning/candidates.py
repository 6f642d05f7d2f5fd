"""Features that tracking settings keep and reject in an image, for inspection before the settings are used."""

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
SAME_PX = 1.5  # two features nearer than this are one particle


@dataclass(frozen=True)
class Candidates:
    kept_px: Floats  # [K, 2] x, y
    rejected_px: Floats  # [R, 2] further features without the limits on mass and size and without excluded regions


def candidates(
    settings: Tracking, image: NDArray[Any], corrections: Mapping[str, NDArray[Any]] | None = None
) -> Candidates:
    """The features kept and rejected in one raw camera image [height, width]. Raises Refused, and Fault as locators do.

    Args:
        corrections: correction images by the path of their file; those missing here are read from the files.
    """
    height_px, width_px = image.shape
    images = images_of(settings, corrections or {}, (width_px, height_px))
    image = correction_of(settings, images)(image)
    kept_px = outside(locator(settings)(image), settings.excluded_regions).position_px
    loose = replace(settings, minmass=0.0, maxsize_px=None)
    all_px = locator(loose)(image).position_px
    if len(kept_px) == 0:
        return Candidates(kept_px, all_px)
    gap_px: Floats = cKDTree(kept_px).query(all_px)[0]  # [E]
    return Candidates(kept_px, all_px[gap_px > SAME_PX])

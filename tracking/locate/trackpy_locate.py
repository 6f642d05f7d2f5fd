"""trackpy's own locate (Crocker and Grier, J. Colloid Interface Sci. 179, 298, 1996), as the oracle and as a choice."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracking.locate.centroid import checked
from tracking.locate.features import NOTHING, Features
from tracking.settings import Tracking


@functools.cache
def _trackpy() -> Callable[..., Any]:
    """trackpy.locate, imported on its first use: it takes a second, and pandas with it."""
    import trackpy

    trackpy.quiet()
    locate: Callable[..., Any] = trackpy.locate
    return locate


@dataclass(frozen=True, slots=True)
class TrackpyLocate:
    """trackpy.locate with its numba engine, behind the Locate plug."""

    settings: Tracking

    def __call__(self, image: NDArray[Any]) -> Features:
        s = self.settings
        image = checked(image, invert=False)
        if min(image.shape) <= 2 * s.margin_px:  # it falls over some of these
            return NOTHING
        with warnings.catch_warnings():
            # its own deprecated pandas calls, invert, and "nothing found", which is an answer
            warnings.filterwarnings("ignore", module=r"trackpy\.|pandas\.")
            warnings.filterwarnings("ignore", message="The invert argument", category=PendingDeprecationWarning)
            warnings.filterwarnings("ignore", message="Image is completely black")
            warnings.filterwarnings("ignore", message="Image contains no local maxima")
            warnings.filterwarnings("ignore", message="All local maxima were in the margins")
            warnings.filterwarnings("ignore", message="No maxima survived")
            warnings.filterwarnings("ignore", message="I am interpreting the image")
            found = _trackpy()(
                image,
                s.diameter_px,
                minmass=s.minmass,
                maxsize=s.maxsize_px,
                separation=s.least_distance_px,
                noise_size=s.noise_size_px,
                smoothing_size=s.smoothing_px,
                threshold=s.threshold,
                invert=s.invert,
                percentile=s.percentile,
                preprocess=s.preprocess,
                max_iterations=s.max_iterations,
                engine="numba",
            )
        return _features(found)


def _features(found: Any) -> Features:
    if len(found) == 0:
        return NOTHING
    # copies of one layout: a table's columns lie in memory as its row count, or pandas, would have it
    columns = [np.array(found[name], np.float64) for name in ("mass", "size", "ecc", "signal", "raw_mass", "ep")]
    return Features(np.array(found[["x", "y"]], np.float64, order="C"), *columns)

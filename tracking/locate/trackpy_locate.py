"""Locator that calls trackpy.locate (Crocker and Grier, J. Colloid Interface Sci. 179, 298, 1996)."""

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
    """trackpy.locate, imported on first use: with pandas the import takes a second."""
    import trackpy

    trackpy.quiet()
    locate: Callable[..., Any] = trackpy.locate
    return locate


@dataclass(frozen=True, slots=True)
class TrackpyLocate:
    """trackpy.locate with its numba engine, as a Locate."""

    settings: Tracking

    def __call__(self, image: NDArray[Any]) -> Features:
        s = self.settings
        image = checked(image, invert=False)
        if min(image.shape) <= 2 * s.margin_px:  # trackpy raises errors for some of these
            return NOTHING
        with warnings.catch_warnings():
            # deprecated pandas calls in trackpy, `invert`, and frames without features
            warnings.filterwarnings("ignore", module=r"trackpy\.|pandas\.")
            warnings.filterwarnings("ignore", message="The invert argument", category=PendingDeprecationWarning)
            warnings.filterwarnings("ignore", message="Image is completely black")
            warnings.filterwarnings("ignore", message="Image contains no local maxima")
            warnings.filterwarnings("ignore", message="All local maxima were in the margins")
            warnings.filterwarnings("ignore", message="No maxima survived")
            warnings.filterwarnings("ignore", message="I am interpreting the image")
            table = _trackpy()(
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
        return _features(table)


def _features(table: Any) -> Features:
    if len(table) == 0:
        return NOTHING
    # copies with one memory layout: that of table columns depends on the number of rows and on pandas
    columns = [np.array(table[name], np.float64) for name in ("mass", "size", "ecc", "signal", "raw_mass", "ep")]
    return Features(np.array(table[["x", "y"]], np.float64, order="C"), *columns)

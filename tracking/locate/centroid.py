"""trackpy.locate for live frames, in one thread, row by row. Integer frames have the same features as in trackpy.

Crocker and Grier, J. Colloid Interface Sci. 179, 298 (1996), with the defaults and the columns of trackpy.locate 0.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.contract import Fault
from tracking.locate.bandpass import Image, bandpass
from tracking.locate.distinct import distinct
from tracking.locate.faint import possible_peaks
from tracking.locate.features import NOTHING, Features
from tracking.locate.levels import levels
from tracking.locate.noise import dark
from tracking.locate.peaks import above, peaks, whole
from tracking.locate.refine import describe, disc, refine
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

MOST_PEAKS = 200_000  # in a frame; each takes some microseconds


@dataclass(frozen=True, slots=True)
class Centroid:
    """The full-frame locator `centroid`. Raises Fault for a frame of more than MOST_PEAKS."""

    settings: Tracking
    every_column: bool = True
    error: bool = True  # whether ep_px is estimated, from the dark pixels of the frame
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any]) -> Features:
        s = self.settings
        raw = checked(image, s.invert)
        if s.preprocess:
            threshold = s.threshold if s.threshold is not None else 1.0 if raw.dtype != np.float64 else 1 / 255
            if self.rules.exact and raw.dtype != np.float64:
                bright, factor = levels(raw, s.noise_size_px, s.smoothing_px, threshold)
            else:
                smooth, brightest = bandpass(raw, s.noise_size_px, s.smoothing_px, threshold)
                bright, factor = whole(smooth, brightest, raw.dtype if raw.dtype != np.float64 else np.uint8)
        elif raw.dtype == np.float64:
            bright, factor = whole(np.maximum(raw, 0), float(raw.max()), np.uint8)
        else:
            bright, factor = raw, 1.0
        least = above(bright, s.percentile)
        if least is None:
            return NOTHING
        peak = peaks(bright, s.least_distance_px, least, s.margin_px)
        peak = possible_peaks(bright, peak, s.radius_px, s.max_iterations, factor, s.minmass)
        if len(peak) > MOST_PEAKS:
            raise Fault(
                f"a frame has {len(peak)} peaks of brightness, and {MOST_PEAKS} are allowed; a larger "
                "tracking.minmass, percentile, diameter_px or separation_px finds fewer"
            )
        return self._measure(bright, raw, factor, refine(bright, peak, s.radius_px, s.max_iterations))

    def _measure(self, bright: Image, raw: Image, factor: float, refined: tuple[Any, Any, Any]) -> Features:
        """Drop faint, duplicate and large features; compute the columns of the others."""
        s = self.settings
        position, middle, mass = refined
        # faint features are removed first: they could only drop fainter ones, so the result is the same
        bright_enough = mass / factor > s.minmass
        position, middle, mass = position[bright_enough], middle[bright_enough], mass[bright_enough]
        keep = distinct(position, mass, s.least_distance_px)
        position, middle, mass = position[keep], middle[keep], mass[keep]
        if len(mass) == 0:
            return NOTHING
        if not self.every_column and s.maxsize_px is None:
            empty = np.full(len(mass), np.nan)
            return Features(position[:, ::-1].copy(), mass / factor, empty, empty, empty, empty, empty)
        size, ecc, signal, raw_mass = describe(bright, raw, middle, mass, s.radius_px).T
        ep = self._error(bright, raw, raw_mass) if self.error else np.full(len(mass), np.nan)
        columns = [mass / factor, size, ecc, signal / factor, raw_mass, ep]
        small = slice(None) if s.maxsize_px is None else size < s.maxsize_px
        return Features(position[small, ::-1].copy(), *(np.ascontiguousarray(column[small]) for column in columns))

    def _error(self, bright: Image, raw: Image, raw_mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """[N] standard error of the positions (Savin and Doyle, Biophys. J. 88, 623, 2005, as in trackpy)."""
        black, noise = dark(bright, raw, self.settings.radius_px)
        mask = disc(self.settings.radius_px)
        with np.errstate(divide="ignore", invalid="ignore"):  # no light above the dark level: no estimate
            ep: NDArray[np.float64] = noise / (raw_mass - mask.pixels * black)
            return ep * self.settings.noise_size_px * mask.moment


def checked(image: NDArray[Any], invert: bool) -> Image:
    """The frame as uint8, uint16 or float64, C-contiguous, dark particles turned bright. Raises ValueError."""
    if image.ndim != 2 or 0 in image.shape:
        raise ValueError(f"a frame has a height and a width, and this one has the shape {image.shape}")
    if image.dtype in (np.uint8, np.uint16):
        return np.invert(image) if invert else np.ascontiguousarray(image)
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"a frame is uint8, uint16 or float, and this one is {image.dtype}")
    raw = np.ascontiguousarray(image, np.float64)
    if not np.isfinite(raw).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(raw))} pixels of a frame are not finite")
    return 1.0 - raw if invert else raw

"""Locates particles in windows around their expected positions, and new particles in a strip of the frame.

Guards: the feature is the maximum nearest the expected position, not the brightest one; it lies within the search
range; its mass is like the particle's so far; no two windows share a feature. A particle that fails them is not
detected in this frame. If many fail at once, the light or the settings have changed, and the whole frame is searched.
In each frame one of `late_looks` strips is searched in full, so that every place is searched once in `late_looks`
frames. A strip begins `search_px` before its first row, so that a particle that moves to the previous strip is found.

Features of strips are compared with those of windows. If a particle has several maxima, as a rod longer than the mask,
the two differ and windows jump; from then on the whole frame is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.locate.bandpass import TOP, gaussian
from tracking.locate.centroid import Centroid, checked
from tracking.locate.distinct import distinct
from tracking.locate.features import Features, joined
from tracking.locate.refine import disc
from tracking.locate.window import FOUND, MASS, RAW_MASS, SIZE, X, Y, look, scratch
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Floats = NDArray[np.float64]

FIRST_LOOKS = 2  # first frames with windows: the whole frame is searched, too, and its positions are used
APART_PX = 1.0  # distances between positions of windows and of the frame are clipped to this
LEAST_APART, APART_SHARE = 2.0, 0.02  # least sum and mean of squares of these distances / APART_PX that stop windows
MOST_COMPARED = 400  # above it both sums are halved, so that old comparisons count less
# Time of a window in pixels of the full frame, to 20 %, measured for searches of 3 to 15 px, boxes of 7 to 61 px.
WINDOW_COST_PX, COST_PER_WINDOW_PX = 700.0, 0.7
FEWEST = 0.7  # share of windows that must succeed; below it the whole frame is searched in the same turn
LEAST_MASS, LARGEST_MASS = 0.6, 1.6  # of the particle's mass so far
LEAST_SIGNAL = 0.4  # of the particle's brightest pixel so far


@dataclass(frozen=True, slots=True)
class WindowMemory:
    """Expected positions and brightness of the remembered particles."""

    position_px: Floats  # [M, 2] x, y
    mass: Floats  # [M] running means
    signal: Floats  # [M]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Running comparison of positions from windows and from the full frame."""

    looks: int = 0  # frames with windows
    compared: int = 0  # positions
    apart: float = 0.0  # sum of squares of their distances in APART_PX, each at most 1
    whole: bool = False  # True: windows are no longer used

    def after(self, windows: Features, frame: Features, least_px: float) -> Agreement:
        """Updated with one frame. Features of the full frame without one of a window within least_px do not count."""
        compared, apart = self.compared, self.apart
        if compared > MOST_COMPARED:
            compared, apart = compared // 2, apart / 2
        if len(windows) and len(frame):
            distance_px = cKDTree(windows.position_px).query(frame.position_px)[0]
            distance_px = distance_px[distance_px < least_px]
            compared += len(distance_px)
            apart += float(np.square(np.minimum(distance_px / APART_PX, 1.0)).sum())
        whole = self.whole or (apart >= LEAST_APART and apart > APART_SHARE * compared)
        return Agreement(self.looks + 1, compared, apart, whole)


@dataclass(frozen=True, slots=True)
class Windows:
    """The predictive locator. Strips, and frames in which windows would be slower, use `Centroid`."""

    settings: Tracking
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any], expected: WindowMemory, looks: int) -> Features:
        """Features of one frame; `looks`, the number of earlier frames, selects the strip."""
        return self.look(image, expected, looks, Agreement(looks=FIRST_LOOKS))[0]

    def look(
        self, image: NDArray[Any], expected: WindowMemory, looks: int, before: Agreement
    ) -> tuple[Features, Agreement]:  # fmt: skip
        """(features of one frame, updated agreement of windows with full frames)."""
        s = self.settings
        if before.whole or not self._pays(len(expected.mass), image.size):
            return Centroid(s, rules=self.rules)(image), before
        in_windows = self.near(image, expected)
        if len(in_windows) < FEWEST * len(expected.mass):
            return Centroid(s, rules=self.rules)(image), before
        first = self.rules.watched and before.looks < FIRST_LOOKS
        features = Centroid(s, rules=self.rules)(image) if first else self.strip(image, looks % s.late_looks)
        now = before.after(in_windows, features, s.least_distance_px) if self.rules.watched else before
        if first:
            return features, now
        if now.whole:
            return Centroid(s, rules=self.rules)(image), now
        return self._without_duplicates(joined(in_windows, features), len(in_windows)), now

    def _pays(self, windows: int, size: int) -> bool:
        """Whether this many windows and a strip take less time than a band-passed frame of `size` pixels."""
        s = self.settings
        return s.preprocess and 0 < windows * self.cost_px < (1.0 - 1.0 / s.late_looks) * size

    @property
    def reach_px(self) -> int:
        """Half side of a window."""
        return int(np.ceil(self.settings.search_px)) + self.settings.radius_px + 1

    @property
    def cost_px(self) -> float:
        """Estimated time of one window in pixels of a full frame. Not measured: replays must choose the same."""
        s = self.settings
        pad = max(s.smoothing_px // 2, gaussian(s.noise_size_px).size // 2)  # margin needed by the band-pass
        return WINDOW_COST_PX + COST_PER_WINDOW_PX * (2 * (self.reach_px + pad) + 1) ** 2

    def near(self, image: NDArray[Any], expected: WindowMemory) -> Features:
        """The features at the expected positions that pass the guards."""
        s = self.settings
        raw = checked(image, invert=False)
        is_integer = raw.dtype != np.float64
        top = float(TOP.get(raw.dtype, 1)) if s.invert else 0.0
        weights = gaussian(s.noise_size_px).astype(np.float32 if raw.dtype == np.uint8 else np.float64)
        threshold = s.threshold if s.threshold is not None else 1.0 if is_integer else 1 / 255
        reach = self.reach_px
        mask = disc(s.radius_px)
        place_px = np.ascontiguousarray(expected.position_px)  # one memory layout for any number of particles
        columns = look(
            raw, place_px, reach, weights, s.smoothing_px, is_integer, threshold, top,
            mask.half, mask.cosine, mask.sine, LEAST_SIGNAL * expected.signal, s.search_px, s.max_iterations,
            scratch(reach, weights, s.smoothing_px),
        )  # fmt: skip
        distance_px = np.hypot(columns[:, X] - expected.position_px[:, 0], columns[:, Y] - expected.position_px[:, 1])
        mass = columns[:, MASS]
        good = (columns[:, FOUND] > 0) & (distance_px <= s.search_px) & (mass > s.minmass)
        good &= (mass >= LEAST_MASS * expected.mass) & (mass <= LARGEST_MASS * expected.mass)
        if s.maxsize_px is not None:
            good &= columns[:, SIZE] < s.maxsize_px
        columns = columns[good]
        mass, size_px, ecc, signal, raw_mass = np.ascontiguousarray(columns[:, MASS : RAW_MASS + 1].T)
        unknown = np.full(len(columns), np.nan)  # the noise of the frame can't be measured in one window
        return Features(columns[:, :MASS].copy(), mass, size_px, ecc, signal, raw_mass, unknown)

    def strip(self, image: NDArray[Any], turn: int) -> Features:
        """The features in strip `turn` of `late_looks`, by the full-frame rule."""
        s = self.settings
        height = image.shape[0]
        first, last = turn * height // s.late_looks, (turn + 1) * height // s.late_looks
        if self.rules.watched:
            first = max(first - int(np.ceil(s.search_px)), 0)
        pad = s.margin_px + int(s.least_distance_px) // 2 + 1
        start = max(first - pad, 0)
        features = Centroid(s, error=False, rules=self.rules)(image[start : last + pad])
        y = features.position_px[:, 1] + start
        moved = features.moved(0.0, float(start))
        return moved.only((y >= first) & (y < last)) if len(features) else features

    def _without_duplicates(self, features: Features, windows: int) -> Features:
        """Drop features of the strip that a window has, too, and the fainter of two windows on one feature."""
        if len(features) < 2:
            return features
        # windows take precedence over the strip for any mass: their start is the expected position
        weight = features.mass.copy()
        weight[:windows] += weight.max() + 1.0
        return features.only(distinct(features.position_px[:, ::-1], weight, self.settings.least_distance_px))

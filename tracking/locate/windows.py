"""Only where particles are expected: a window about each known one, and a strip of the frame for new ones.

Guards: the maximum nearest the expected place, not the brightest; found within the search range; of a mass like the
particle's own so far; no two windows on one feature. A particle that fails them is not seen in this frame; where many
fail at once the light or the settings have changed, and the whole frame is looked at. At each look one strip of
`late_looks` is searched in full, so that every place is looked at every `late_looks` looks, and new particles are
found. A strip begins `search_px` before its first row: who crosses to the strip before it is not missed.

What strips find is held against what windows found there. Where a particle has several maxima, as a rod that is longer
than the mask, the two differ, and windows jump: then the whole frame is looked at from there on.
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

FIRST_LOOKS = 2  # with windows: they are held against the whole frame, and its places count
APART_PX = 1.0  # a larger distance between a window's place and the frame's counts as this
LEAST_APART, APART_SHARE = 2.0, 0.02  # sum and mean of squares of such distances, in APART_PX, beyond which they differ
MOST_COMPARED = 400  # then both sums are halved: what is long ago counts less
# What a window costs in pixels of the full frame, to 20 %: measured for searches of 3 to 15 px, boxes of 7 to 61 px.
WINDOW_COST_PX, COST_PER_WINDOW_PX = 700.0, 0.7
FEWEST = 0.7  # of the windows that must hold; below it the whole frame is looked at in the same turn
LEAST_MASS, LARGEST_MASS = 0.6, 1.6  # of the particle's mass so far
LEAST_SIGNAL = 0.4  # of the particle's brightest pixel so far


@dataclass(frozen=True, slots=True)
class WindowMemory:
    """What is known of the particles before a frame is looked at."""

    position_px: Floats  # [M, 2] x, y
    mass: Floats  # [M] running means
    signal: Floats  # [M]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far windows place particles from where the full frame does, so far."""

    looks: int = 0  # with windows
    compared: int = 0  # places
    apart: float = 0.0  # sum of squares of their distances, in units of APART_PX, each 1 at most
    whole: bool = False  # windows are not to be used

    def after(self, windows: Features, frame: Features, least_px: float) -> Agreement:
        """With the features of one look; those of the frame that no window found nearer than least_px don't count."""
        compared, apart = self.compared, self.apart
        if compared > MOST_COMPARED:
            compared, apart = compared // 2, apart / 2
        if len(windows) and len(frame):
            away_px = cKDTree(windows.position_px).query(frame.position_px)[0]
            away_px = away_px[away_px < least_px]
            compared += len(away_px)
            apart += float(np.square(np.minimum(away_px / APART_PX, 1.0)).sum())
        whole = self.whole or (apart >= LEAST_APART and apart > APART_SHARE * compared)
        return Agreement(self.looks + 1, compared, apart, whole)


@dataclass(frozen=True, slots=True)
class Windows:
    """The predictive locator. `everywhere` is the locator of strips and of frames where windows do not pay."""

    settings: Tracking
    rules: Rules = NEWEST

    def __call__(self, image: NDArray[Any], expected: WindowMemory, looks: int) -> Features:
        """Features of one frame; `looks`, how many frames were looked at before, says which strip's turn it is."""
        return self.look(image, expected, looks, Agreement(looks=FIRST_LOOKS))[0]

    def look(
        self, image: NDArray[Any], expected: WindowMemory, looks: int, before: Agreement
    ) -> tuple[Features, Agreement]:  # fmt: skip
        """(features of one frame, how far windows agree with it now)."""
        s = self.settings
        if before.whole or not self._pays(len(expected.mass), image.size):
            return Centroid(s, rules=self.rules)(image), before
        known = self.near(image, expected)
        if len(known) < FEWEST * len(expected.mass):
            return Centroid(s, rules=self.rules)(image), before
        first = self.rules.watched and before.looks < FIRST_LOOKS
        found = Centroid(s, rules=self.rules)(image) if first else self.strip(image, looks % s.late_looks)
        now = before.after(known, found, s.least_distance_px) if self.rules.watched else before
        if first:
            return found, now
        if now.whole:
            return Centroid(s, rules=self.rules)(image), now
        return self._without_doubles(joined(known, found), len(known)), now

    def _pays(self, windows: int, size: int) -> bool:
        """Whether so many windows and a strip cost less than a frame of `size` pixels, which is band-passed there."""
        s = self.settings
        return s.preprocess and 0 < windows * self.cost_px < (1.0 - 1.0 / s.late_looks) * size

    @property
    def reach_px(self) -> int:
        """A window goes this far to each side of the expected place."""
        return int(np.ceil(self.settings.search_px)) + self.settings.radius_px + 1

    @property
    def cost_px(self) -> float:
        """Pixels of a full frame that take as long as one window; no stopwatch, so that a replay chooses the same."""
        s = self.settings
        pad = max(s.smoothing_px // 2, gaussian(s.noise_size_px).size // 2)  # what the band-pass needs beyond it
        return WINDOW_COST_PX + COST_PER_WINDOW_PX * (2 * (self.reach_px + pad) + 1) ** 2

    def near(self, image: NDArray[Any], expected: WindowMemory) -> Features:
        """The features at the expected places that pass the guards."""
        s = self.settings
        raw = checked(image, invert=False)
        whole = raw.dtype != np.float64
        top = float(TOP.get(raw.dtype, 1)) if s.invert else 0.0
        weights = gaussian(s.noise_size_px).astype(np.float32 if raw.dtype == np.uint8 else np.float64)
        threshold = s.threshold if s.threshold is not None else 1.0 if whole else 1 / 255
        reach = self.reach_px
        mask = disc(s.radius_px)
        place_px = np.ascontiguousarray(expected.position_px)  # one type of argument, however many there are
        found = look(
            raw, place_px, reach, weights, s.smoothing_px, whole, threshold, top,
            mask.half, mask.cosine, mask.sine, LEAST_SIGNAL * expected.signal, s.search_px, s.max_iterations,
            scratch(reach, weights, s.smoothing_px),
        )  # fmt: skip
        off = np.hypot(found[:, X] - expected.position_px[:, 0], found[:, Y] - expected.position_px[:, 1])
        mass = found[:, MASS]
        good = (found[:, FOUND] > 0) & (off <= s.search_px) & (mass > s.minmass)
        good &= (mass >= LEAST_MASS * expected.mass) & (mass <= LARGEST_MASS * expected.mass)
        if s.maxsize_px is not None:
            good &= found[:, SIZE] < s.maxsize_px
        found = found[good]
        mass, size_px, ecc, signal, raw_mass = np.ascontiguousarray(found[:, MASS : RAW_MASS + 1].T)
        unknown = np.full(len(found), np.nan)  # one window does not tell the frame's noise
        return Features(found[:, :MASS].copy(), mass, size_px, ecc, signal, raw_mass, unknown)

    def strip(self, image: NDArray[Any], turn: int) -> Features:
        """The features whose middle is in strip `turn` of `late_looks`, by the full-frame rule."""
        s = self.settings
        height = image.shape[0]
        first, last = turn * height // s.late_looks, (turn + 1) * height // s.late_looks
        if self.rules.watched:
            first = max(first - int(np.ceil(s.search_px)), 0)
        pad = s.margin_px + int(s.least_distance_px) // 2 + 1
        start = max(first - pad, 0)
        found = Centroid(s, error=False, rules=self.rules)(image[start : last + pad])
        y = found.position_px[:, 1] + start
        moved = found.moved(0.0, float(start))
        return moved.only((y >= first) & (y < last)) if len(found) else found

    def _without_doubles(self, found: Features, known: int) -> Features:
        """A feature of the strip that a window has found too goes, and of two windows on one feature the fainter."""
        if len(found) < 2:
            return found
        # windows before the strip, whatever their mass: their centroids started from what is known
        weight = found.mass.copy()
        weight[:known] += weight.max() + 1.0
        return found.only(distinct(found.position_px[:, ::-1], weight, self.settings.least_distance_px))

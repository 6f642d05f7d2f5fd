"""Which way of placing particles suits an image, and why. A pure function of one frame and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tracking.locate.centroid import checked
from tracking.locate.features import Features
from tracking.locate.guarded import crowded
from tracking.rules import NEWEST, Rules
from tracking.settings import Tracking

Floats = NDArray[np.float64]

FEWEST = 3  # features that a choice is made from
SAMPLE = 40  # features that are looked at
MOST = 200  # features beyond which fits take more than about 5 ms a frame
FAINT = 4.0  # contrast over noise below which a centroid is as good
CROWDED = 0.2  # share of features with an overlapping neighbour, beyond which fits are of little use
RING = 0.35  # of the radius: a profile whose peak is farther out is a ring's


@dataclass(frozen=True, slots=True)
class Choice:
    """How to place particles. `why` is a sentence for the operator."""

    name: Literal["centroid", "radial", "gaussian"]
    why: str


def choose(image: NDArray[Any], found: Features, s: Tracking, rules: Rules = NEWEST) -> Choice | None:
    """The choice for this kind of image; None as long as too little is seen.

    Args:
        rules: without `bounded`, crowds are not looked at.
    """
    if len(found) < FEWEST:
        return None
    if len(found) > MOST:
        return Choice("centroid", f"auto: centroid, since fits of {len(found)} particles would take too long")
    share = float(crowded(found, s).mean()) if rules.bounded else 0.0
    if share > CROWDED:
        return Choice("centroid", f"auto: centroid, since {share:.0%} of the particles have a neighbour nearer than "
                                  f"{s.diameter_px + 1} px")  # fmt: skip
    profile, noise = mean_profile(checked(image, s.invert).astype(np.float64), found.position_px, s.radius_px + 2)
    contrast = float(np.ptp(profile)) / max(noise, 1e-9)
    if contrast < FAINT:
        return Choice("centroid", f"auto: centroid, since the contrast is only {contrast:.1f} times the noise")
    peak = int(np.argmax(np.abs(profile - profile[-1])))
    if peak > RING * s.radius_px:
        return Choice("radial", f"auto: radial, since the particles are rings of about {peak} px radius")
    rim = profile[1 : s.radius_px + 1] - profile[-1]
    if np.ptp(profile) > 0 and float(-rim.min()) > 0.15 * float(np.ptp(profile)):
        return Choice("radial", "auto: radial, since the particles have halos")
    return Choice("gaussian", f"auto: gaussian, since the particles are spots of {contrast:.0f} times the noise")


def mean_profile(raw: Floats, position_px: Floats, reach: int) -> tuple[Floats, float]:
    """(mean brightness [reach + 1] by whole px of distance, spread of one pixel about it)."""
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    total = np.zeros(reach + 1)
    square = 0.0
    count = np.zeros(reach + 1)
    for x, y in position_px[:: max(len(position_px) // SAMPLE, 1)]:
        column, row = round(x), round(y)
        patch = raw[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        if patch.shape != rows.shape:
            continue
        away = np.rint(np.hypot(rows - (y - row), columns - (x - column))).astype(int).ravel()
        near = away <= reach
        value = patch.ravel()[near]
        ring = np.bincount(away[near], minlength=reach + 1)
        mean = np.bincount(away[near], value, reach + 1) / np.maximum(ring, 1)
        total += ring * mean
        count += ring
        # spread within the outermost ring: the background's
        square += float(np.square(value[away[near] == reach] - mean[reach]).sum())
    profile = total / np.maximum(count, 1)
    return profile, float(np.sqrt(square / max(count[-1], 1)))

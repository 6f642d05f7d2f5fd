"""Chooses the locator that suits an image, with a reason. A pure function of one frame and its features."""

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

FEWEST = 3  # features needed for a choice
SAMPLE = 40  # features in the mean profile, about
MOST = 200  # features beyond which fits take more than about 5 ms a frame
FAINT = 4.0  # contrast over noise below which a fit is no better than a centroid
CROWDED = 0.2  # share of features with an overlapping neighbour above which fits are of little use
RING = 0.35  # of the radius: a profile with its peak farther out is a ring's


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen locator. `why` is a sentence for the operator."""

    name: Literal["centroid", "radial", "gaussian"]
    why: str


def choose(image: NDArray[Any], features: Features, s: Tracking, rules: Rules = NEWEST) -> Choice | None:
    """The choice for an image [height, width]; None with fewer than FEWEST features.

    Args:
        rules: without `bounded`, crowding is ignored.
    """
    if len(features) < FEWEST:
        return None
    if len(features) > MOST:
        return Choice("centroid", f"auto: centroid, since fits of {len(features)} particles would take too long")
    share = float(crowded(features, s).mean()) if rules.bounded else 0.0
    if share > CROWDED:
        return Choice("centroid", f"auto: centroid, since {share:.0%} of the particles have a neighbour nearer than "
                                  f"{s.diameter_px + 1} px")  # fmt: skip
    profile, noise = mean_profile(checked(image, s.invert).astype(np.float64), features.position_px, s.radius_px + 2)
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
    """(mean brightness [reach + 1] at distances of 0 to reach px, standard deviation of the background)."""
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    total = np.zeros(reach + 1)
    square = 0.0
    count = np.zeros(reach + 1)
    for x, y in position_px[:: max(len(position_px) // SAMPLE, 1)]:
        column, row = round(x), round(y)
        patch = raw[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        if patch.shape != rows.shape:
            continue
        distance = np.rint(np.hypot(rows - (y - row), columns - (x - column))).astype(int).ravel()
        near = distance <= reach
        value = patch.ravel()[near]
        ring = np.bincount(distance[near], minlength=reach + 1)
        mean = np.bincount(distance[near], value, reach + 1) / np.maximum(ring, 1)
        total += ring * mean
        count += ring
        # the spread within the outermost ring is that of the background
        square += float(np.square(value[distance[near] == reach] - mean[reach]).sum())
    profile = total / np.maximum(count, 1)
    return profile, float(np.sqrt(square / max(count[-1], 1)))

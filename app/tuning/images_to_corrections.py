"""Correction images and excluded regions, computed from some images of a camera. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracking.correct import hot_pixels, outside
from tracking.settings import Ellipse, Tracking
from tracking.tracker import locator

Image = NDArray[Any]

IMAGES = 64  # images that a correction is computed from
FEWEST = 3
AT_REST_PX = 1.0  # a feature within this distance of its place in the median image is at rest
MOSTLY = 0.8  # least share of the images in which a resting feature is found


def mean_image(images: Sequence[Image]) -> Image:
    """The mean of each pixel, rounded to the camera's integer type."""
    total = np.zeros(images[0].shape)
    for image in images:
        total += image
    return _to_type(total / len(images), images[0].dtype)


def median_image(images: Sequence[Image]) -> Image:
    """The median of each pixel, rounded to the camera's integer type; moving particles are not in it."""
    return _to_type(np.median(np.stack(images), axis=0), images[0].dtype)


def map_of_hot_pixels(images: Sequence[Image]) -> Image:
    """255 where a pixel differs from all its neighbours, else 0."""
    return np.where(hot_pixels(median_image(images)), np.uint8(255), np.uint8(0))


def _to_type(counts: NDArray[np.float64], dtype: np.dtype[Any]) -> Image:
    return np.rint(counts).astype(dtype) if np.issubdtype(dtype, np.integer) else counts.astype(dtype)


@dataclass(frozen=True)
class Taken:
    """One kind of correction image."""

    key: str  # dotted setting that names its file
    name: str  # in sentences
    make: Callable[[Sequence[Image]], Image]  # computes it
    over_s: float  # time over which a live camera's images are taken
    needs: str  # sentence part: what the camera should be pointed at


TAKEN = {
    "dark": Taken("tracking.dark_file", "dark frame", mean_image, 2.0, "no light on the camera"),
    "hot-pixels": Taken(
        "tracking.hot_pixels_file", "map of hot pixels", map_of_hot_pixels, 2.0, "best no light on the camera"
    ),
    "background": Taken(
        "tracking.background_file",
        "background",
        median_image,
        20.0,
        "what does not move; moving particles may be there",
    ),
}
EXCLUDED = "excluded"  # regions: settings, not an image file


def made(what: str, images: Sequence[Image]) -> tuple[Image, str]:
    """(correction image of one kind of TAKEN, a sentence on it). Raises ValueError for fewer than FEWEST images."""
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few (allowed: at least {FEWEST})")
    kind = TAKEN[what]
    image = kind.make(images)
    if what == "hot-pixels":
        return image, f"{kind.name}: {np.count_nonzero(image)} of {image.size} pixels, from {len(images)} images"
    return image, f"{kind.name}: {image.mean():.1f} grey levels on average, from {len(images)} images"


def resting(images: Sequence[Image], s: Tracking) -> tuple[Ellipse, ...]:
    """Regions around features of the median image that are found at the same place in most of the images.

    Those are dirt and stuck particles. Raises ValueError for fewer than FEWEST images, and Fault as locators do.

    Args:
        images: corrected as for the locators.
    """
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few (allowed: at least {FEWEST})")
    locate = locator(s)
    candidates = outside(locate(median_image(images)), s.excluded_regions)
    if len(candidates) == 0:
        return ()
    hits = np.zeros(len(candidates))
    for image in images:
        features = locate(image)
        if len(features):
            hits += cKDTree(features.position_px).query(candidates.position_px)[0] <= AT_REST_PX
    candidates = candidates.only(hits >= MOSTLY * len(images))
    regions = []
    for (x, y), size_px in zip(candidates.position_px.tolist(), candidates.size_px.tolist(), strict=True):
        half_px = max(s.diameter_px / 2.0, 2.0 * size_px) + 1.0
        left_px, top_px, width_px = (round(value, 1) for value in (x - half_px, y - half_px, 2.0 * half_px))
        regions.append(Ellipse(left_px=left_px, top_px=top_px, width_px=width_px, height_px=width_px))
    return tuple(regions)

"""Images that correct a camera's, and regions of dirt, made from some of its images. Pure functions."""

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

IMAGES = 64  # that are looked at
FEWEST = 3
AT_REST_PX = 1.0  # from its place in the median: nearer, it has not moved
MOSTLY = 0.8  # of the images


def mean_image(images: Sequence[Image]) -> Image:
    """The mean, in whole grey levels of the camera's type."""
    total = np.zeros(images[0].shape)
    for image in images:
        total += image
    return _as(total / len(images), images[0].dtype)


def median_image(images: Sequence[Image]) -> Image:
    """The median of each pixel, in whole grey levels of the camera's type: what moves is not in it."""
    return _as(np.median(np.stack(images), axis=0), images[0].dtype)


def map_of_hot_pixels(images: Sequence[Image]) -> Image:
    """255 where a pixel differs from all that is about it, else 0."""
    return np.where(hot_pixels(median_image(images)), np.uint8(255), np.uint8(0))


def _as(counts: NDArray[np.float64], kind: np.dtype[Any]) -> Image:
    return np.rint(counts).astype(kind) if np.issubdtype(kind, np.integer) else counts.astype(kind)


@dataclass(frozen=True)
class Taken:
    """One kind of correction image: which setting names it, how it is made, over what time, what it shows."""

    key: str
    name: str
    make: Callable[[Sequence[Image]], Image]
    over_s: float  # of a live camera
    needs: str  # what has to be before the camera


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
EXCLUDED = "excluded"  # regions, which are settings and no file


def made(what: str, images: Sequence[Image]) -> tuple[Image, str]:
    """(the image of one kind of TAKEN, a sentence on it). Raises ValueError where too few images are there."""
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few (at least {FEWEST})")
    taken = TAKEN[what]
    image = taken.make(images)
    if what == "hot-pixels":
        return image, f"{taken.name}: {np.count_nonzero(image)} of {image.size} pixels, from {len(images)} images"
    return image, f"{taken.name}: {image.mean():.1f} grey levels on average, from {len(images)} images"


def resting(images: Sequence[Image], s: Tracking) -> tuple[Ellipse, ...]:
    """Regions about what `s` takes for a particle in the median of the images, and at that place in most of them.

    That is dirt, and particles that stick. Raises ValueError where too few images are there, Fault as locators do.

    Args:
        images: as the locators get them.
    """
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few (at least {FEWEST})")
    find = locator(s)
    found = outside(find(median_image(images)), s.excluded_regions)
    if len(found) == 0:
        return ()
    there = np.zeros(len(found))
    for image in images:
        seen = find(image)
        if len(seen):
            there += cKDTree(seen.position_px).query(found.position_px)[0] <= AT_REST_PX
    found = found.only(there >= MOSTLY * len(images))
    regions = []
    for (x, y), size_px in zip(found.position_px.tolist(), found.size_px.tolist(), strict=True):
        half_px = max(s.diameter_px / 2.0, 2.0 * size_px) + 1.0
        left_px, top_px, width_px = (round(value, 1) for value in (x - half_px, y - half_px, 2.0 * half_px))
        regions.append(Ellipse(left_px=left_px, top_px=top_px, width_px=width_px, height_px=width_px))
    return tuple(regions)

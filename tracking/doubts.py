"""Checks whether footage suffices to choose tracking settings: noise, beam glow, rims of large discs, pairs, rods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracking.locate.centroid import Centroid, checked
from tracking.locate.features import Features
from tracking.settings import Tracking

Floats = NDArray[np.float64]
Image = NDArray[Any]

LOOKED_AT = 3  # frames in which the widest blob is measured
SEED = 0  # of the simulated noise
SPREAD = 1.4826  # standard deviation over median absolute deviation, for a Gaussian
NOISE_SHARE = 0.999  # quantile of the masses that noise alone gives
ABOVE_NOISE = 1.1  # a particle's mass over that quantile, at least
STEP = 1.25  # ratio of successive blob widths
BLOB = 1.12  # width of the blob with the largest response over the smaller width of the two Gaussians
COARSE, FROM_PX = 4, 8.0  # blobs wider than FROM_PX are searched in an image that is COARSE times smaller
OF_A_DISC = 2.5  # diameter of a disc over the width of its blob
ROUND = 0.4  # ratio of the two curvatures at a feature (1: round); below it a feature is elongated
MOSTLY = 0.4  # share of elongated features above which the result is doubted
WIDE = 0.35  # widest blob over diameter_px; a round spot has 0.12 to 0.31


def require_more_than_noise(frames: Sequence[Image], s: Tracking, kept: Sequence[Features], largest_px: float) -> None:
    """Raises ValueError, with the reason, if the kept features are no brighter than those found in noise alone.

    Args:
        kept: features of each frame.
        largest_px: widest blob for which settings can be suggested.
    """
    mass = np.concatenate([features.mass for features in kept])
    if len(mass) == 0:
        return
    noise = float(np.mean([noise_counts(frame) for frame in frames]))
    if np.median(mass) > ABOVE_NOISE * _mass_of_noise(frames[0], s, noise):
        return
    sentence = f"can't tell which settings suit: no spot stands out from the noise of {noise:.2g} grey levels"
    width_px, limit_px = widest(frames)
    if width_px > largest_px:
        qualifier = "more than " if width_px >= limit_px else "about "
        sentence += (
            f", only something {qualifier}{width_px:.0f} px wide (beam glow, or an uneven lamp); subtract a background "
            "(main.py correct background), or give tracking.minmass"
        )
    raise ValueError(sentence)


def doubt_about_shape(frames: Sequence[Image], s: Tracking, kept: Sequence[Features]) -> str:
    """A sentence if many of the kept features are elongated; else empty.

    Raises ValueError if they lie on the rims of objects much wider than the diameter.
    """
    ratios = [roundness(frame, s, features) for frame, features in zip(frames, kept, strict=True)]
    all_ratios = np.concatenate(ratios)
    share = float((all_ratios < ROUND).mean()) if len(all_ratios) else 0.0
    if share <= MOSTLY:
        return ""
    width_px, _ = widest(frames)
    if width_px > WIDE * s.diameter_px:
        raise ValueError(
            f"can't tell which settings suit: what stands out is about {OF_A_DISC * width_px:.2g} px wide, and what is "
            f"found with diameter_px {s.diameter_px} lies on its rim (beam glow, or large discs); give "
            "tracking.diameter_px, an odd number a little larger than a particle"
        )
    return (
        f"can't tell single particles: {share:.0%} of what stands out is elongated, as are pairs that touch, rods and "
        "parts of large rings; these settings take each for one particle, and a smaller tracking.diameter_px finds "
        "its parts"
    )


def noise_counts(image: Image) -> float:
    """Standard deviation of the pixel noise, from second differences, which slopes and wide spots hardly change."""
    kernel = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], np.float32)
    filtered = cv2.filter2D(image.astype(np.float32), -1, kernel)
    return float(SPREAD * np.median(np.abs(filtered)) / 6.0)


def _mass_of_noise(image: Image, s: Tracking, noise: float) -> float:
    """Quantile NOISE_SHARE of the masses that `s` finds in simulated noise with the median of `image`."""
    generator = np.random.default_rng(SEED)
    noisy = generator.normal(float(np.median(image)), noise, image.shape)
    if image.dtype in (np.uint8, np.uint16):
        noisy = np.clip(np.rint(noisy), 0, np.iinfo(image.dtype).max).astype(image.dtype)
    features = Centroid(s)(noisy)
    return float(np.quantile(features.mass, NOISE_SHARE)) if len(features) else 0.0


def widest(frames: Sequence[Image]) -> tuple[float, float]:
    """(width in px of the blobs of most contrast, bright or dark; largest width tried, about 1/6 of the image)."""
    side = min(frames[0].shape)
    scales = [scale for scale in STEP ** np.arange(40) if scale < max(side / 6.0, STEP)]
    contrast = np.zeros(len(scales))
    for frame in frames[:LOOKED_AT]:
        fine = checked(frame, invert=False).astype(np.float32)
        size = (max(fine.shape[1] // COARSE, 1), max(fine.shape[0] // COARSE, 1))
        coarse = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        for k, scale in enumerate(scales):
            image, width = (fine, scale) if scale < FROM_PX else (coarse, scale / COARSE)
            change = cv2.GaussianBlur(image, (0, 0), width) - cv2.GaussianBlur(image, (0, 0), STEP * width)
            few = min(max(change.size // 20_000, 3), change.size)
            flat = np.partition(change.ravel(), (few - 1, change.size - few))
            contrast[k] += max(float(flat[-few:].mean()), -float(flat[:few].mean()))
    return float(BLOB * scales[int(contrast.argmax())]), float(BLOB * scales[-1])


def roundness(image: Image, s: Tracking, features: Features) -> Floats:
    """[N] smaller over larger curvature of the smoothed brightness at each feature: 1 round, 0 a line."""
    if len(features) == 0:
        return np.empty(0)
    smooth = cv2.GaussianBlur(checked(image, s.invert).astype(np.float64), (0, 0), s.diameter_px / 6.0)
    if min(smooth.shape) < 3:
        return np.ones(len(features))
    down, across = np.gradient(smooth)
    yy, yx = np.gradient(down)
    xx = np.gradient(across, axis=1)
    column, row = np.rint(features.position_px).astype(int).T
    a, b, c = xx[row, column], yx[row, column], yy[row, column]
    middle, half = (a + c) / 2.0, np.hypot((a - c) / 2.0, b)
    most = middle - half  # the more negative curvature, for bright spots
    ratio: Floats = np.divide(middle + half, most, out=np.ones(len(features)), where=most != 0)
    return ratio

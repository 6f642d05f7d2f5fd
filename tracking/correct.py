"""Frame corrections before location: dark frame or background, hot pixels, excluded regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from control.contract import Fault
from tracking.locate.features import Features
from tracking.settings import Ellipse, Rectangle

Floats = NDArray[np.float64]
Image = NDArray[Any]

NEAR = ((-1, 0), (1, 0), (0, -1), (0, 1))  # y, x of the neighbours whose mean replaces a hot pixel
AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
SPREAD = 1.4826  # standard deviation over median absolute deviation, for a Gaussian
HOT = 6.0  # least difference of a hot pixel from the local median, in standard deviations
HOT_COUNTS = 3.0  # the same in grey levels
ALIKE = 0.5  # share of a pixel's difference; a neighbour that differs by more belongs to the same object
FEW = 2  # most such neighbours of a hot pixel; the image of a particle has more


@dataclass(frozen=True, eq=False)
class Correction:
    """Corrects a frame: a pure function of the frame. Without any of the three images it returns the frame itself.

    Args:
        dark: [height, width] grey levels without light.
        background: [height, width] grey levels without particles. It contains the dark frame and replaces it.
        hot: [height, width] not 0 at a defective pixel, which gets the mean of its neighbours.
    """

    dark: Image | None = None
    background: Image | None = None
    hot: Image | None = None
    _shift: Floats | None = field(init=False, default=None)  # [height, width] grey levels to be subtracted
    _whole: dict[Any, tuple[Image, Image]] = field(init=False, default_factory=dict)  # by dtype: add, subtract
    _places: NDArray[np.int64] = field(init=False)  # [K] hot pixels, as flat indices
    _neighbours: NDArray[np.int64] = field(init=False)  # [K, 8] their neighbours; unused places repeat the pixel
    _weights: NDArray[np.int64] = field(init=False)  # [K, 8] 1 for a neighbour, else 0

    def __post_init__(self) -> None:
        subtracted = self.background if self.background is not None else self.dark
        if subtracted is not None:  # less the median, so that the mean level stays and noise is not clipped at 0
            counts = subtracted.astype(np.float64)
            shift = counts - np.median(counts)
            object.__setattr__(self, "_shift", shift)
            self._whole.update({np.dtype(kind): _parts(shift, np.dtype(kind)) for kind in (np.uint8, np.uint16)})
        places, neighbours, weights = _repairs(self.hot)
        for name, value in (("_places", places), ("_neighbours", neighbours), ("_weights", weights)):
            object.__setattr__(self, name, value)

    def __bool__(self) -> bool:
        return self._shift is not None or len(self._places) > 0

    @property
    def shape(self) -> tuple[int, ...] | None:
        """[height, width] of the frames that can be corrected; None: any."""
        return next((image.shape for image in (self.background, self.dark, self.hot) if image is not None), None)

    def __call__(self, image: Image) -> Image:
        """The corrected frame, read-only and of the same dtype, so that no kernel is compiled for another type.

        Raises Fault for a frame of another size.
        """
        if not self:
            return image
        if image.shape != self.shape:
            raise Fault(f"a frame of {_size(image.shape)} px can't be corrected by images of {_size(self.shape)} px")
        corrected = image if self._shift is None else self._subtracted(image, self._shift)
        if len(self._places):
            corrected = self._repaired(corrected, image.dtype)
        corrected.setflags(write=False)
        return corrected

    def _subtracted(self, image: Image, shift: Floats) -> Image:
        """The image minus the shift, in whole grey levels, clipped to the range of its dtype."""
        if image.dtype not in self._whole:
            return np.asarray(image - shift, image.dtype)
        up, down = self._whole[image.dtype]
        return np.asarray(cv2.subtract(cv2.add(image, up), down))

    def _repaired(self, image: Image, dtype: Any) -> Image:
        flat = image.reshape(-1).copy()
        number = self._weights.sum(axis=1)
        if np.issubdtype(dtype, np.integer):
            total = (flat[self._neighbours].astype(np.int64) * self._weights).sum(axis=1)
            flat[self._places] = (2 * total + number) // (2 * number)
        else:
            flat[self._places] = (flat[self._neighbours] * self._weights).sum(axis=1) / number
        return flat.reshape(image.shape)


def _parts(shift: Floats, kind: np.dtype[Any]) -> tuple[Image, Image]:
    """(image to add, image to subtract) for this dtype, in whole grey levels."""
    up, down = (np.rint(np.clip(part, 0, np.iinfo(kind).max)).astype(kind) for part in (-shift, shift))
    return up, down


def _repairs(hot: Image | None) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(flat indices of hot pixels [K], indices of replacing neighbours [K, 8], weight 1 or 0 of each [K, 8]).

    The four nearest neighbours that are not hot; where there is none, the eight around, then those at 2 px, and so on.
    """
    if hot is None or not hot.any() or hot.all():
        return np.empty(0, np.int64), np.empty((0, 8), np.int64), np.empty((0, 8), np.int64)
    sound = hot == 0
    height, width = hot.shape
    y, x = np.nonzero(hot)
    places = y * width + x
    neighbours, weights = np.repeat(places[:, None], 8, axis=1), np.zeros((len(places), 8), np.int64)
    for reach in range(max(height, width)):
        steps = NEAR if reach == 0 else tuple((max(reach, 1) * dy, max(reach, 1) * dx) for dy, dx in AROUND)
        isolated = weights.sum(axis=1) == 0
        if not isolated.any():
            break
        for column, (dy, dx) in enumerate(steps):
            row, col = y + dy, x + dx
            valid = isolated & (row >= 0) & (row < height) & (col >= 0) & (col < width)
            valid[valid] = sound[row[valid], col[valid]]
            neighbours[valid, column] = row[valid] * width + col[valid]
            weights[valid, column] = 1
    replaceable = weights.any(axis=1)
    return places[replaceable], neighbours[replaceable], weights[replaceable]


def hot_pixels(image: Image) -> NDArray[np.bool_]:
    """[height, width] True at single bright or dark pixels of a mean or median frame.

    Such a pixel differs from the median of 5 x 5 px by more than HOT standard deviations, and at most FEW neighbours
    differ half as much: the image of a particle is wider.
    """
    counts = image.astype(np.float32)
    deviation = counts - cv2.medianBlur(counts, 5)
    noise = SPREAD * float(np.median(np.abs(deviation)))
    odd = np.abs(deviation) > max(HOT * noise, HOT_COUNTS)
    padded = np.pad(deviation, 1)
    height, width = deviation.shape
    similar = np.zeros(deviation.shape, np.int64)
    for dy, dx in AROUND:
        neighbour = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        similar += (neighbour * np.sign(deviation) > ALIKE * np.abs(deviation)).astype(np.int64)
    return np.asarray(odd & (similar <= FEW))


def inside(regions: Sequence[Rectangle | Ellipse], position_px: Floats) -> NDArray[np.bool_]:
    """[N] whether positions x, y [N, 2] lie in one of the regions or on its edge."""
    is_inside = np.zeros(len(position_px), np.bool_)
    for region in regions:
        half = np.array([region.width_px, region.height_px]) / 2.0
        relative = (position_px - (np.array([region.left_px, region.top_px]) + half)) / half
        is_inside |= (
            (relative**2).sum(axis=1) <= 1.0 if region.kind == "ellipse" else np.abs(relative).max(axis=1) <= 1.0
        )
    return is_inside


def outside(features: Features, regions: Sequence[Rectangle | Ellipse]) -> Features:
    """The features outside all regions."""
    if not regions or len(features) == 0:
        return features
    return features.only(~inside(regions, features.position_px))


def filled(image: Image, regions: Sequence[Rectangle | Ellipse]) -> Image:
    """A copy of the image with its median in the regions, for functions that use pixels instead of features."""
    if not regions:
        return image
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    within = inside(regions, np.column_stack([x.ravel(), y.ravel()]).astype(np.float64)).reshape(image.shape)
    return np.where(within, np.median(image).astype(image.dtype), image)


def _size(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, reversed(shape or ())))


NOTHING = Correction()

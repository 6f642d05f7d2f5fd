"""The table of features of one frame, and the locator plug."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class Features:
    """One row per feature, in the locator's order; the columns are trackpy's of the same names."""

    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2] x, y
    mass: Floats = field(default_factory=_none)  # [N] and below: integrated brightness
    size_px: Floats = field(default_factory=_none)  # radius of gyration
    ecc: Floats = field(default_factory=_none)  # 0 is round
    signal: Floats = field(default_factory=_none)  # brightest pixel
    raw_mass: Floats = field(default_factory=_none)  # integrated brightness of the uncorrected image
    ep_px: Floats = field(default_factory=_none)  # estimated error of the position

    def __len__(self) -> int:
        return len(self.mass)

    def only(self, rows: NDArray[Any]) -> Features:
        """The rows selected by a mask or by indices."""
        return Features(*[getattr(self, name)[rows] for name in COLUMNS])

    def moved(self, x_px: float, y_px: float) -> Features:
        """The features with positions shifted by x_px, y_px."""
        return replace(self, position_px=self.position_px + np.array([x_px, y_px]))


COLUMNS = tuple(column.name for column in fields(Features))
NOTHING = Features()


def joined(first: Features, second: Features) -> Features:
    """The rows of both tables."""
    return Features(*[np.concatenate([getattr(first, name), getattr(second, name)]) for name in COLUMNS])


class Locate(Protocol):
    """Locates particles in one image [height, width] of uint8, uint16 or float. Raises Fault for too many peaks."""

    def __call__(self, image: NDArray[Any]) -> Features: ...


def sharpened(features: Features, refined: Floats) -> Features:
    """The features at the positions of a fit: `refined` [N, 3] has x, y, standard error, or nan to keep old ones."""
    good: NDArray[np.bool_] = np.isfinite(refined.sum(axis=1))
    position_px = np.where(good[:, None], refined[:, :2], features.position_px)
    return replace(features, position_px=position_px, ep_px=np.where(good, refined[:, 2], features.ep_px))

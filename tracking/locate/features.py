"""What a locator found in one frame."""

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
    """One row a particle, in the locator's order; the columns are trackpy's of the same names."""

    position_px: Floats = field(default_factory=lambda: np.empty((0, 2)))  # [N, 2] x, y
    mass: Floats = field(default_factory=_none)  # [N] and below: integrated brightness
    size_px: Floats = field(default_factory=_none)  # radius of gyration
    ecc: Floats = field(default_factory=_none)  # 0 is round
    signal: Floats = field(default_factory=_none)  # brightest pixel
    raw_mass: Floats = field(default_factory=_none)  # integrated brightness of the frame as it came
    ep_px: Floats = field(default_factory=_none)  # estimated error of the position

    def __len__(self) -> int:
        return len(self.mass)

    def only(self, rows: NDArray[Any]) -> Features:
        """Some of the rows: a mask or an order."""
        return Features(*[getattr(self, name)[rows] for name in COLUMNS])

    def moved(self, x_px: float, y_px: float) -> Features:
        """The same features in a frame whose corner lies elsewhere."""
        return replace(self, position_px=self.position_px + np.array([x_px, y_px]))


COLUMNS = tuple(column.name for column in fields(Features))
NOTHING = Features()


def joined(one: Features, other: Features) -> Features:
    """The rows of both."""
    return Features(*[np.concatenate([getattr(one, name), getattr(other, name)]) for name in COLUMNS])


class Locate(Protocol):
    """Particles in one image [height, width] of uint8, uint16 or float."""

    def __call__(self, image: NDArray[Any]) -> Features: ...


def sharpened(found: Features, better: Floats) -> Features:
    """The features at other places: `better` [N, 3] holds x, y and standard error, or nan where the old place stays."""
    good: NDArray[np.bool_] = np.isfinite(better.sum(axis=1))
    position_px = np.where(good[:, None], better[:, :2], found.position_px)
    return replace(found, position_px=position_px, ep_px=np.where(good, better[:, 2], found.ep_px))

"""What a locator found in one frame."""

from __future__ import annotations

from dataclasses import dataclass, field
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


NOTHING = Features()


class Locate(Protocol):
    """Particles in one image [height, width] of uint8, uint16 or float."""

    def __call__(self, image: NDArray[Any]) -> Features: ...

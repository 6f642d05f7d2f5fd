"""Synthetic frames and walks that the benchmarks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EDGE_PX = 16


@dataclass(frozen=True)
class SpotScene:
    """Spots or rings of amplitude 110 on uneven light with noise of 4 grey levels, at least 0.8 `apart_px` apart."""

    side_px: int
    count: int
    image: str  # "spots" or "rings"

    @property
    def name(self) -> str:
        return f"{self.side_px}^2, {self.count} {self.image}"

    @property
    def diameter_px(self) -> int:
        return 11 if self.image == "spots" else 13

    @property
    def apart_px(self) -> float:
        return 15.0

    def places(self, seed: int = 0) -> Floats:
        """[count, 2] positions x, y on a jittered grid."""
        chance = np.random.default_rng(seed)
        cells = int((self.side_px - 2 * EDGE_PX) / self.apart_px)
        chosen = chance.permutation(cells**2)[: self.count]
        pitch = (self.side_px - 2 * EDGE_PX) / cells
        corner = np.stack([chosen % cells, chosen // cells], -1) * pitch + EDGE_PX + pitch / 2
        spare = (pitch - 0.8 * self.apart_px) / 2
        places: Floats = corner + chance.uniform(-spare, spare, (len(chosen), 2))
        return places

    def frame(self, places: Floats, seed: int = 0) -> NDArray[np.uint8]:
        chance = np.random.default_rng(seed)
        image: Any = 20.0 + 4.0 * chance.standard_normal((self.side_px, self.side_px))
        image += np.linspace(0, 20, self.side_px)
        width_px, ring_px = (2.2, 0.0) if self.image == "spots" else (1.2, 3.5)
        window = np.arange(-12, 13)
        for x, y in places:
            rows, columns = round(y) + window, round(x) + window
            rows, columns = (line[(line >= 0) & (line < self.side_px)] for line in (rows, columns))
            distance = np.hypot(rows[:, None] - y, columns[None] - x)
            image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += 110 * np.exp(
                -((distance - ring_px) ** 2) / (2 * width_px**2)
            )
        grey: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        return grey


def walk(count: int, side_px: float, frames: int, step_px: float, seed: int = 0) -> list[Floats]:
    """Positions [count, 2] of Brownian particles in each frame, in a random order of rows."""
    chance = np.random.default_rng(seed)
    place = chance.uniform(0, side_px, (count, 2))
    answer = []
    for _ in range(frames):
        place = place + step_px * chance.standard_normal(place.shape)
        answer.append(chance.permutation(place))
    return answer


def crystal(columns: int, spacing_px: float) -> Floats:
    """[columns^2, 2] the sites of a hexagonal lattice."""
    column, row = np.meshgrid(np.arange(columns), np.arange(columns))
    x = spacing_px * (column + 0.5 * (row % 2))
    return np.stack([x, spacing_px * np.sqrt(0.75) * row], -1).reshape(-1, 2)

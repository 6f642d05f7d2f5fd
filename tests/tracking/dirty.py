"""A synthetic camera with defects: hot pixels, dirt at fixed positions, uneven illumination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]

WIDTH_PX = 2.2  # standard deviation of a particle's spot


@dataclass(frozen=True)
class DirtyCamera:
    """Frames of moving particles, with and without the defects of the camera; the same noise in both."""

    size_px: int = 192
    particles: int = 8
    frames: int = 24
    hot_share: float = 1e-3
    dirt_px: tuple[tuple[float, float], ...] = ((40.3, 141.8), (150.6, 50.2))
    seed: int = 0

    def places_px(self) -> Floats:
        """[T, N, 2] x, y: each particle on its own line, 1.5 px a frame, far from all others."""
        across = np.linspace(24, self.size_px - 25, self.particles)
        chance = np.random.default_rng(self.seed)
        start = chance.uniform(20, self.size_px - 20 - 1.5 * self.frames, self.particles)
        walk = chance.normal(0.0, 0.4, (self.frames, self.particles)).cumsum(axis=0)
        x = start + 1.5 * np.arange(self.frames)[:, None] + 0.2 * walk
        return np.stack([x, np.broadcast_to(across, x.shape)], axis=-1)

    def hot(self) -> NDArray[np.bool_]:
        """Mask [height, width] of the hot pixels."""
        chance = np.random.default_rng(self.seed + 1)
        found = np.zeros(self.size_px**2, np.bool_)
        found[chance.permutation(found.size)[: round(self.hot_share * found.size)]] = True
        return found.reshape(self.size_px, self.size_px)

    def pattern(self) -> Floats:
        """Grey levels [height, width] that the camera adds in the dark."""
        chance = np.random.default_rng(self.seed + 2)
        return np.where(self.hot(), chance.uniform(60, 220, (self.size_px, self.size_px)), 0.0)

    def dirt(self) -> Floats:
        """Grey levels [height, width] of the dirt."""
        return _spots(self.size_px, np.array(self.dirt_px), 140.0)

    def images(self, *, dirty: bool) -> list[Image]:
        """Frames of the particles."""
        added = self.pattern() + self.dirt() if dirty else 0.0
        return [
            self._exposed(_spots(self.size_px, place, 110.0) + added, number)
            for number, place in enumerate(self.places_px())
        ]

    def dark_images(self, number: int = 8) -> list[Image]:
        """Frames without light."""
        return [self._exposed(self.pattern(), 1000 + k) for k in range(number)]

    def _exposed(self, light: Floats, number: int) -> Image:
        noise = np.random.default_rng(10_000 * (self.seed + 1) + number).normal(0.0, 3.0, light.shape)
        return np.clip(np.rint(20.0 + light + noise), 0, 255).astype(np.uint8)


def _spots(size_px: int, position_px: Floats, counts: float) -> Floats:
    y, x = np.mgrid[:size_px, :size_px]
    light = np.zeros((size_px, size_px))
    for at_x, at_y in position_px:
        light += counts * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * WIDTH_PX**2))
    return light

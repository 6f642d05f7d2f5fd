"""Recorded and synthetic footage for the tests of tracking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray


def recorded(name: str, frames: int | None = None) -> NDArray[np.uint8]:
    """The first frames [T, height, width] of a recorded video; skips the test where it is absent."""
    places = [folder / "shared" / "data" / name for folder in Path(__file__).resolve().parents]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        pytest.skip(f"the recorded video {name} is not beside the repository, in shared/data")
    video: NDArray[np.uint8] = tifffile.imread(path, key=range(frames) if frames else None)
    return video


def spots(
    shape: tuple[int, int],
    position_px: NDArray[np.float64],
    *,
    amplitude: float = 110.0,
    width_px: float = 2.2,
    noise: float = 4.0,
    ring_px: float = 0.0,
    seed: int = 0,
    dtype: Any = np.uint8,
) -> NDArray[Any]:
    """A frame with a Gaussian spot (or a ring of radius `ring_px`) at each x, y of `position_px` [N, 2]."""
    chance = np.random.default_rng(seed)
    image = 20.0 + noise * chance.standard_normal(shape)
    reach = int(ring_px + 5 * width_px) + 1
    for x, y in position_px:
        rows = slice(max(int(y) - reach, 0), min(int(y) + reach + 1, shape[0]))
        columns = slice(max(int(x) - reach, 0), min(int(x) + reach + 1, shape[1]))
        yy, xx = np.mgrid[rows, columns]
        r = np.hypot(yy - y, xx - x)
        image[rows, columns] += amplitude * np.exp(-((r - ring_px) ** 2) / (2 * width_px**2))
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else np.inf
    scale = 1.0 if top == 255 else 60.0 if top < np.inf else 1 / 255
    image = np.clip(image * scale, 0, top)
    return np.round(image).astype(dtype) if top < np.inf else image.astype(dtype)


def scattered(shape: tuple[int, int], count: int, least_px: float, seed: int = 0) -> NDArray[np.float64]:
    """Up to `count` positions x, y [N, 2], at least `least_px` apart and away from the edges."""
    chance = np.random.default_rng(seed)
    tries = chance.uniform(16, np.array(shape[::-1]) - 17, (20 * count, 2))
    cell = tries // least_px
    chosen: list[int] = []
    taken: dict[tuple[int, int], list[int]] = {}
    for index, (cx, cy) in enumerate(cell.astype(int).tolist()):
        near = [k for dx in (-1, 0, 1) for dy in (-1, 0, 1) for k in taken.get((cx + dx, cy + dy), [])]
        if all(np.hypot(*(tries[index] - tries[k])) >= least_px for k in near):
            chosen.append(index)
            taken.setdefault((cx, cy), []).append(index)
            if len(chosen) == count:
                break
    return tries[chosen]

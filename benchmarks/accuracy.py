"""Errors of the locators for known positions, in units of the Cramer-Rao bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracking.locate.page import Locator
from tracking.settings import Tracking
from tracking.tracker import locator as named

Floats = NDArray[np.float64]

LEVEL = 40.0  # background, grey levels
SIDE_PX = 768


@dataclass(frozen=True)
class Profile:
    """amplitude exp(-(r - ring)^2 / (2 width^2)): a spot, or a ring."""

    amplitude: float
    width_px: float
    ring_px: float

    def __call__(self, distance_px: Floats) -> Floats:
        light: Floats = self.amplitude * np.exp(-((distance_px - self.ring_px) ** 2) / (2 * self.width_px**2))
        return light

    @property
    def reach_px(self) -> int:
        return int(self.ring_px + 5 * self.width_px) + 2


def bound_px(profile: Profile, noise: float) -> float:
    """Cramer-Rao bound of the rms error along one axis, for white noise and rounding to whole grey levels."""
    line = np.arange(-30.0, 31.0)
    x, y = np.meshgrid(line - 0.3, line - 0.2)
    step = 1e-3
    slope = (profile(np.hypot(x - step, y)) - profile(np.hypot(x + step, y))) / (2 * step)
    return float(np.sqrt((noise**2 + 1 / 12) / (slope**2).sum()))


def frame(profile: Profile, noise: float, chance: np.random.Generator) -> tuple[NDArray[np.uint8], Floats]:
    """(a frame of isolated particles on a uniform background, their positions x, y [N, 2])."""
    apart = 2 * (int(profile.ring_px + 4 * profile.width_px) + 4)
    line = np.arange(apart, SIDE_PX - apart, apart)
    place = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2) + chance.uniform(-0.5, 0.5, (len(line) ** 2, 2))
    image = LEVEL + noise * chance.standard_normal((SIDE_PX, SIDE_PX))
    window = np.arange(-profile.reach_px, profile.reach_px + 1)
    for x, y in place:
        rows, columns = round(y) + window, round(x) + window
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += profile(
            np.hypot(rows[:, None] - y, columns[None] - x)
        )
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), place


def errors(
    name: Locator, profile: Profile, noise: float, diameter_px: int, *, frames: int, seed: int = 1
) -> tuple[Floats, Floats]:
    """(errors x, y [N, 2] px, sub-pixel phases x, y [N, 2]) of every particle found within 1.5 px of the truth."""
    chance = np.random.default_rng(seed)
    apart = 2 * (int(profile.ring_px + 4 * profile.width_px) + 4)
    s = Tracking(
        locator=name, diameter_px=diameter_px, minmass=3 * profile.amplitude, separation_px=max(0.6 * apart, 3.0)
    )
    find: Any = named(s)
    off, phase = [], []
    for _ in range(frames):
        image, place = frame(profile, noise, chance)
        found = find(image).position_px
        if len(found) == 0:
            continue
        distance = np.linalg.norm(found[None] - place[:, None], axis=-1)  # [places, found]
        nearest = distance.argmin(axis=1)
        good = distance.min(axis=1) < 1.5
        off.append(found[nearest[good]] - place[good])
        phase.append(place[good] % 1.0)
    return np.concatenate(off), np.concatenate(phase)


def phase_bias_px(off_px: Floats, phase: Floats) -> float:
    """Root mean square over ten sub-pixel phases of the mean error along x."""
    tenth = (phase[:, 0] * 10).astype(int)
    return float(np.sqrt(np.mean([off_px[tenth == k, 0].mean() ** 2 for k in range(10)])))

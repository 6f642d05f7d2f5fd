"""Footage from which no settings can be determined gives no settings, or settings with a doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tracking.footage import recorded, scattered
from tracking.doubts import noise_counts, widest
from tracking.locate.centroid import Centroid
from tracking.settings import Tracking
from tracking.tune import suggest

Floats = NDArray[np.float64]
Image = NDArray[Any]

SHAPE = (256, 256)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
FRAMES = 1


def exposed(light: list[Floats], noise: float = 4.0) -> list[Image]:
    """Frames of this light above a background of 20 grey levels."""
    chance = np.random.default_rng(0)
    return [np.clip(np.rint(20.0 + one + chance.normal(0.0, noise, SHAPE)), 0, 255).astype(np.uint8) for one in light]


def spot(x: float, y: float, width_px: float, counts: float) -> Floats:
    return np.asarray(counts * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * width_px**2)))


def glow(width_px: float, counts: float = 120.0) -> Floats:
    return spot(120.0, 130.0, width_px, counts)


def beads(seed: int, counts: float = 40.0) -> Floats:
    return np.asarray(sum(spot(x, y, 2.2, counts) for x, y in scattered(SHAPE, 20, 30, seed)))


def pairs(seed: int, gap_px: float = 6.0, share: float = 1.0) -> Floats:
    """Two spots at this share of the places, and one spot at the others."""
    chance = np.random.default_rng(seed)
    light = np.zeros(SHAPE)
    places = scattered(SHAPE, 16, 45, seed)
    for number, (x, y) in enumerate(places):
        angle = chance.uniform(0.0, np.pi)
        half = gap_px / 2.0 * np.array([np.cos(angle), np.sin(angle)]) if number < share * len(places) else np.zeros(2)
        for sign in (1.0, -1.0) if half.any() else (1.0,):
            light += spot(x + sign * half[0], y + sign * half[1], 2.2, 110.0)
    return light


def discs(diameter_px: float, seed: int) -> Floats:
    """Flat discs with soft edges."""
    light = np.zeros(SHAPE)
    for x, y in scattered(SHAPE, 4, 1.2 * diameter_px, seed):
        light += 110.0 / (1.0 + np.exp((np.hypot(X - x, Y - y) - diameter_px / 2.0) / 0.9))
    return light


def rods(seed: int) -> Floats:
    chance = np.random.default_rng(seed)
    light = np.zeros(SHAPE)
    for x, y in scattered(SHAPE, 16, 45, seed):
        angle = chance.uniform(0.0, np.pi)
        for along in np.linspace(-7.0, 7.0, 9):
            light += spot(x + along * np.cos(angle), y + along * np.sin(angle), 2.2, 25.0)
    return light


@pytest.mark.parametrize("width_px", [30.0, 80.0])
def test_the_glow_of_the_beam_is_refused(width_px: float) -> None:
    """Before: 2000 spots of noise in each frame, and settings that keep them."""
    with pytest.raises(ValueError, match=r"can't tell .* noise of .* only something .* px wide .beam glow, or .* lamp"):
        suggest(exposed([glow(width_px)] * FRAMES))


def test_noise_and_an_uneven_background_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no spot stands out from the noise of (3\.\d|4|4\.\d) grey levels$"):
        suggest(exposed([np.zeros(SHAPE)] * FRAMES))
    with pytest.raises(ValueError, match="an uneven lamp"):
        suggest(exposed([0.4 * X] * FRAMES))


@pytest.mark.parametrize(("diameter_px", "low", "high"), [(100.0, 70, 130), (60.0, 40, 110), (30.0, 20, 40)])
def test_discs_found_only_at_their_rims_are_refused(diameter_px: float, low: int, high: int) -> None:
    frames = exposed([discs(diameter_px, seed) for seed in range(FRAMES)])
    with pytest.raises(ValueError, match=r"about (\d+) px wide, and what is found .* lies on its rim") as refused:
        suggest(frames)
    about_px = int(str(refused.value).split("about ")[1].split()[0])
    assert low <= about_px <= high


def test_a_given_size_raises_no_doubt() -> None:
    frames = exposed([discs(60.0, seed) for seed in range(FRAMES)])
    made = suggest(frames, Tracking(diameter_px=71), {"diameter_px"})
    assert made.settings.diameter_px == 71
    assert made.doubt == ""


@pytest.mark.parametrize("light", [pairs(0), pairs(0, share=0.6), rods(0)], ids=["pairs", "most are pairs", "rods"])
def test_elongated_features_raise_a_doubt(light: Floats) -> None:
    """Each may be one particle or two; the settings assume one, with a doubt."""
    made = suggest(exposed([light] * FRAMES))
    assert made.doubt.startswith("can't tell single particles: ")
    assert "pairs that touch, rods" in made.doubt


@pytest.mark.parametrize(
    "light",
    [beads(0), beads(0) + glow(30.0), beads(0) + glow(80.0), beads(0, 15.0) + glow(30.0), pairs(0, gap_px=12.0)],
    ids=["beads", "in a glow", "in a wide glow", "faint ones in a glow", "pairs that are apart"],
)
def test_clearly_single_particles_raise_no_doubt(light: Floats) -> None:
    made = suggest(exposed([light] * FRAMES))
    assert made.doubt == ""
    assert 7 <= made.settings.diameter_px <= 13


@pytest.mark.parametrize("name", ["bulk_water.tif", "colloids.tif"])
def test_recorded_footage_raises_no_doubt(name: str) -> None:
    assert suggest(list(recorded(name, 2))).doubt == ""


def test_a_smaller_diameter_finds_both_particles_of_pairs() -> None:
    frames = exposed([pairs(0, gap_px=7.0)] * FRAMES)
    whole = suggest(frames)
    assert "smaller tracking.diameter_px finds its parts" in whole.doubt
    parts = suggest(frames, Tracking(diameter_px=7), {"diameter_px"}).settings
    number = len(scattered(SHAPE, 16, 45, 0))
    assert len(Centroid(whole.settings)(frames[0])) == number
    assert len(Centroid(parts)(frames[0])) == 2 * number


@pytest.mark.parametrize("noise", [1.0, 4.0, 12.0])
def test_noise_is_measured_beside_spots_and_slopes(noise: float) -> None:
    (image,) = exposed([0.2 * X + beads(1)], noise)
    assert noise_counts(image) == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("width_px", [3.0, 10.0, 25.0])
def test_the_width_of_the_widest_structure(width_px: float) -> None:
    found_px, limit_px = widest(exposed([glow(width_px)]))
    assert found_px == pytest.approx(width_px, rel=0.3)
    assert limit_px > 35.0

"""Correction of hot pixels and dirt: no false particles, and true ones located as with a clean camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from config.geometry import Affine
from control.contract import Fault, Frame
from tests.tracking.dirty import DirtyCamera
from tracking.correct import Correction, filled, hot_pixels, inside
from tracking.locate.page import Locator
from tracking.settings import Ellipse, Rectangle, Tracking
from tracking.tracker import LinkingTracker
from tracking.tune import inspect, suggest

Floats = NDArray[np.float64]
Image = NDArray[Any]

CAMERA = DirtyCamera(frames=12)
SETTINGS = Tracking(diameter_px=9, minmass=100.0)
DIRT = tuple(Ellipse(left_px=x - 8.0, top_px=y - 8.0, width_px=16.0, height_px=16.0) for x, y in CAMERA.dirt_px)


@pytest.fixture(scope="module")
def clean() -> list[Image]:
    return CAMERA.images(dirty=False)


@pytest.fixture(scope="module")
def dirty() -> list[Image]:
    return CAMERA.images(dirty=True)


@pytest.fixture(scope="module")
def hot() -> Image:
    return np.where(hot_pixels(np.median(CAMERA.dark_images(), axis=0)), np.uint8(255), np.uint8(0))


def tracked(images: Sequence[Image], s: Tracking, correct: Correction) -> tuple[int, int, float]:
    """(false sightings, missed sightings, rms error in px) over all frames."""
    tracker = LinkingTracker(s, Affine.scale("px", "um", 0.1), correct=correct)
    memory, errors, false, missed = tracker.start(), [], 0, 0
    for number, (image, there_px) in enumerate(zip(images, CAMERA.places_px(), strict=True)):
        memory, tracks = tracker.step(memory, Frame(number, 0.01 * number, image))
        away_px, who = cKDTree(there_px).query(tracks.position_px)
        false += int((away_px > 2.0).sum())
        missed += len(there_px) - len(set(who[away_px <= 2.0].tolist()))
        errors.append(away_px[away_px <= 2.0])
    return false, missed, float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


@pytest.mark.parametrize("locator", ["centroid", "windows", "radial", "gaussian", "auto"])
def test_corrected_hot_pixels_and_dirt_give_no_particles(
    locator: Locator, clean: list[Image], dirty: list[Image], hot: Image
) -> None:
    """12 frames with 0.1 % hot pixels and two pieces of dirt, most of which count as particles without correction."""
    s = replace(SETTINGS, locator=locator)
    false, missed, best_px = tracked(clean, s, Correction())
    assert (false, missed) == (0, 0)
    assert tracked(dirty, s, Correction())[0] > 15 * len(dirty)
    false, missed, error_px = tracked(dirty, replace(s, excluded_regions=DIRT), Correction(hot=hot))
    assert (false, missed) == (0, 0)
    assert error_px < 1.01 * best_px


def test_a_background_removes_hot_pixels_and_dirt(clean: list[Image], dirty: list[Image]) -> None:
    """The median of 40 images of moving particles; only its own noise is added to that of the frames."""
    background = np.median(DirtyCamera(frames=40, seed=0).images(dirty=True), axis=0)
    _, _, best_px = tracked(clean, SETTINGS, Correction())
    false, missed, error_px = tracked(dirty, SETTINGS, Correction(background=background))
    assert (false, missed) == (0, 0)
    assert error_px < 1.15 * best_px


def test_a_dark_frame_removes_the_hot_pixels(clean: list[Image], dirty: list[Image]) -> None:
    dark = np.mean(CAMERA.dark_images(32), axis=0)
    _, _, best_px = tracked(clean, SETTINGS, Correction())
    false, missed, error_px = tracked(dirty, replace(SETTINGS, excluded_regions=DIRT), Correction(dark=dark))
    assert (false, missed) == (0, 0)
    assert error_px < 1.1 * best_px


def test_the_map_contains_exactly_the_hot_pixels(hot: Image) -> None:
    assert np.array_equal(hot > 0, CAMERA.hot())


def test_a_resting_particle_is_not_taken_for_hot_pixels() -> None:
    y, x = np.mgrid[:40, :40]
    for width_px in (1.0, 2.0):
        image = 20.0 + 150.0 * np.exp(-((x - 20.3) ** 2 + (y - 19.6) ** 2) / (2 * width_px**2))
        assert not hot_pixels(image).any()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float64])
def test_the_type_is_kept_and_the_correction_is_exact(kind: Any) -> None:
    """A frame equal to the background becomes flat, at its median; a hot pixel becomes the mean of its neighbours."""
    chance = np.random.default_rng(0)
    pattern = chance.integers(20, 60, (30, 40)).astype(kind)
    level = Correction(background=pattern)(pattern)
    assert level.dtype == kind
    assert not level.flags.writeable  # as frames of a camera: numba compiles again for others
    assert np.ptp(level) <= (0 if kind != np.float64 else 1e-12)
    assert abs(float(level[0, 0]) - np.median(pattern)) <= 0.5
    hot = np.zeros((30, 40), np.uint8)
    hot[0, 0] = hot[5, 5] = hot[5, 6] = 255
    fixed = Correction(hot=hot)(pattern)
    assert fixed.dtype == kind
    assert not fixed.flags.writeable
    changed = np.argwhere(fixed != pattern).tolist()
    assert all(place in ([0, 0], [5, 5], [5, 6]) for place in changed)
    mean = np.mean([pattern[4, 5], pattern[6, 5], pattern[5, 4]], dtype=np.float64)
    assert abs(float(fixed[5, 5]) - mean) <= (0.5 if kind != np.float64 else 1e-12)


def test_a_block_of_hot_pixels_is_filled_from_its_edge() -> None:
    image = np.full((20, 20), 30, np.uint8)
    hot = np.zeros((20, 20), np.uint8)
    hot[4:9, 4:9] = 1
    image[4:9, 4:9] = 250
    assert (Correction(hot=hot)(image) == 30).all()


def test_noise_is_not_clipped_at_black() -> None:
    """The mean level is kept, so that negative noise is not lost."""
    chance = np.random.default_rng(1)
    pattern = np.linspace(20.0, 120.0, 64)[None].repeat(64, 0)
    image = np.rint(pattern + chance.normal(0.0, 3.0, pattern.shape)).astype(np.uint8)
    left = Correction(dark=pattern)(image).astype(np.float64)
    assert left.std() == pytest.approx(3.0, rel=0.05)
    assert left.mean() == pytest.approx(70.0, abs=0.5)


def test_without_correction_the_frame_itself_is_returned() -> None:
    image = np.zeros((4, 4), np.uint8)
    assert Correction()(image) is image


def test_a_frame_of_another_size_is_a_fault() -> None:
    with pytest.raises(Fault, match="a frame of 30x20 px can't be corrected by images of 10x10 px"):
        Correction(dark=np.zeros((10, 10), np.uint8))(np.zeros((20, 30), np.uint8))


def test_the_edge_of_an_excluded_region() -> None:
    places = np.array([[10.0, 5.0], [14.0, 5.0], [14.01, 5.0], [13.9, 6.9], [12.0, 7.0]])
    box: dict[str, Any] = {"left_px": 10.0, "top_px": 3.0, "width_px": 4.0, "height_px": 4.0}
    assert inside((Rectangle(**box),), places).tolist() == [True, True, False, True, True]
    assert inside((Ellipse(**box),), places).tolist() == [True, True, False, False, True]
    assert not inside((), places).any()


def test_a_suggestion_ignores_excluded_regions() -> None:
    """A disc of dirt, larger and brighter than the particles, determines the diameter unless it is excluded."""
    images = [image.copy() for image in CAMERA.images(dirty=False)[:4]]
    y, x = np.mgrid[: CAMERA.size_px, : CAMERA.size_px]
    for image in images:
        image[np.hypot(x - 60, y - 130) < 12] = 255
    region = (Ellipse(left_px=44.0, top_px=114.0, width_px=32.0, height_px=32.0),)
    s = replace(SETTINGS, excluded_regions=region)
    assert not 9 <= suggest(images).settings.diameter_px <= 13
    made = suggest(images, s).settings
    assert 9 <= made.diameter_px <= 13
    assert made.excluded_regions == region
    seen = inspect(images, made)
    assert [len(found) for found in seen.kept] == [CAMERA.particles] * 4
    assert filled(images[0], region)[130, 60] < 60

"""The centroid locator compared with trackpy.locate."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.tracking.footage import recorded, scattered, spots
from tracking.locate.centroid import Centroid
from tracking.locate.features import Features
from tracking.locate.trackpy_locate import TrackpyLocate
from tracking.settings import Tracking

SPOTS = Tracking(diameter_px=11, minmass=400)
LEVELS: dict[Any, float] = {np.uint8: 1.0, np.uint16: 60.0, np.float64: 1 / 255}


def both(image: NDArray[Any], s: Tracking) -> tuple[Features, Features]:
    return TrackpyLocate(s)(image), Centroid(s)(image)


def assert_same(image: NDArray[Any], s: Tracking, tolerance: float = 5e-3) -> int:
    theirs, ours = both(image, s)
    assert len(ours) == len(theirs)
    # of two equal maxima of one feature either may be kept, which may change the order of the rows
    ours = ours.only(np.linalg.norm(theirs.position_px[:, None] - ours.position_px[None], axis=-1).argmin(axis=1))
    np.testing.assert_allclose(ours.position_px, theirs.position_px, atol=0.002)
    for column in fields(Features)[1:]:
        np.testing.assert_allclose(
            getattr(ours, column.name), getattr(theirs, column.name), rtol=tolerance, atol=5e-4, err_msg=column.name
        )
    return len(ours)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
@pytest.mark.parametrize("ring_px", [0.0, 5.0])
def test_every_column_equals_that_of_trackpy(dtype: Any, ring_px: float) -> None:
    for seed in range(3):
        there = scattered((230, 301), 40, 20, seed)
        width_px = 1.5 if ring_px else 2.2
        image = spots((230, 301), there, ring_px=ring_px, width_px=width_px, dtype=dtype, seed=seed)
        s = replace(SPOTS, minmass=400 * LEVELS[dtype], diameter_px=17 if ring_px else 11)
        assert assert_same(image, s, 1e-2 if dtype == np.float64 else 5e-3) >= 35


@pytest.mark.parametrize(
    "changes",
    [
        {"separation_px": 6.5, "percentile": 30.0},
        {"separation_px": 13.0, "percentile": 90.0, "threshold": 5.0},
        {"noise_size_px": 2.0, "smoothing_size_px": 15},
        {"noise_size_px": 0.0},
        {"maxsize_px": 2.9},
        {"max_iterations": 1},
        {"preprocess": False, "minmass": 2000.0},
        {"minmass": 0.0},
        {"diameter_px": 31, "separation_px": 14.0},
    ],
)
def test_every_setting_has_the_effect_it_has_in_trackpy(changes: dict[str, Any]) -> None:
    image = spots((220, 260), scattered((220, 260), 60, 9, seed=2), noise=2.5, seed=1)
    assert assert_same(image, replace(SPOTS, **changes), 0.02) > 10


def test_a_far_too_narrow_smoothing_is_refused() -> None:
    """Before, NumPy printed lines of source about 0 / 0 in the exponent of the Gaussian."""
    for noise_px in (5e-324, 1e-300, 9e-4):
        with pytest.raises(ValueError, match=r"^noise_size_px is .* \(allowed: 0, .* at least 0\.001\)$"):
            replace(SPOTS, noise_size_px=noise_px)
    image = spots((60, 60), scattered((60, 60), 3, 18))
    narrow, none = (Centroid(replace(SPOTS, noise_size_px=noise_px))(image) for noise_px in (1e-3, 0.0))
    np.testing.assert_array_equal(narrow.position_px, none.position_px)


def test_dark_particles_are_located_as_in_trackpy() -> None:
    image = spots((160, 200), scattered((160, 200), 25, 18))
    assert assert_same(255 - image, replace(SPOTS, invert=True)) == 25
    assert assert_same((255 - image) / 255, replace(SPOTS, invert=True, minmass=400 / 255), 0.02) == 25


def test_a_strided_frame_gives_the_same_features() -> None:
    image = spots((160, 200), scattered((160, 200), 25, 18))
    wide = np.repeat(image, 2, axis=1)[:, ::2]
    assert not wide.flags.c_contiguous
    np.testing.assert_array_equal(Centroid(SPOTS)(wide).position_px, Centroid(SPOTS)(image).position_px)


@pytest.mark.parametrize(
    ("name", "s"),
    [
        ("bulk_water.tif", Tracking(diameter_px=11, minmass=20, invert=True)),
        ("colloids.tif", Tracking(diameter_px=7, minmass=100)),
    ],
)
def test_recorded_frames_are_located_as_in_trackpy(name: str, s: Tracking) -> None:
    """Lossy footage has flat patches, where a band-passed pixel of exactly 1 may be rounded in either direction."""
    found, near = np.zeros(2), np.zeros(2)  # of trackpy, ours; those with a partner in the other
    for image in recorded(name, 12):
        theirs, ours = both(image, s)
        gap_px = np.linalg.norm(theirs.position_px[:, None] - ours.position_px[None], axis=-1)
        found += gap_px.shape
        near += [np.count_nonzero(gap_px.min(axis=axis) < 0.01) for axis in (1, 0)]
    assert (found > 700).all()
    assert (near / found >= 0.998).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(40, 120),
    width=st.integers(40, 120),
    diameter=st.sampled_from([5, 7, 9, 13]),
)
def test_features_in_pure_noise_equal_those_of_trackpy(seed: int, height: int, width: int, diameter: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    theirs, ours = both(image, Tracking(diameter_px=diameter, minmass=0.0))
    assert len(ours) == len(theirs)
    gap = np.linalg.norm(ours.position_px - theirs.position_px, axis=1)
    assert np.count_nonzero(gap > 0.01) <= 1 + len(gap) // 50  # one grey level may decide between two equal maxima

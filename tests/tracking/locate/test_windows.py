"""The predictive locator: positions as in trackpy near predicted ones, guards against errors, and new particles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.geometry import Affine
from control.contract import Frame, Tracks
from tests.tracking.footage import scattered, spots
from tests.tracking.test_any_frame import frames
from tracking.locate.features import Features
from tracking.locate.trackpy_locate import TrackpyLocate
from tracking.locate.windows import FIRST_LOOKS, WindowMemory, Windows
from tracking.rules import Rules
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker

SPOTS = Tracking(locator="windows", diameter_px=11, minmass=400, search_px=5)
STRIPS = SPOTS.late_looks
PX_TO_UM = Affine.scale("px", "um", 0.1)


def expected(found: Features, off_px: float = 0.7) -> WindowMemory:
    shift = np.random.default_rng(0).normal(0, off_px, found.position_px.shape)
    return WindowMemory(found.position_px + shift, found.mass, found.signal)


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 1.0), (np.uint16, 60.0), (np.float64, 1 / 255)])
@pytest.mark.parametrize("ring_px", [0.0, 5.0])
@pytest.mark.parametrize("invert", [False, True])
def test_positions_and_columns_equal_those_of_trackpy(dtype: Any, levels: float, ring_px: float, invert: bool) -> None:
    s = replace(SPOTS, minmass=400 * levels, diameter_px=17 if ring_px else 11, invert=invert)
    there = scattered((200, 240), 20, 24)
    image = spots((200, 240), there, ring_px=ring_px, width_px=1.5 if ring_px else 2.2, dtype=dtype)
    if invert:
        image = np.iinfo(dtype).max - image if dtype != np.float64 else 1.0 - image
    theirs = TrackpyLocate(s)(image)
    ours = Windows(s).near(image, expected(theirs))
    assert len(ours) == len(theirs)
    gap = np.linalg.norm(ours.position_px - theirs.position_px, axis=1)
    assert np.median(gap) < 0.005
    assert gap.max() < (0.3 if ring_px else 0.01)  # the mask of a ring may end on either of two pixels
    np.testing.assert_allclose(ours.mass, theirs.mass, rtol=0.05)
    np.testing.assert_allclose(ours.size_px, theirs.size_px, rtol=0.03)


def test_a_particle_in_the_margin_gives_no_wrong_position() -> None:
    there = np.array([[3.0, 3.0], [60.0, 60.0], [117.0, 30.0], [61.0, 118.5]])
    image = spots((120, 120), there)
    ours = Windows(SPOTS).near(image, WindowMemory(there, np.full(4, 1500.0), np.full(4, 60.0)))
    assert (np.linalg.norm(ours.position_px[:, None] - there[None], axis=-1).min(axis=1) < 1.5).all()
    assert (np.linalg.norm(ours.position_px - there[1], axis=1) < 0.1).any()


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_feature_of_different_mass_is_rejected(factor: float) -> None:
    there = np.array([[40.0, 40.0]])
    found = TrackpyLocate(SPOTS)(spots((80, 80), there))
    wrong = WindowMemory(found.position_px, factor * found.mass, found.signal)
    assert len(Windows(SPOTS).near(spots((80, 80), there), wrong)) == 0


def test_two_windows_on_one_feature_give_one_feature() -> None:
    there = np.array([[40.0, 40.0]])
    image = spots((160, 160), there)
    found = TrackpyLocate(SPOTS)(image)
    twice = WindowMemory(np.array([[38.0, 40.0], [42.0, 41.0]]), np.tile(found.mass, 2), np.tile(found.signal, 2))
    assert len(Windows(SPOTS)(image, twice, 0)) == 1


def lattice(side: int, spacing_px: float) -> NDArray[np.float64]:
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    x = 24 + spacing_px * (columns + 0.5 * (rows % 2))
    return np.stack([x, 24 + spacing_px * np.sqrt(0.75) * rows], -1).reshape(-1, 2)


@pytest.mark.parametrize(("search_px", "whole"), [(3.0, False), (12.0, True)])
def test_the_whole_frame_is_used_where_windows_cost_more(search_px: float, whole: bool) -> None:
    """Ten small windows cost less than 128 x 128 px, ten wide ones more. Only a whole frame gives `ep`."""
    s = replace(SPOTS, search_px=search_px)
    image = spots((128, 128), scattered((128, 128), 10, 24))
    theirs = TrackpyLocate(s)(image)
    found = Windows(s)(image, expected(theirs), 0)
    assert len(found) == len(theirs) == 10
    assert np.isfinite(found.ep_px).all() == whole


def test_identities_hold_in_a_crystal() -> None:
    """A hexagonal packing of 16 px with steps of 0.6 px: no window moves to a neighbour permanently."""
    there = lattice(6, 16.0)
    chance = np.random.default_rng(2)
    tracker = LinkingTracker(replace(SPOTS, diameter_px=9, separation_px=9.0), PX_TO_UM)
    memory, site = tracker.start(), there.copy()
    for number in range(40):
        site = site + chance.normal(0, 0.6, site.shape) - 0.15 * (site - there)
        image = spots((160, 200), site, seed=number, width_px=1.8)
        memory, tracks = tracker.step(memory, Frame(number, 0.01 * number, image))
        if number == 0:
            owner = {
                int(p): int(np.linalg.norm(site - x, axis=1).argmin())
                for p, x in zip(tracks.particle, tracks.position_px, strict=True)
            }
    assert len(tracks) == len(there)
    for particle, x in zip(tracks.particle.tolist(), tracks.position_px, strict=True):
        assert np.linalg.norm(site[owner[particle]] - x) < 2.0


def test_a_new_particle_is_found_in_its_strip() -> None:
    there = scattered((256, 256), 8, 40, seed=1)
    tracker = LinkingTracker(SPOTS, PX_TO_UM)
    memory, _ = tracker.step(tracker.start(), Frame(0, 0.0, spots((256, 256), there[:-1])))
    counts = []
    for number in range(1, STRIPS + 1):
        memory, tracks = tracker.step(memory, Frame(number, 0.01 * number, spots((256, 256), there)))
        counts.append(len(tracks))
    assert counts[-1] == 8
    assert sorted(counts) == counts


@settings(max_examples=40, deadline=None)
@given(image=frames(), x=st.floats(-5, 60), y=st.floats(-5, 60), invert=st.booleans())
def test_any_window_of_any_frame_gives_a_result(image: NDArray[Any], x: float, y: float, invert: bool) -> None:
    s = replace(SPOTS, minmass=0.0, invert=invert)
    found = Windows(s)(image, WindowMemory(np.array([[x, y]]), np.array([1.0]), np.array([0.1])), 3)
    assert np.isfinite(found.position_px).all()
    assert (found.position_px >= 0).all()
    assert (found.position_px <= np.array(image.shape[::-1]) - 1).all()


def flown(
    trackers: dict[int, LinkingTracker], frames_of: Callable[[int], NDArray[Any]], looks: int, stride: int = 1
) -> list[Tracks]:
    """Turn after turn; `trackers`: the tracker in use from each frame on."""
    tracker = trackers[0]
    memory, seen = tracker.start(), []
    for look in range(looks):
        tracker = trackers.get(look, tracker)
        memory, tracks = tracker.step(memory, Frame(stride * look, 0.01 * look, frames_of(look)))
        seen.append(tracks)
    return seen


@pytest.mark.parametrize("locator", ["windows", "auto"])
@pytest.mark.parametrize("amplitude", [60.0, 200.0])
def test_a_change_of_illumination_changes_no_identity(locator: Any, amplitude: float) -> None:
    there = scattered((256, 256), 12, 30)
    tracker = LinkingTracker(replace(SPOTS, locator=locator), PX_TO_UM)
    seen = flown(
        {0: tracker}, lambda look: spots((256, 256), there, amplitude=110.0 if look < 5 else amplitude, seed=look), 15
    )
    for tracks in seen:
        assert tracks.particle.tolist() == seen[0].particle.tolist()


def test_a_particle_of_changed_mass_is_found_again_in_its_strip() -> None:
    """All windows reject its new mass until a strip finds it; then the window uses the new mass."""
    there = scattered((256, 256), 12, 30)
    tracker = LinkingTracker(replace(SPOTS, memory=STRIPS), PX_TO_UM)

    def frame(look: int) -> NDArray[Any]:
        image = spots((256, 256), there[1:], seed=look).astype(np.float64)
        one = spots((256, 256), there[:1], amplitude=60.0 if look < 5 else 180.0, noise=0.0).astype(np.float64) - 20.0
        return np.clip(image + one, 0, 255).astype(np.uint8)

    seen = flown({0: tracker}, frame, 5 + 2 * STRIPS)
    for tracks in seen[5 + STRIPS :]:
        assert tracks.particle.tolist() == seen[0].particle.tolist()


@pytest.mark.parametrize("changed", [{"diameter_px": 15}, {"smoothing_size_px": 7}, {"noise_size_px": 2.0}])
def test_new_settings_keep_identities(changed: dict[str, Any]) -> None:
    there = scattered((256, 256), 12, 30)
    trackers = {0: LinkingTracker(SPOTS, PX_TO_UM), 5: LinkingTracker(replace(SPOTS, **changed), PX_TO_UM)}
    for tracks in flown(trackers, lambda look: spots((256, 256), there, seed=look), 10):
        assert tracks.particle.tolist() == list(range(12))


@pytest.mark.parametrize("locator", ["windows", "auto"])
def test_frames_without_band_pass_are_searched_whole(locator: Any) -> None:
    there = scattered((256, 256), 12, 30)
    s = replace(SPOTS, locator=locator, preprocess=False, minmass=3500.0)
    found = flown({0: LinkingTracker(s, PX_TO_UM)}, lambda look: spots((256, 256), there, seed=look), 12)
    whole = flown(
        {0: LinkingTracker(replace(s, locator="centroid"), PX_TO_UM)}, lambda k: spots((256, 256), there, seed=k), 12
    )
    for tracks, theirs in zip(found, whole, strict=True):
        assert tracks.particle.tolist() == theirs.particle.tolist()


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_every_strip_is_searched_for_any_frame_numbers(stride: int) -> None:
    """Also if only every eighth frame of the camera is read, and the others count as dropped."""
    there = scattered((256, 256), 24, 25)
    seen = flown(
        {0: LinkingTracker(SPOTS, PX_TO_UM)},
        lambda look: spots((256, 256), there[: 12 if look == 0 else 24], seed=look), STRIPS + 1, stride,
    )  # fmt: skip
    assert len(seen[0]) == 12
    assert len(seen[-1]) == 24


def rods(place_px: NDArray[np.float64], seed: int, half_px: float = 9.0) -> NDArray[np.uint8]:
    """Rods with round ends, longer than a mask of 15 px, with random angles."""
    angle = np.random.default_rng(99).uniform(0, np.pi, len(place_px))
    image = 20.0 + np.random.default_rng(seed).standard_normal((300, 300))
    y, x = np.mgrid[:300, :300]
    for (at_x, at_y), turn in zip(place_px, angle, strict=True):
        along = (x - at_x) * np.cos(turn) + (y - at_y) * np.sin(turn)
        across = (y - at_y) * np.cos(turn) - (x - at_x) * np.sin(turn)
        image += 110.0 * np.exp(-(np.maximum(np.abs(along) - half_px, 0) ** 2 + across**2) / 8.0)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def static_error_px(seen: list[Tracks]) -> float:
    """rms distance of the positions of each identity from their mean."""
    who = np.concatenate([tracks.particle for tracks in seen])
    place_px = np.concatenate([tracks.position_px for tracks in seen])
    off = [place_px[who == one] - place_px[who == one].mean(axis=0) for one in np.unique(who)]
    return float(np.sqrt(np.mean(np.concatenate(off) ** 2)))


@pytest.mark.parametrize("locator", ["windows", "auto"])
def test_on_rods_windows_change_to_the_whole_frame_and_note_it(locator: Any) -> None:
    there = scattered((300, 300), 14, 50, 1)
    images = [rods(there, seed) for seed in range(12)]
    s = replace(SPOTS, locator=locator, diameter_px=15, minmass=600)
    seen = flown({0: LinkingTracker(s, PX_TO_UM)}, images.__getitem__, 12)
    whole = flown({0: LinkingTracker(replace(s, locator="centroid"), PX_TO_UM)}, images.__getitem__, 12)
    said = [note for tracks in seen for note in tracks.notes if note.startswith("windows")]
    assert said == ["windows: the whole frame is looked at from now on, since windows place particles elsewhere"]
    if locator == "windows":
        assert static_error_px(seen) == static_error_px(whole)
        before = flown(
            {0: LinkingTracker(s, PX_TO_UM, rules=Rules(sloped=False, watched=False))}, images.__getitem__, 12
        )
        assert static_error_px(before) > 5.0 * static_error_px(whole)


@pytest.mark.parametrize("noise", [4.0, 20.0])
def test_on_spots_windows_are_kept_and_the_delay_for_new_ones_is_noted(noise: float) -> None:
    there = scattered((300, 300), 20, 30)
    tracker = LinkingTracker(SPOTS, PX_TO_UM)
    seen = flown({0: tracker}, lambda look: spots((300, 300), there, noise=noise, seed=look), 3 * STRIPS)
    said = [note for tracks in seen for note in tracks.notes if note.startswith("windows")]
    assert said == ["windows: a new particle is found within 8 looks"]
    for tracks in seen[FIRST_LOOKS + 1 :]:
        assert np.isnan(tracks.ep_px).all()  # a window gives no ep


@pytest.mark.parametrize(("step_px", "late_looks"), [(-4.5, 8), (0.0, 4), (4.5, 8)])
def test_a_late_particle_is_found_within_the_stated_number_of_frames(step_px: float, late_looks: int) -> None:
    """At any position in a strip. If it moves down with the strips, it is found one or two frames later."""
    height, most = 256, late_looks + (2 if step_px > 0 else 0)
    s = replace(SPOTS, late_looks=late_looks)
    known = np.array([[20.0 + 22.0 * k, 24.0] for k in range(9)])
    for y in np.linspace(65.0, 190.0, 9):

        def frame(look: int, y: float = y) -> NDArray[Any]:
            late = np.array([[120.0, y + step_px * (look - 4)]])
            inside = look >= 4 and 20 < late[0, 1] < height - 20
            return spots((height, height), np.concatenate([known, late]) if inside else known, seed=look)

        seen = flown({0: LinkingTracker(s, PX_TO_UM)}, frame, 4 + most)
        if 20 < y + step_px * most < height - 20:
            assert max(len(tracks) for tracks in seen) == len(known) + 1

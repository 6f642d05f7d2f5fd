"""Latency from a flash: light patterns of known lateness, with a shutter simulated by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate, disagreement
from control.calibrate.flash import Pattern, by_flash, find, weights
from control.contract import Seen, Tracks
from control.history import History
from control.policies.calibrating import Flash, Flashing

Floats = NDArray[np.float64]

PERIOD_S = 0.01
CHANCE = np.random.default_rng


def pattern_of(seed: int, frames: int, told_after_s: Floats | float) -> Pattern:
    lit = np.resize(Flashing(Flash(seed=seed), (0, 0), (25, 25)).lit, frames)
    return Pattern.of(np.asarray(PERIOD_S * np.arange(frames) + told_after_s, np.float64), lit)


def middles(frames: int, exposure_s: float) -> Floats:
    return np.asarray(PERIOD_S * np.arange(frames) + exposure_s / 2.0)


def brute_share(pattern: Pattern, middle_s: Floats, exposure_s: float, late_s: tuple[float, float]) -> Floats:
    """The lit share of each exposure [T], from 2000 instants of each exposure."""
    instant_s = middle_s[:, None] + exposure_s * ((np.arange(2000) + 0.5) / 2000 - 0.5)
    on = np.searchsorted(pattern.on_s + late_s[0], instant_s) - np.searchsorted(pattern.off_s + late_s[1], instant_s)
    return np.asarray(on.mean(axis=1))


late = st.floats(-0.005, 0.06)


@settings(deadline=None, max_examples=30)
@given(late, st.floats(-0.01, 0.01), st.floats(0.001, PERIOD_S), st.integers(0, 2**31))
def test_the_lit_share_equals_that_of_a_brute_force_shutter(
    on_s: float, apart_s: float, exposure_s: float, seed: int
) -> None:
    pattern, middle_s = pattern_of(seed, 100, CHANCE(seed).uniform(0.0, PERIOD_S, 100)), middles(100, exposure_s)
    share = pattern.share(middle_s, exposure_s, on_s, on_s + apart_s)
    np.testing.assert_allclose(share, brute_share(pattern, middle_s, exposure_s, (on_s, on_s + apart_s)), atol=2e-3)


@settings(deadline=None, max_examples=6)
@given(late, st.floats(-0.009, 0.009), st.integers(0, 2**31))
def test_without_noise_both_latencies_are_found(on_s: float, apart_s: float, seed: int) -> None:
    pattern, middle_s = pattern_of(seed, 300, 0.0081), middles(300, PERIOD_S)
    seen = 20.0 + 3.0 * pattern.share(middle_s, PERIOD_S, on_s, on_s + apart_s)
    found = by_flash(middle_s, seen, pattern, exposure_s=PERIOD_S)
    assert found.on_s.value == pytest.approx(on_s, abs=2e-5)
    assert found.off_s.value == pytest.approx(on_s + apart_s, abs=2e-5)
    assert found.height == pytest.approx(3.0, rel=1e-2)


def test_the_scatter_of_the_latency_agrees_with_its_standard_error() -> None:
    """With noise of a third of the flash, a drifting background and lost frames."""
    truth, pulls = (0.0092, 0.0032), []
    for seed in range(8):
        chance = CHANCE(seed)
        pattern, middle_s = pattern_of(seed, 600, 0.0081), middles(600, PERIOD_S)
        seen = pattern.share(middle_s, PERIOD_S, *truth) + chance.normal(0.0, 0.3, 600)
        seen += np.cumsum(chance.normal(0.0, 0.1, 600))
        kept = chance.uniform(size=600) > 0.05
        found = by_flash(middle_s[kept], seen[kept], pattern, exposure_s=PERIOD_S)
        pulls.append([(one.value - t) / one.error for one, t in zip((found.on_s, found.off_s), truth, strict=True)])
        assert found.on_s.error < 1.5e-3
    assert 0.5 < np.std(pulls) < 1.5
    assert abs(np.mean(pulls)) < 0.7


def test_the_gap_between_exposures_limits_the_accuracy() -> None:
    """All commands have one phase, and the light comes on while the shutter is closed: the error is half of the gap."""
    exposure_s, on_s = 0.005, 0.0085
    pattern, middle_s = pattern_of(3, 500, 0.009), middles(500, exposure_s)  # sent 2.5 ms before an exposure
    seen = brute_share(pattern, middle_s, exposure_s, (on_s, on_s)) + CHANCE(1).normal(0.0, 0.02, 500)
    found = by_flash(middle_s, seen, pattern, exposure_s=exposure_s)
    assert abs(found.on_s.value - on_s) <= found.on_s.error
    assert 0.9 * (PERIOD_S - exposure_s) / 2.0 < found.on_s.error < 4e-3
    jittery = pattern_of(3, 500, 0.009 + CHANCE(2).uniform(0.0, PERIOD_S, 500))  # at all phases, the gap has no effect
    seen = brute_share(jittery, middle_s, exposure_s, (on_s, on_s)) + CHANCE(1).normal(0.0, 0.02, 500)
    found = by_flash(middle_s, seen, jittery, exposure_s=exposure_s)
    assert found.on_s.value == pytest.approx(on_s, abs=3e-4)
    assert found.on_s.error < 3e-4


def test_the_flash_is_found_among_pixels_with_other_motion() -> None:
    chance = CHANCE(5)
    pattern, middle_s = pattern_of(5, 500, 0.0081), middles(500, PERIOD_S)
    seen = chance.normal(0.0, 1.0, (500, 40)) + np.cumsum(chance.normal(0.0, 1.0, (500, 40)), axis=0)
    _, _, sure = find(middle_s, seen, pattern, exposure_s=PERIOD_S)
    assert sure < 6.0
    seen[:, 17] += 6.0 * pattern.share(middle_s, PERIOD_S, 0.021, 0.021)
    column, late_s, sure = find(middle_s, seen, pattern, exposure_s=PERIOD_S)
    assert column == 17
    assert late_s == pytest.approx(0.021, abs=PERIOD_S / 2)
    assert sure > 8.0


def test_pixels_have_weights_proportional_to_their_flash() -> None:
    share = pattern_of(2, 400, 0.0081).share(middles(400, PERIOD_S), PERIOD_S, 0.01, 0.01)
    height = np.array([0.0, 0.0, 1.0, 4.0, -2.0])
    image = 50.0 + share[:, None] * height + CHANCE(0).normal(0.0, 0.3, (400, 5))
    found = weights(np.diff(share), image)
    np.testing.assert_allclose(found, [0.0, 0.0, 1.0, 4.0, 0.0], atol=0.2)
    assert found[0] == found[1] == found[4] == 0.0


def test_an_undetected_flash_is_refused() -> None:
    pattern, middle_s = pattern_of(1, 400, 0.0081), middles(400, PERIOD_S)
    dark = CHANCE(1).normal(100.0, 1.0, 400)
    with pytest.raises(ValueError, match="no flash is seen"):
        by_flash(middle_s, dark, pattern, exposure_s=PERIOD_S)
    with pytest.raises(ValueError, match="8 are needed"):
        by_flash(middle_s[:60], dark[:60], pattern, exposure_s=PERIOD_S)


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(0, 5))
def test_every_flash_lasts_the_requested_number_of_frames(seed: int, shortest: int, more: int) -> None:
    flash = Flash(seed=seed, shortest=shortest, longest=max(shortest + more, 2))
    lit = Flashing(flash, (0.0, 0.0), (25.0, 25.0)).lit
    lasting = np.diff(np.flatnonzero(np.diff(lit.astype(int))))
    assert not lit[0]
    assert shortest <= lasting.min()
    assert lasting.max() <= flash.longest


def test_the_spot_flashes_at_one_position_far_from_all_particles() -> None:
    flash = Flash(depth_kt=30.0)
    policy = Flashing(flash, (0.0, 0.0), (20.0, 10.0))
    assert isinstance(policy, Flashing)
    there_um = CHANCE(4).uniform((0.0, 0.0), (20.0, 10.0), (12, 2))
    memory, shown, spot_um = policy.start(), [], []
    for turn in range(60):
        moved_um = there_um + 0.01 * turn
        tracks = Tracks(0.01 * turn, np.arange(12), moved_um, np.zeros(12, np.uint8), np.zeros(12, np.int64))
        memory, wanted = policy.step(memory, Seen(tracks, History(depth_s=1.0), 0.0, 0.01))
        shown.append(len(wanted.ring_kt) == 1)
        spot_um += wanted.ring_um.tolist()
        assert (wanted.ring_kt == 30.0).all()
        assert (wanted.ring_particle == -1).all()
    np.testing.assert_array_equal(shown, policy.lit[:60])
    place_um = np.unique(spot_um, axis=0)
    assert len(place_um) == 1
    assert ((place_um >= 2.0) & (place_um <= [18.0, 8.0])).all()
    tried_um = CHANCE(6).uniform((2.0, 2.0), (18.0, 8.0), (2000, 2))
    least_um = np.hypot(*np.moveaxis(tried_um[:, None] - there_um[None], -1, 0)).min(axis=1)
    assert np.hypot(*(place_um - there_um).T).min() > least_um.max() - 0.3
    assert policy.free_place(np.empty((0, 2))) == (10.0, 5.0)


def test_latencies_disagree_beyond_a_millisecond_and_three_errors() -> None:
    def said(apart_s: float, error_s: float) -> str:
        return disagreement(
            {"flash": Estimate(0.009, 0.0), "dither": Estimate(0.009 + apart_s, error_s)}, tolerance=0.0, least=1e-3
        )

    assert said(0.9e-3, 1e-5) == ""
    assert said(2e-3, 1e-3) == ""
    assert "dither" in said(2e-3, 0.5e-3)
    assert "flash" in said(-1.1e-3, 1e-5)

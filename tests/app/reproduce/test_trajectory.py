"""The parts of a trajectory that count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.reproduce.trajectory import Trajectory

FRAME_S = 0.1


def made(frames: int = 40, particles: int = 4) -> Trajectory:
    """Particle 3 is detected in a quarter of the frames; particle 1 is carried in frames 10 to 14."""
    place_um = np.random.default_rng(1).normal(size=(frames, particles, 2))
    place_um[frames // 4 :, 3] = np.nan
    carried = np.zeros((frames, particles), np.bool_)
    carried[10:15, 1] = True
    time_s = np.asarray(FRAME_S * np.arange(frames), np.float64)
    return Trajectory(time_s, place_um, place_um + 1.0, carried, np.arange(particles) // 2)


@given(settle_s=st.floats(0.0, 3.0), number=st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_the_stretches_together_are_the_whole_trajectory(settle_s: float, number: int) -> None:
    whole = made().after(settle_s)
    assert whole.time_s[0] >= settle_s > whole.time_s[0] - FRAME_S - 1e-9
    parts = whole.stretches(number)
    for name in ("time_s", "place_um", "centre_um", "carried"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    assert all(part.cell is whole.cell for part in parts)


def test_only_frequently_detected_particles_count_as_replicas() -> None:
    seen = made().counted(0.0, replicas=True, rest_s=0.0)
    assert seen.place_um.shape == (40, 3, 2)
    assert seen.cell.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(seen.place_um, made().place_um[:, :3])


@pytest.mark.parametrize("rest_s", [0.0, 0.3])
def test_a_particle_rests_after_it_was_carried(rest_s: float) -> None:
    seen = made().counted(0.5, replicas=False, rest_s=rest_s)
    began = 10 - 5  # 0.5 s are left out
    expected = np.arange(35)[(np.arange(35) >= began) & (np.arange(35) <= began + 4 + round(rest_s / FRAME_S))]
    np.testing.assert_array_equal(np.flatnonzero(seen.carried[:, 1]), expected)
    assert not seen.carried[:, [0, 2, 3]].any()
    assert np.isnan(seen.free_um[expected, 1]).all()

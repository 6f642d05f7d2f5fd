"""Positions are looked up by time; an unknown position is nan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.history import LARGEST_GAP, History, Sighting


def seen(time_s: float, *rows: tuple[int, float, float]) -> Sighting:
    return Sighting(time_s, np.array([r[0] for r in rows], np.int64), np.array([r[1:] for r in rows]).reshape(-1, 2))


def of(*sightings: Sighting, depth_s: float = 100.0) -> History:
    history = History(depth_s)
    for sighting in sightings:
        history = history.push(sighting)
    return history


@given(st.lists(st.floats(1e-3, 0.1), min_size=2, max_size=30), st.floats(0, 1))
def test_a_straight_path_is_recovered_whatever_the_frame_times(gaps_s: list[float], share: float) -> None:
    times_s = np.cumsum(gaps_s)
    history = of(*(seen(t, (3, 2.0 * t, -t)) for t in times_s))
    at_s = times_s[0] + share * (times_s[-1] - times_s[0])
    np.testing.assert_allclose(history.at(at_s, np.array([3])), [[2.0 * at_s, -at_s]], atol=1e-9)


def test_future_and_past_positions_and_other_particles_are_unknown() -> None:
    history = of(seen(1.0, (1, 0.0, 0.0)), seen(2.0, (1, 1.0, 1.0)))
    assert np.isnan(history.at(2.01, np.array([1]))).all()
    assert np.isnan(history.at(0.99, np.array([1]))).all()
    assert np.isnan(history.at(1.5, np.array([7]))).all()
    np.testing.assert_allclose(history.at(2.0, np.array([1])), [[1.0, 1.0]])


def test_a_missed_sighting_is_interpolated_and_a_long_gap_is_not() -> None:
    short = of(seen(0, (1, 0.0, 0.0)), seen(1), seen(2), seen(3, (1, 3.0, 6.0)))
    np.testing.assert_allclose(short.at(1.5, np.array([1])), [[1.5, 3.0]])
    long = of(seen(0, (1, 0.0, 0.0)), *(seen(t) for t in range(1, 2 * LARGEST_GAP)), seen(20, (1, 9.0, 9.0)))
    assert np.isnan(long.at(LARGEST_GAP, np.array([1]))).all()


def test_sightings_older_than_the_depth_are_dropped() -> None:
    history = of(*(seen(0.1 * i, (1, 0.1 * i, 0.0)) for i in range(1000)), depth_s=1.0)
    assert len(history.sightings) < 15
    np.testing.assert_allclose(history.at(99.9 - 1.0, np.array([1])), [[98.9, 0.0]])


def test_a_sighting_must_be_newer_than_the_last_one() -> None:
    with pytest.raises(ValueError, match="came after"):
        of(seen(1.0), seen(1.0))


def test_positions_before_a_doubt_about_the_identity_are_unknown() -> None:
    """Earlier positions may belong to another particle; later ones are kept, as are all of other particles."""
    both = [seen(float(t), (1, float(t), 0.0), (2, 0.0, float(t))) for t in range(6)]
    history = History(100.0)
    for sighting in both:
        history = history.push(sighting, np.array([1]) if sighting.time_s in (2.0, 3.0) else None)
    who = np.array([1, 2])
    assert np.isnan(history.at(2.9, who)).any(axis=1).tolist() == [True, False]
    np.testing.assert_allclose(history.at(3.0, who), [[3.0, 0.0], [0.0, 3.0]])
    np.testing.assert_allclose(history.at(4.5, who), [[4.5, 0.0], [0.0, 4.5]])
    assert np.isnan(history.push(seen(6.0, (1, 0.0, 0.0)), np.array([1])).at(4.5, who)[0]).all()


def test_a_doubt_is_dropped_with_the_sightings_before_it() -> None:
    history = of(seen(0.0, (1, 0.0, 0.0)), depth_s=2.0).push(seen(1.0, (1, 0.0, 0.0)), np.array([1]))
    assert dict(history.begun_s) == {1: 1.0}
    assert not history.push(seen(3.5, (1, 0.0, 0.0))).begun_s

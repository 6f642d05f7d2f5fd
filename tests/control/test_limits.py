"""The limits at their edges and beyond, and doubts about a command."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.contract import Command
from control.limits import Limits, doubts_about

LIMITS = Limits((-1.0, 0.0), (10.0, 20.0), 50.0)


def command(*spots: tuple[float, float, float]) -> Command:
    """Spots (x_um, y_um, power_mw); spot n is for particle n, with a dwell of n + 1 ms."""
    x, y, power_mw = np.array(spots, np.float64).reshape(-1, 3).T
    number = np.arange(len(spots))
    dwell_s = np.array([1e-3 * (one + 1) for one in range(len(spots))], np.float64)
    return Command(np.stack([x, y], axis=1), power_mw, dwell_s, number)


@pytest.mark.parametrize(
    ("x_um", "y_um", "inside"),
    [
        (-1.0, 5.0, True), (10.0, 5.0, True), (5.0, 0.0, True), (5.0, 20.0, True),
        (-1.0, 0.0, True), (10.0, 20.0, True),
        (math.nextafter(-1.0, -2.0), 5.0, False), (math.nextafter(10.0, 11.0), 5.0, False),
        (5.0, math.nextafter(0.0, -1.0), False), (5.0, math.nextafter(20.0, 21.0), False),
        (15.0, 5.0, False), (5.0, -3.0, False), (math.nan, 5.0, False), (5.0, math.inf, False),
    ],
)  # fmt: skip
def test_a_spot_on_the_edge_is_kept_and_one_beyond_is_left_out(x_um: float, y_um: float, inside: bool) -> None:
    allowed, notes = LIMITS.clip(command((5.0, 5.0, 1.0), (x_um, y_um, 2.0)))
    assert len(allowed) == 1 + inside
    assert notes == (() if inside else ("1 spots outside of the field were left out",))


def test_the_columns_of_the_remaining_spots_stay_aligned() -> None:
    asked = command((20.0, 5.0, 1.0), (5.0, 5.0, 2.0), (5.0, 25.0, 3.0), (6.0, 7.0, 4.0))
    allowed, notes = LIMITS.clip(asked)
    np.testing.assert_array_equal(allowed.position_um, [[5.0, 5.0], [6.0, 7.0]])
    assert allowed.power_mw.tolist() == [2.0, 4.0]
    assert allowed.dwell_s.tolist() == [2e-3, 4e-3]
    assert allowed.particle.tolist() == [1, 3]
    assert notes == ("2 spots outside of the field were left out",)


def test_power_above_the_cap_is_clipped_to_it() -> None:
    allowed, notes = LIMITS.clip(command((1.0, 1.0, 20.0), (2.0, 2.0, 50.0), (3.0, 3.0, 70.0)))
    assert allowed.power_mw.tolist() == [20.0, 50.0, 50.0]
    assert notes == ("power clipped from 70 to 50 mW",)
    same, silent = LIMITS.clip(command((1.0, 1.0, 20.0), (2.0, 2.0, 50.0)))
    assert same.power_mw.tolist() == [20.0, 50.0]  # the cap itself is allowed
    assert silent == ()


def test_a_spot_outside_with_too_much_power_is_left_out_unclipped() -> None:
    allowed, notes = LIMITS.clip(command((30.0, 1.0, 70.0), (1.0, 1.0, 20.0)))
    assert allowed.power_mw.tolist() == [20.0]
    assert notes == ("1 spots outside of the field were left out",)
    nothing, notes = LIMITS.clip(command((30.0, 1.0, 70.0)))
    assert (len(nothing), len(nothing.dwell_s), len(nothing.particle), len(notes)) == (0, 0, 0, 1)


places = st.floats(-30.0, 30.0)


@given(st.lists(st.tuples(places, places, st.floats(0.0, 200.0)), min_size=1, max_size=12))
def test_clipped_commands_are_within_the_limits(
    spots: list[tuple[float, float, float]],
) -> None:
    allowed, _ = LIMITS.clip(command(*spots))
    expected = [
        (row, x, y, min(power, 50.0))
        for row, (x, y, power) in enumerate(spots)
        if -1.0 <= x <= 10.0 and 0.0 <= y <= 20.0
    ]
    found = zip(allowed.particle, *allowed.position_um.T, allowed.power_mw, strict=True)
    assert [tuple(map(float, spot)) for spot in found] == [tuple(map(float, spot)) for spot in expected]


GOOD = command((1.0, 1.0, 20.0), (2.0, 2.0, 0.0))
NOT_FINITE, NO_TIME, NEGATIVE = (
    "a spot's position or power is not finite", "a spot's dwell is not a positive time", "a spot's power is negative",
)  # fmt: skip


def test_valid_and_dark_commands_are_no_doubt() -> None:
    assert doubts_about(GOOD) == ()  # a power of 0 is no doubt
    assert doubts_about(Command()) == ()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 1])
def test_numbers_that_are_not_finite_are_doubts(bad: float, row: int) -> None:
    for column in (0, 1):
        position_um = GOOD.position_um.copy()
        position_um[row, column] = bad
        assert doubts_about(replace(GOOD, position_um=position_um)) == (NOT_FINITE,)
    power_mw, dwell_s = GOOD.power_mw.copy(), GOOD.dwell_s.copy()
    power_mw[row] = dwell_s[row] = bad
    found = doubts_about(replace(GOOD, power_mw=power_mw))
    assert found == ((NOT_FINITE, NEGATIVE) if bad < 0 else (NOT_FINITE,))
    assert doubts_about(replace(GOOD, dwell_s=dwell_s)) == (NO_TIME,)


@pytest.mark.parametrize("bad", [0.0, -0.0, -1e-9])
def test_a_dwell_that_is_not_positive_is_a_doubt(bad: float) -> None:
    assert doubts_about(replace(GOOD, dwell_s=np.array([1e-3, bad]))) == (NO_TIME,)


def test_a_negative_power_is_a_doubt() -> None:
    assert doubts_about(replace(GOOD, power_mw=np.array([20.0, -1e-12]))) == (NEGATIVE,)


def test_every_doubt_is_listed() -> None:
    bad = replace(GOOD, power_mw=np.array([np.nan, -1.0]), dwell_s=np.array([0.0, 1.0]))
    assert doubts_about(bad) == (NOT_FINITE, NO_TIME, NEGATIVE)

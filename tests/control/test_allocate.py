"""Forces and rings become spots within the power of one beam; only trusted particles get light."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from control.allocate import LightModel, allocate, circle
from control.contract import Forces, State, Tracks
from control.limits import Limits, doubts_about

LIGHT = LightModel(waist_um=0.6, depth_kt_per_mw=5.0, kt_pn_um=4.07e-3, power_mw=200.0, settle_s=2e-5)
finite = st.floats(-5, 5)


def tracks(position_um: list[tuple[float, float]], state: list[State] | None = None) -> Tracks:
    number = len(position_um)
    return Tracks(
        0.0,
        np.arange(number),
        np.array(position_um, float).reshape(-1, 2),
        np.array(state or [State.GOOD] * number, np.uint8),
        np.zeros(number, np.int64),
        np.zeros(number, np.int64),
    )


def forces(force_pn: list[tuple[float, float]]) -> Forces:
    number = len(force_pn)
    return Forces(
        np.arange(number), np.array(force_pn, float).reshape(-1, 2), np.full(number, np.nan), np.zeros(number, np.bool_)
    )


@given(
    st.lists(st.tuples(finite, finite), min_size=1, max_size=8),
    st.lists(st.tuples(finite, finite), min_size=8, max_size=8),
)
def test_the_offset_of_a_trap_gives_the_wanted_force_or_is_its_limit(
    force_pn: list[tuple[float, float]], places: list[tuple[float, float]]
) -> None:
    seen = tracks(places[: len(force_pn)])
    command, notes = allocate(LIGHT, seen, forces(force_pn))
    offset_um = command.position_um - seen.position_um
    want_um = np.array(force_pn) / LIGHT.stiffness_pn_per_um
    length_um = np.hypot(*want_um.T)
    near = length_um <= 0.3
    np.testing.assert_allclose(offset_um[near], want_um[near], atol=1e-9)
    np.testing.assert_allclose(np.hypot(*offset_um[~near].T), 0.3, atol=1e-9)
    assert any("clipped" in note for note in notes) == bool((length_um > 0.3 * (1 + 1e-9)).any())


@given(st.integers(1, 30))
def test_time_sharing_gives_every_trap_its_mean_depth(number: int) -> None:
    command, _ = allocate(LIGHT, tracks([(float(i), 0.0) for i in range(number)]), forces([(0.0, 0.0)] * number))
    settle_s = LIGHT.settle_s if number > 1 else 0.0
    cycle_s = (command.dwell_s + settle_s).sum()
    mean_kt = command.power_mw * command.dwell_s / cycle_s * LIGHT.depth_kt_per_mw
    np.testing.assert_allclose(mean_kt, LIGHT.trap_kt, rtol=1e-12)


def test_rings_of_different_depth_share_the_beam() -> None:
    wanted = Forces(
        ring_particle=np.array([0, 1]),
        ring_um=np.array([[5.0, 5.0], [9.0, 5.0]]),
        ring_radius_um=np.array([1.0, 2.0]),
        ring_kt=np.array([100.0, 300.0]),
        ring_delay_s=np.array([0.5, 0.5]),
    )
    command, notes = allocate(LIGHT, tracks([(5, 5), (9, 5)]), wanted)
    assert notes == ()
    cycle_s = (command.dwell_s + LIGHT.settle_s).sum()
    mean_kt = command.power_mw * command.dwell_s / cycle_s * LIGHT.depth_kt_per_mw
    assert math.isclose(mean_kt[command.particle == 0].sum(), 100.0, rel_tol=1e-9)
    assert math.isclose(mean_kt[command.particle == 1].sum(), 300.0, rel_tol=1e-9)
    for radius_um in (0.1, 1.0, 2.0):
        spots = circle(radius_um, 0.6)
        np.testing.assert_allclose(np.hypot(*spots.T), radius_um)
        assert np.hypot(*(spots[1] - spots[0])) <= 0.6


def test_with_too_little_power_all_spots_are_scaled_and_it_is_noted() -> None:
    poor = replace(LIGHT, power_mw=10.0)
    command, notes = allocate(poor, tracks([(0, 0), (3, 0), (6, 0)]), forces([(0.0, 0.0)] * 3))
    assert command.power_mw.max() == 10.0
    assert any("10" in note and "scaled" in note for note in notes)


def test_only_trusted_particles_get_light_whatever_the_policy_wants() -> None:
    seen = tracks([(0, 0), (3, 0), (6, 0)], [State.GOOD, State.NEW, State.UNCERTAIN])
    wanted = replace(
        forces([(0.0, 0.0)] * 4), particle=np.array([0, 1, 2, 99])  # 99 has no track
    )  # fmt: skip
    command, _ = allocate(LIGHT, seen, wanted)
    assert command.particle.tolist() == [0]
    empty, _ = allocate(LIGHT, tracks([]), forces([]))
    assert len(empty) == 0
    assert empty.reason


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6), st.floats(0.1, 50))
def test_limits_keep_all_spots_in_the_field_and_below_the_power_cap(
    places: list[tuple[float, float]], power_mw: float
) -> None:
    limits = Limits((-2.0, -2.0), (2.0, 2.0), power_mw)
    command, _ = allocate(LIGHT, tracks(places), forces([(0.0, 0.0)] * len(places)))
    allowed, notes = limits.clip(command)
    assert (np.abs(allowed.position_um) <= 2.0).all()
    assert (allowed.power_mw <= power_mw).all()
    assert bool(notes) == (len(allowed) < len(command) or bool((command.power_mw > power_mw).any()))


def test_forces_that_are_not_finite_are_doubts() -> None:
    good, _ = allocate(LIGHT, tracks([(0, 0)]), forces([(0.0, 0.0)]))
    assert doubts_about(good) == ()
    assert "finite" in doubts_about(replace(good, position_um=np.array([[np.nan, 0.0]])))[0]
    assert "finite" in doubts_about(replace(good, power_mw=np.array([np.inf])))[0]
    assert "negative" in doubts_about(replace(good, power_mw=np.array([-1.0])))[0]
    assert "dwell" in doubts_about(replace(good, dwell_s=np.array([0.0])))[0]

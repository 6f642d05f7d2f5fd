"""Observables against closed forms and against a second computation."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.analysis.orientation import heading_memory
from app.analysis.trajectories import bonds, bonds_by_frame, less_drift, msd, pair_correlation, speeds, sure
from control.contract import State

FPS = 50.0
Floats = NDArray[np.float64]


def table(place_um: Floats, seen: NDArray[np.bool_] | None = None, **more: Any) -> pd.DataFrame:
    """Tracks of place_um [frames, particles, 2]; `seen` [frames, particles] marks the detected particles."""
    frames, particles = place_um.shape[:2]
    frame, particle = np.indices((frames, particles))
    columns = {
        "frame": frame, "time_s": frame / FPS, "particle": particle, "x_um": place_um[..., 0], "y_um": place_um[..., 1],
        "carried": np.zeros((frames, particles), np.bool_), **more,
    }  # fmt: skip
    chosen = np.ones((frames, particles), np.bool_) if seen is None else seen
    return pd.DataFrame({name: values[chosen] for name, values in columns.items()})


def walk(frames: int, particles: int, step_um: float = 0.1, seed: int = 0) -> Floats:
    steps_um = np.random.default_rng(seed).normal(0, step_um, (frames, particles, 2))
    return np.asarray(np.cumsum(steps_um, axis=0))


def straight(frames: int, velocity_um_per_s: tuple[float, float]) -> Floats:
    return np.asarray((np.arange(frames)[:, None, None] / FPS) * np.array([[velocity_um_per_s]]))


@given(tau_s=st.floats(0.03, 0.5), vx=st.floats(-9, 9), vy=st.floats(-9, 9))
@settings(max_examples=40, deadline=None)
def test_a_steady_swimmer_has_its_speed(tau_s: float, vx: float, vy: float) -> None:
    found = speeds(table(straight(60, (vx, vy))), tau_s)
    assert len(found) == 60 - np.ceil(tau_s * FPS - 1e-6)
    np.testing.assert_allclose(found["speed_um_per_s"], np.hypot(vx, vy), rtol=1e-9, atol=1e-9)


def test_a_circle_has_the_speed_of_its_chord() -> None:
    angle = 2.0 * np.arange(200) / FPS  # 2 rad/s
    circle = 3.0 * np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]
    found = speeds(table(circle), 0.5)
    np.testing.assert_allclose(found["speed_um_per_s"], 2 * 3.0 * np.sin(0.5) / 0.5)


def test_carried_stretches_do_not_count() -> None:
    place_um = straight(100, (1.0, 0.0))
    carried = np.zeros((100, 1), np.bool_)
    carried[40:50] = True
    place_um[41:] += 7.0  # the carried particle jumps: the first carrying command belongs to frame 40
    found = speeds(table(place_um, carried=carried), 0.2)  # 10 frames
    np.testing.assert_allclose(found["speed_um_per_s"], 1.0)
    assert not {*range(40, 60)} & {*found["frame"]}
    assert {39, 61} <= {*found["frame"]}
    later = speeds(table(place_um, carried=carried), 0.2, settle_s=0.1)
    assert {*found["frame"]} - {*later["frame"]} == {*range(60, 66)} & {*found["frame"]}
    spread = msd(table(place_um, carried=carried), FPS, 0.3)
    np.testing.assert_allclose(spread, spread.index**2, rtol=1e-9)


def test_speeds_use_no_guess_across_a_gap() -> None:
    place_um = straight(60, (1.0, 0.0))
    seen = np.ones((60, 1), np.bool_)
    seen[20:25] = False
    found = speeds(table(place_um, seen), 0.105)  # 5.25 frames: needs two successive positions
    np.testing.assert_allclose(found["speed_um_per_s"], 1.0)
    assert not {*range(26, 31)} & {*found["frame"]}
    assert 31 in {*found["frame"]}
    assert len(speeds(table(place_um[:3]), 1.0)) == 0
    assert len(speeds(table(place_um[:0]), 1.0)) == 0


def test_msd_of_a_free_walk_is_4_d_t() -> None:
    step_um = 0.1
    spread = msd(table(walk(400, 100, step_um, seed=2)), FPS, 0.4)
    diffusion_um2_per_s = step_um**2 * FPS / 2.0
    np.testing.assert_allclose(spread, 4.0 * diffusion_um2_per_s * spread.index, rtol=0.03)


def test_every_displacement_counts_once() -> None:
    # particle 0 rests for 9 frames; particle 1 makes one step of 3 um and disappears
    tracks = pd.concat([table(np.zeros((9, 1, 2))), table(straight(2, (150.0, 0.0))).assign(particle=1)])
    assert msd(tracks, FPS, 0.02).iloc[0] == pytest.approx(9.0 / 9)


def test_a_pause_costs_no_memory_and_changes_no_displacement() -> None:
    """The counter of a camera continues while recording pauses: an array over all its numbers would not fit into
    memory."""
    tracks = table(walk(60, 2), np.random.default_rng(1).random((60, 2)) > 0.2)
    tracks["carried"] = tracks["frame"] % 23 == 0
    paused = tracks.assign(frame=tracks["frame"] + 2**52 * (tracks["frame"] >= 40))
    parted = tracks.assign(frame=tracks["frame"] + 1000 * (tracks["frame"] >= 40))
    near = msd(paused, FPS, 0.6)
    np.testing.assert_allclose(near, msd(parted, FPS, 0.6), rtol=1e-12)
    assert len(msd(paused, 1e6, 1e6)) < 2000
    np.testing.assert_allclose(
        heading_memory(paused, 0.04, FPS, 0.3), heading_memory(parted, 0.04, FPS, 0.3), rtol=1e-12
    )


def hexagon(length_um: float, shells: int = 3) -> Floats:
    """A hexagonal lattice within `shells` of the middle, which is the first row."""
    i, j = np.mgrid[-9:10, -9:10].reshape(2, -1)
    sites = np.stack([i + j / 2.0, j * np.sqrt(3.0) / 2.0], 1)
    sites = sites[np.argsort(np.linalg.norm(sites, axis=1))]
    return np.asarray(length_um * sites[np.linalg.norm(sites, axis=1) <= shells + 1e-6])


@given(angle=st.floats(0, 6.28), length_um=st.floats(0.5, 5), x=st.floats(-500, 500), y=st.floats(-500, 500))
@settings(max_examples=40, deadline=None)
def test_psi6_of_a_hexagonal_crystal_is_1_in_any_orientation(
    angle: float, length_um: float, x: float, y: float
) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = bonds(hexagon(length_um) @ turn.T + [x, y], 1.25 * length_um, 6)
    assert found.neighbours[0] == 6
    assert found.mean_order(6) == pytest.approx(1.0, abs=1e-4)
    assert np.angle(found.psi[0] * np.exp(-6j * angle)) == pytest.approx(0.0, abs=1e-3)
    assert found.mean_length_um == pytest.approx(length_um, rel=1e-9)


def test_a_square_crystal_has_psi4_and_no_psi6() -> None:
    square = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
    assert bonds(square, 1.25, 4).mean_order(4) == pytest.approx(1.0, abs=1e-5)
    assert bonds(square, 1.25, 6).mean_order(4) == pytest.approx(0.0, abs=1e-5)
    assert len(bonds(square, 1.25).length_um) == 40
    assert np.isnan(bonds(square, 1.25).mean_order(6))


def test_thermal_disorder_reduces_psi6_as_predicted() -> None:
    """|<psi6>| = exp(-36 (u/a)^2) for independent displacements of the sites, u per axis (docs/predictions.md P25)."""
    sites = hexagon(1.0, shells=8)
    chance = np.random.default_rng(6)
    inner = np.linalg.norm(sites, axis=1) < 6.5
    means = []
    for _ in range(20):
        found = bonds(sites + chance.normal(0, 0.05, sites.shape), 1.45, 6)
        chosen = inner & (found.neighbours == 6)
        means.append(found.psi[chosen].mean())
    assert abs(np.mean(means)) == pytest.approx(np.exp(-36 * 0.05**2), abs=0.01)


def test_psi_is_the_sum_over_bonds() -> None:
    place_um = np.random.default_rng(7).random((40, 2)) * 6.0
    found = bonds(place_um, 1.4, 5)
    for row in range(40):
        away = np.delete(place_um, row, 0) - place_um[row]
        away = away[np.linalg.norm(away, axis=1) < 1.4]
        assert found.neighbours[row] == len(away)
        if len(away):
            expected = np.exp(5j * np.arctan2(away[:, 1], away[:, 0])).mean()
            assert found.psi[row] == pytest.approx(expected, abs=1e-4)
        else:
            assert np.isnan(found.psi[row])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_particles_have_no_bond(count: int) -> None:
    found = bonds(np.zeros((count, 2)), 1.0)
    assert len(found.psi) == len(found.neighbours) == count
    assert np.isnan(found.mean_length_um)


def test_order_by_frame() -> None:
    place_um = np.stack([hexagon(2.5, 1), hexagon(2.6, 1)])
    found = bonds_by_frame(table(place_um), 1.25 * 2.5)
    assert list(found["frame"]) == [0, 1]
    assert found["bond_um"].tolist() == pytest.approx([2.5, 2.6], rel=1e-9)
    assert found["order_inner"].tolist() == pytest.approx([1, 1], abs=1e-4)
    assert list(found["bonds"]) == [12, 12]


def test_no_frame_has_no_order() -> None:
    assert np.isfinite(bonds_by_frame(table(np.zeros((1, 3, 2)))[:0], 3.0)["bond_um"]).sum() == 0


@pytest.mark.parametrize("place_um", [hexagon(2.5, 1), np.zeros((3, 2))], ids=["crystal", "one place"])
def test_with_a_huge_reach_all_particles_are_bonded(place_um: NDArray[np.float64]) -> None:
    """freud refuses an infinite reach, and at a large reach its float32 loses the directions of the bonds."""
    all_others, near = len(place_um) - 1, bonds(place_um, 20.0)
    for reach_um in (1e5, 1e9, np.inf):
        found = bonds(place_um, reach_um)
        assert found.psi == pytest.approx(near.psi, abs=1e-4)
        assert found.neighbours.tolist() == [all_others] * len(place_um)
        assert len(found.length_um) == len(place_um) * all_others // 2


def test_a_particle_that_is_always_carried_has_no_free_path() -> None:
    carried = np.zeros((5, 2), np.bool_)
    carried[:, 1] = True
    tracks = table(np.zeros((5, 2, 2)), carried=carried)
    assert set(less_drift(tracks)["particle"]) == {0}
    assert not len(less_drift(tracks[tracks["particle"] == 1]))


def test_an_ideal_gas_has_g_1_up_to_the_edge() -> None:
    chance = np.random.default_rng(8)
    place_um = chance.random((60, 200, 2)) * [30.0, 18.0] + [5.0, -2.0]
    found = pair_correlation(table(place_um), (5.0, -2.0), (35.0, 16.0), 18.0, bins=36)
    assert found.iloc[4:].to_numpy() == pytest.approx(1.0, abs=0.03)
    assert found.iloc[4:].mean() == pytest.approx(1.0, abs=0.005)


def test_a_crystal_has_peaks_where_its_neighbours_are() -> None:
    square = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(1, -1, 2)
    found = pair_correlation(table(square), (-0.5, -0.5), (19.5, 19.5), 2.5, bins=100)
    peaks = found[found > 0].index.to_numpy()
    np.testing.assert_allclose(peaks, [1.0, np.sqrt(2), 2.0, np.sqrt(5)], atol=0.026)
    with pytest.raises(ValueError, match="shorter side"):
        pair_correlation(table(square), (0.0, 0.0), (4.0, 9.0), 5.0)


def test_no_displacement_spans_an_uncertain_identity() -> None:
    place_um = np.zeros((100, 1, 2))
    place_um[41:] += 7.0  # another particle from here on
    state = np.zeros((100, 1), np.int64)
    state[41:44] = int(State.UNCERTAIN)
    tracks = table(place_um, state=state)
    assert msd(tracks, FPS, 0.3).max() > 1.0
    assert msd(sure(tracks), FPS, 0.3).max() == 0.0
    assert speeds(sure(tracks), 0.2)["speed_um_per_s"].max() == 0.0


@pytest.mark.parametrize("apart", [0, 5000])
def test_many_particles_with_few_positions_are_analysed_quickly(apart: int) -> None:
    """4000 particles, each in one frame, or in two frames far apart: the work scales with the number of positions, 4000
    or 8000.

    Regression: each lag was searched in each particle, which took minutes.
    """
    first = np.arange(4000)
    frame = np.concatenate([first, first + apart]) if apart else first
    who = np.concatenate([first, first]) if apart else first
    place = np.random.default_rng(1).normal(size=(2, len(frame)))
    tracks = pd.DataFrame({"particle": who, "frame": frame, "time_s": frame / FPS, "x_um": place[0], "y_um": place[1]})
    began_s = time.process_time()
    memory = heading_memory(tracks, apart / FPS if apart else 0.1, FPS, 100.0)
    spread = msd(tracks, FPS, 6000 / FPS)
    speed = speeds(tracks, 0.1)
    assert time.process_time() - began_s < 6.0  # 1 s; earlier 15 s and minutes
    assert memory.notna().sum() == (1 if apart else 0)  # lag 0
    assert spread.notna().sum() == (1 if apart else 0)
    assert len(speed) == 0

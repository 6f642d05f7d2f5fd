"""Known maps: with outliers, distorted, rotated, mirrored; the calibration slide; the blind scan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.geometry import Affine
from config.warp import Warp, powers
from control.calibrate.lattice import fit_grid
from control.calibrate.plane import consensus, fit_map, sensor_map
from control.calibrate.power import Efficiency, fit_efficiency
from control.calibrate.scan import scattered, where_light_lands

Floats = NDArray[np.float64]


def turned(degrees: float, scale: float, mirror: bool) -> Floats:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(scale * np.diag([-1.0 if mirror else 1.0, 1.0]) @ turn)


def affine(degrees: float = 7.0, scale: float = 0.0275, mirror: bool = True, source: str = "sensor_px") -> Affine:
    (a, b), (c, d) = turned(degrees, scale, mirror).tolist()
    return Affine(source, "v", ((a, b), (c, d)), (3.0, -3.4))


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(-180, 180), scale=st.floats(0.01, 0.1), mirror=st.booleans(), seed=st.integers(0, 1000))
def test_an_affine_map_is_found_among_outliers(degrees: float, scale: float, mirror: bool, seed: int) -> None:
    chance = np.random.default_rng(seed)
    true = affine(degrees, scale, mirror)
    point = chance.uniform(0, 256, (80, 2))
    target = true(point + chance.normal(0, 0.1, point.shape))
    target[:12] += chance.normal(0, 3.0, (12, 2))
    plane = fit_map(point, target, order=1)
    left_px = np.hypot(*((plane.warp(point) - true(point)) / scale).T)
    assert left_px.max() < 0.15
    assert plane.rms_px == pytest.approx(0.1 * math.sqrt(2.0), rel=0.4)
    assert np.sign(plane.warp.affine.determinant) == (-1 if mirror else 1)


def bent() -> Warp:
    terms = tuple((0.02 * (k % 3 - 1), -0.015 * (k % 2)) for k in range(7))
    return Warp(affine(), (128.0, 128.0), 128.0, terms)


def test_a_distorted_map_is_found_to_its_order_and_inverted() -> None:
    chance, true = np.random.default_rng(1), bent()
    point = chance.uniform(0, 256, (150, 2))
    plane = fit_map(point, true(point + chance.normal(0, 0.1, point.shape)))
    assert plane.warp.order == 3
    assert plane.rms_px == pytest.approx(0.1 * math.sqrt(2.0), rel=0.15)
    assert fit_map(point, true(point), order=1).rms_px > 2.0 * plane.rms_px
    np.testing.assert_allclose(plane.warp.inverse(plane.warp(point)), point, atol=1e-8)
    assert plane.warp.inverse.inverse is plane.warp
    assert (plane.left_px.shape, plane.used.sum() > 140) == ((150, 2), True)


def test_an_affine_map_is_fitted_without_distortion() -> None:
    chance = np.random.default_rng(2)
    point = chance.uniform(0, 256, (100, 2))
    assert fit_map(point, affine()(point + chance.normal(0, 0.1, point.shape))).warp.order <= 2


def test_the_jacobian_of_a_warp_is_its_derivative() -> None:
    true, point = bent(), np.array([[30.0, 200.0], [128.0, 128.0]])
    for axis in (0, 1):
        step = np.eye(2)[axis] * 1e-4
        slope = (true(point + step) - true(point - step)) / 2e-4
        np.testing.assert_allclose(true.jacobian(point)[..., axis], slope, atol=1e-8)
    assert powers(3) == ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))


@pytest.mark.parametrize("bad", [np.zeros((20, 2)), np.outer(np.arange(20.0), [1.0, 2.0]), np.zeros((2, 2))])
def test_points_that_are_too_few_or_on_a_line_are_refused(bad: Floats) -> None:
    with pytest.raises(ValueError, match=r"line|too few"):
        fit_map(bad, bad, order=1)


def test_a_map_in_sensor_coordinates_holds_for_other_crop_and_binning() -> None:
    on_sensor = affine()
    whole, cut = sensor_map(), sensor_map((64.0, 32.0), 2)
    place_px = np.array([[10.0, 20.0]])
    same_px = cut.inverse(whole(place_px))
    np.testing.assert_allclose((on_sensor @ cut)(same_px), (on_sensor @ whole)(place_px))
    # a binned pixel covers two by two pixels: its middle lies between theirs
    np.testing.assert_allclose(cut(np.zeros(2)), [64.5, 32.5])


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(-44, 44), mirror=st.booleans(), seed=st.integers(0, 100))
def test_the_pitch_of_a_slide_is_found(degrees: float, mirror: bool, seed: int) -> None:
    chance = np.random.default_rng(seed)
    site = np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-4, 5)), axis=-1).reshape(-1, 2)
    point = site @ turned(degrees, 23.1, mirror).T + 128.0 + chance.normal(0, 0.05, site.shape)
    grid = fit_grid(point[chance.permutation(81)[:70]])
    assert grid.pitch_px.value == pytest.approx(23.1, abs=0.02)
    assert abs(grid.pitch_px.value - 23.1) < 6.0 * grid.pitch_px.error
    assert abs(grid.anisotropy) < 2e-3
    assert abs(grid.skew_rad) < 2e-3


def test_points_that_are_not_a_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="not a grid"):
        fit_grid(np.random.default_rng(0).uniform(0, 256, (60, 2)))
    with pytest.raises(ValueError, match="too few"):
        fit_grid(np.zeros((4, 2)))


@given(st.integers(2, 3000))
def test_the_scattered_order_visits_each_point_once(number: int) -> None:
    assert sorted(scattered(number).tolist()) == list(range(number))


def pulls(seed: int, matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """Particles at rest, a spot at each point of a grid, and the displacements that it causes."""
    chance = np.random.default_rng(seed)
    place = chance.uniform(2, 23, (16, 2))
    grid = np.stack(np.meshgrid(np.arange(1, 25, 0.8), np.arange(1, 25, 0.8)), axis=-1).reshape(-1, 2)
    middle = np.array([12.75, 12.75])
    light = (grid - middle) @ matrix.T + middle
    between = light[:, None] - place  # [M, N, 2]
    near = np.exp(-2.0 * (between**2).sum(axis=-1) / 0.36)[..., None]
    kick = -np.expm1(-2.5 * near) * between + chance.normal(0, 0.06, between.shape)
    spot = np.broadcast_to(grid[:, None], between.shape)
    here = np.broadcast_to(place, between.shape)
    return spot.reshape(-1, 2), here.reshape(-1, 2), kick.reshape(-1, 2)


@pytest.mark.parametrize(("degrees", "scale", "mirror"), [(7.0, 1.09, True), (-30.0, 0.92, False), (0.0, 1.0, False)])
def test_the_blind_scan_finds_the_map_of_the_light(degrees: float, scale: float, mirror: bool) -> None:
    matrix = turned(degrees, scale, mirror)
    found, number = where_light_lands(*pulls(3, matrix), reach=0.8)
    assert number > 10
    np.testing.assert_allclose(np.array(found.matrix), matrix, atol=0.03)
    middle = np.array([12.75, 12.75])
    assert np.hypot(*(found(middle) - middle)) < 0.2


def test_a_blind_scan_without_displacements_is_refused() -> None:
    spot, place, kick = pulls(4, np.eye(2))
    still = np.random.default_rng(5).normal(0, 0.06, kick.shape)
    with pytest.raises(ValueError, match="pull"):
        where_light_lands(spot, place, still, reach=0.8)


def test_consensus_is_seeded() -> None:
    chance = np.random.default_rng(6)
    point, target = chance.uniform(0, 1, (30, 2)), chance.uniform(0, 1, (30, 2))
    one, other = (consensus(point, target, within=0.2, seed=1, tries=50) for _ in range(2))
    assert (one == other).all()
    with pytest.raises(ValueError, match="too few"):
        consensus(point[:2], target[:2], within=0.2)


def test_uneven_light_is_measured_and_equalised() -> None:
    chance = np.random.default_rng(7)
    true = Efficiency((12.75, 12.75), 12.75, (0.05, -0.02, -0.15, 0.01, -0.12))
    position = chance.uniform(0, 25.5, (40, 2))
    stiffness = 0.3 * true(position) * (1.0 + chance.normal(0, 0.01, 40))
    found, middle = fit_efficiency(position, stiffness, 0.01 * stiffness, centre_um=(12.75, 12.75), radius_um=12.75)
    assert middle == pytest.approx(0.3, rel=0.01)
    assert np.abs(found(position) / true(position) - 1.0).max() < 0.03
    even = stiffness / found(position)
    assert even.std() / even.mean() < 0.02 < stiffness.std() / stiffness.mean()
    few, _ = fit_efficiency(position[:5], stiffness[:5], stiffness[:5], centre_um=(0, 0), radius_um=1.0)
    assert (few(position) == 1.0).all()

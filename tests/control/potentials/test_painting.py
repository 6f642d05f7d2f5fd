"""Painting: rings of light compared with the sum of their spots, and the figures of P20 and P27."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.refused import Refused
from control.potentials.annular import Annular
from control.potentials.constant import Constant
from control.potentials.double_ring import DoubleRing
from control.potentials.drawn import Drawn
from control.potentials.gaussian import Gaussian
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.harmonic import Harmonic
from control.potentials.lennard_jones import LennardJones
from control.potentials.painting import (
    Floats,
    Rings,
    paint,
    painted_energy_pn_um,
    painted_force_pn,
    saddle_node_delay_s,
    spots_on_ring,
)
from control.potentials.shape import Central, Shape
from control.potentials.wca import WCA
from control.potentials.yukawa import Yukawa

KT = 4.07e-3
WAIST = 0.6


def ring(radius_um: float, total_kt: float = 1.0) -> Rings:
    return Rings(np.array([radius_um]), np.array([total_kt]))


def summed(radius_um: float, number: int, at_um: Floats) -> Floats:
    """Depth [...] at points [..., 2] of `number` spots on a circle that share one spot's depth of 1."""
    angle_rad = 2.0 * math.pi * np.arange(number) / number
    spot_um = radius_um * np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=1)
    rho2_um2 = ((at_um[..., None, :] - spot_um) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-2.0 * rho2_um2 / WAIST**2).mean(axis=-1))


@given(st.floats(0.0, 4.0), st.floats(0.0, 6.0))
def test_a_painted_ring_is_the_sum_of_many_spots(radius_um: float, r_um: float) -> None:
    energy_kt = painted_energy_pn_um(ring(radius_um), np.array([r_um]), waist_um=WAIST, kt_pn_um=1.0)
    assert energy_kt[0] == pytest.approx(-summed(radius_um, 400, np.array([r_um, 0.0])), rel=1e-9, abs=1e-15)


@given(st.floats(0.0, 4.0), st.floats(0.01, 6.0))
def test_painted_force_and_energy_agree(radius_um: float, r_um: float) -> None:
    rings = Rings(np.array([0.0, radius_um]), np.array([3.0, 7.0]))
    step = 1e-5
    low, high = painted_energy_pn_um(rings, np.array([r_um - step, r_um + step]), waist_um=WAIST, kt_pn_um=1.0)
    force = painted_force_pn(rings, np.array([r_um]), waist_um=WAIST, kt_pn_um=1.0)
    assert force[0] == pytest.approx((low - high) / (2 * step), abs=1e-7)


def test_depth_of_a_painted_ring_p27() -> None:
    """.04796 measured, .04787 = waist / (R sqrt(8 pi)) (docs/predictions.md P27)."""
    depth = -painted_energy_pn_um(ring(2.5), np.array([2.5]), waist_um=WAIST, kt_pn_um=1.0)[0]
    assert depth == pytest.approx(WAIST / (2.5 * math.sqrt(8.0 * math.pi)), rel=0.002)
    assert depth == pytest.approx(0.0479, abs=1e-4)


@pytest.mark.parametrize(("number", "ripple"), [(20, 0.1122), (26, 0.0157)])
def test_ripple_of_a_painted_ring_p27(number: int, ripple: float) -> None:
    angle_rad = np.linspace(0.0, 2.0 * math.pi, 5001)
    depth = summed(2.5, number, 2.5 * np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=1))
    measured = (depth.max() - depth.min()) / (2.0 * depth.mean())
    assert measured == pytest.approx(ripple, abs=2e-4)
    spacing_um = 2.0 * math.pi * 2.5 / number
    assert measured == pytest.approx(2.0 * math.exp(-((math.pi * WAIST / spacing_um) ** 2) / 2.0), rel=0.03)


@given(st.floats(0.01, 20.0), st.floats(0.2, 2.0))
def test_the_distance_of_painted_spots_is_at_most_a_waist(radius_um: float, waist_um: float) -> None:
    number = spots_on_ring(radius_um, waist_um)
    assert number >= 3
    assert 2.0 * math.pi * radius_um / number <= waist_um * (1.0 + 1e-12)


def test_a_ring_of_radius_zero_is_one_spot() -> None:
    assert spots_on_ring(0.0, WAIST) == 1


def test_a_spring_is_painted_as_one_spot_of_its_stiffness() -> None:
    rings = paint(Harmonic(stiffness_pn_per_um=0.904), waist_um=WAIST, kt_pn_um=KT)
    np.testing.assert_array_equal(rings.radius_um, [0.0])
    assert rings.total_kt[0] == pytest.approx(20.0, rel=2e-3)  # 20 kT, 0.6 um: 0.904 pN/um (docs/predictions.md 2.2)
    slope = painted_force_pn(rings, np.array([1e-4]), waist_um=WAIST, kt_pn_um=KT)[0] / 1e-4
    assert slope == pytest.approx(-0.904, rel=1e-4)


@given(st.floats(0.5, 4.0))
def test_an_annular_spring_keeps_its_stiffness(radius_um: float) -> None:
    rings = paint(Annular(radius_um=radius_um, stiffness_pn_per_um=0.9), waist_um=WAIST, kt_pn_um=KT)
    depth = -painted_energy_pn_um(rings, np.linspace(0.0, 5.0, 5001), waist_um=WAIST, kt_pn_um=KT)
    assert depth.max() == pytest.approx(0.9 * WAIST**2 / 4.0, rel=1e-5)
    if radius_um > 2.0 * WAIST:
        bottom_um = np.linspace(0.0, 5.0, 5001)[depth.argmax()]
        low, high = painted_force_pn(rings, bottom_um + np.array([-1e-3, 1e-3]), waist_um=WAIST, kt_pn_um=KT)
        assert (low - high) / 2e-3 == pytest.approx(0.9, rel=0.05)


@given(st.floats(1.0, 4.0), st.floats(1.0, 50.0))
def test_a_painted_ring_has_the_wanted_depth(radius_um: float, depth_kt: float) -> None:
    shape = GaussianRing(radius_um=radius_um, width_um=WAIST / 2.0, depth_kt=depth_kt)
    r_um = np.linspace(0.0, 6.0, 6001)
    rings = paint(shape, waist_um=WAIST, kt_pn_um=KT)
    energy_kt = painted_energy_pn_um(rings, r_um, waist_um=WAIST, kt_pn_um=KT) / KT
    assert energy_kt.min() == pytest.approx(-depth_kt, rel=1e-5)
    # a painted ring has the wanted cross-section, except for the curvature of the circle
    wanted_kt = shape.radial_energy_pn_um(r_um, kt_pn_um=KT) / KT
    assert np.abs(energy_kt - wanted_kt).max() < 0.2 * depth_kt * WAIST / radius_um


def test_both_valleys_of_a_double_ring_have_the_wanted_depth() -> None:
    rings = paint(DoubleRing(radius_um=2.5, width_um=0.3, depth_kt=10.0), waist_um=WAIST, kt_pn_um=KT)
    r_um = np.linspace(0.0, 5.0, 5001)
    energy_kt = painted_energy_pn_um(rings, r_um, waist_um=WAIST, kt_pn_um=KT) / KT
    assert energy_kt[r_um < 3.0].min() == pytest.approx(-10.0, rel=1e-3)
    assert energy_kt[r_um > 3.0].min() == pytest.approx(-10.0, rel=1e-3)


def test_a_wide_valley_is_painted_by_several_rings() -> None:
    rings = paint(GaussianRing(radius_um=3.0, width_um=0.7, depth_kt=10.0), waist_um=WAIST, kt_pn_um=KT)
    assert len(rings.radius_um) > 2
    assert rings.residual_kt < 0.2


@pytest.mark.parametrize(
    "shape",
    [
        Gaussian(depth_kt=10.0, width_um=0.8),
        Drawn(radius_um=(0.0, 1.0, 2.0, 3.5), energy_kt=(2.0, -5.0, -10.0, 4.0)),
        Yukawa(strength_kt=-5.0, screening_um=1.0),
        Harmonic(stiffness_pn_per_um=0.05, cutoff_um=1.0),
    ],
)
def test_wide_attractive_shapes_are_painted_accurately(shape: Central) -> None:
    rings = paint(shape, waist_um=WAIST, kt_pn_um=KT)
    r_um = np.linspace(0.0, shape.reach_um, 200)
    wanted_kt, far_kt = (shape.radial_energy_pn_um(r, kt_pn_um=KT) / KT for r in (r_um, np.array([shape.reach_um])))
    painted_kt = painted_energy_pn_um(rings, r_um, waist_um=WAIST, kt_pn_um=KT) / KT
    missed_kt = np.abs(painted_kt - (wanted_kt - far_kt)).max()
    assert missed_kt == pytest.approx(rings.residual_kt, rel=0.1)
    assert missed_kt < 0.15 * np.ptp(wanted_kt)  # the largest error is at an edge, which light can only smooth
    assert (rings.total_kt > 0.0).all()


def test_a_well_as_wide_as_the_beam_is_painted_as_one_spot() -> None:
    rings = paint(Gaussian(depth_kt=10.0, width_um=WAIST / 2.0), waist_um=WAIST, kt_pn_um=KT)
    np.testing.assert_allclose(rings.total_kt, [10.0])
    assert rings.residual_kt < 1e-6


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Constant(), "distance r alone"),
        (Gaussian(depth_kt=-5.0), "can't repel"),
        (WCA(), "can't repel"),
        (LennardJones(), "can't repel"),
        (Drawn(radius_um=(0.0, 1.0, 2.0), energy_kt=(-5.0, 1.0, 0.0)), "1 kT above its far value at r = 1 um"),
    ],
)
def test_a_shape_that_light_can_not_paint_is_refused(shape: Shape, said: str) -> None:
    with pytest.raises(Refused, match=said):
        paint(shape, waist_um=WAIST, kt_pn_um=KT)


def test_saddle_node_of_a_narrow_ring_p20() -> None:
    """eps = 8 kT, w = .15, R = 1.5 in units of kT = gamma = 1: .0416 simulated, .0417 by the formula."""
    shape = GaussianRing(radius_um=1.5, width_um=0.15, depth_kt=8.0)
    delay_s = saddle_node_delay_s(
        lambda r: shape.radial_force_pn(r, kt_pn_um=1.0), drag_pn_s_per_um=1.0, reach_um=shape.reach_um
    )
    assert delay_s == pytest.approx(0.0416, abs=1.0e-4)
    assert delay_s == pytest.approx((1.5 - 0.15) * 0.15 / (0.607 * 8.0), rel=0.01)


def test_the_saddle_node_delay_of_painted_rings_equals_that_of_the_shape() -> None:
    shape = GaussianRing(radius_um=2.5, width_um=0.3, depth_kt=10.0)
    rings = paint(shape, waist_um=WAIST, kt_pn_um=KT)
    asked_s, painted_s = (
        saddle_node_delay_s(outward, drag_pn_s_per_um=0.036, reach_um=4.0)
        for outward in (
            lambda r: shape.radial_force_pn(r, kt_pn_um=KT),
            lambda r: painted_force_pn(rings, r, waist_um=WAIST, kt_pn_um=KT),
        )
    )
    assert painted_s == pytest.approx(asked_s, rel=0.2)


def test_a_spring_never_carries_its_particle() -> None:
    spring = Harmonic()
    delay_s = saddle_node_delay_s(
        lambda r: spring.radial_force_pn(r, kt_pn_um=KT), drag_pn_s_per_um=0.036, reach_um=2.0
    )
    assert delay_s == math.inf


def test_a_cusp_carries_at_almost_any_delay() -> None:
    annular = Annular(radius_um=1.0, stiffness_pn_per_um=0.9)
    delay_s = saddle_node_delay_s(
        lambda r: annular.radial_force_pn(r, kt_pn_um=KT), drag_pn_s_per_um=0.036, reach_um=2.0
    )
    assert 0.0 <= delay_s < 1e-4


WIDE = Drawn(radius_um=(0.0, 1e6), energy_kt=(-10.0, 0.0))


@pytest.mark.parametrize("shape", [Annular(radius_um=1e5), GaussianRing(radius_um=1e9), WIDE])
def test_a_landscape_of_too_many_spots_is_refused_before_it_is_made(shape: Central) -> None:
    with pytest.raises(Refused, match=r"about each centre .allowed: 2000|may reach 200 waists"):
        paint(shape, waist_um=WAIST, kt_pn_um=KT)


def test_a_wide_landscape_of_few_spots_is_painted() -> None:
    rings = paint(Annular(radius_um=100.0), waist_um=WAIST, kt_pn_um=KT)
    assert 1000 < sum(spots_on_ring(float(radius), WAIST) for radius in rings.radius_um) <= 2000

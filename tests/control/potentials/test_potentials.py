"""Every shape: its force is minus the gradient of its energy, finite, and unknown at unknown positions."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.fields import describe, variants
from config.reader import build, parse, write
from control.potentials import AnyShape
from control.potentials.annular import Annular
from control.potentials.constant import Constant
from control.potentials.double_ring import DoubleRing
from control.potentials.drawn import Drawn
from control.potentials.formula import Formula
from control.potentials.gaussian import Gaussian
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.harmonic import Harmonic
from control.potentials.lennard_jones import LennardJones
from control.potentials.shape import Central, Floats, Shape
from control.potentials.wca import WCA
from control.potentials.yukawa import Yukawa

KT = 4.07e-3
MEMBERS: tuple[type, ...] = get_args(get_args(AnyShape)[0])

length = st.floats(0.2, 4.0)


@st.composite
def drawn_curves(draw: st.DrawFn) -> Drawn:
    steps = draw(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=7))
    start_um = draw(st.sampled_from([0.0, 0.3]))
    energies = draw(st.lists(st.floats(-20.0, 20.0), min_size=len(steps), max_size=len(steps)))
    return Drawn(radius_um=tuple((start_um + np.cumsum([0.0, *steps[1:]])).tolist()), energy_kt=tuple(energies))


BUILT: dict[str, st.SearchStrategy[Any]] = {
    "harmonic": st.builds(Harmonic, stiffness_pn_per_um=length),
    "annular": st.builds(Annular, radius_um=length, stiffness_pn_per_um=length),
    "gaussian_ring": st.builds(GaussianRing, radius_um=length, width_um=length, depth_kt=length),
    "double_ring": st.builds(DoubleRing, radius_um=length, ratio=st.floats(1.1, 2.0), width_um=length),
    "gaussian": st.builds(Gaussian, depth_kt=st.floats(-30.0, 30.0), width_um=length),
    "yukawa": st.builds(Yukawa, strength_kt=st.floats(-30.0, 30.0), screening_um=length, contact_um=length),
    "wca": st.builds(WCA, strength_kt=length, diameter_um=length, core=st.floats(0.8, 1.0)),
    "lennard_jones": st.builds(LennardJones, depth_kt=length, diameter_um=length, core=st.floats(0.8, 1.0)),
    "drawn": drawn_curves(),
    "formula": st.sampled_from(
        [
            ("0.5*k*(r-R)**2", "pn_um"),
            ("-a*exp(-r**2/2)*cos(k*r)", "kt"),
            ("where(r < R, k*r**2, 2*k*R*r - k*R**2)", "kt"),
            ("k*x**2 - 0.3*x*y + sin(R*y)", "kt"),
            ("tanh(x)*r + 0.1*k*sqrt(1 + r**2)", "pn_um"),
        ]
    ).map(lambda typed: Formula(formula=typed[0], unit=typed[1], parameters={"k": 0.9, "R": 1.0, "a": 5.0})),  # type: ignore[arg-type]
    "constant": st.builds(Constant, magnitude_pn=length, direction_deg=st.floats(-360, 360)),
}


def shapes() -> st.SearchStrategy[Any]:
    return st.one_of(*BUILT.values())


def offsets(count: int) -> st.SearchStrategy[Floats]:
    place = st.tuples(st.floats(-6.0, 6.0), st.floats(-6.0, 6.0))
    return st.lists(place, min_size=count, max_size=count).map(lambda rows: np.array(rows, dtype=np.float64))


def quotient(shape: Shape, offset_um: Floats, time_s: float = 0.0) -> Floats:
    """Minus the central difference quotient of the energy, [..., 2]."""
    step = 1e-6
    found = []
    for axis in (np.array([step, 0.0]), np.array([0.0, step])):
        high = shape.energy_pn_um(offset_um + axis, kt_pn_um=KT, time_s=time_s)
        low = shape.energy_pn_um(offset_um - axis, kt_pn_um=KT, time_s=time_s)
        found.append((low - high) / (2.0 * step))
    return np.stack(found, axis=-1)


def test_every_shape_of_the_list_page_has_a_test() -> None:
    assert set(variants(AnyShape)) == set(BUILT)


@given(shapes(), offsets(5))
@settings(max_examples=300, deadline=None)
def test_force_is_minus_the_gradient_of_the_energy(shape: Shape, offset_um: Floats) -> None:
    offset_um = offset_um[np.hypot(*offset_um.T) > 1e-3]  # at the centre of a cusp there is no gradient
    force_pn = shape.force_pn(offset_um, kt_pn_um=KT)
    assert force_pn.shape == offset_um.shape
    scale = 1.0 + np.abs(force_pn)
    assert np.all(np.abs(force_pn - quotient(shape, offset_um)) < 3e-5 * scale)


@given(shapes(), offsets(4))
@settings(deadline=None)
def test_newtons_third_law_holds_for_central_shapes(shape: Shape, offset_um: Floats) -> None:
    if shape.central:
        there, back = (shape.force_pn(sign * offset_um, kt_pn_um=KT) for sign in (1.0, -1.0))
        np.testing.assert_array_equal(there, -back)


@given(shapes())
@settings(deadline=None)
def test_force_and_energy_are_finite_at_the_centre_and_far_away(shape: Shape) -> None:
    offset_um = np.array([[0.0, 0.0], [1e-300, 0.0], [0.0, -1e-12], [1e3, 1e3], [-1e5, 2.0]])
    force_pn = shape.force_pn(offset_um, kt_pn_um=KT)
    assert np.isfinite(force_pn).all()
    assert np.isfinite(shape.energy_pn_um(offset_um, kt_pn_um=KT)).all()
    if shape.central:
        assert not force_pn[0].any()


@given(shapes())
@settings(deadline=None)
def test_beyond_its_reach_the_force_is_negligible(shape: Shape) -> None:
    if math.isfinite(shape.reach_um) and not isinstance(shape, Formula):  # the force of a formula ends at its range
        angle_rad = np.linspace(0.0, 6.0, 7)
        way = np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=1)
        largest = np.abs(shape.force_pn(np.linspace(0.0, shape.reach_um, 500)[:, None] * way[:1], kt_pn_um=KT)).max()
        beyond = np.abs(shape.force_pn(1.001 * shape.reach_um * way, kt_pn_um=KT)).max()
        assert beyond <= 1e-2 * largest


@given(shapes())
@settings(deadline=None)
def test_an_unknown_centre_gives_an_unknown_force(shape: Shape) -> None:
    offset_um = np.array([[np.nan, np.nan], [1.0, 0.0]])
    force_pn = shape.force_pn(offset_um, kt_pn_um=KT)
    assert np.isnan(force_pn[0]).all()
    assert np.isfinite(force_pn[1]).all()


@given(shapes(), offsets(6))
@settings(deadline=None)
def test_arrays_of_offsets_of_any_shape_are_accepted(shape: Shape, offset_um: Floats) -> None:
    flat = shape.force_pn(offset_um, kt_pn_um=KT)
    folded = shape.force_pn(offset_um.reshape(2, 3, 2), kt_pn_um=KT)
    np.testing.assert_allclose(folded.reshape(6, 2), flat, rtol=1e-12, atol=1e-15)
    assert shape.energy_pn_um(offset_um.reshape(2, 3, 2), kt_pn_um=KT).shape == (2, 3)
    assert shape.force_pn(np.empty((0, 2)), kt_pn_um=KT).shape == (0, 2)


@given(shapes())
@settings(deadline=None)
def test_a_shape_written_as_yaml_is_read_back(shape: Any) -> None:
    assert build(parse(write(shape), "test"), AnyShape) == shape


@pytest.mark.parametrize("member", MEMBERS)
def test_every_setting_has_a_description(member: type) -> None:
    assert member.__doc__
    assert all(form.help for form in describe(member) if form.name != "kind")


def test_the_force_of_a_truncated_spring_ends() -> None:
    spring = Harmonic(stiffness_pn_per_um=1.0, cutoff_um=0.3)
    force_pn = spring.radial_force_pn(np.array([0.2, 0.3, 0.31]), kt_pn_um=KT)
    np.testing.assert_allclose(force_pn, [-0.2, -0.3, 0.0])
    np.testing.assert_allclose(spring.radial_energy_pn_um(np.array([0.3, 9.0]), kt_pn_um=KT), 0.045)


def test_a_constant_force_points_right_and_down() -> None:
    right, down = (Constant(magnitude_pn=0.1, direction_deg=angle) for angle in (0.0, 90.0))
    np.testing.assert_allclose(right.force_pn(np.zeros((1, 2)), kt_pn_um=KT), [[0.1, 0.0]], atol=1e-16)
    np.testing.assert_allclose(down.force_pn(np.zeros((1, 2)), kt_pn_um=KT), [[0.0, 0.1]], atol=1e-16)


def test_the_stiffness_of_a_gaussian_ring_is_depth_over_width_squared() -> None:
    ring = GaussianRing(radius_um=1.5, width_um=0.15, depth_kt=8.0)  # k = depth / width^2 (docs/predictions.md 2.4)
    slope = np.diff(ring.radial_force_pn(np.array([1.5 - 1e-5, 1.5 + 1e-5]), kt_pn_um=KT)) / 2e-5
    assert slope == pytest.approx(-8.0 * KT / 0.15**2, rel=1e-6)


def test_central_shapes_are_marked_as_central() -> None:
    assert Harmonic().central
    assert isinstance(Harmonic(), Central)
    assert not Constant().central


def test_a_hill_repels_and_a_hole_attracts() -> None:
    hole, hill = (Gaussian(depth_kt=depth).radial_force_pn(np.array([0.3]), kt_pn_um=KT)[0] for depth in (5.0, -5.0))
    assert hole < 0.0 < hill


def test_lennard_jones_at_its_zero_and_its_minimum() -> None:
    shape = LennardJones(depth_kt=5.0, diameter_um=2.0)
    lowest_um = 2.0 ** (1.0 / 6.0) * 2.0
    np.testing.assert_allclose(
        shape.radial_energy_pn_um(np.array([2.0, lowest_um]), kt_pn_um=1.0), [0.0, -5.0], atol=1e-12
    )
    np.testing.assert_allclose(shape.radial_force_pn(np.array([2.0, lowest_um]), kt_pn_um=1.0), [60.0, 0.0], atol=1e-12)


def test_wca_is_lennard_jones_up_to_its_minimum() -> None:
    r_um = np.linspace(1.8, 2.24, 50)
    wca = WCA(strength_kt=5.0, diameter_um=2.0).radial_force_pn(r_um, kt_pn_um=KT)
    both = LennardJones(depth_kt=5.0, diameter_um=2.0).radial_force_pn(r_um, kt_pn_um=KT)
    np.testing.assert_allclose(wca, both)
    assert not WCA(diameter_um=2.0).radial_force_pn(np.array([2.25, 9.0]), kt_pn_um=KT).any()


def test_the_yukawa_energy_at_contact_is_its_strength() -> None:
    shape = Yukawa(strength_kt=7.0, screening_um=0.5, contact_um=2.0)
    energy_kt = shape.radial_energy_pn_um(np.array([2.0, 2.5]), kt_pn_um=1.0)
    np.testing.assert_allclose(energy_kt, [7.0, 7.0 * 0.8 / math.e])


@pytest.mark.parametrize("shape", [Yukawa(), WCA(), LennardJones()])
def test_within_the_core_the_force_is_constant(shape: Yukawa | WCA | LennardJones) -> None:
    r_um = np.linspace(0.0, shape.core_um, 5)
    force_pn = shape.radial_force_pn(r_um, kt_pn_um=KT)
    np.testing.assert_array_equal(force_pn, force_pn[-1])
    assert force_pn[0] > 0.0


@given(drawn_curves())
@settings(deadline=None)
def test_a_drawn_curve_goes_through_its_points_without_overshoot(curve: Drawn) -> None:
    energy_kt = curve.radial_energy_pn_um(np.array(curve.radius_um), kt_pn_um=1.0)
    np.testing.assert_allclose(energy_kt, curve.energy_kt, atol=1e-9)
    for left, right, low, high in zip(
        curve.radius_um, curve.radius_um[1:], curve.energy_kt, curve.energy_kt[1:], strict=False
    ):
        between_kt = curve.radial_energy_pn_um(np.linspace(left, right, 20), kt_pn_um=1.0)
        assert between_kt.min() >= min(low, high) - 1e-9
        assert between_kt.max() <= max(low, high) + 1e-9
    assert curve.radial_force_pn(np.array([curve.reach_um]), kt_pn_um=1.0)[0] == pytest.approx(0.0, abs=1e-9)
    assert curve.radial_energy_pn_um(np.array([99.0]), kt_pn_um=1.0)[0] == pytest.approx(curve.energy_kt[-1], abs=1e-9)


@pytest.mark.parametrize(
    ("radius_um", "energy_kt", "said"),
    [
        ((0.0, 1.0), (0.0,), "they must be equal"),
        ((0.0,), (1.0,), "two or more"),
        ((0.0, 1.0, 1.0), (0.0, 1.0, 2.0), "rise"),
        ((-0.1, 1.0), (0.0, 1.0), "rise"),
    ],
)
def test_an_invalid_drawn_curve_is_refused(
    radius_um: tuple[float, ...], energy_kt: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Drawn(radius_um=radius_um, energy_kt=energy_kt)

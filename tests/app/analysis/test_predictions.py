"""Predictions agree with the closed forms and with the plotted curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from app.analysis.findings import conditions_of, ring_um
from app.analysis.predicted_motion import (
    own_past,
    predicted_msd_um2,
    predicted_persistence_s,
    predicted_speed_um_per_s,
)
from app.analysis.predictions import curve, predict
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from config.fields import Doc, Gt, settings
from config.reader import build, parse
from control.allocate import LightModel
from control.experiment import Experiment
from control.plant import Plant
from control.policies import AnyForce
from control.policies.external import External
from control.policies.force_context import Force, Now, Pull
from control.policies.pair import Pair
from control.policies.programmed_law import Programmed
from control.potentials.annular import Annular
from control.potentials.double_ring import DoubleRing
from control.potentials.gaussian import Gaussian
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.harmonic import Harmonic
from control.theory import active, trapped
from control.theory.conditions import TOO_WEAK, Conditions, innermost, minimum
from control.theory.own_past import OwnPast

PLANT = Plant()
MEANS = Conditions(PLANT, LightModel(0.6, 5.0, PLANT.kt_pn_um, 200.0), latency_s=0.015, hold_s=0.01)
PAINTED = replace(MEANS, steered=False)
D = PLANT.diffusion_um2_per_s
TRAP_HZ, WAIST_UM, AGE_S = PLANT.rate_hz(MEANS.light.stiffness_pn_per_um), MEANS.light.waist_um, MEANS.age_s


def widening(scatter_um2: Callable[[float], float]) -> float:
    """q = 1 + 4 s^2(q) / w^2, by another method than the program's (docs/predictions.md 2.2)."""
    return float(brentq(lambda q: 1.0 + 4.0 * scatter_um2(q) / WAIST_UM**2 - q, 1.0, 1.5))


def lag_widening(age_s: float = AGE_S) -> float:
    """A trap that is placed relative to the last measured position: s^2 = 2 D a / (1 + z)."""
    return widening(lambda q: 2.0 * D * age_s / (1.0 + TRAP_HZ / q**2 * age_s))


@given(radius_um=st.floats(0.2, 5.0), stiffness=st.floats(0.1, 3.0), delay_s=st.floats(0.05, 3.0))
def test_a_harmonic_ring_swims_at_kappa_r_over_one_plus_z(radius_um: float, stiffness: float, delay_s: float) -> None:
    shape = Annular(radius_um=radius_um, stiffness_pn_per_um=stiffness)
    kappa = PLANT.rate_hz(stiffness)
    v = OwnPast(shape, delay_s, PAINTED).speed_um_per_s
    assert v == pytest.approx(kappa * radius_um / (1.0 + kappa * delay_s), rel=2e-3)


@given(radius_um=st.floats(0.5, 5.0), stiffness=st.floats(0.1, 0.9), delay_s=st.floats(0.3, 3.0))
def test_the_speed_on_a_steered_ring_balances_spot_force_and_drag(
    radius_um: float, stiffness: float, delay_s: float
) -> None:
    """P17 for a Gaussian spot at x_a + F/k, at most w/2. Near the centre of the spot the delay is that of
    `ExperimentFacts.running_delay_s`."""
    v = predicted_speed_um_per_s(
        ring("annular", f"radius_um: {radius_um}, stiffness_pn_per_um: {stiffness}", delay_s), MEANS
    )
    k, w, age_s, q = MEANS.light.stiffness_pn_per_um, WAIST_UM, AGE_S, lag_widening()

    def surplus_pn(v: float) -> float:
        offset_um = min(stiffness * (radius_um - v * (delay_s - age_s)) / k, w / 2.0) - v * age_s
        return k / q**2 * offset_um * math.exp(-2.0 * (offset_um / w) ** 2 / q) - PLANT.drag_pn_s_per_um * v

    assert v == pytest.approx(brentq(surplus_pn, 0.0, 20.0), rel=1e-6)
    kappa, trap_hz = PLANT.rate_hz(stiffness) / q**2, TRAP_HZ / q**2
    weak = kappa * radius_um / (1.0 + kappa * (delay_s + (trap_hz / kappa - 1.0) * age_s))
    if weak * PLANT.drag_pn_s_per_um < 0.05 * k * w:
        assert v == pytest.approx(weak, rel=0.02)


def test_late_diffusion_of_a_steered_spring_includes_its_trap() -> None:
    """D/(1 + kappa_t a + kappa (tau - a))^2 for a spring softer than its trap; with `predict`, that of the spring
    alone."""
    experiment = ring("harmonic", "stiffness_pn_per_um: 0.09", 0.2)
    z = (TRAP_HZ * AGE_S + 2.5 * (0.2 - AGE_S)) / lag_widening() ** 2
    assert late_of(experiment) == pytest.approx(PLANT.diffusion_um2_per_s / (1 + z) ** 2, rel=0.02)  # s^2 is larger
    ahead = replace(experiment, trap=replace(experiment.trap, predict=True))
    assert late_of(ahead) == pytest.approx(PLANT.diffusion_um2_per_s / 1.5**2, rel=0.01)
    assert (
        predicted_msd_um2(experiment, MEANS, np.array([1.0])) is None
    )  # P7 does not apply to trap and spring together
    assert predicted_msd_um2(ahead, MEANS, np.array([1.0])) is not None


def test_the_late_diffusion_of_a_soft_steered_spring_as_simulated() -> None:
    """Independent simulation by Euler's method: 400 particles, trap and spring as in flight."""
    trap_hz, kappa, age_s, delay_s, step_s = 25.1, 2.5, 0.02, 0.2, 0.001
    draw, d = np.random.default_rng(1), PLANT.diffusion_um2_per_s
    back, far = round(age_s / step_s), round(delay_s / step_s)
    x = np.zeros((30_000, 400))
    kicks = draw.normal(0.0, math.sqrt(2.0 * d * step_s), x.shape)
    for n in range(far, len(x) - 1):
        pull = -trap_hz * (x[n] - x[n - back]) - kappa * (x[n - back] - x[n - far])
        x[n + 1] = x[n] + step_s * pull + kicks[n]
    near, beyond = (float(((x[lag:] - x[:-lag])[2000::50] ** 2).mean()) for lag in (2000, 4000))
    found = (beyond - near) / (2.0 * 2000 * step_s)
    steered = replace(
        MEANS,
        latency_s=age_s - 0.005,
        light=replace(MEANS.light, trap_kt=20.0 * trap_hz / PLANT.rate_hz(MEANS.light.stiffness_pn_per_um)),
    )
    own = OwnPast(Harmonic(stiffness_pn_per_um=kappa * PLANT.drag_pn_s_per_um), delay_s, steered)
    assert own.late_um2_per_s == pytest.approx(
        found, rel=0.25
    )  # 3 standard errors; without the lag it is 0.65 too large


def test_lag_and_trap_strength_limit_the_drift_under_a_constant_force() -> None:
    law = (
        "{title: t, policy: {kind: programmed, forces: [{kind: external, shape: {kind: constant, magnitude_pn: %s}}]}}"
    )
    soft = lag_widening() ** -2
    slower = (1 + TRAP_HZ * soft * AGE_S) / soft
    assert first_number(law % 0.02, "drift") == pytest.approx(0.02 / PLANT.drag_pn_s_per_um / slower, rel=0.01)
    assert first_number(law % 1.0, "drift") < MEANS.light.largest_force_pn / PLANT.drag_pn_s_per_um
    painted = law.replace("title: t", "title: t, trap: {predict: true}")
    assert first_number(painted % 0.02, "drift") == pytest.approx(0.02 / PLANT.drag_pn_s_per_um, rel=0.01)


def test_scatter_makes_a_trap_softer_as_simulated() -> None:
    """The drift under a constant force in a Gaussian spot: Euler's method, 4000 particles."""
    force_pn, step_s, k, w = 0.14, 2.5e-3, MEANS.light.stiffness_pn_per_um, WAIST_UM
    conditions = replace(MEANS, latency_s=0.03)
    back, draw, gamma = round(conditions.age_s / step_s), np.random.default_rng(5), PLANT.drag_pn_s_per_um
    place = np.zeros((back + 1, 4000, 2))  # ring buffer of the last positions
    kick_um, offset_um = math.sqrt(2.0 * D * step_s), np.array([force_pn / k, 0.0])
    for n in range(400):
        if n == 100:
            begun_um = place[n % (back + 1), :, 0].mean()
        now = place[n % (back + 1)]
        away = place[(n + 1) % (back + 1)] + offset_um - now
        pull_pn = k * away * np.exp(-2.0 * (away**2).sum(axis=1) / w**2)[:, None]
        place[(n + 1) % (back + 1)] = now + step_s / gamma * pull_pn + draw.normal(0.0, kick_um, now.shape)
    found = (place[400 % (back + 1), :, 0].mean() - begun_um) / (300 * step_s)
    # 5 standard errors; without the scatter the result is 5 % larger
    assert conditions.speed_under_um_per_s(force_pn) == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize("delay_s", [0.1, 0.5])
def test_a_delayed_spot_is_softened_by_the_scatter_of_its_particle(delay_s: float) -> None:
    """q = 1 + 4 s^2 / w^2 with s^2 = 2 D tau / (1 + kappa tau / q^2) (P7). The same q enters P9, P8 and P12."""
    stiffness = MEANS.light.stiffness_pn_per_um
    q = widening(lambda q: 2.0 * D * delay_s / (1.0 + TRAP_HZ / q**2 * delay_s))
    kappa = TRAP_HZ / q**2
    steered = ring("harmonic", f"stiffness_pn_per_um: {stiffness}", delay_s)
    for experiment in (steered, replace(steered, mode="landscape")):
        own = own_past(experiment, MEANS)
        assert own is not None
        assert own.rate_hz == pytest.approx(kappa, rel=1e-3)
        assert own.late_um2_per_s == pytest.approx(D / (1.0 + kappa * delay_s) ** 2, rel=2e-3)
        top_um2 = float({one.name: one.value for one in predict(experiment, MEANS)}["MSD turns back at"].split()[0])
        assert top_um2 == pytest.approx(D * (1.0 + kappa * delay_s) / kappa, rel=0.01)


def test_the_width_of_a_painted_well_is_that_of_its_boltzmann_density() -> None:
    """One spot of 20 kT, and a ring of 10 kT whose light is wider than the requested valley (P4)."""
    spot = External(shape=Harmonic(stiffness_pn_per_um=MEANS.light.stiffness_pn_per_um))
    exact_um2 = trapped.spot_variance_um2(20.0, WAIST_UM, 1.2 * WAIST_UM)
    assert rms_nm(spot) == pytest.approx(1e3 * math.sqrt(exact_um2), rel=0.01)
    shape = GaussianRing(radius_um=2.0, width_um=0.2, depth_kt=10.0)
    light = PAINTED.acting_shape(shape)
    r_um = np.linspace(0.8, 3.2, 4001)
    weight = np.exp(-light.radial_energy_pn_um(r_um, kt_pn_um=PLANT.kt_pn_um) / PLANT.kt_pn_um)
    exact_um = math.sqrt((weight * (r_um - 2.0) ** 2).sum() / weight.sum())
    assert rms_nm(External(shape=shape)) == pytest.approx(1e3 * exact_um, rel=0.06)  # 63 nm for the requested shape


def rms_nm(force: External) -> float:
    """Predicted rms about the minimum of a painted external force, in nm."""
    return float({one.name: one.value for one in force.predict(PAINTED)}["rms about the minimum"].split()[0])


def test_a_shallow_painted_well_has_a_warning_and_no_rms() -> None:
    said = {one.name: one for one in External(shape=Harmonic(stiffness_pn_per_um=0.05)).predict(PAINTED)}
    assert said["painted depth"].value == "1.1 kT"
    assert said["painted depth"].warning
    assert "rms about the minimum" not in said


def test_the_speed_on_a_painted_ring_is_that_of_its_light() -> None:
    """gamma v = F(v tau) for 200 spots on a circle, each widened by the scatter. A ring smaller than one spot acts as a
    spot."""
    made = ring("annular", "radius_um: 1.0, stiffness_pn_per_um: 0.904")
    own = own_past(replace(made, mode="landscape"), MEANS)
    assert own is not None
    q, (at_um, _) = own.conditions.widening, minimum(own.shape, PLANT)
    assert q == pytest.approx(1.0 + 4.0 * 2.0 * D * 0.5 / (1.0 + own.running_rate_hz * 0.5) / WAIST_UM**2, rel=1e-3)
    assert at_um == pytest.approx(0.951, abs=2e-3)
    turn = np.arange(200) * math.pi / 100.0
    spots_um, total_kt = np.column_stack([np.cos(turn), np.sin(turn)]), float(own.shape.rings.total_kt[0])

    def surplus_pn(v: float) -> float:
        away_um = spots_um - np.array([0.5 * v, 0.0])
        pull = 4.0 * total_kt / q**2 / WAIST_UM**2 * np.exp(-2.0 * (away_um**2).sum(axis=1) / (WAIST_UM**2 * q))
        return float((pull * away_um[:, 0]).mean()) * PLANT.kt_pn_um - PLANT.drag_pn_s_per_um * v

    assert own.speed_um_per_s == pytest.approx(brentq(surplus_pn, 1.4, 2.2), rel=1e-4)  # 1.85 for the requested shape
    small = replace(ring("annular", "radius_um: 0.4, stiffness_pn_per_um: 0.904"), mode="landscape")
    assert math.isnan(predicted_speed_um_per_s(small, MEANS))
    assert {one.name: one.warning for one in predict(small, MEANS)}["painted minimum at"]


def test_a_painted_crystal_has_the_lattice_constant_of_its_light() -> None:
    text = "{title: t, mode: landscape, policy: {kind: programmed, forces: [{kind: pair, shape: %s}]}}"
    experiment = build(parse(text % "{kind: gaussian_ring, radius_um: 1.2, width_um: 0.3}", "t"), Experiment)
    acting = PAINTED.acting_shape(experiment.policy.forces[0].shape)
    r_um = np.linspace(0.5, 2.0, 15_001)
    deepest_um = r_um[np.argmin(acting.radial_energy_pn_um(r_um, kt_pn_um=PLANT.kt_pn_um))]
    assert deepest_um < 1.17
    assert ring_um(experiment, MEANS) == pytest.approx(deepest_um, abs=1e-3)
    assert ring_um(replace(experiment, mode="steered"), MEANS) == pytest.approx(1.2, abs=2e-3)
    assert float({one.name: one.value for one in predict(experiment, MEANS)}["lattice constant"].split()[0]) < 1.17


@pytest.mark.parametrize(
    ("radius_um", "width_um", "depth_kt", "runs"),
    [(2.0, 0.2, 20, False), (1.0, 0.15, 10, False), (0.6, 0.15, 10, True)],
)
def test_a_running_state_is_predicted_where_fluctuations_start_it(
    radius_um: float, width_um: float, depth_kt: float, runs: bool
) -> None:
    """In an independent simulation the particle runs for 0, 17 and 92 % of the time."""
    numbers = f"radius_um: {radius_um}, width_um: {width_um}, depth_kt: {depth_kt}"
    experiment = ring("gaussian_ring", numbers)
    said = {one.value: one.warning for one in predict(experiment, MEANS)}
    assert said.get("only if pushed", False) is not runs
    assert math.isfinite(predicted_speed_um_per_s(experiment, MEANS)) is runs
    assert math.isfinite(predicted_persistence_s(experiment, MEANS)) is runs
    assert (predicted_msd_um2(experiment, MEANS, np.array([1.0])) is not None) is runs


def test_the_starting_push_is_the_lower_root_of_the_force_balance() -> None:
    """gamma v = F(v tau) of a Gaussian ring whose acting force equals its formula."""
    shape = GaussianRing(radius_um=2.0, width_um=0.2, depth_kt=20.0)
    own = OwnPast(shape, 0.5, PAINTED)

    def surplus_pn(r_um: float) -> float:
        force_pn = shape.radial_force_pn(np.array([r_um]), kt_pn_um=PLANT.kt_pn_um)[0]
        return float(force_pn) - PLANT.drag_pn_s_per_um * r_um / 0.5

    assert own.push_um == pytest.approx(brentq(surplus_pn, 1.0, 1.8), rel=1e-6)
    assert own.pushed_um_per_s == pytest.approx(brentq(surplus_pn, 1.8, 2.0) / 0.5, rel=1e-6)
    assert own.speed_um_per_s == 0.0
    assert OwnPast(Annular(radius_um=1.0, stiffness_pn_per_um=0.9), 0.5, PAINTED).push_um == 0.0


@pytest.mark.parametrize("kind", ["annular", "harmonic", "gaussian_ring"])
def test_a_steered_law_without_delay_reduces_to_its_trap(kind: str) -> None:
    text = f"{{title: t, policy: {{kind: programmed, forces: [{{kind: self, shape: {{kind: {kind}}}}}]}}}}"
    experiment = build(parse(text, "t"), Experiment)
    said = {one.name: one for one in predict(experiment, MEANS)}
    z = TRAP_HZ / lag_widening() ** 2 * AGE_S
    assert said["force"].warning
    assert late_of(experiment) == pytest.approx(D / (1.0 + z) ** 2, rel=0.01)
    assert math.isnan(predicted_speed_um_per_s(experiment, MEANS))
    ahead = replace(experiment, trap=replace(experiment.trap, predict=True))
    assert [one.name for one in predict(ahead, MEANS)] == ["force", "power", "largest force"]
    assert own_past(ahead, MEANS) is None


@pytest.mark.parametrize("name", ["P23", "P24"])
def test_a_stable_bond_is_not_reported_as_too_weak(name: str) -> None:
    """P21 for measured crystals. The middle of a bond has a rate of 0.03/s and an age of 0.5 ms."""
    made = plan(EXPERIMENTS / "reproduce" / f"{name}.yaml", None, ())
    conditions = conditions_of(made, 2, made.rig.camera.fps)
    said = {one.name: one.value for one in predict(made.experiment, conditions)}
    assert "bond" not in said
    z, age_s = float(said["z = κτ"]), conditions.age_s
    expected_um = math.sqrt(conditions.plant.diffusion_um2_per_s * (1.0 + z) / (z / age_s))
    assert float(said["bond, rms"].split()[0]) == pytest.approx(1e3 * expected_um, rel=0.025)  # valid for small z


def test_a_trap_that_loses_its_particle_is_reported_as_too_weak() -> None:
    """A spot of 1 kT with a latency of 0.3 s; and a soft painted spring of 20 kT about the past position."""
    light = replace(MEANS.light, trap_kt=1.0)
    weak = replace(MEANS, light=light, latency_s=0.3)
    text = "{title: t, policy: {kind: programmed, forces: [%s]}}"
    drive = "{kind: external, shape: {kind: constant, magnitude_pn: 0.02}}"
    for force, name in ((drive, "drift"), ("{kind: motile, drive_pn: 0.02}", "speed while it moves")):
        said = {one.name: one for one in predict(build(parse(text % force, "t"), Experiment), weak)}
        for row in (name, "1 + z of latency"):
            assert (said[row].value, said[row].source, said[row].warning) == ("too weak", TOO_WEAK, True)
    assert math.isnan(weak.late_z)
    painted = replace(ring("harmonic", "stiffness_pn_per_um: 0.1", 5.0), mode="landscape")
    said = {one.name: one for one in predict(painted, MEANS)}
    assert (said["trap"].value, said["trap"].source) == ("too weak", TOO_WEAK)


def test_late_diffusion_is_given_when_the_scatter_is_not_computed() -> None:
    """At a delay of one day the spectrum has too many periods. The late diffusion is still D/(1 + z)^2."""
    experiment = ring("harmonic", "stiffness_pn_per_um: 0.5", 86_400.0)
    own = own_past(experiment, MEANS)
    assert own is not None
    assert math.isnan(own.scatter_um2)
    assert late_of(experiment) == pytest.approx(D / (1.0 + own.rate_hz * 86_400.0) ** 2, rel=0.01)


@pytest.mark.parametrize(
    ("stiffness", "depth_kt", "said"),
    [
        (1.5, 20.0, "0.0087"),
        (1.8, 20.0, "limited by the trap's reach"),
        (2.0, 20.0, "limited by the trap's reach"),
        (3.0, 20.0, "never settles"),
        (6.0, 100.0, "never settles"),
    ],
)
def test_a_steered_spring_that_is_stiffer_than_its_trap(stiffness: float, depth_kt: float, said: str) -> None:
    """In an independent simulation with traps at most w/2 away, the late D is 0.00873 at 1.5 pN/um. At 1.8, 2 and 3
    pN/um the particle stays in its spot (q = 1.25, 1.28, 1.36), with a late D of 0.009 to 0.0125."""
    conditions = replace(MEANS, latency_s=0.0106, light=replace(MEANS.light, trap_kt=depth_kt))
    rows = {one.name: one for one in predict(ring("harmonic", f"stiffness_pn_per_um: {stiffness}", 0.1), conditions)}
    row = rows["trap"] if "trap" in rows else rows["late diffusion"]
    assert row.value.startswith(said)
    assert row.warning is ("trap" in rows)


@pytest.mark.parametrize("kind", ["self", "pair", "external"])
def test_trap_prediction_does_not_change_painted_light(kind: str) -> None:
    shape = "{kind: gaussian_ring, radius_um: 2.5, width_um: 0.3, depth_kt: 20}"
    text = f"{{title: t, mode: landscape, policy: {{kind: programmed, forces: [{{kind: {kind}, shape: {shape}}}]}}}}"
    experiment = build(parse(text, "t"), Experiment)
    ahead = replace(experiment, trap=replace(experiment.trap, predict=True, compensate_latency=True))
    assert predict(ahead, MEANS) == predict(experiment, MEANS)


def test_the_scatter_is_named_only_without_trap_prediction() -> None:
    for experiment in (
        ring("annular", "radius_um: 1.0"),
        ring("harmonic", "stiffness_pn_per_um: 0.5"),
        replace(ring("harmonic", "stiffness_pn_per_um: 0.5"), policy=Programmed(forces=(External(shape=Harmonic()),))),
        replace(ring("harmonic", "stiffness_pn_per_um: 0.5"), policy=Programmed(forces=(Pair(shape=GaussianRing()),))),
    ):
        ahead = replace(experiment, trap=replace(experiment.trap, predict=True))
        assert any("scatter" in one.source for one in predict(experiment, MEANS))
        assert not any("scatter" in one.source for one in predict(ahead, MEANS))


def test_the_required_push_is_compared_with_the_diffusion_length() -> None:
    experiment = ring("gaussian_ring", "radius_um: 2.0, width_um: 0.2, depth_kt: 20")
    said = {one.value: one.source for one in predict(experiment, MEANS)}
    assert f"√(4Dτ) = {math.sqrt(4.0 * D * 0.5):.2g} µm" in said["only if pushed"]


def test_all_predictions_of_a_compensated_spring_use_one_rate() -> None:
    """The stiffness of the law is 1 + z times that of its trap; the acting stiffness is that of the trap."""
    stiffness = MEANS.light.stiffness_pn_per_um
    plain = ring("harmonic", f"stiffness_pn_per_um: {stiffness}", 0.3)
    made = ring("harmonic", f"stiffness_pn_per_um: {stiffness * (1.0 + TRAP_HZ * AGE_S)}", 0.3)
    made = replace(made, trap=replace(made.trap, compensate_latency=True))
    assert predict(made, MEANS) == predict(plain, MEANS)
    lag_s = np.array([0.1, 0.3, 1.0])
    found, wanted = (predicted_msd_um2(one, MEANS, lag_s) for one in (made, plain))
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_predicting_trap_has_no_latency_row() -> None:
    experiment = ring("annular", "radius_um: 1.0")
    assert "1 + z of latency" in {one.name for one in predict(experiment, MEANS)}
    ahead = replace(experiment, trap=replace(experiment.trap, predict=True))
    assert "1 + z of latency" not in {one.name for one in predict(ahead, MEANS)}


def test_a_delayed_external_spring_is_limited_by_its_trap() -> None:
    force = "{kind: external, delay_s: 0.2, shape: {kind: harmonic, stiffness_pn_per_um: %s}}"
    law = f"{{title: t, policy: {{kind: programmed, forces: [{force}]}}}}"
    assert first_number(law % 0.252, "rms about the minimum") > 1.2e3 * math.sqrt(PLANT.kt_pn_um / 0.252)
    rows = {one.name: one.value for one in predict(build(parse(law % 0.324, "t"), Experiment), MEANS)}
    assert rows["z = κτ"] == "1.59, stable"  # 1.8 in the centre; the lag makes the limit about (pi / 2) (1 + kappa_t a)
    rows = {one.name: one.value for one in predict(build(parse(law % 0.6, "t"), Experiment), MEANS)}
    assert rows["z = κτ"].endswith("never settles")
    assert "rms about the minimum" not in rows


def test_a_force_too_fast_to_compute_is_not_reported_as_stable() -> None:
    force = "{kind: external, delay_s: 50, shape: {kind: harmonic, stiffness_pn_per_um: 0.9}}"
    text = f"{{title: t, policy: {{kind: programmed, forces: [{force}]}}}}"
    rows = {one.name: one for one in predict(build(parse(text, "t"), Experiment), MEANS)}
    assert "stable" not in rows["z = κτ"].value
    assert rows["z = κτ"].warning


def test_a_large_stiffness_does_not_move_the_minimum() -> None:
    found_um, _ = minimum(Annular(radius_um=2.5, stiffness_pn_per_um=1000.0), PLANT)
    assert found_um == pytest.approx(2.5, abs=2e-3)


def test_the_speed_of_a_strong_hill_is_found_beyond_the_plotted_range() -> None:
    hill = Gaussian(depth_kt=-200.0, width_um=1.0)
    v = active.hill_speed_um_per_s(200 * PLANT.kt_pn_um, 1.0, 1.0, PLANT.drag_pn_s_per_um)
    own = OwnPast(hill, 1.0, PAINTED)
    assert own.speed_um_per_s == pytest.approx(v, rel=1e-3)
    assert own.minimum == (math.inf, 0.0)
    assert own.running_rate_hz > 0.0


def test_the_painted_power_counts_the_centres() -> None:
    force = "{kind: %s, shape: {kind: gaussian, depth_kt: 10}}"
    law = f"{{title: t, mode: landscape, policy: {{kind: programmed, forces: [{force}]}}}}"

    def power_at(kind: str, particles: int) -> str:
        found = predict(build(parse(law % kind, "t"), Experiment), replace(MEANS, particles=particles))
        return {one.name: one.value for one in found}["power"]

    assert power_at("external", 1) == power_at("external", 100) == power_at("self", 1)
    assert float(power_at("self", 100).split("%")[0]) == pytest.approx(
        100 * float(power_at("self", 1).split("%")[0]), rel=0.3
    )


def test_the_plotted_active_msd_agrees_with_the_late_diffusion_row() -> None:
    """A predicting trap with a sufficient reach: the ring alone acts."""
    experiment = ring("annular", "radius_um: 1.427, stiffness_pn_per_um: 0.036")
    experiment = replace(experiment, trap=replace(experiment.trap, predict=True))
    found = predicted_msd_um2(experiment, MEANS, np.array([200.0, 400.0]))
    assert found is not None
    v, d = predicted_speed_um_per_s(experiment, MEANS), PLANT.diffusion_um2_per_s
    assert (found[1] - found[0]) / 800.0 == pytest.approx(active.long_diffusion_um2_per_s(d, 1.0, v, 0.5), rel=0.01)


@pytest.mark.parametrize("strength", [2.0, 0.0, -1.0])
def test_painting_refuses_pair_strengths_other_than_one(strength: float) -> None:
    assert "strength" in Pair(shape=GaussianRing(), matrix=((strength,),)).why_not_painted()
    assert Pair(shape=GaussianRing(), matrix=((1.0, 1.0), (1.0, 1.0))).why_not_painted() == ""


@pytest.mark.parametrize(
    ("shape", "at_um", "stiffness"),
    [
        (Annular(radius_um=1.3, stiffness_pn_per_um=0.7), 1.3, 0.7),
        (Harmonic(stiffness_pn_per_um=0.4), 0.0, 0.4),
        (GaussianRing(radius_um=2.5, width_um=0.3, depth_kt=10.0), 2.5, 10 * PLANT.kt_pn_um / 0.3**2),
    ],
)
def test_minimum(shape: object, at_um: float, stiffness: float) -> None:
    found_um, found = minimum(shape, PLANT)
    assert found_um == pytest.approx(at_um, abs=2e-3)
    assert found == pytest.approx(stiffness, rel=2e-3)


@pytest.mark.parametrize("radius_um", np.linspace(2.0, 3.6, 17).tolist())
def test_the_lattice_constant_of_a_double_ring_is_its_inner_ring(radius_um: float) -> None:
    """The minima at R and sqrt(2) R are equally deep. Rounding of the depth does not change the choice."""
    found_um, stiffness = minimum(DoubleRing(radius_um=radius_um), PLANT)
    assert found_um == pytest.approx(radius_um, rel=0.012)  # for small radii the other ring shifts the minimum
    assert stiffness > 0.0


def test_the_inner_minimum_is_chosen_unless_another_is_much_deeper() -> None:
    energy = np.array([3.0, 0.0, 3.0, -1.0, 3.0])
    assert innermost(energy) == 3
    energy[1] = -0.97  # 1 % of a depth of 4 is 0.04
    assert innermost(energy) == 1
    assert innermost(np.array([np.nan, 2.0, 1.0, 1.5])) == 2
    assert innermost(np.array([np.inf, 5.0, 1.0, 0.0, 0.0, 0.0])) == 3  # constant from this index on: a wall


@pytest.mark.parametrize("shape", [Annular(), Harmonic(), GaussianRing(), DoubleRing()])
@pytest.mark.parametrize("mode", ["steered", "landscape"])
def test_the_plotted_force_is_the_slope_of_the_plotted_energy(shape: object, mode: str) -> None:
    plotted = curve(shape, mode, MEANS, points=4000)
    assert plotted is not None
    if np.isfinite(plotted.acts_kt).all():
        slope_pn = -np.gradient(plotted.acts_kt, plotted.r_um) * PLANT.kt_pn_um
        assert np.abs(slope_pn - plotted.acts_pn)[2:-2].max() < 0.02 * np.abs(plotted.acts_pn).max()
    assert np.abs(plotted.acts_pn[np.isfinite(plotted.acts_pn)]).max(initial=0.0) <= plotted.reach_pn + 1e-12


def test_the_annular_experiment_in_words() -> None:
    text = """
    title: ring
    policy: {kind: programmed, forces: [{kind: self, delay_s: 0.5,
      shape: {kind: annular, radius_um: 1.0, stiffness_pn_per_um: 0.904}}]}
    """
    said = {item.name: item.value for item in predict(build(parse(text, "test"), Experiment), MEANS)}
    assert said["z = κτ"] == "11.7"  # 12.6 in the centre of the trap
    assert said["speed"] == "1.84 µm/s"
    assert said["power"].startswith("2%")


def first_number(text: str, name: str) -> float:
    """The first number of a predicted row."""
    return float({one.name: one.value for one in predict(build(parse(text, "t"), Experiment), MEANS)}[name].split()[0])


def late_of(experiment: Experiment) -> float:
    return float({one.name: one.value for one in predict(experiment, MEANS)}["late diffusion"].split()[0])


def ring(kind: str, numbers: str, delay_s: float = 0.5) -> Experiment:
    law = f"{{kind: programmed, forces: [{{kind: self, delay_s: {delay_s}, shape: {{kind: {kind}, {numbers}}}}}]}}"
    return build(parse(f"{{title: t, policy: {law}}}", "test"), Experiment)


def test_the_active_msd_is_first_ballistic_then_diffusive() -> None:
    experiment = ring("annular", "radius_um: 1.0, stiffness_pn_per_um: 0.904")
    lag_s = np.array([0.05, 200.0])
    found = predicted_msd_um2(experiment, MEANS, lag_s)
    assert found is not None
    v = predicted_speed_um_per_s(experiment, MEANS)
    held = 4 * MEANS.plant.diffusion_um2_per_s * 0.05 * (1 - MEANS.plant.rate_hz(0.904) * 0.05 / (1 + 12.56))
    assert found[0] == pytest.approx((v * 0.05) ** 2 + held, rel=0.02)
    late = {item.name: item.value for item in predict(experiment, MEANS)}["late diffusion"]
    least, most = (float(late.split()[word]) for word in (0, 2))
    assert found[1] / (4 * 200.0) == pytest.approx(most, rel=0.03)
    assert least == pytest.approx(0.65 * most, rel=0.03)  # range for a steered Gaussian spot


def test_the_delayed_harmonic_msd_turns_back_and_then_creeps() -> None:
    experiment = replace(ring("harmonic", "stiffness_pn_per_um: 0.72"), mode="landscape")
    delay_s, d = 0.5, PLANT.diffusion_um2_per_s
    q = widening(lambda q: 2.0 * d * delay_s / (1.0 + PLANT.rate_hz(0.72) / q**2 * delay_s))
    kappa = PLANT.rate_hz(0.72) / q**2
    z = kappa * delay_s
    lag_s = np.array([delay_s / 2 + 1 / (2 * kappa), delay_s, 20.0])
    found = predicted_msd_um2(experiment, MEANS, lag_s)
    assert found is not None
    assert found[0] == pytest.approx(d * (1 + z) / kappa, rel=1e-3)  # P8, both axes
    assert found[1] == pytest.approx(4 * d * delay_s / (1 + z), rel=1e-3)  # P7
    b = d * delay_s * z * (1 - 2 * z / (3 * (1 + z)) + 1 / (1 + z) ** 2) / (1 + z)
    assert found[2] == pytest.approx(2 * (2 * d / (1 + z) ** 2 * 20.0 + b), rel=1e-3)  # P10


@pytest.mark.parametrize("kappa_tau", [499.0, 501.0, 1e6])
def test_a_delay_beyond_the_known_modes_has_no_closed_form(kappa_tau: float) -> None:
    """Analysis and plot of such a run work without the theory."""
    stiffness = kappa_tau / 0.5 / PLANT.rate_hz(1.0)
    experiment = ring("harmonic", f"stiffness_pn_per_um: {stiffness}")
    experiment = replace(experiment, trap=replace(experiment.trap, predict=True))
    found = predicted_msd_um2(experiment, MEANS, np.array([0.1, 1.0]))
    assert (found is None) is (kappa_tau > 500.0)


def test_a_crystal_has_no_closed_form() -> None:
    text = "{title: t, policy: {kind: programmed, forces: [{kind: pair, shape: {kind: gaussian_ring}}]}}"
    experiment: Experiment = build(parse(text, "test"), Experiment)
    assert predicted_msd_um2(experiment, MEANS, np.array([1.0])) is None
    assert math.isnan(predicted_speed_um_per_s(experiment, MEANS))


def test_the_predicted_speed_of_a_motile_particle_includes_the_latency() -> None:
    text = "{title: t, policy: {kind: programmed, forces: [{kind: motile, drive_pn: 0.05}]}}"
    said = {one.name: one.value for one in predict(build(parse(text, "here"), Experiment), MEANS)}
    assert said["speed while it moves"] != f"{0.05 / PLANT.drag_pn_s_per_um:.3g} µm/s"
    soft = lag_widening() ** -2
    slower = (1 + TRAP_HZ * soft * AGE_S) / soft
    assert first_number(text, "speed while it moves") == pytest.approx(0.05 / PLANT.drag_pn_s_per_um / slower, rel=0.03)


@settings
class Spin(Force):
    """A user-defined force without a prediction."""

    kind: Literal["spin"] = "spin"
    delay_s: Annotated[float | None, Gt(0), Doc("mean age")] = 0.5

    def pull(self, now: Now) -> Pull:
        return Pull(np.zeros_like(now.position_um))


def test_a_force_without_a_prediction_is_reported() -> None:
    experiment = replace(ring("annular", "radius_um: 1.0"), policy=Programmed(forces=(Spin(),)))
    for mode in ("steered", "landscape"):
        said = {one.name: one.value for one in predict(replace(experiment, mode=mode), MEANS)}
        assert said["spin"] == "no prediction"
        assert "power" in said
    assert predicted_msd_um2(experiment, MEANS, np.array([1.0])) is None


@pytest.mark.parametrize("kind", get_args(get_args(AnyForce)[0]))
def test_every_force_of_the_program_has_a_prediction(kind: type) -> None:
    text = f"{{title: t, policy: {{kind: programmed, forces: [{{kind: {kind.kind}}}]}}}}"  # type: ignore[attr-defined]
    if kind.kind != "motile":  # type: ignore[attr-defined]
        text = text.replace("}]", ", shape: {kind: gaussian_ring}}]")
    said = [one.value for one in predict(build(parse(text, "test"), Experiment), MEANS)]
    assert said
    assert "no prediction" not in said

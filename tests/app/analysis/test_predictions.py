"""What is foreseen agrees with the closed forms, and with the curve that is plotted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.theory.conditions import Conditions, innermost, minimum
from app.analysis.predicted_motion import foreseen_msd_um2, foreseen_speed_um_per_s, swimming_speed_um_per_s
from app.analysis.predictions import curve, predict
from config.reader import build, parse
from control.allocate import LightModel
from control.experiment import Experiment
from control.policies.programmed_law import Programmed
from control.plant import Plant
from control.policies import AnyForce
from control.potentials.annular import Annular
from control.potentials.double_ring import DoubleRing
from control.potentials.gaussian_ring import GaussianRing
from control.potentials.harmonic import Harmonic

PLANT = Plant()
MEANS = Conditions(PLANT, LightModel(0.6, 5.0, PLANT.kt_pn_um, 200.0), latency_s=0.015, hold_s=0.01)


@given(radius_um=st.floats(0.2, 5.0), stiffness=st.floats(0.1, 3.0), delay_s=st.floats(0.05, 3.0))
def test_a_harmonic_ring_swims_at_kappa_r_over_one_plus_z(radius_um: float, stiffness: float, delay_s: float) -> None:
    shape = Annular(radius_um=radius_um, stiffness_pn_per_um=stiffness)
    kappa = PLANT.rate_hz(stiffness)
    v = swimming_speed_um_per_s(shape, delay_s, PLANT.drag_pn_s_per_um, math.inf, kt_pn_um=PLANT.kt_pn_um)
    assert v == pytest.approx(kappa * radius_um / (1.0 + kappa * delay_s), rel=2e-3)


@given(radius_um=st.floats(0.5, 2.0), stiffness=st.floats(0.1, 0.9), delay_s=st.floats(0.3, 3.0))
def test_a_steered_ring_swims_as_the_reproduction_has_it(radius_um: float, stiffness: float, delay_s: float) -> None:
    """P17 with the delay that a self force has for a particle that runs straight on (rows/row.running_delay_s)."""
    experiment = ring("annular", f"radius_um: {radius_um}, stiffness_pn_per_um: {stiffness}", delay_s)
    kappa, trap = PLANT.rate_hz(stiffness), PLANT.rate_hz(MEANS.light.stiffness_pn_per_um)
    v = kappa * radius_um / (1.0 + kappa * (delay_s + (trap / kappa - 1.0) * MEANS.age_s))
    if kappa * (radius_um - v * (delay_s - MEANS.age_s)) * PLANT.drag_pn_s_per_um < MEANS.light.largest_force_pn:
        assert foreseen_speed_um_per_s(experiment, MEANS) == pytest.approx(v, rel=2e-3)


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
    """Two minima alike, at R and sqrt(2) R: which is deeper in the last digit does not matter."""
    found_um, stiffness = minimum(DoubleRing(radius_um=radius_um), PLANT)
    assert found_um == pytest.approx(radius_um, rel=0.012)  # of small ones the other ring shifts it
    assert stiffness > 0.0


def test_a_minimum_that_is_deeper_by_much_is_the_one() -> None:
    energy = np.array([3.0, 0.0, 3.0, -1.0, 3.0])
    assert innermost(energy) == 3
    energy[1] = -0.97  # 1 % of a depth of 4 is 0.04
    assert innermost(energy) == 1
    assert innermost(np.array([np.nan, 2.0, 1.0, 1.5])) == 2
    assert innermost(np.array([np.inf, 5.0, 1.0, 0.0, 0.0, 0.0])) == 3  # flat from there on: a wall


@pytest.mark.parametrize("shape", [Annular(), Harmonic(), GaussianRing(), DoubleRing()])
@pytest.mark.parametrize("mode", ["steered", "landscape"])
def test_the_force_plotted_is_the_slope_of_the_energy_plotted(shape: object, mode: str) -> None:
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
    assert said["z = κτ"] == "12.6"
    assert said["speed"] == "1.85 µm/s"
    assert said["power"].startswith("2%")


def ring(kind: str, numbers: str, delay_s: float = 0.5) -> Experiment:
    law = f"{{kind: programmed, forces: [{{kind: self, delay_s: {delay_s}, shape: {{kind: {kind}, {numbers}}}}}]}}"
    return build(parse(f"{{title: t, policy: {law}}}", "test"), Experiment)


def test_the_active_msd_is_ballistic_then_diffusive_with_the_late_diffusion() -> None:
    experiment = ring("annular", "radius_um: 1.0, stiffness_pn_per_um: 0.904")
    lag_s = np.array([0.05, 200.0])
    found = foreseen_msd_um2(experiment, MEANS, lag_s)
    assert found is not None
    v = foreseen_speed_um_per_s(experiment, MEANS)
    held = 4 * MEANS.plant.diffusion_um2_per_s * 0.05 * (1 - MEANS.plant.rate_hz(0.904) * 0.05 / (1 + 12.56))
    assert found[0] == pytest.approx((v * 0.05) ** 2 + held, rel=0.02)
    late = {item.name: item.value for item in predict(experiment, MEANS)}["late diffusion"]
    assert found[1] / (4 * 200.0) == pytest.approx(float(late.split()[0]), rel=0.03)


def test_the_delayed_harmonic_msd_turns_back_and_then_creeps() -> None:
    experiment = ring("harmonic", "stiffness_pn_per_um: 0.72")
    kappa, delay_s, d = PLANT.rate_hz(0.72), 0.5, PLANT.diffusion_um2_per_s
    z = kappa * delay_s
    lag_s = np.array([delay_s / 2 + 1 / (2 * kappa), delay_s, 20.0])
    found = foreseen_msd_um2(experiment, MEANS, lag_s)
    assert found is not None
    assert found[0] == pytest.approx(d * (1 + z) / kappa, rel=1e-3)  # P8, both axes
    assert found[1] == pytest.approx(4 * d * delay_s / (1 + z), rel=1e-3)  # P7
    b = d * delay_s * z * (1 - 2 * z / (3 * (1 + z)) + 1 / (1 + z) ** 2) / (1 + z)
    assert found[2] == pytest.approx(2 * (2 * d / (1 + z) ** 2 * 20.0 + b), rel=1e-3)  # P10


@pytest.mark.parametrize("kappa_tau", [499.0, 501.0, 1e6])
def test_a_delay_beyond_the_known_modes_has_no_closed_form(kappa_tau: float) -> None:
    """An analysis and a plot of such a run go without the theory."""
    stiffness = kappa_tau / 0.5 / PLANT.rate_hz(1.0)
    found = foreseen_msd_um2(ring("harmonic", f"stiffness_pn_per_um: {stiffness}"), MEANS, np.array([0.1, 1.0]))
    assert (found is None) is (kappa_tau > 500.0)


def test_a_crystal_has_no_closed_form() -> None:
    text = "{title: t, policy: {kind: programmed, forces: [{kind: pair, shape: {kind: gaussian_ring}}]}}"
    experiment: Experiment = build(parse(text, "test"), Experiment)
    assert foreseen_msd_um2(experiment, MEANS, np.array([1.0])) is None
    assert math.isnan(foreseen_speed_um_per_s(experiment, MEANS))


def test_a_motile_particle_is_foreseen_too() -> None:
    text = "{title: t, policy: {kind: programmed, forces: [{kind: motile, drive_pn: 0.05}]}}"
    said = {one.name: one.value for one in predict(build(parse(text, "here"), Experiment), MEANS)}
    assert said["speed while it moves"] == f"{0.05 / PLANT.drag_pn_s_per_um:.3g} µm/s"


@dataclass(frozen=True)
class Spin:
    """A force that a person has added, and that no prediction is known of."""

    kind: str = "spin"
    delay_s: float | None = 0.5
    shape: GaussianRing = GaussianRing()


def test_a_force_without_a_prediction_is_an_answer() -> None:
    experiment = replace(ring("annular", "radius_um: 1.0"), policy=Programmed(forces=(Spin(),)))  # type: ignore[arg-type]
    for mode in ("steered", "landscape"):
        said = {one.name: one.value for one in predict(replace(experiment, mode=mode), MEANS)}
        assert said["spin"] == "no prediction"
        assert "power" in said
    assert foreseen_msd_um2(experiment, MEANS, np.array([1.0])) is None


@pytest.mark.parametrize("kind", get_args(get_args(AnyForce)[0]))
def test_every_force_of_the_program_has_a_prediction(kind: type) -> None:
    text = f"{{title: t, policy: {{kind: programmed, forces: [{{kind: {kind.kind}}}]}}}}"  # type: ignore[attr-defined]
    if kind.kind != "motile":  # type: ignore[attr-defined]
        text = text.replace("}]", ", shape: {kind: gaussian_ring}}]")
    said = [one.value for one in predict(build(parse(text, "test"), Experiment), MEANS)]
    assert said
    assert "no prediction" not in said

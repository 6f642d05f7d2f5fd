"""D_eff from the late MSD: drifting particles, and a spring about the particle's past position, whose echoes are in the
MSD."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.analysis import findings
from app.analysis.findings import RunTables, alone, conditions_of, late_diffusion, of_delay, of_memory, of_order
from app.analysis.predicted_motion import predicted_msd_um2
from app.analysis.trajectories import less_drift, msd_less_drift
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS

FPS, D = 25.0, 0.1


def drifting(seconds: float, many: int, carried_s: float = math.inf) -> pd.DataFrame:
    """Free particles, each with its own drift of some 3 um/s; a jump carries them back every `carried_s`."""
    chance, number = np.random.default_rng(4), int(seconds * FPS)
    step_um = math.sqrt(2.0 * D / FPS) * chance.normal(size=(number, many, 2)) + chance.normal(0, 3.0, (many, 2)) / FPS
    frame = np.arange(number)
    back = (frame % round(carried_s * FPS) == 0) & (frame > 0) if math.isfinite(carried_s) else np.zeros(number, bool)
    step_um[back] += 30.0
    place_um, seen = np.cumsum(step_um, axis=0).reshape(-1, 2), np.repeat(frame, many)
    return pd.DataFrame({
        "frame": seen, "time_s": seen / FPS, "particle": np.tile(np.arange(many), number), "x_um": place_um[:, 0],
        "y_um": place_um[:, 1], "carried": np.repeat(back, many),
    })  # fmt: skip


def run_of(tracks: pd.DataFrame, name: str = "delayed_harmonic", sets: tuple[str, ...] = ()) -> RunTables:
    made, none = plan(EXPERIMENTS / f"{name}.yaml", None, sets), pd.DataFrame({"delay_achieved_s": []})
    sent = pd.DataFrame({"command": ["sent"] * 3, "turn": range(3)})
    turns = pd.DataFrame({"turn": range(3), "sent_effect_s": 0.0156, "frame_time_s": 0.0})
    return RunTables(made, conditions_of(made, 1, FPS), FPS, tracks, sent, none, none, turns)


@pytest.mark.parametrize("carried_s", [math.inf, 10.0, 4.2])
def test_a_steady_drift_does_not_count_as_diffusion(carried_s: float) -> None:
    """D of 20 particles that drift by 3 um/s. The subtraction of the drift does not reduce D. Regression: v^2 t^2 made
    D a hundred times too large."""
    tracks = drifting(60.0, 20, carried_s)
    tracks = tracks[tracks["carried"] | (np.random.default_rng(1).random(len(tracks)) < 0.9)]
    late, error = late_diffusion(run_of(tracks), 0.1)
    assert late == pytest.approx(D, rel=0.15)  # three standard deviations, from ten other seeds
    assert error < 0.15 * D


def test_subtracting_the_line_between_the_ends_reduces_the_msd_as_computed() -> None:
    """4 D t (1 - t / 4 s) remains of stretches of 4 s at every lag, as for a Brownian bridge."""
    spread = msd_less_drift(less_drift(drifting(100.0, 20, 4.04)), FPS, 3.0).iloc[::10]
    left_s = spread.index.to_numpy() - spread["taken_s"].to_numpy()
    assert left_s == pytest.approx(spread.index.to_numpy() * (1.0 - spread.index.to_numpy() / 4.0), rel=0.03)
    assert spread["msd_um2"].to_numpy() == pytest.approx(4.0 * D * left_s, rel=0.1)


@pytest.mark.parametrize("name", ["directional_drive", "ring_crystal"])
def test_d_eff_of_a_driven_law_excludes_the_drift(name: str) -> None:
    (found,) = of_memory(run_of(drifting(40.0, 20, 4.0), name))
    assert found.name == "D_eff"
    assert found.measured == pytest.approx(D, rel=0.2)


@pytest.mark.parametrize("stiffness_pn_per_um", [0.3, 0.6, 0.9, 1.5])
def test_late_diffusion_excludes_the_echoes_of_a_delayed_spring(
    stiffness_pn_per_um: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact MSD (P7) gives D / (1 + z)^2. Its slope from 3 to 12 delays is 1.07 times that at z = 8, 1.38 at z =
    20."""
    tracks = pd.DataFrame({"frame": np.arange(1500), "time_s": np.arange(1500) / FPS, "particle": 0,
                           "x_um": 0.0, "y_um": 0.0, "carried": False})  # fmt: skip
    run = run_of(tracks, sets=("mode=landscape", f"policy.forces.0.shape.stiffness_pn_per_um={stiffness_pn_per_um}"))
    law = alone(run)
    assert law is not None
    z = law.rate_hz * law.delay_s
    assert 1.0 < z < 25.0

    def exact(stretches: pd.DataFrame, fps: float, largest_lag_s: float) -> pd.DataFrame:
        lag_s = np.arange(1, int(largest_lag_s * fps) + 1) / fps
        spread = predicted_msd_um2(run.plan.experiment, run.conditions, lag_s)
        return pd.DataFrame({"msd_um2": spread, "taken_s": 0.0}, index=pd.Index(lag_s, name="lag_s"))

    monkeypatch.setattr(findings, "msd_less_drift", exact)
    d = run.plan.rig.plant.diffusion_um2_per_s
    assert late_diffusion(run, law.delay_s, law)[0] == pytest.approx(d / (1.0 + z) ** 2, rel=1e-6)


def test_late_diffusion_is_nan_where_echoes_dominate() -> None:
    """z = 38: from 3 to 12 delays the MSD of P7 rises 4 times as fast as later."""
    sets = ("mode=landscape", "policy.forces.0.shape.stiffness_pn_per_um=2.9")
    run = run_of(drifting(60.0, 2), sets=sets)
    law = alone(run)
    assert law is not None
    assert law.rate_hz * law.delay_s == pytest.approx(38.0, rel=0.02)
    assert math.isnan(late_diffusion(run, law.delay_s, law)[0])


def test_the_error_of_four_stretches_states_its_confidence() -> None:
    """3 degrees of freedom: the interval of two standard errors has a confidence of 86 % (Student's t)."""
    from scipy.stats import t

    assert 2.0 * t.cdf(2.0, 3) - 1.0 == pytest.approx(0.86, abs=0.005)
    assert "twice it holds 86 %" in of_memory(run_of(drifting(10.0, 2)))[1].source


def test_a_predicting_trap_has_no_z_of_the_latency() -> None:
    ahead: Any = run_of(drifting(2.0, 1), "directional_drive")
    assert "z of the latency" in [one.name for one in of_delay(ahead)]
    trap = replace(ahead.plan.experiment.trap, predict=True)
    ahead = replace(ahead, plan=replace(ahead.plan, experiment=replace(ahead.plan.experiment, trap=trap)))
    assert "z of the latency" not in [one.name for one in of_delay(ahead)]


def still() -> pd.DataFrame:
    """The path of one free particle, observed for one minute."""
    return drifting(60.0, 1).assign(carried=False)


@pytest.mark.parametrize("stiffness", [2.0, 3.0])
def test_an_unpredicted_spring_has_no_predicted_z_and_d_eff(stiffness: float) -> None:
    """Regression: z was 0.03, an intermediate value of an iteration without a solution."""
    law = "policy.forces.0."
    sets = ("mode=steered", f"{law}shape.stiffness_pn_per_um={stiffness}", f"{law}delay_s=0.1")
    found = {one.name: one for one in of_memory(run_of(still(), sets=sets))}
    assert math.isnan(found["z = κτ"].predicted)
    assert math.isnan(found["D_eff"].predicted)
    assert math.isfinite(found["D_eff"].measured)


def test_a_runner_that_needs_a_push_has_a_measured_d_eff_and_no_z() -> None:
    law = "policy.forces.0."
    shape = "{kind: gaussian_ring, radius_um: 2.0, width_um: 0.2, depth_kt: 20}"
    sets = (f"{law}shape={shape}", f"{law}delay_s=0.5")
    (found,) = of_memory(run_of(drifting(60.0, 20), "annular_activity", sets))
    assert found.name == "D_eff"
    assert math.isnan(found.predicted)
    assert found.measured == pytest.approx(D, rel=0.3)  # after subtraction of each particle's drift


def test_the_predicted_d_eff_of_a_steered_runner_is_an_upper_limit() -> None:
    found = {one.name: one for one in of_memory(run_of(drifting(60.0, 2), "annular_activity"))}
    assert "0.65 to 1" in found["D_eff"].source


def test_no_value_is_measured_without_free_particles_or_chosen_frames() -> None:
    tracks = drifting(2.0, 6)
    assert np.isnan(late_diffusion(run_of(tracks.assign(carried=True)), 0.1)).all()
    never_chosen = run_of(tracks.assign(frame=1), "ring_crystal")  # order is evaluated in every second frame
    assert all(math.isnan(one.measured) for one in of_order(never_chosen))


@pytest.mark.parametrize("radius_um", [1e3, 1e5, 1e9])
def test_a_ring_too_large_for_any_light_has_no_infinite_prediction(radius_um: float) -> None:
    run = run_of(drifting(2.0, 6), "ring_crystal", (f"policy.forces.0.shape.radius_um={radius_um}",))
    assert not any(math.isinf(one.predicted) for one in of_order(run))

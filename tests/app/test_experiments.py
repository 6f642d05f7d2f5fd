"""The experiments of config/ on the simulated rig, from camera to laser, behave as their names state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from app.analysis.trajectories import bonds_by_frame, msd, speeds
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands.verify import verify_run
from app.running.headless import fly
from control.contract import Level
from control.plant import Plant
from drivers.journal import read_run, same_contents
from drivers.journal.tidy import tidy_tracks

PLANT = Plant()
KAPPA_HZ = PLANT.rate_hz(0.904)
TAU_S, RADIUS_UM = 0.5, 1.0
PREDICTED_UM_PER_S = KAPPA_HZ * RADIUS_UM / (1.0 + KAPPA_HZ * TAU_S)  # P17


def flown(
    name: str, tmp_path: Path, seconds: float, *sets: str, armed: bool = True, frames: bool = False
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The summary, and the tidy table of tracks."""
    out = tmp_path / f"{name}.h5"
    done = fly(plan(EXPERIMENTS / f"{name}.yaml", None, sets), seconds, out, frames, name, armed=armed)
    with read_run(out) as run:
        return done, tidy_tracks(run)


def speed_um_per_s(tracks: pd.DataFrame) -> tuple[float, float]:
    """Mean |r(t) - r(t - tau)| / tau of free running, and the duration of free running in s."""
    free = speeds(tracks, TAU_S, settle_s=TAU_S)
    free = free[free["time_s"] > 3.0 * TAU_S]
    return float(free["speed_um_per_s"].mean()), len(free) / 100.0


@pytest.mark.parametrize("mode", [pytest.param("steered", marks=pytest.mark.slow), "landscape"])
def test_annular_activity_swims_at_kappa_r_over_one_plus_z(mode: str, tmp_path: Path) -> None:
    done, tracks = flown("annular_activity", tmp_path, 30.0, f"mode={mode}")
    assert done["trips"] == []
    speed, free_s = speed_um_per_s(tracks)
    assert free_s > 12.0
    assert speed == pytest.approx(PREDICTED_UM_PER_S, rel=0.12)  # 30 s; the slow test below requires 10 %


@pytest.mark.slow
def test_in_the_dark_the_same_estimator_gives_brownian_motion(tmp_path: Path) -> None:
    done, tracks = flown("annular_activity", tmp_path, 15.0, armed=False)
    assert done["dark_turns"] == done["turns"]
    speed, _ = speed_um_per_s(tracks)
    assert speed < 0.6 * PREDICTED_UM_PER_S


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["steered", "landscape"])
def test_annular_activity_over_five_minutes(mode: str, tmp_path: Path) -> None:
    """Speed within 10 %, and MSD(10 s) at least ten times the free one, over all stretches of free running."""
    _, tracks = flown("annular_activity", tmp_path, 300.0, f"mode={mode}")
    speed, free_s = speed_um_per_s(tracks)
    assert free_s > 30.0
    assert speed == pytest.approx(PREDICTED_UM_PER_S, rel=0.10)
    spread = msd(tracks, 100.0, 10.0)
    assert spread.iloc[-1] >= 10.0 * 4.0 * PLANT.diffusion_um2_per_s * 10.0
    _, dark = flown("annular_activity", tmp_path / "dark", 60.0, armed=False)
    assert speed_um_per_s(dark)[0] <= 0.6 * PREDICTED_UM_PER_S


def test_a_run_verifies_and_its_seed_reproduces_every_dataset(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.h5", "again.h5", "other.h5"))
    for out, seed in ((first, 5), (again, 5), (other, 6)):
        made = plan(EXPERIMENTS / "annular_activity.yaml", None, [f"seed={seed}"])
        fly(made, 2.0, out, True, "again")
    assert verify_run(first, json=None) == 0
    with read_run(first) as a, read_run(again) as b, read_run(other) as c:
        assert same_contents(a, b) is None
        assert same_contents(a, c) is not None


def test_the_lattice_constant_of_ring_crystal_is_its_ring_radius(tmp_path: Path) -> None:
    done, tracks = flown("ring_crystal", tmp_path, 20.0)
    assert done["trips"] == []
    late = bonds_by_frame(tracks[tracks["time_s"] > 10.0], 1.25 * 2.5)
    assert late["bond_um"].mean() == pytest.approx(2.5, rel=0.02)
    assert late["order_inner"].mean() > 0.9


def test_double_ring_keeps_the_square(tmp_path: Path) -> None:
    done, tracks = flown("double_ring_square", tmp_path, 12.0)
    assert done["trips"] == []
    late = bonds_by_frame(tracks[tracks["time_s"] > 6.0], 1.25 * 2.5, order=4)
    assert late["bond_um"].mean() == pytest.approx(2.5, rel=0.02)
    assert late["order_inner"].mean() > 0.9


def test_the_non_reciprocal_dimer_runs_along_its_axis(tmp_path: Path) -> None:
    """V = kappa (R_b - R_a) / (2 (1 + z)) (P22): the preferred distances of the two particles differ, so that one
    chases the other."""
    done, tracks = flown("non_reciprocal_dimer", tmp_path, 15.0)
    assert done["trips"] == []
    wide = tracks.pivot(index="frame", columns="particle", values=["x_um", "y_um", "carried"])
    place = np.stack([wide["x_um"].to_numpy(float), wide["y_um"].to_numpy(float)], axis=2)  # [T, 2, xy]
    carried: NDArray[np.bool_] = np.any(wide["carried"].to_numpy(bool), axis=1)
    lag = 10
    free: NDArray[np.bool_] = np.array([not carried[max(t - 50, 0) : t + lag].any() for t in range(len(place) - lag)])
    middle, axis = place.mean(axis=1), place[:, 1] - place[:, 0]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    along = ((middle[lag:] - middle[:-lag]) * axis[:-lag]).sum(axis=1) / (lag / 100.0)
    predicted = KAPPA_HZ * 0.4 / (2.0 * (1.0 + KAPPA_HZ * 0.1))
    assert free[100:].sum() > 300
    assert abs(np.nanmean(along[100:][free[100:]])) == pytest.approx(predicted, rel=0.15)


def test_directional_drive_drifts_at_force_over_drag(tmp_path: Path) -> None:
    """In mode steered the latency increases the drag by the factor 1 + z (docs/predictions.md 2.3 S)."""
    law = ("keep_in_field=null", "policy.forces.0.shape.magnitude_pn=0.05")
    speed = []
    for seed in (1, 2):
        done, tracks = flown("directional_drive", tmp_path / f"{seed}", 8.0, f"seed={seed}", *law)
        assert done["trips"] == []
        for _, own in tracks[tracks["time_s"] > 0.5].groupby("particle"):
            first, last = own.iloc[0], own.iloc[-1]
            seconds = last["time_s"] - first["time_s"]
            speed.append([(last["x_um"] - first["x_um"]) / seconds, (last["y_um"] - first["y_um"]) / seconds])
    age_s = 0.0025 + 0.005 + 0.0031 + 0.005  # mid-exposure to effect, and half of the hold
    expected = 0.05 / PLANT.drag_pn_s_per_um / (1.0 + KAPPA_HZ * age_s)
    across, down = np.mean(speed, axis=0)
    assert across == pytest.approx(expected, rel=0.15)  # 8 particles: 5 %; a Gaussian trap pulls 3 % less
    assert abs(down) < 0.15


def test_the_delayed_harmonic_particle_diffuses_slowly(tmp_path: Path) -> None:
    """MSD(tau) = 4 D tau / (1 + z) instead of 4 D tau (P7)."""
    done, tracks = flown("delayed_harmonic", tmp_path, 25.0)
    assert done["trips"] == []
    spread = msd(tracks[tracks["time_s"] > 1.0], 100.0, TAU_S)
    free = 4.0 * PLANT.diffusion_um2_per_s * TAU_S
    assert spread.iloc[-1] == pytest.approx(free / (1.0 + KAPPA_HZ * TAU_S), rel=0.35)


def test_a_trip_ends_a_headless_run(tmp_path: Path) -> None:
    done, _ = flown("annular_activity", tmp_path, 5.0, "laser.interlock=open")
    assert done["level"] == Level.TRIPPED
    assert len(done["trips"]) == 1
    assert "interlock" in done["trips"][0]
    assert done["turns"] < 60  # no light is refused before the history covers 0.5 s

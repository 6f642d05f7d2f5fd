"""Calibration of the simulated rig with wrong initial values, from images alone, and the use of the result in a
flight."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import main
from app.analysis.run_description import about
from app.assembly.calibration_file import CalibrationRecord, add, load, undo
from app.assembly.plan import plan, planned
from app.assembly.plane import StoredMap
from app.assembly.rig import EXPERIMENTS, RIGS
from app.calibration import diffusion as diffusion_module
from app.calibration import map as map_module
from app.calibration.flash import flash
from app.calibration.job import CalibrationJob
from app.commands.calibrate import STEPS, calibrate_rig, default_file, measured, tell
from app.running.headless import fly
from benchmarks.calibration import ASKED, RIG, WRONG, calibrated, evened, map_error_um
from config.reader import plain, read
from config.refused import Refused
from control.calibrate.estimate import Estimate, disagreement
from control.contract import Fault
from drivers.journal import read_run

TRUE_D, TRUE_STIFFNESS = 0.11314, 0.22627  # um^2/s; pN/um for 1 mW in the middle of the field
TRUE_LATENCY_S = 0.003 + 0.006
TRUE_OFF_S = 0.003  # a dark command goes only to the laser
LEAK, FAINT = "camera.laser_leak_counts_per_mw=0.3", "camera.laser_leak_counts_per_mw=0.1"
SMALL = (
    "camera.width_px=160", "camera.height_px=160", "sample.number=9", "sample.spacing_um=4.2",
    "sample.disturbance_um=0.3",
)  # fmt: skip


def value(record: CalibrationRecord, name: str) -> float:
    return float(record.found[name]["value"])


def made(job: CalibrationJob, *names: str) -> dict[str, CalibrationRecord]:
    return {name: STEPS[name](job) for name in names}


@pytest.mark.slow
def test_a_rig_with_wrong_settings_is_calibrated_from_images(tmp_path: Path) -> None:
    job = CalibrationJob(RIG, (*WRONG, *SMALL), tmp_path / "bench.calibration.yaml", seconds=5.0)
    assert not job.rig().confirmed
    assert map_error_um(job.rig())[0] > 3.0
    found = made(job, "um-per-px", "map", "diffusion", "latency", "stiffness")
    assert value(found["um-per-px"], "um_per_px") == pytest.approx(0.109, rel=1e-3)
    assert map_error_um(job.rig())[0] < 0.05
    assert found["map"].found["mirror"] is True
    assert found["map"].found["turn_deg"] == pytest.approx(-10.0, abs=0.3)
    assert value(found["diffusion"], "covariance_um2_per_s") == pytest.approx(TRUE_D, rel=0.10)
    assert value(found["latency"], "latency_s") == pytest.approx(TRUE_LATENCY_S, abs=2e-3)
    assert found["latency"].found["flash"].startswith("not seen: the laser's light does not reach this camera")
    assert set(found["latency"].found["by"]) == {"stages", "dither"}
    k = value(found["stiffness"], "equipartition_pn_per_um_per_mw")
    assert k == pytest.approx(TRUE_STIFFNESS, rel=0.12)
    assert job.rig().confirmed
    # the stiffness is measured: a spot whose assumed waist is too large gets a larger depth
    assert job.rig().optics.depth_kt_per_mw == pytest.approx(5.0 * (0.66 / 0.6) ** 2, rel=0.12)
    flies_as_calibrated(job, tmp_path)


def flies_as_calibrated(job: CalibrationJob, tmp_path: Path) -> None:
    """An ordinary experiment on the same wrong rig, with its calibration file, holds its particles and records the
    calibration."""
    out = tmp_path / "held.h5"
    bench = job.bench()
    held = ("sample.number=4", "sample.arrangement=square", "sample.spacing_um=4.0", "seconds=2")
    unconfirmed = plan(EXPERIMENTS / "ring_crystal.yaml", RIG, (*WRONG, *SMALL, *held))
    with pytest.raises(Refused, match="not confirmed"):
        fly(unconfirmed, 1.0, None, False, "unconfirmed")
    flown = planned(read(EXPERIMENTS / "ring_crystal.yaml"), bench, held, EXPERIMENTS)
    done = fly(flown, 2.0, out, False, "held")
    assert done["trips"] == []
    with read_run(out) as run:
        kept = run.header.calibration
        said = about(run)
    assert kept["map"] == "confirmed"
    assert [one["what"] for one in kept["made"]] == ["um per px", "map", "diffusion", "latency", "stiffness"]
    assert kept["origin"].endswith("bench.calibration.yaml")
    assert said["calibration"]["map"] == "confirmed"


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_flash_gives_the_time_of_the_light_within_1_ms(seed: int, tmp_path: Path) -> None:
    """All settings are wrong and nothing is calibrated: the light is searched for in the whole image."""
    job = CalibrationJob(RIG, (*WRONG, *SMALL, LEAK), tmp_path / "bench.calibration.yaml", seed=seed, seconds=3.0)
    found = flash(job)
    for one, true_s in ((found.on_s, TRUE_LATENCY_S), (found.off_s, TRUE_OFF_S)):
        assert one.value == pytest.approx(true_s, abs=1e-3)
        assert one.error < 0.5e-3
        assert abs(one.value - true_s) < 4.5 * one.error
    with read_run(next((tmp_path / "bench.calibration").glob("flash-*.h5"))) as run:
        assert set(run.rows("turns")["level"]) == {b"PROBING"}
        assert 0.0 < run.column("sent", "power_mw").max() <= job.rig().loop.probe_power_mw * (1.0 + 1e-9)


def test_latency_estimates_are_compared_and_disagreements_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The assumed delay of the beam is 6 ms too short; both other estimates are correct."""
    late = ("deflector.true_delay_s=0.006", *SMALL, FAINT)
    record = STEPS["latency"](CalibrationJob(RIG, late, tmp_path / "c.yaml", seconds=4.0))
    tell(record)
    assert "by: stages 0.0031 ± " in capsys.readouterr().out
    assert "stages" in record.found["disagreement"]
    ways = {name: Estimate(one["value"], one["error"]) for name, one in record.found["by"].items()}
    assert ways.pop("stages").value == pytest.approx(0.0031, abs=1e-9)
    assert disagreement(ways, tolerance=0.0, least=1e-3) == ""
    for name, most_s in (("flash", 1e-3), ("dither", 2e-3)):
        assert ways[name].value == pytest.approx(TRUE_LATENCY_S, abs=most_s), name
    assert record.found["light_off_s"]["value"] == pytest.approx(TRUE_OFF_S, abs=1e-3)


def test_a_flash_that_saturates_the_camera_is_refused(tmp_path: Path) -> None:
    bright = ("camera.laser_leak_counts_per_mw=1e4", "laser.waist_um=50")  # the whole image at once
    job = CalibrationJob(RIG, (*SMALL, *bright), tmp_path / "c.yaml", seconds=2.0)
    with pytest.raises(ValueError, match="saturates the camera"):
        flash(job)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_calibration_with_sixteen_beads_for_one_minute_each(seed: int, tmp_path: Path) -> None:
    """Map better than 50 nm rms over the whole image, stiffness and D within 3 %, latency within 1 ms."""
    done = calibrated(tmp_path, seed)
    for name, most in ASKED.items():
        assert abs(done["errors"][name]) < most, name
    for name in ("equipartition", "spectrum", "boltzmann"):
        assert abs(done["errors"][f"stiffness_{name}"]) < 0.03, name
    assert done["errors"]["drift_nm_per_s"] < 4.0 * done["errors"]["drift_stderr_nm_per_s"]
    assert done["particles"]["stiffness"] == 16  # in other steps a particle that leaves and returns counts as new
    assert max(lasting for runs in done["recorded_s"].values() for lasting in runs.values()) < 60.01


@pytest.mark.slow
def test_uneven_light_is_compensated(tmp_path: Path) -> None:
    found = evened(tmp_path, 1)
    assert found["truly_before"] > 0.05
    assert found["truly_after"] < 0.02


def small_record(what: str, **sets: Any) -> CalibrationRecord:
    return CalibrationRecord(what=what, date="2026-01-01T00:00:00+00:00", residual=0.01, unit="um", set=sets)


def test_the_newest_record_counts_and_can_be_undone(tmp_path: Path) -> None:
    file = tmp_path / "bench.calibration.yaml"
    add(file, "bench", small_record("um per px", **{"optics.um_per_px": 0.2}))
    add(file, "bench", small_record("um per px", **{"optics.um_per_px": 0.11}))
    wanted = EXPERIMENTS / "ring_crystal.yaml"
    first = plan(wanted, None, [f"calibration={file}"]).rig
    assert (first.optics.um_per_px, len(first.calibration.made)) == (0.11, 2)
    assert calibrate_rig("all", RIG, (), out=file, seconds=None, seed=1, pitch_um=2.5, undone=True, json=None) == 0
    assert plan(wanted, None, [f"calibration={file}"]).rig.optics.um_per_px == 0.2
    assert plan(wanted, None, [f"calibration={file}", "optics.um_per_px=0.3"]).rig.optics.um_per_px == 0.3
    undo(file)
    with pytest.raises(Refused, match="no calibration left"):
        undo(file)


def test_a_rig_file_names_its_calibration(tmp_path: Path) -> None:
    rig = tmp_path / "mine.yaml"
    rig.write_text(RIG.read_text() + "calibration: mine.calibration.yaml\n")
    with pytest.raises(Refused, match=r"mine.yaml, line \d+: there is no calibration file mine.calibration.yaml"):
        plan(EXPERIMENTS / "ring_crystal.yaml", rig)
    assert default_file(rig) == tmp_path / "mine.calibration.yaml"
    add(default_file(rig), "mine", small_record("stiffness", **{"optics.depth_kt_per_mw": 4.0}))
    assert plan(EXPERIMENTS / "ring_crystal.yaml", rig).rig.optics.depth_kt_per_mw == 4.0
    add(default_file(rig), "mine", small_record("stiffness", **{"optics.depth_per_mw": 4.0}))
    with pytest.raises(Refused, match="depth_kt_per_mw"):
        plan(EXPERIMENTS / "ring_crystal.yaml", rig)


def mirrored_plane() -> dict[str, Any]:
    """A map that is mirrored relative to the true map."""
    made = StoredMap(matrix_v_per_px=((-0.025, 0.0), (0.0, 0.025)), shift_v=(0.025 * 79.5, -0.025 * 79.5))
    found: dict[str, Any] = plain(made)
    return found


def test_a_probe_move_detects_a_mirrored_map(tmp_path: Path) -> None:
    job = CalibrationJob(RIG, ("calibration.map=unconfirmed", *SMALL), tmp_path / "c.yaml")
    with pytest.raises(Fault, match="probe move"):
        map_module.probed(job, mirrored_plane())
    assert not (tmp_path / "c.yaml").exists()


def test_an_unconfirmed_rig_probes_at_probe_power_only(tmp_path: Path) -> None:
    sets = ("calibration.map=unconfirmed", *SMALL)
    job = CalibrationJob(RIG, sets, tmp_path / "c.yaml")
    straight = StoredMap(matrix_v_per_px=((0.025, 0.0), (0.0, 0.025)), shift_v=(-0.025 * 79.5, -0.025 * 79.5))
    slopes: NDArray[np.float64] = map_module.probed(job, plain(straight))
    np.testing.assert_allclose(slopes, np.eye(2), atol=0.2)
    with read_run(next((tmp_path / "c").glob("probe-*.h5"))) as run:
        levels = set(run.rows("turns")["level"])
        strongest_mw = run.column("sent", "power_mw").max()
    assert levels == {b"PROBING"}
    assert 15.0 < strongest_mw <= job.rig().loop.probe_power_mw * (1.0 + 1e-9)


def test_a_real_deflector_is_unconfirmed_until_it_is_calibrated() -> None:
    serial = plan(EXPERIMENTS / "ring_crystal.yaml", RIGS / "serial.yaml", ["set={}"])
    assert not serial.rig.confirmed
    assert serial.rig.power_mw == serial.rig.loop.probe_power_mw
    with pytest.raises(Refused, match="not confirmed"):
        fly(serial, 1.0, None, False, "serial")
    emulated = plan(EXPERIMENTS / "ring_crystal.yaml", RIGS / "serial_simulated.yaml", ["set={}"])
    assert emulated.rig.confirmed


def test_the_calibrate_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["um-per-px", str(RIG), "--out", "c.yaml", "--json", "c.json", "--set", "camera.true_um_per_px=0.12"]
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", *words])
    assert main.main() == 0
    assert "um_per_px: 0.12 ±" in capsys.readouterr().out
    assert load(tmp_path / "c.yaml").records[0].set["optics.um_per_px"] == pytest.approx(0.12, rel=1e-3)
    assert json.loads((tmp_path / "c.json").read_text())[0]["what"] == "um per px"
    assert (tmp_path / "c").is_dir()
    assert math.isclose(load(tmp_path / "c.yaml").records[0].found["pitch_um"], 2.5)
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", "everything", str(RIG)])
    assert main.main() == 2
    assert "um-per-px, map" in capsys.readouterr().err


def test_impossible_results_are_not_saved(tmp_path: Path) -> None:
    """D of stuck beads has either sign. With a drag below 0 the rig could no longer be opened."""
    job = CalibrationJob(RIG, SMALL, tmp_path / "c.yaml")
    with pytest.raises(Refused, match=r"calibrate diffusion: nothing was kept.*drag_pn_s_per_um.* is -0\.04"):
        job.keep("diffusion", 0.1, "relative", {"plant.drag_pn_s_per_um": -0.04}, {})
    assert not (tmp_path / "c.yaml").exists()


@pytest.mark.parametrize(("step_um", "said"), [(0.0, "D is 0: nothing has moved"), (0.01, "D is -.*may stick")])
def test_particles_that_do_not_diffuse_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_um: float, said: str
) -> None:
    """A film at rest; and positions that change only by noise, so that successive steps cancel."""
    place_um = step_um * (-1.0) ** np.arange(40)[:, None, None] * np.ones((2, 2))
    job = CalibrationJob(RIG, SMALL, tmp_path / "c.yaml")
    flown = SimpleNamespace(rig=job.rig()), SimpleNamespace(fps=50.0)
    monkeypatch.setattr(job, "fly", lambda *_, **__: flown)
    monkeypatch.setattr(diffusion_module, "free", lambda _: place_um)
    with pytest.raises(Refused, match=said):
        measured("diffusion", job)
    assert not (tmp_path / "c.yaml").exists()


def test_the_run_of_the_probe_move_is_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a folder whose name contains "probe"."""
    job = CalibrationJob(RIG, SMALL, tmp_path / "probe-rig.yaml")
    job.runs = ["probe-rig/probe-001.h5", "probe-rig/map-001.h5"]
    flown = SimpleNamespace(header=SimpleNamespace(extra={}))
    monkeypatch.setattr(map_module, "read_run", lambda _: nullcontext(flown))
    plane = StoredMap(matrix_v_per_px=((0.025, 0.0), (0.0, 0.025)), shift_v=(0.0, 0.0))
    sets = map_module.confirmed_by(job, plane, np.eye(2))
    assert sets["calibration.probe"]["run"] == "probe-rig/probe-001.h5"
    assert sets["calibration.probe"]["rig"]["camera.width_px"] == 160

"""Calibrating the simulated rig from wrong initial values, from images alone, and what the instrument does with it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import main
from app.calibrate import STEPS, calibrate_rig, default_file
from app.calibration import map as map_module
from app.calibration.job import Job, map_of
from app.calibration.record import Plane, Record, add, load, undo
from app.headless import fly
from app.info import about
from app.plan import plan
from app.rig_file import EXPERIMENTS, RIGS
from config.reader import plain
from config.refused import Refused
from control.contract import Fault
from drivers.journal import read_run
from drivers.sim.camera import SimulatedCamera
from drivers.sim.camera import true_map as camera_map
from drivers.sim.deflector import SimulatedDeflector
from drivers.sim.deflector import true_map as deflector_map

RIG = RIGS / "simulated.yaml"
TRUE_D, TRUE_STIFFNESS = 0.11314, 0.22627  # um^2/s; pN/um for 1 mW in the middle of the field
TRUE_LATENCY_S = 0.003 + 0.006
WRONG = (
    "calibration.map=unconfirmed", "camera.true_um_per_px=0.109", "camera.true_rotation_deg=7",
    "camera.true_mirror=true", "deflector.true_v_per_um=0.2725", "deflector.true_rotation_deg=3",
    "deflector.true_shift_um=[0.4, -0.3]", "deflector.true_delay_s=0.006", "optics.depth_kt_per_mw=10",
    "plant.drag_pn_s_per_um=0.05",
)  # fmt: skip
SMALL = (
    "camera.width_px=160", "camera.height_px=160", "sample.number=9", "sample.spacing_um=4.2",
    "sample.disturbance_um=0.3",
)  # fmt: skip


def map_error_um(job: Job, reach: float = 0.7) -> float:
    """Root mean square distance of where light is meant to land from where it lands, over the middle of the image."""
    rig = job.rig()
    camera, deflector = rig.camera, rig.deflector
    assert isinstance(camera, SimulatedCamera)
    assert isinstance(deflector, SimulatedDeflector)
    side = np.linspace(-reach, reach, 9)
    middle_px = np.array([camera.width_px - 1, camera.height_px - 1]) / 2.0
    point_px = (np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2) + 1.0) * middle_px
    told_v = map_of(rig)(point_px * rig.optics.um_per_px)
    true_um = camera_map(camera, rig.optics.um_per_px).inverse(point_px)
    lands_um = deflector_map(deflector, rig.middle_um).inverse(told_v)
    return float(np.sqrt(((lands_um - true_um) ** 2).sum(axis=1).mean()))


def value(record: Record, name: str) -> float:
    return float(record.found[name]["value"])


def made(job: Job, *names: str) -> dict[str, Record]:
    return {name: STEPS[name](job) for name in names}


def test_a_rig_that_is_wrong_in_everything_is_calibrated_from_images_alone(tmp_path: Path) -> None:
    job = Job(RIG, (*WRONG, *SMALL), tmp_path / "bench.calibration.yaml", seconds=5.0)
    assert not job.rig().confirmed
    assert map_error_um(job) > 3.0
    found = made(job, "um-per-px", "map", "diffusion", "latency", "stiffness")
    assert value(found["um-per-px"], "um_per_px") == pytest.approx(0.109, rel=1e-3)
    assert map_error_um(job) < 0.05
    assert found["map"].found["mirror"] is True
    assert found["map"].found["turn_deg"] == pytest.approx(-10.0, abs=0.3)
    assert value(found["diffusion"], "covariance_um2_per_s") == pytest.approx(TRUE_D, rel=0.10)
    assert value(found["latency"], "latency_s") == pytest.approx(TRUE_LATENCY_S, abs=2e-3)
    k = value(found["stiffness"], "equipartition_pn_per_um_per_mw")
    assert k == pytest.approx(TRUE_STIFFNESS, rel=0.12)
    assert job.rig().confirmed
    assert job.rig().optics.depth_kt_per_mw == pytest.approx(5.0, rel=0.12)
    flies_as_calibrated(job, tmp_path)


def flies_as_calibrated(job: Job, tmp_path: Path) -> None:
    """An ordinary experiment on the same wrong rig, with its calibration file: it holds its particles, and says so."""
    out = tmp_path / "held.h5"
    bench = job.bench()
    held = ("sample.number=4", "sample.arrangement=square", "sample.spacing_um=4.0", "seconds=2")
    unconfirmed = plan(EXPERIMENTS / "ring_crystal.yaml", RIG, (*WRONG, *SMALL, *held))
    with pytest.raises(Refused, match="not confirmed"):
        fly(unconfirmed, 1.0, None, False, "unconfirmed")
    from app.plan import planned
    from config.reader import read

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


@pytest.mark.slow
def test_sixteen_beads_for_a_minute_each(tmp_path: Path) -> None:
    """Map better than 50 nm rms, stiffness and D within 3 %, latency within 1 ms; the four methods agree."""
    job = Job(RIG, WRONG, tmp_path / "bench.calibration.yaml", seconds=60.0)
    found = made(job, *STEPS)
    assert map_error_um(job, reach=0.9) < 0.05
    assert value(found["diffusion"], "covariance_um2_per_s") == pytest.approx(TRUE_D, rel=0.03)
    assert value(found["diffusion"], "msd_um2_per_s") == pytest.approx(TRUE_D, rel=0.03)
    assert value(found["latency"], "latency_s") == pytest.approx(TRUE_LATENCY_S, abs=1e-3)
    assert float(found["power"].found["middle_pn_per_um_per_mw"]) == pytest.approx(TRUE_STIFFNESS, rel=0.03)
    place_um = np.array(found["stiffness"].data["spot_um"])
    efficiency = 1.0 - 0.2 * ((place_um - np.array(job.rig().middle_um)) ** 2).sum(axis=1) * (0.02725) ** 2
    mean = TRUE_STIFFNESS * float(efficiency.mean())
    for method in ("equipartition", "spectrum", "boltzmann"):
        k = value(found["stiffness"], f"{method}_pn_per_um_per_mw")
        assert k == pytest.approx(mean, rel=0.03), method
    assert found["stiffness"].found["disagreement"] == ""
    assert abs(value(found["drift"], "x_um_per_s")) < 4.0 * found["drift"].found["x_um_per_s"]["error"]


def small_record(what: str, **sets: Any) -> Record:
    return Record(what=what, date="2026-01-01T00:00:00+00:00", residual=0.01, unit="um", set=sets)


def test_records_add_up_and_the_newest_is_undone(tmp_path: Path) -> None:
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
    """A map that is mirrored against the truth."""
    made = Plane(matrix_v_per_px=((-0.025, 0.0), (0.0, 0.025)), shift_v=(0.025 * 79.5, -0.025 * 79.5))
    found: dict[str, Any] = plain(made)
    return found


def test_a_probe_move_catches_a_mirrored_map(tmp_path: Path) -> None:
    job = Job(RIG, ("calibration.map=unconfirmed", *SMALL), tmp_path / "c.yaml")
    with pytest.raises(Fault, match="probe move"):
        map_module.probed(job, mirrored_plane())
    assert not (tmp_path / "c.yaml").exists()


def test_an_unconfirmed_rig_probes_at_probe_power_only(tmp_path: Path) -> None:
    sets = ("calibration.map=unconfirmed", *SMALL)
    job = Job(RIG, sets, tmp_path / "c.yaml")
    straight = Plane(matrix_v_per_px=((0.025, 0.0), (0.0, 0.025)), shift_v=(-0.025 * 79.5, -0.025 * 79.5))
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


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["um-per-px", str(RIG), "--out", "c.yaml", "--json", "c.json", "--set", "camera.true_um_per_px=0.12"]
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    assert "um_per_px: 0.12 ±" in capsys.readouterr().out
    assert load(tmp_path / "c.yaml").records[0].set["optics.um_per_px"] == pytest.approx(0.12, rel=1e-3)
    assert json.loads((tmp_path / "c.json").read_text())[0]["what"] == "um per px"
    assert (tmp_path / "c").is_dir()
    assert math.isclose(load(tmp_path / "c.yaml").records[0].found["pitch_um"], 2.5)
    monkeypatch.setattr("sys.argv", ["main.py", "calibrate", "everything", str(RIG)])
    assert main.main() == 2
    assert "um-per-px, map" in capsys.readouterr().err

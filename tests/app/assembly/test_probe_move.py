"""The map of a real rig is confirmed only by the sealed record of its probe move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from app.assembly.calibration_file import CalibrationRecord, add
from app.assembly.open import header_of_calibration
from app.assembly.open_real import open_real
from app.assembly.pairing import Pairing
from app.assembly.plan import plan, plan_from, plan_of
from app.assembly.plane import StoredMap
from app.assembly.probe_move import ProbeMove, devices_of, reason_unconfirmed, why_other_devices
from app.assembly.rig import EXPERIMENTS, RIGS, Plan, RecordedRig
from app.running.headless import fly
from config.reader import plain, write
from config.refused import Refused
from control.calibrate.plane import fit_map
from drivers.journal import Header, Journal, Kind

REAL = RIGS / "serial.yaml"
TITLE = "Webcam, serial galvo and Cobolt laser"
PLANE = StoredMap(matrix_v_per_px=((0.025, 0.001), (-0.001, 0.025)), shift_v=(-7.9, -6.1))
MISSING = "there is no record of a probe move that confirmed it"


def planned(*sets: str, rig: Path = REAL) -> Plan:
    return plan(EXPERIMENTS / "ring_crystal.yaml", rig, ["set={}", *sets])


def record(**changes: Any) -> CalibrationRecord:
    """The record that `calibrate map` writes for the real rig."""
    made = ProbeMove(
        date="2026-01-02T03:04:05+00:00", slopes=((1.02, 0.01), (-0.02, 0.97)), run="bench/probe-001.h5",
        rig=devices_of(planned().rig),
    )  # fmt: skip
    probe = replace(made, **changes).sealed(PLANE)
    sets = {"calibration.map": "confirmed", "calibration.plane": plain(PLANE), "calibration.probe": plain(probe)}
    return CalibrationRecord(what="map", date=made.date, set=sets)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bench.calibration.yaml"
    add(path, TITLE, record())
    return path


def test_a_map_with_its_probe_move_is_confirmed(file: Path) -> None:
    made = planned(f"calibration={file}")
    assert made.rig.why_unconfirmed == ""
    assert made.rig.confirmed
    assert made.rig.power_mw == 100.0
    assert header_of_calibration(made.rig)["map"] == "confirmed"


def test_the_map_is_confirmed_in_the_loop_process(file: Path) -> None:
    """The plan is sent as two texts: the numbers must be exact to the last digit."""
    made = planned(f"calibration={file}")
    assert plan_from(write(made.rig), write(made.experiment), made.folder).rig.confirmed


def refused(made: Plan, why: str) -> None:
    """The rig is unconfirmed: at most probe power, and a flight is refused with the reason `why`."""
    assert not made.rig.confirmed
    assert made.rig.power_mw == made.rig.loop.probe_power_mw
    with pytest.raises(Refused, match=f"(?s)not confirmed.*{why}.*main.py calibrate map"):
        fly(made, 1.0, None, False, "unconfirmed")


@pytest.mark.parametrize(
    "typed",
    [
        "{map: confirmed}",
        "{map: confirmed, plane: {matrix_v_per_px: [[0.025, 0], [0, 0.025]], shift_v: [-8, -6]}}",
        "{map: confirmed, file: bench.calibration.yaml, made: [{what: map, date: today}]}",
    ],
)
@pytest.mark.parametrize("where", ["rig", "set", "experiment"])
def test_a_map_stated_as_confirmed_without_a_probe_move_is_refused(typed: str, where: str, tmp_path: Path) -> None:
    if where == "rig":
        rig = tmp_path / "rig.yaml"
        rig.write_text(REAL.read_text() + f"calibration: {typed}\n")
        refused(planned(rig=rig), MISSING)
    elif where == "set":
        refused(planned(f"calibration={typed}"), MISSING)
    else:
        refused(planned(f"set={{calibration: {typed}}}"), MISSING)


def test_a_map_stated_as_confirmed_on_the_command_line_is_refused() -> None:
    refused(planned("calibration.map=confirmed"), MISSING)
    refused(planned("calibration.map=simulated"), "no probe move has confirmed its map")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plane.shift_v", "[-7.9000001, -6.1]"), ("plane.matrix_v_per_px", "[[0.0251, 0.001], [-0.001, 0.025]]"),
        ("plane.terms_v", "[[0, 0], [0, 0], [0, 1.0e-6]]"), ("probe.date", "'2026-01-03'"), ("probe.run", "other.h5"),
        ("probe.slopes", "[[1, 0], [0, 1]]"), ("probe.rig", "{}"), ("probe.seal", "''"),
    ],
)  # fmt: skip
def test_edited_numbers_are_refused(file: Path, key: str, value: str) -> None:
    refused(planned(f"calibration={file}", f"calibration.{key}={value}"), "was changed since")


def test_numbers_edited_in_the_file_are_refused(file: Path) -> None:
    edited = yaml.safe_load(file.read_text())
    edited["records"][0]["set"]["calibration.plane"]["shift_v"][0] += 0.5
    file.write_text(yaml.safe_dump(edited))
    refused(planned(f"calibration={file}"), "its map or the record of its probe move of 2026-01-02.* was changed since")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("deflector.port=/dev/ttyACM1", "confirmed with deflector.port /dev/ttyACM0, and this rig has /dev/ttyACM1"),
        ("laser.port=/dev/ttyUSB1", "confirmed with laser.port /dev/ttyUSB0, and this rig has /dev/ttyUSB1"),
        ("camera.source='1'", "confirmed with camera.source 0, and this rig has 1"),
        ("optics.um_per_px=0.2", r"confirmed with optics.um_per_px 0\.1, and this rig has 0\.2"),
    ],
)
def test_a_calibration_file_of_another_rig_is_refused(file: Path, change: str, why: str) -> None:
    refused(planned(f"calibration={file}", change), why)


def test_another_image_size_of_a_webcam_is_refused(file: Path) -> None:
    """The image may be scaled down or cropped, and the camera does not report which."""
    refused(planned(f"calibration={file}", "camera.width_px=320", "camera.height_px=240"), "camera.width_px")


def without_size(rig: dict[str, Any]) -> dict[str, Any]:
    """The rig entry of a record from before the image size was stored."""
    return {name: value for name, value in rig.items() if not name.endswith(("width_px", "height_px"))}


@pytest.mark.parametrize("sealed", [True, False])
def test_a_record_without_an_image_size_uses_that_of_its_run(tmp_path: Path, sealed: bool) -> None:
    """If the run no longer exists, the record holds for every size, as before."""
    path, run = tmp_path / "bench.calibration.yaml", tmp_path / "bench" / "probe-001.h5"
    add(path, TITLE, record(rig=without_size(devices_of(planned().rig))) if sealed else older())
    for size in ("camera.width_px=640", "camera.width_px=320"):
        assert planned(f"calibration={path}", size).rig.confirmed
    run.parent.mkdir()
    header = Header(
        kind=Kind.REAL, rig="", experiment="", height_px=480, width_px=640, pixel_type="uint8", fps=30.0, um_per_px=0.1
    )
    Journal(run, header, False, 1, 1.0).close()
    assert planned(f"calibration={path}").rig.confirmed
    refused(planned(f"calibration={path}", "camera.width_px=320"), "confirmed with camera.width_px 640")


@pytest.mark.parametrize("change", ["optics.um_per_px=0.105", "camera.fps=20", "laser.max_power_mw=50"])
def test_settings_that_do_not_affect_the_map_may_change(file: Path, change: str) -> None:
    assert planned(f"calibration={file}", change).rig.confirmed


def test_other_devices_at_the_same_ports_are_refused_at_opening() -> None:
    probe = ProbeMove(
        date="", slopes=((1.0, 0.0), (0.0, 1.0)), run="",
        rig={**devices_of(planned().rig), "laser.device": "Cobolt 0488, serial number 7", "deflector.device": "G 1"},
    )  # fmt: skip
    assert why_other_devices(probe, {"laser.device": "Cobolt 0488, serial number 7", "deflector.device": "G 1"}) == ""
    said = why_other_devices(probe, {"laser.device": "Cobolt 0488, serial number 8", "deflector.device": "G 1"})
    assert said.startswith("its map was confirmed with laser.device Cobolt 0488, serial number 7, and this rig has")
    assert reason_unconfirmed(PLANE, probe.sealed(PLANE), devices_of(planned().rig)) == ""  # unknown before opening


def test_a_probe_move_that_particles_did_not_follow_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bench.calibration.yaml"
    add(file, TITLE, record(slopes=((-1.0, 0.0), (0.0, 1.0))))
    refused(planned(f"calibration={file}"), "particles did not follow")


def older(**changes: Any) -> CalibrationRecord:
    """A record as `calibrate map` wrote it before it sealed maps."""
    point = np.random.default_rng(3).uniform(0.0, 600.0, (64, 2))
    target = PLANE.warp()(point)
    plane = StoredMap.of(fit_map(point, target).warp)
    known: dict[str, Any] = {
        "what": "map", "date": "2025-01-02", "runs": ("bench/scan-001.h5", "bench/probe-001.h5", "bench/map-001.h5"),
        "set": {"calibration.map": "confirmed", "calibration.plane": plain(plane)},
        "found": {"followed": [[1.01, 0.02], [0.01, 0.99]]},
        "data": {"point_px": point.tolist(), "target_v": target.tolist()},
    }  # fmt: skip
    return CalibrationRecord(**{**known, **changes})


def test_an_older_file_with_its_probe_move_is_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "older.yaml"
    add(file, TITLE, older())
    assert planned(f"calibration={file}").rig.why_unconfirmed == ""
    refused(planned(f"calibration={file}", "calibration.plane.shift_v=[0, 0]"), "was changed since")
    add(file, TITLE, older(runs=("bench/map-002.h5",), found={"followed": [[1.0, 0.0], [0.0, 1.0]]}))
    assert planned(f"calibration={file}").rig.confirmed  # measured again with the map that was probed


SQUARE = [[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0], [5.0, 5.0], [7.0, 1.0]]
EDITED = {
    "set": {"calibration.map": "confirmed", "calibration.plane": plain(PLANE)},
    "data": {"point_px": SQUARE, "target_v": SQUARE},
}


@pytest.mark.parametrize(
    ("title", "changes"),
    [
        (TITLE, {"runs": ("bench/map-001.h5",)}), (TITLE, {"found": {}}), (TITLE, {"data": {}}),
        (TITLE, {"found": {"followed": [[-1.0, 0.0], [0.0, 1.0]]}}), ("Another bench", {}), (TITLE, EDITED),
        (TITLE, {"found": {"followed": "x"}}), (TITLE, {"data": {"point_px": 5, "target_v": "x"}}),
    ],
)  # fmt: skip
def test_an_older_file_without_a_probe_move_is_refused(title: str, changes: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "older.yaml"
    add(file, title, older(**changes))
    refused(planned(f"calibration={file}"), MISSING)


def test_an_older_map_does_not_use_the_seal_of_an_earlier_one(file: Path) -> None:
    add(file, TITLE, older(runs=()))
    refused(planned(f"calibration={file}"), MISSING)


def test_a_recorded_run_keeps_its_confirmation(file: Path) -> None:
    """Runs from before the introduction of seals verify with their own power. The rig of a recorded run cannot be
    flown."""
    made = planned(f"calibration={file}")
    text = write(replace(made.rig, calibration=replace(made.rig.calibration, probe=None)))
    for word, confirmed in (("confirmed", True), ("unconfirmed", False)):
        header = Header(
            kind=Kind.REAL, rig=text, experiment=write(made.experiment), height_px=1, width_px=1, pixel_type="uint8",
            fps=30.0, um_per_px=0.1, calibration={"map": word},
        )  # fmt: skip
        again = plan_of(header)
        assert again.rig.confirmed is confirmed
        assert isinstance(again.rig, RecordedRig)
        with pytest.raises(Refused, match="the rig of a recorded run"):
            open_real(again, None, Pairing.REAL)  # type: ignore[arg-type]  # refused before it is needed

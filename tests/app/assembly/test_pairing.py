"""Every combination of camera, deflector and laser opens, or is refused in one sentence that states what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from threading import active_count
from typing import Any

import cv2
import numpy as np
import pytest

from app.analysis.run_tables import tables_of
from app.assembly.darken import put_out
from app.assembly.open import open_instrument, plan_after
from app.assembly.pairing import WATCH_ONLY, Pairing, pairing_of
from app.assembly.plan import plan_of, planned
from app.assembly.probe_move import ProbeMove, why_other_devices
from app.assembly.recording import was_lit
from app.assembly.rig import EXPERIMENTS, RIGS, Plan, Rig
from app.calibration.job import CalibrationJob
from app.commands.verify import verify_run
from app.running.headless import fly
from config.fields import variants
from config.reader import Document, build, read, write
from config.refused import Refused
from control.contract import STILL_LIT, Fault
from control.policies.calibrating import Calibrating, Carry
from drivers.cameras import AnyCamera
from drivers.deflectors import AnyDeflector
from drivers.device_settings import (
    CameraSettings,
    DeflectorSettings,
    LaserSettings,
    RealCamera,
    RealDeflector,
    RealLaser,
)
from drivers.emulate.settings import Emulated
from drivers.journal import Kind, read_run
from drivers.lasers import AnyLaser
from tests.drivers.paper_devices import FAILS, NOTES, PaperCamera, PaperDeflector, PaperLaser

SIZE_PX = 96
ANY = planned(read(EXPERIMENTS / "ring_crystal.yaml"), None, (), EXPERIMENTS)
SPOTS_PX = np.array([(30.0, 30.0), (66.0, 60.0)])
RIG: Rig = build(read(RIGS / "simulated.yaml"), Rig)
NEEDED: dict[str, dict[str, Any]] = {"serial_galvo": {"port": "no galvo"}, "cobolt": {"port": "no laser"}}


@pytest.fixture(autouse=True)
def blank_paper() -> Iterator[None]:
    NOTES.clear()
    yield
    FAILS.clear()


def every(page: Any, paper: Any) -> dict[str, Any]:
    """Settings of every kind in a list page, and of a real device that is in no list."""
    return {**{kind: cls(**NEEDED.get(kind, {})) for kind, cls in variants(page).items()}, "paper": paper}


CAMERAS: dict[str, CameraSettings] = every(AnyCamera, PaperCamera())
DEFLECTORS: dict[str, DeflectorSettings] = every(AnyDeflector, PaperDeflector())
LASERS: dict[str, LaserSettings] = every(AnyLaser, PaperLaser())
REAL = [
    *product(
        [kind for kind, made in CAMERAS.items() if isinstance(made, RealCamera)],
        [kind for kind, made in DEFLECTORS.items() if isinstance(made, RealDeflector)],
        [kind for kind, made in LASERS.items() if isinstance(made, RealLaser)],
    )
]
TOGETHER = {
    ("simulated", "simulated", "simulated", False): Pairing.SIMULATED,
    ("plant", "simulated", "simulated", False): Pairing.IDEAL,
    ("video", "simulated", "simulated", False): Pairing.REPLAY,
    ("simulated", "serial_galvo", "cobolt", True): Pairing.EMULATED,
    **{(camera, "simulated", "simulated", False): Pairing.WATCH_ONLY for camera, _, _ in REAL},
    **{(*names, False): Pairing.REAL for names in REAL},
}


def rig_of(camera: str, deflector: str, laser: str, emulated: bool = False) -> Rig:
    return replace(
        RIG, rate="real time", camera=CAMERAS[camera], deflector=DEFLECTORS[deflector], laser=LASERS[laser],
        emulated=Emulated() if emulated else None,
    )  # fmt: skip


def test_every_combination_of_kinds() -> None:
    for names in product(CAMERAS, DEFLECTORS, LASERS, (False, True)):
        rig = rig_of(*names)
        try:
            found: Pairing | None = pairing_of(rig)
        except Refused as refused:
            found, said = None, str(refused)
            assert said.startswith(f"{rig.title}: ")
            assert "(allowed" in said
            assert said.endswith(")")
            assert "\n" not in said
            assert len(said) < 300
        assert found == TOGETHER.get(names), names


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("opencv", "serial_galvo", "simulated"), "one exists and the other is simulated .*both real, or both simul"),
        (("simulated", "simulated", "cobolt"), "one exists and the other is simulated"),
        (("video", "serial_galvo", "cobolt"), "a recording can't react .*allowed for a recording: a simulated defl"),
        (("plant", "serial_galvo", "cobolt"), "a plant camera shows particles on ideal springs"),
        (("simulated", "serial_galvo", "cobolt"), "and needs 'emulated' .*too: a real camera, or a simulated defl"),
        (("opencv", "serial_galvo", "cobolt", True), "a simulated sample, which the opencv camera does not show"),
        (("simulated", "paper", "cobolt", True), "no emulator of a paper deflector .*serial_galvo"),
        (("simulated", "serial_galvo", "paper", True), "no emulator of a paper laser .*cobolt"),
        (("simulated", "simulated", "simulated", True), "allowed: leave 'emulated' out"),
    ],
)
def test_the_refusal_names_the_reason(names: tuple[Any, ...], why: str) -> None:
    with pytest.raises(Refused, match=why):
        pairing_of(rig_of(*names))


@pytest.mark.parametrize(
    ("names", "who"),
    [
        (("opencv", "serial_galvo", "cobolt"), "real devices need"),
        (("opencv", "simulated", "simulated"), "a real camera needs"),
        (("simulated", "serial_galvo", "cobolt", True), "emulated devices need"),
    ],
)
def test_real_and_emulated_devices_need_real_time(names: tuple[Any, ...], who: str) -> None:
    with pytest.raises(Refused, match=f"rate is 'lockstep', and {who} 'real time'"):
        pairing_of(replace(rig_of(*names), rate="lockstep"))


def film(folder: Path, frames: int) -> Path:
    """Two round spots at rest."""
    y, x = np.mgrid[0:SIZE_PX, 0:SIZE_PX]
    light = np.full((SIZE_PX, SIZE_PX), 20.0)
    for x_px, y_px in SPOTS_PX:
        light += 180.0 * np.exp(-((x - x_px) ** 2 + (y - y_px) ** 2) / 18.0)
    image = np.repeat(np.rint(light).astype(np.uint8)[:, :, None], 3, axis=2)
    path = folder / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 30.0, (SIZE_PX, SIZE_PX))
    for _ in range(frames):
        writer.write(image)
    writer.release()
    return path


def watched(folder: Path, frames: int = 45, **more: Any) -> Plan:
    """A film as a live camera, with simulated light."""
    (folder / "watch.yaml").write_text(write(replace(
        RIG, title="Watched", rate="real time", tracking=replace(RIG.tracking, search_px=5.0, diameter_px=11),
        loop=replace(RIG.loop, stale_periods=60.0),
    )))  # fmt: skip
    camera = {"kind": "opencv", "source": str(film(folder, frames)), "fps": 30.0, "exposure_s": 0.01,
              "readout_s": 0.0, "width_px": SIZE_PX, "height_px": SIZE_PX}  # fmt: skip
    force = {"kind": "external", "shape": {"kind": "harmonic", "stiffness_pn_per_um": 0.2}}
    wanted = {"title": "Watch", "rig": "watch.yaml", "mode": "steered", "set": {"camera": camera, **more},
              "policy": {"kind": "programmed", "forces": [force]}}  # fmt: skip
    return planned(Document("watch", wanted, {}), None, (), folder)


@pytest.mark.real_time
def test_a_real_camera_with_simulated_light_only_watches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = watched(tmp_path)
    assert made.kind is Kind.WATCH_ONLY
    assert made.rig.tracking.trapped == "last"  # no particle follows a spot that does not exist
    out = tmp_path / "watch.h5"
    done = fly(made, None, out, True, "watch")
    assert capsys.readouterr().err.count(WATCH_ONLY) == 1
    assert done["kind"] == "WATCH ONLY"
    assert done["trips"] == []
    with read_run(out) as run:
        assert run.header.kind is Kind.WATCH_ONLY
        assert run.header.seed is None
        assert any(len(turn.sent) for turn in run.turns())  # simulated light is sent as usual
        assert not was_lit(run)
        tables = tables_of(run, plan_of(run.header))
        assert tables is not None
        assert not tables.acted
        assert sorted(tables.tracks["particle"].unique()) == [0, 1]
    assert verify_run(out, json=None) == 0


def test_an_apply_keeps_trapped_last_without_light(tmp_path: Path) -> None:
    made = watched(tmp_path, 1, **{"tracking.trapped": "commanded"})
    assert made.rig.tracking.trapped == "last"
    again = replace(made.experiment, set={**made.experiment.set, "tracking.trapped": "commanded"})
    assert plan_after(replace(made, experiment=replace(again, set={})), write(again)).rig.tracking.trapped == "last"
    with pytest.raises(Refused, match="no recorded light in a live run"):
        watched(tmp_path, 1, **{"tracking.trapped": "recorded"})


def test_a_calibration_that_needs_light_is_refused_without_light(tmp_path: Path) -> None:
    watched(tmp_path, 1)
    sets = (f"camera={{kind: opencv, source: {tmp_path / 'film.avi'}}}",)
    job = CalibrationJob(tmp_path / "watch.yaml", sets, tmp_path / "watch.calibration.yaml")
    with pytest.raises(Refused, match="no light of this rig acts on what its camera shows"):
        job.record("probe", Carry(), 1.0)


def test_a_missing_camera_leaves_no_thread(tmp_path: Path) -> None:
    made = watched(tmp_path, 1, **{"camera.source": str(tmp_path / "gone.avi")})
    before = active_count()
    with pytest.raises(Fault, match="can't be opened"):
        open_instrument(made)
    assert active_count() == before


def test_a_recording_with_real_devices_is_refused() -> None:
    with pytest.raises(Refused, match="a recording can't react"):
        open_instrument(Plan(rig_of("video", "serial_galvo", "cobolt"), ANY.experiment, EXPERIMENTS))


def test_a_rig_of_user_defined_devices_opens_dark() -> None:
    rig = rig_of("paper", "paper", "paper")
    made = Plan(rig, replace(ANY.experiment, policy=Calibrating()), EXPERIMENTS)
    assert made.kind is Kind.REAL
    assert not rig.confirmed  # no probe move has confirmed it
    instrument = open_instrument(made)
    assert instrument.devices == {"camera.device": "paper camera 3", "deflector.device": "paper deflector 4"}
    assert instrument.firmware == {"deflector": "paper deflector", "laser": "paper laser"}
    assert [one.name for one in instrument.returned()] == ["camera.fps"]
    instrument.close()
    assert NOTES == [
        "deflector opened", "laser opened", "camera opened", "off", "off", "laser closed", "deflector closed",
        "camera closed",
    ]  # fmt: skip


def test_a_map_confirmed_with_another_camera_is_refused() -> None:
    probe = ProbeMove(date="today", slopes=((1.0, 0.0), (0.0, 1.0)), run="probe-001.h5", rig={})
    for device, why in (("paper camera 3", ""), ("paper camera 8", "confirmed with camera.device paper camera 8")):
        known = replace(probe, rig={"camera.device": device})
        said = why_other_devices(known, {"camera.device": "paper camera 3"})
        assert (why in said) if why else said == ""


def test_the_laser_is_switched_off_after_the_loop_died() -> None:
    made = Plan(rig_of("paper", "paper", "paper"), ANY.experiment, EXPERIMENTS)
    assert put_out(made) == "the laser was put out from here, and says that its emission is off"
    assert NOTES == ["laser put out"]  # a deflector without dimming gets no command
    FAILS["put out"] = OSError("no answer")
    assert put_out(made) == f"{STILL_LIT} from here (OSError: no answer): switch it off by hand"
    for names in (("opencv", "simulated", "simulated"), ("plant", "simulated", "simulated")):
        assert put_out(replace(made, rig=rig_of(*names))) == ""

"""Any real camera, deflector and laser: the light path is opened first and dark; after an error the laser is off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from config.refused import Refused
from control.contract import STILL_LIT, Command, Fault
from drivers.closing import Opened
from drivers.guard import Guard
from drivers.lasers.cobolt import Cobolt
from drivers.real_bench import BenchSettings, FinalDarkening, RealBench, open_real_bench
from drivers.sim.clock import PacedClock
from tests.drivers.paper_devices import (
    FAILS,
    NOTES,
    PaperCamera,
    PaperDeflector,
    PaperEye,
    PaperLamp,
    PaperLaser,
    PaperMirror,
)

BENCH = BenchSettings(um_per_px=0.1, field_um=((0.0, 0.0), (6.3, 4.7)), power_cap_mw=100.0, heartbeat_s=60.0)


@pytest.fixture(autouse=True)
def blank_paper() -> Iterator[None]:
    NOTES.clear()
    yield
    FAILS.clear()


def opened() -> RealBench:
    return open_real_bench(PaperCamera(), PaperDeflector(), PaperLaser(), BENCH)


def test_the_light_path_is_opened_first_and_closed_before_the_camera() -> None:
    with opened() as bench:
        assert NOTES == ["deflector opened", "laser opened", "camera opened", "off"]
        sent = bench.beam.send(Command(np.array([[3.15, 2.35]]), np.array([20.0]), np.array([1e-3]), np.array([0])))
        assert sent.power_mw.tolist() == [20.0]
        assert sent.position_um == pytest.approx(np.array([[3.15, 2.35]]))
        with pytest.raises(Fault, match="50 mW is allowed"):  # the maximum of the laser, below the cap of the rig
            bench.beam.send(Command(np.array([[3.0, 2.0]]), np.array([60.0]), np.array([1e-3]), np.array([0])))
        NOTES.clear()
    assert NOTES == ["off", "laser closed", "deflector closed", "camera closed"]


def test_identities_and_changed_settings_of_the_devices() -> None:
    with opened() as bench:
        assert bench.identities() == {"camera.device": "paper camera 3", "deflector.device": "paper deflector 4"}
        assert [one.name for one in bench.returned()] == ["camera.fps"]


@pytest.mark.parametrize("error", [Fault("it is not there"), OSError("it is not there")], ids=["fault", "any error"])
@pytest.mark.parametrize(
    ("part", "notes"),
    [
        ("deflector", ["deflector opened", "laser put out"]),
        ("laser", ["deflector opened", "laser opened", "laser put out", "deflector closed"]),
        ("camera", ["deflector opened", "laser opened", "camera opened", "laser closed", "deflector closed"]),
    ],
)
def test_after_the_failure_of_a_device_the_laser_is_dark(part: str, notes: list[str], error: Exception) -> None:
    FAILS[part] = error
    with pytest.raises(type(error), match=r"^it is not there$"):
        opened()
    assert notes == NOTES


@pytest.mark.parametrize("part", ["deflector", "laser"])
@pytest.mark.parametrize("error", [Fault("no answer"), OSError("no answer")], ids=["fault", "any error"])
def test_an_unconfirmed_laser_may_be_lit(part: str, error: Exception) -> None:
    FAILS.update({part: Refused("it is another one"), "put out": error})
    with pytest.raises(Fault, match=rf"^it is another one; {STILL_LIT}: (OSError: )?no answer$"):
        opened()


@pytest.mark.parametrize("part", ["deflector", "laser"])
def test_a_signal_during_opening_switches_the_laser_off(part: str) -> None:
    FAILS.update({part: KeyboardInterrupt(), "put out": Fault("no answer")})
    with pytest.raises(KeyboardInterrupt):
        opened()
    assert "laser put out" in NOTES


def test_a_laser_that_needs_a_modulator_refuses_a_deflector_without() -> None:
    with pytest.raises(Refused, match=r"a cobolt laser .* which paper deflector can't .*\(allowed: .*serial_galvo\)"):
        Cobolt(port="no port").open(PaperMirror(PacedClock(1.0)))


def test_a_camera_that_fails_to_open_does_not_hide_a_lit_laser(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(self: object) -> None:
        raise Fault(f"{STILL_LIT}: no answer")

    def gone(self: object) -> None:
        raise Fault("the mirror is gone")

    monkeypatch.setattr(PaperLamp, "close", close)
    monkeypatch.setattr(PaperMirror, "close", gone)
    FAILS["camera"] = Refused("there is no camera")
    with pytest.raises(Fault, match=f"^there is no camera; {STILL_LIT}: no answer; the mirror is gone$"):
        opened()


def test_a_camera_that_fails_to_close_does_not_hide_a_lit_laser(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(self: object) -> None:
        raise Fault(f"{STILL_LIT}: no answer")

    def gone(self: object) -> None:
        raise Fault("the camera hangs")

    bench = opened()
    monkeypatch.setattr(PaperLamp, "close", close)
    monkeypatch.setattr(PaperEye, "close", gone)
    with pytest.raises(Fault, match=f"{STILL_LIT}: no answer; the camera hangs$"):
        bench.close()


def test_a_device_closed_after_the_guard_does_not_hide_a_lit_laser() -> None:
    others = Opened()

    def gone() -> None:
        raise Fault("the emulator is gone")

    others.add(gone)
    bench = opened()
    lamp = bench.laser

    def close() -> None:
        raise Fault(f"{STILL_LIT}: no answer")

    lamp.close = close  # type: ignore[method-assign]
    assert isinstance(bench.beam, Guard)
    with pytest.raises(Fault, match=f"{STILL_LIT}: no answer; the emulator is gone$"):
        FinalDarkening(bench.beam, others).close()

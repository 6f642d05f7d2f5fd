"""A rig with an unconfirmed map: the window always shows this, and allows no ARM, only PROBING for a calibration."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.assembly.calibration_file import CalibrationRecord, add
from app.assembly.plan import planned
from app.assembly.plane import StoredMap
from app.assembly.rig import EXPERIMENTS, RIGS, Plan
from app.desktop.window.main_window import Window
from app.desktop.window.open import application
from app.desktop.window.session import Session
from app.running.thread import beam_is_on, mean_power_mw
from config.reader import Document, plain, read
from control.contract import Level, Turn
from control.loop import UNCONFIRMED
from control.policies.calibrating import Calibrating, Carry

SETS = (
    "camera.width_px=128",
    "camera.height_px=128",
    "camera.fps=50",
    "loop.stale_periods=500",
    "loop.window_timeout_s=60",
)


def ring(*sets: str) -> Plan:
    small = ("sample.number=4", "sample.arrangement=square", "sample.spacing_um=4.0")
    return planned(read(EXPERIMENTS / "ring_crystal.yaml"), read(RIGS / "simulated.yaml"), (*SETS, *small, *sets), RIGS)


def carrying() -> Plan:
    wanted = {"title": "Probe move", "rig": "simulated.yaml", "policy": plain(Calibrating(motion=Carry(number=4)))}
    sets = ("calibration.map=unconfirmed", "sample.number=4", "sample.arrangement=square", "sample.spacing_um=4.0")
    return planned(Document("probe", wanted, {}), read(RIGS / "simulated.yaml"), (*SETS, *sets), RIGS)


def test_unconfirmed_then_probing_then_confirmed(qtbot: QtBot, tmp_path: Path) -> None:
    application()
    session = Session(ring("calibration.map=unconfirmed"))
    window = Window(session, EXPERIMENTS / "ring_crystal.yaml", tmp_path, lambda path: ring())
    qtbot.addWidget(window)
    window.show()
    acts, strip = window.actions_bar, window.strip

    def newest() -> Turn:
        turn = session.newest
        assert turn is not None
        return turn

    def started() -> None:
        acts.start.trigger()
        qtbot.waitUntil(acts.arm.isEnabled)

    assert strip.map.isVisible()
    assert strip.map.word == "MAP UNCONFIRMED"
    assert session.plan.rig.why_unconfirmed in strip.map.toolTip()
    started()
    acts.arm.trigger()
    qtbot.waitUntil(lambda: UNCONFIRMED in strip.reason.whole)
    assert newest().level is Level.SAFE
    assert strip.level.word == "SAFE"

    window.show_plan(carrying())
    started()
    acts.arm.trigger()
    qtbot.waitUntil(lambda: strip.level.word == "PROBING")
    qtbot.waitUntil(lambda: beam_is_on(newest()))
    assert strip.map.isVisible()
    assert "at probe power" in strip.reason.whole
    assert newest().sent.power_mw.max() <= session.plan.rig.loop.probe_power_mw * (1.0 + 1e-9)
    assert mean_power_mw(newest()).sum() > 0.0

    file = tmp_path / "bench.calibration.yaml"
    straight = StoredMap(matrix_v_per_px=((0.025, 0.0), (0.0, 0.025)), shift_v=(-0.025 * 63.5, -0.025 * 63.5))
    confirmed = {"calibration.map": "confirmed", "calibration.plane": plain(straight)}
    add(file, "bench", CalibrationRecord(what="map", date="2026-01-01T00:00:00+00:00", set=confirmed))
    window.show_plan(ring(f"calibration={file}"))
    assert not strip.map.isVisible()
    started()
    acts.arm.trigger()
    qtbot.waitUntil(lambda: strip.level.word == "ARMED")
    window.close()


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_strip_shows_that_a_map_is_unconfirmed(qtbot: QtBot, confirmed: bool) -> None:
    from app.desktop.window.state_strip import StateStrip

    strip = StateStrip("SIMULATED", "" if confirmed else "its probe move is missing")
    qtbot.addWidget(strip)
    strip.show()
    assert strip.map.isVisible() is not confirmed
    assert ("its probe move is missing" in strip.map.toolTip()) is not confirmed

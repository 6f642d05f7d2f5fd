"""The simulated rig in the complete window: run, edit, trip, record, verify, open the record, scrub."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.assembly.open import open_instrument
from app.commands.verify import verify_run
from app.desktop.window.main_window import Window
from app.desktop.window.open import FIRST, application, planner
from app.desktop.window.session import Session, Wiring
from app.running.thread import beam_is_on
from control.contract import Level, OrderKind
from tests.app.desktop.lit import arm_until_lit
from tests.app.desktop.window.test_main_window import force, write

SETS = (
    "camera.width_px=128",
    "camera.height_px=128",
    "camera.fps=50",
    "loop.stale_periods=500",
    "loop.window_timeout_s=60",
)


@pytest.mark.parametrize("apart", [False, True], ids=["the loop here", "the loop apart"])
def test_a_session_from_start_to_replay(
    qtbot: QtBot, tmp_path: Path, capsys: pytest.CaptureFixture[str], apart: bool
) -> None:
    application()
    path, made = planner(None, FIRST, SETS)
    session = Session(made, Wiring(apart=open_instrument if apart else None))
    window = Window(session, path, tmp_path, lambda chosen: planner(chosen, None, ())[1])
    qtbot.addWidget(window)
    window.show()
    acts = window.actions_bar

    def level() -> Level | None:
        return session.newest.level if session.newest is not None else None

    acts.start.trigger()
    qtbot.waitUntil(acts.arm.isEnabled)
    arm_until_lit(qtbot, session)
    acts.record.trigger()
    qtbot.waitUntil(lambda: session.live is not None and session.live.recording)
    qtbot.waitUntil(lambda: beam_is_on(session.newest) and session.newest.number > 20)  # type: ignore[union-attr]
    write(force(window.panel).rows["delay_s"], 0.25)
    window.panel.apply()
    write(window.devices.forms["tracking"].rows["minmass"], 400.0)
    window.devices.apply()
    applied = session.newest.number if session.newest is not None else 0
    qtbot.waitUntil(lambda: session.newest.number > applied + 10)  # type: ignore[union-attr]
    session.order(OrderKind.TRIP, "a hand in the beam")
    qtbot.waitUntil(lambda: level() is Level.TRIPPED)
    qtbot.waitUntil(acts.reset.isEnabled)
    acts.reset.trigger()
    qtbot.waitUntil(lambda: level() is Level.SAFE)
    acts.record.trigger()
    qtbot.waitUntil(lambda: session.live is not None and not session.live.recording)
    (record,) = tmp_path.glob("*.h5")
    assert verify_run(record, json=None) == 0, capsys.readouterr().out

    window.files.open(record)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert not session.running
    qtbot.waitUntil(lambda: window.playback.shown is not None)
    assert window.strip.kind.word == "REPLAY"
    last = len(window.transport.reel or ()) - 1
    window.transport.go(last)
    assert window.playback.shown is not None
    assert window.playback.shown.level is Level.SAFE
    levels = set()
    for index in range(last + 1):
        window.transport.slider.setValue(index)
        levels.add(window.playback.shown.level)
    assert levels == {Level.SAFE, Level.ARMED, Level.TRIPPED}
    window.close()

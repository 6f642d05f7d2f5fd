"""A loop in a thread of this process: opening and closing."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.assembly.rig import Plan
from app.running.loop_in_thread import LoopInThread
from control.contract import STILL_LIT, Fault, Recorder
from tests.app.desktop.toy import Toy, planned, wiring


def nothing_is_recorded(instrument: object, path: Path) -> Recorder:
    raise AssertionError(path)


def test_an_opening_that_raises_system_exit_is_a_fault() -> None:
    def opening(made: Plan) -> Toy:
        raise SystemExit("there is no GPU here")

    loop = LoopInThread(planned(), opening, nothing_is_recorded)
    loop.begin()
    loop._opening.join()
    with pytest.raises(Fault, match="there is no GPU here"):
        loop.opened()
    loop.close()


def test_a_camera_error_at_closing_keeps_the_laser_warning() -> None:
    loop = LoopInThread(planned(), wiring()[0].open_instrument, nothing_is_recorded)
    loop.begin()
    loop._opening.join()

    def lit() -> None:
        raise Fault(f"{STILL_LIT}: no answer")

    def gone() -> None:
        raise Fault("the camera hangs")

    loop._instrument.beam.close, loop._instrument.camera.close = lit, gone
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; the camera hangs$"):
        loop.close()

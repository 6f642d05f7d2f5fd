"""A loop in this process: its opening, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.assembly.rig import Plan
from app.running.loop_in_thread import LoopInThread
from control.contract import STILL_LIT, Fault, Recorder
from tests.app.desktop.toy import Toy, planned, wiring


def nothing_is_recorded(instrument: object, path: Path) -> Recorder:
    raise AssertionError(path)


def test_an_opening_that_ends_its_thread_is_no_open_rig() -> None:
    def opening(made: Plan) -> Toy:
        raise SystemExit("there is no GPU here")

    loop = LoopInThread(planned(), opening, nothing_is_recorded)
    loop.begin()
    loop._opening.join()
    with pytest.raises(Fault, match="there is no GPU here"):
        loop.opened()
    loop.close()


def test_a_camera_that_does_not_close_hides_no_light() -> None:
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

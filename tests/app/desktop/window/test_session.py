"""An opening in the window's own process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.assembly.rig import Plan
from app.desktop.window.session import Here
from control.contract import STILL_LIT, Fault
from tests.app.desktop.toy import Toy, planned, wiring


def test_an_opening_that_ends_its_thread_is_no_open_rig() -> None:
    def opening(made: Plan) -> Toy:
        raise SystemExit("there is no GPU here")

    here = Here(replace(wiring()[0], open_instrument=opening), planned())
    here.begin()
    here._thread.join()
    with pytest.raises(Fault, match="there is no GPU here"):
        here.opened()
    here.close()


def test_a_camera_that_does_not_close_hides_no_light() -> None:
    here = Here(wiring()[0], planned())
    here.begin()
    here._thread.join()

    def lit() -> None:
        raise Fault(f"{STILL_LIT}: no answer")

    def gone() -> None:
        raise Fault("the camera hangs")

    here.instrument.beam.close, here.instrument.camera.close = lit, gone
    with pytest.raises(Fault, match=f"^{STILL_LIT}: no answer; the camera hangs$"):
        here.close()

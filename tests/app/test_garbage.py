"""Turns leave nothing behind that only a garbage collection could free: the loop's process does without them."""

from __future__ import annotations

import gc

import pytest

from app.plan import plan
from app.rig import open_instrument
from app.rig_file import EXPERIMENTS
from control.contract import Order
from control.loop import turn


@pytest.mark.parametrize("sets", [(), ("mode=landscape",), ("trap.predict=true",), ("tracking.locator=windows",)])
def test_a_turn_leaves_no_cycles(sets: tuple[str, ...]) -> None:
    opened = open_instrument(plan(EXPERIMENTS / "annular_activity.yaml", None, sets))
    memory = opened.machine.start()
    orders: tuple[Order, ...] = (Order(opened.machine.arming),)
    try:
        for number in range(80):
            frame = opened.camera.read()
            memory, done = turn(opened.machine, memory, frame, opened.clock.now_s(), orders)
            opened.beam.send(done.allowed)
            orders = ()
            if number == 20:  # what is made once is not of interest
                gc.collect()
                gc.disable()
        assert gc.collect() < 10  # of 59 turns
    finally:
        gc.enable()
        opened.close()

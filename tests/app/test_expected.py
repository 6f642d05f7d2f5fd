"""The tracker's expectation includes motion by light: on the simulated rig, from its images."""

from __future__ import annotations

import numpy as np

from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from control.contract import Order
from control.loop import turn


def test_the_expected_position_is_closer_than_the_last_position() -> None:
    """An annular law whose traps relax in 8 ms, with a command every 10 ms."""
    sets = ["trap.depth_kt=100", "policy.forces.0.shape.stiffness_pn_per_um=4.5", "tracking.search_px=12"]
    opened = open_instrument(plan(EXPERIMENTS / "annular_activity.yaml", None, sets))
    machine = opened.machine
    memory = machine.start()
    orders: tuple[Order, ...] = (Order(opened.plan.arming),)
    from_last, from_expected = [], []
    for number in range(400):
        frame = opened.camera.read()
        assert frame is not None
        last = memory.whereabouts
        there = last.at(frame.time_s, memory.holds)
        memory, done = turn(machine, memory, frame, opened.clock.now_s(), orders)
        opened.beam.send(done.allowed)
        orders = ()
        if number > 100:
            assert done.tracks.particle.tolist() == [0]
            assert there.expected.particle.tolist() == [0]
            from_last.append(done.tracks.position_um[0] - last.position_um[0])
            from_expected.append(done.tracks.position_um[0] - there.position_um[0])
    opened.close()
    assert np.std(from_expected) < 0.7 * np.std(from_last)

"""Turns leave no objects that only a garbage collection frees, and no collection delays a run."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

import app.running.headless
from app.assembly.garbage_collection import every_object, frozen
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from control.contract import Order, Turn
from control.loop import turn


class Kept: ...


def test_every_object_includes_the_frozen_ones() -> None:
    kept = Kept()
    with frozen():
        newer = Kept()
        assert not any(one is kept for one in gc.get_objects())
        assert gc.get_freeze_count() > 0
        found = every_object()
        assert any(one is kept for one in found)
        assert any(one is newer for one in found)
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    assert any(one is kept for one in every_object())


def test_a_headless_run_freezes_the_objects_made_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headless: Any = app.running.headless
    loop = headless.run
    frozen_objects: list[int] = []

    def run(machine: Any, camera: Any, beam: Any, clock: Any, recorder: Any, told: Any, watch: Any) -> None:
        def watched(turn: Turn) -> None:
            frozen_objects.append(gc.get_freeze_count())
            watch(turn)

        loop(machine, camera, beam, clock, recorder, told, watched)

    monkeypatch.setattr(headless, "run", run)
    app.running.headless.fly(plan(EXPERIMENTS / "annular_activity.yaml"), 0.2, tmp_path / "run.h5", False, "a run")
    assert min(frozen_objects) > 10_000
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("sets", [(), ("mode=landscape",), ("trap.predict=true",), ("tracking.locator=windows",)])
def test_a_turn_leaves_no_reference_cycles(sets: tuple[str, ...]) -> None:
    opened = open_instrument(plan(EXPERIMENTS / "annular_activity.yaml", None, sets))
    memory = opened.machine.start()
    orders: tuple[Order, ...] = (Order(opened.plan.arming),)
    try:
        for number in range(80):
            frame = opened.camera.read()
            memory, done = turn(opened.machine, memory, frame, opened.clock.now_s(), orders)
            opened.beam.send(done.allowed)
            orders = ()
            if number == 20:  # objects made once do not count
                gc.collect()
                gc.disable()
        assert gc.collect() < 10  # of 59 turns
    finally:
        gc.enable()
        opened.close()

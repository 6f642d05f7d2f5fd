"""A loop in a thread and a loop in a process behave identically for a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.assembly.machine import build_machine
from app.assembly.open import open_instrument, open_recorder
from app.assembly.rig import Plan
from app.running.loop_in_thread import LoopInThread
from app.running.process import LoopProcess
from app.running.running_loop import RunningLoop
from app.running.thread import beam_is_on
from config.refused import Refused
from control.contract import Fault, Level, OrderKind, Recorder
from control.policies.programmed_law import Programmed
from drivers.journal import read_run
from tests.app.running.test_process import PATIENT, absent, planned
from tests.patience import until

pytestmark = pytest.mark.real_time
KINDS = ("thread", "process")
Made = Callable[..., RunningLoop]


def recorder(instrument: Any, path: Path) -> Recorder:
    return open_recorder(instrument, path, frames=True)


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Made]:
    loops: list[RunningLoop] = []

    def made(kind: str, plan: Plan, opening: Callable[[Plan], Any] = open_instrument) -> RunningLoop:
        loops.append(LoopProcess(plan, opening) if kind == "process" else LoopInThread(plan, opening, recorder))
        return loops[-1]

    yield made
    for loop in loops:
        loop.close()


@pytest.mark.parametrize("kind", KINDS)
def test_open_arm_apply_record_close(make: Made, tmp_path: Path, kind: str) -> None:
    made = planned(*PATIENT)
    loop = make(kind, made)
    assert (loop.running, loop.newest, loop.recent()) == (False, None, [])
    loop.begin()
    until(loop.opened)
    until(lambda: loop.newest is not None)
    assert loop.running
    assert (loop.trouble, loop.silence, loop.applies) == ("", "", 0)
    loop.beat()
    loop.order(OrderKind.ARM)
    until(lambda: beam_is_on(loop.newest))
    law = made.experiment.policy
    assert isinstance(law, Programmed)
    other = replace(made, experiment=replace(made.experiment, policy=replace(law, forces=())))
    loop.apply(other, build_machine(other))
    until(lambda: loop.in_force.number == 1)
    assert (loop.applies, loop.in_force.trouble) == (1, "")
    loop.ask_record(tmp_path / "run.h5")
    with pytest.raises(Fault, match="the last order to record"):
        loop.ask_record(None)
    until(loop.answered)
    until(lambda: loop.recording)
    count = loop.recent()[-1][0]
    until(lambda: loop.recent()[-1][0] > count + 10)
    assert len(loop.latencies_s()) > 5
    assert loop.pace().turns > 10
    loop.order(OrderKind.STOP)
    until(lambda: loop.newest is not None and loop.newest.level is Level.SAFE)
    loop.ask_record(None)
    until(loop.answered)
    until(lambda: not loop.recording)
    loop.close()
    assert (loop.running, loop.dark, loop.lit, loop.light, loop.recorder_trouble) == (False, True, False, "dark", "")
    with read_run(tmp_path / "run.h5") as run:
        assert run.ended_cleanly
        assert "forces: []" in run.header.experiment  # the law in force


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_opening_or_record_is_refused(make: Made, tmp_path: Path, kind: str) -> None:
    loop = make(kind, planned(*PATIENT), absent)
    loop.begin()
    with pytest.raises(Refused, match="there is no such bench"):
        until(loop.opened)
    loop = make(kind, planned(*PATIENT))
    loop.begin()
    until(loop.opened)
    (tmp_path / "run.h5").mkdir()
    loop.ask_record(tmp_path / "run.h5")
    with pytest.raises(Refused):
        until(loop.answered)
    assert loop.answered()  # reported once; the loop continues
    until(lambda: loop.newest is not None)
    assert not loop.recording
    loop.close()
    assert loop.trouble == ""

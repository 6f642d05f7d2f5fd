"""Code without end is interrupted in any thread; many short steps, compilations and waits are not."""

from __future__ import annotations

import _thread
import gc
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest
from numba.core import event as numba_event
from numba.core.compiler_lock import global_compiler_lock

from app.assembly import endless
from app.assembly.endless import Endless, ended_if_endless
from config.refused import Refused
from tests.patience import until

LONGEST_S = 0.1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LONGEST_S", LONGEST_S), ("AGAIN_S", 0.02), ("LOOK_S", 0.01)):
        monkeypatch.setattr(endless, name, seconds)


def loop() -> None:
    while True:
        pass


def busy(seconds: float) -> None:
    """Uses processor time of this thread."""
    began_s = time.thread_time()
    while time.thread_time() - began_s < seconds:
        pass


def refused() -> str:
    with pytest.raises(Refused) as error, ended_if_endless("the law 'my_laws:Loop'"):
        loop()
    return str(error.value)


def test_a_loop_without_end_is_refused_with_its_line() -> None:
    said = refused()
    assert said.startswith("the law 'my_laws:Loop' does not end: one turn took 0.1 s of the processor's time; ")
    assert "test_endless.py, line " in said


def test_an_endless_loop_is_refused_in_another_thread() -> None:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refused()))
    thread.start()
    thread.join()
    assert len(said) == 1


def test_code_that_catches_the_interruption_is_interrupted_again() -> None:
    caught: list[Endless] = []

    def stubborn() -> None:
        while len(caught) < 2:
            try:
                loop()
            except Endless as error:
                caught.append(error)

    with pytest.raises(Refused, match="does not end"), ended_if_endless("a law"):
        stubborn()
    assert len(caught) == 2


def test_many_steps_a_compilation_and_a_wait_are_not_interrupted() -> None:
    with ended_if_endless("a law") as step:
        for _ in range(4):
            busy(LONGEST_S / 2)
            step()
        with global_compiler_lock:
            busy(1.5 * LONGEST_S)
        time.sleep(1.5 * LONGEST_S)


def test_code_of_the_program_is_not_watched() -> None:
    count = _thread._count()
    with ended_if_endless("") as step:
        step()
        assert _thread._count() == count


def watched_until(line: int) -> KeyboardInterrupt | None:
    """Interrupts a watched step at this line, counted from its first; None if the step has fewer lines."""

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal line
        line -= event == "line"
        if line < 0:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with ended_if_endless("a law") as step:
            step()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)
    return None


def test_an_interrupt_at_any_line_leaves_no_watch_behind() -> None:
    """Regression: the watch interrupted the program 10 s later; a debugger, or the tracing in this test, hung after
    each watch."""
    count, listeners = _thread._count(), list(numba_event._registered[endless.COMPILER_LOCK])
    interrupts: list[KeyboardInterrupt] = []  # kept, to keep the frames of their blocks
    gc.disable()  # a collection calls functions of hypothesis, and errors raised there are ignored
    try:
        while (interrupt := watched_until(len(interrupts))) is not None:
            interrupts.append(interrupt)
    finally:
        gc.enable()
    assert len(interrupts) > 20
    until(lambda: _thread._count() <= count and numba_event._registered[endless.COMPILER_LOCK] == listeners)
    busy(2 * LONGEST_S)

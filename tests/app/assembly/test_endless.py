"""Code that does not end is interrupted in any thread; what takes long for another reason is not."""

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
    """Processor's time of this thread."""
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


def test_it_is_refused_in_another_thread() -> None:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(refused()))
    thread.start()
    thread.join()
    assert len(said) == 1


def test_code_that_catches_the_interruption_gets_another_one_and_is_refused_at_its_end() -> None:
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


def test_many_steps_a_compilation_and_a_wait_may_take_long() -> None:
    with ended_if_endless("a law") as step:
        for _ in range(4):
            busy(LONGEST_S / 2)
            step()
        with global_compiler_lock:
            busy(1.5 * LONGEST_S)
        time.sleep(1.5 * LONGEST_S)


def test_own_code_is_not_watched() -> None:
    count = _thread._count()
    with ended_if_endless("") as step:
        step()
        assert _thread._count() == count


def watched_until(line: int) -> KeyboardInterrupt | None:
    """The interrupt of a watched step in this line, counted from its beginning; None: there are not so many."""

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


def test_nothing_of_a_watch_is_left_whatever_line_is_interrupted() -> None:
    """It interrupted what the program did 10 s later. A debugger, or this test's own tracing, hung after each watch."""
    count, listeners = _thread._count(), list(numba_event._registered[endless.COMPILER_LOCK])
    interrupts: list[KeyboardInterrupt] = []  # kept, and with them the frames of their blocks
    gc.disable()  # a collection calls functions of hypothesis, and what is raised there is ignored
    try:
        while (interrupt := watched_until(len(interrupts))) is not None:
            interrupts.append(interrupt)
    finally:
        gc.enable()
    assert len(interrupts) > 20
    until(lambda: _thread._count() <= count and numba_event._registered[endless.COMPILER_LOCK] == listeners)
    busy(2 * LONGEST_S)

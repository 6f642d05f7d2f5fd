"""Code of a user that does not end, in a rehearsal: it is interrupted, wherever it is, and refused.

The time of the processor counts, not the time on the wall, so that a busy machine refuses nothing. Kernels may take as
long to compile as they like.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from numba.core import event

from config.refused import Refused
from config.words import quoted

LONGEST_S = 10.0  # of the processor's time for one step; a turn of a rehearsal takes some thousandths of it
LOOK_S = 0.1  # between two looks at the processor's time
AGAIN_S = 1.0  # of the processor's time: code that caught the interruption gets another one
COMPILER_LOCK = "numba:compiler_lock"  # held while numba compiles a kernel, or reads or writes its cache


class Endless(SystemExit):
    """Raised in code that does not end. As a signal's error, it is not taken for an error of a law."""


@contextmanager
def ended_if_endless(who: str) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each step of the block.

    Args:
        who: whose code it is, for the sentence; empty: no code of a user, and nothing is watched.

    Raises Refused where a step takes LONGEST_S of the processor's time. Compiled code can't be interrupted.
    """
    if not who:
        yield lambda: None
        return
    watch, where = _Watch(), ""
    event.register(COMPILER_LOCK, watch)  # type: ignore[no-untyped-call]
    threading.Thread(target=watch.look, name="endless", daemon=True).start()
    try:
        yield watch.step
    except Endless as endless:
        where = _innermost(endless.__traceback__)
    finally:
        watch.close()
        event.unregister(COMPILER_LOCK, watch)  # type: ignore[no-untyped-call]
    if watch.fired:
        raise Refused(f"{who} does not end: one turn took {LONGEST_S:g} s of the processor's time{where}")


class _Watch(event.Listener):
    """Raises Endless in the thread that made it, where a step takes too long."""

    def __init__(self) -> None:
        self.fired = False
        self._thread = threading.get_ident()
        self._busy_s = _clock_of(self._thread)
        self._compiling = 0  # how deep
        self._began_s = self._busy_s()
        self._closing, self._closed = threading.Lock(), threading.Event()

    def step(self) -> None:
        self._began_s = self._busy_s()

    def on_start(self, event: Any) -> None:
        self._compiled(+1)

    def on_end(self, event: Any) -> None:
        self._compiled(-1)

    def _compiled(self, more: int) -> None:
        if threading.get_ident() == self._thread:
            self._compiling += more
            self.step()

    def look(self) -> None:
        """In a thread of its own, until `close`."""
        while not self._closed.wait(LOOK_S):
            with self._closing:
                took_s = self._busy_s() - self._began_s
                if self._closed.is_set() or self._compiling > 0 or took_s < LONGEST_S:
                    continue
                self.fired = True
                self._began_s += AGAIN_S
                self._raise(ctypes.py_object(Endless))

    def close(self) -> None:
        with suppress(Endless), self._closing:
            self._closed.set()
        self._closed.set()
        self._raise(None)  # one that was not raised yet

    def _raise(self, error: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), error)


def _clock_of(thread: int) -> Callable[[], float]:
    """The processor's time of a thread, s; of the process, where the system does not say it."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(thread)
        return lambda: time.clock_gettime(clock)
    return time.process_time


def _innermost(at: TracebackType | None) -> str:
    """The line that was interrupted."""
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"; {quoted(at.tb_frame.f_code.co_filename, 200)}, line {at.tb_lineno}"

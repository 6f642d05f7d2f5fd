"""Interrupts and refuses user code that does not return during a rehearsal.

The limit is CPU time, not wall-clock time, so that a busy computer refuses nothing. The compilation of kernels does not
count.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from numba.core import event

from config.refused import Refused
from config.words import quoted

LONGEST_S = 10.0  # CPU time allowed for one step; a turn of a rehearsal takes some thousandths of it
LOOK_S = 0.1  # between two readings of the CPU time
AGAIN_S = 1.0  # CPU time after which code that caught the interruption is interrupted again
COMPILER_LOCK = "numba:compiler_lock"  # held while numba compiles a kernel, or reads or writes its cache


class Endless(SystemExit):
    """Raised in code that does not return. Like the exception of a signal, it does not count as an error of a law."""


@contextmanager
def ended_if_endless(code_name: str) -> Iterator[Callable[[], None]]:
    """Yield a function that the block calls after each step.

    Args:
        code_name: name of the user code, for the error message; empty: there is no user code, and nothing is watched.

    Raises Refused if a step takes LONGEST_S of CPU time. Compiled code can't be interrupted.
    """
    if not code_name:
        yield lambda: None
        return
    watch, where = _Watch(sys._getframe(2)), ""
    try:
        try:
            watch.start()
            yield watch.step
        finally:
            watch.close()
    except (Endless, SystemError) as error:  # a kernel turns Endless into a SystemError
        if not watch.fired:
            raise
        where = _innermost(error.__traceback__) if isinstance(error, Endless) else ""
    finally:
        watch.close()  # again: a signal or an Endless may have interrupted the first call
    if watch.fired:
        raise Refused(f"{code_name} does not end: one turn took {LONGEST_S:g} s of the processor's time{where}")


class _Watch(event.Listener):
    """Raises Endless in the thread that created the watch if a step takes too long.

    A signal may interrupt any line, also those of `close`: the watch therefore ends by itself when its block has ended.

    Args:
        block: the frame of the function that contains the block.
    """

    def __init__(self, block: FrameType) -> None:
        self.fired = False
        self._block: FrameType | None = block
        self._thread = threading.get_ident()
        self._busy_s = _clock_of(self._thread)
        self._compiling = 0  # nesting depth
        self._began_s = self._busy_s()
        self._over = False
        self._looking = False  # set by `look` only; a lock could be left in an unknown state by a signal

    def start(self) -> None:
        event.register(COMPILER_LOCK, self)  # type: ignore[no-untyped-call]
        _thread.start_new_thread(self.look, ())  # one call: a signal during Thread.start leaves it half started

    def step(self) -> None:
        self._began_s = self._busy_s()

    def on_start(self, event: Any) -> None:
        self._change_depth(+1)

    def on_end(self, event: Any) -> None:
        self._change_depth(-1)

    def _change_depth(self, change: int) -> None:
        if threading.get_ident() == self._thread:
            self._compiling += change
            self.step()

    def look(self) -> None:
        """Watch the CPU time, in a separate thread, until `close` or the end of the block."""
        while not self._over:
            time.sleep(LOOK_S)
            self._looking = True
            if not self._over and not self._block_runs():
                self._end()
            elif not self._over and self._compiling == 0 and self._busy_s() - self._began_s >= LONGEST_S:
                self.fired = True
                self._began_s += AGAIN_S
                self._raise()
            self._looking = False

    def close(self) -> None:
        self._over = True
        while self._looking:
            time.sleep(0.0)
        if self.fired:  # an Endless may be pending: a new one replaces it, and is raised here
            with suppress(Endless):
                self._raise()
        self._end()

    def _end(self) -> None:
        self._over, self._block = True, None
        with suppress(ValueError):  # not registered, or no longer
            event.unregister(COMPILER_LOCK, self)  # type: ignore[no-untyped-call]

    def _block_runs(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._block:
            frame = frame.f_back
        return frame is not None

    def _raise(self) -> None:
        """Raise Endless in the watched thread.

        Never cancel it by setting no exception: CPython 3.11 would keep polling for it, permanently slower, and a
        debugger would hang.
        """
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Endless))


def _clock_of(thread: int) -> Callable[[], float]:
    """A clock of the CPU time of a thread, s; of the process, if the system does not provide that of a thread."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(thread)
        return lambda: time.clock_gettime(clock)
    return time.process_time


def _innermost(traceback: TracebackType | None) -> str:
    """File and line of the interrupted code, in words; empty if there is no traceback."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return (
        ""
        if traceback is None
        else f"; {quoted(traceback.tb_frame.f_code.co_filename, 200)}, line {traceback.tb_lineno}"
    )

"""Code of a user that does not end, in a rehearsal: it is interrupted, wherever it is, and refused.

The time of the processor counts, not the time on the wall, so that a busy machine refuses nothing. Kernels may take as
long to compile as they like.
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
    watch, where = _Watch(sys._getframe(2)), ""
    try:
        try:
            watch.start()
            yield watch.step
        finally:
            watch.close()
    except (Endless, SystemError) as error:  # a kernel makes a SystemError of it
        if not watch.fired:
            raise
        where = _innermost(error.__traceback__) if isinstance(error, Endless) else ""
    finally:
        watch.close()  # again: a signal, or an Endless, may have cut the first one short
    if watch.fired:
        raise Refused(f"{who} does not end: one turn took {LONGEST_S:g} s of the processor's time{where}")


class _Watch(event.Listener):
    """Raises Endless in the thread that made it, where a step takes too long.

    A signal may come in any line, also in those that close it: where its block is over, it ends by itself.

    Args:
        block: the frame of the function in which the block stands.
    """

    def __init__(self, block: FrameType) -> None:
        self.fired = False
        self._block: FrameType | None = block
        self._thread = threading.get_ident()
        self._busy_s = _clock_of(self._thread)
        self._compiling = 0  # how deep
        self._began_s = self._busy_s()
        self._over = False
        self._looking = False  # set by `look` only: of a lock that a signal ends, nothing is sure

    def start(self) -> None:
        event.register(COMPILER_LOCK, self)  # type: ignore[no-untyped-call]
        _thread.start_new_thread(self.look, ())  # one call: of a Thread whose start a signal ends, a half is left

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
        """In a thread of its own, until `close`, or the end of the block."""
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
        if self.fired:  # perhaps one waits to be raised: another one takes its place, and is raised here
            with suppress(Endless):
                self._raise()
        self._end()

    def _end(self) -> None:
        self._over, self._block = True, None
        with suppress(ValueError):  # it is not registered, or no more
            event.unregister(COMPILER_LOCK, self)  # type: ignore[no-untyped-call]

    def _block_runs(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._block:
            frame = frame.f_back
        return frame is not None

    def _raise(self) -> None:
        """To set none leaves CPython 3.11 looking for it, slower for good; a debugger hangs then."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Endless))


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

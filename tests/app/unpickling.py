"""A signal in the Python code that a compiled kernel calls."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from numba.core import serialize


@contextmanager
def signal_while_unpickling(number: signal.Signals = signal.SIGTERM, times: int = 1) -> Iterator[None]:
    """Raises the signal `times` times, each in the first line of one of the next calls of numba's unpickling."""
    left = times

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal left
        if left and frame.f_code is serialize._numba_unpickle.__code__:
            left -= 1
            signal.raise_signal(number)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
    assert not left

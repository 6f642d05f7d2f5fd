"""Python code that compiled code calls: an exception raised there is lost; numba raises a SystemError instead."""

from __future__ import annotations

from types import FrameType


def loses_errors(frame: FrameType | None) -> bool:
    """Whether a kernel called this Python frame: a kernel unpickles a constant in each call.

    A signal handler must not raise there.
    """
    while frame is not None:
        if frame.f_code.co_name == "_numba_unpickle":
            return True
        frame = frame.f_back
    return False

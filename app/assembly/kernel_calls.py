"""Python that compiled code calls: an error that is raised there is lost; numba makes a SystemError in its place."""

from __future__ import annotations

from types import FrameType


def loses_errors(frame: FrameType | None) -> bool:
    """Whether this frame of Python was called by a kernel, which takes a constant out of its pickle in each call.

    A handler of a signal must not raise there.
    """
    while frame is not None:
        if frame.f_code.co_name == "_numba_unpickle":
            return True
        frame = frame.f_back
    return False

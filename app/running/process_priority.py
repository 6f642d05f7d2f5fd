"""Who gets the processor first: the loop, as long as it keeps up with its camera. One that does not never rests, and
the window would not live beside it: then both are alike."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

FIRST, ALIKE = -10, 0  # as `nice` counts


class Precedence:
    """Of this process's threads over other processes, where the system lets a program ask for it (as root, on Linux).

    Elsewhere, and where it is not allowed, all are alike from the start.
    """

    def __init__(self) -> None:
        self.first = self._taken = False

    def take(self) -> None:
        """For this thread, and those that it starts from now on."""
        self.first = self._taken = True
        if hasattr(os, "setpriority"):
            with suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, 0, FIRST)

    def follow(self, keeps_up: bool) -> None:
        """First while the loop keeps up, if it was taken; for every thread, since Linux has it by thread."""
        if not self._taken or keeps_up is self.first:
            return
        self.first = keeps_up
        if sys.platform != "linux":
            return
        for thread in threading.enumerate():
            if thread.native_id is not None:
                with suppress(PermissionError, ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread.native_id, FIRST if keeps_up else ALIKE)

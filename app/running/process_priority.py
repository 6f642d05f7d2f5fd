"""Priority of the loop's process: raised while the loop keeps up with its camera, else normal.

A loop that is too slow never sleeps; with raised priority it would block the window.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

FIRST, ALIKE = -10, 0  # nice values


class Precedence:
    """Raised priority of this process's threads, where the system permits it (as root, on Linux).

    Elsewhere the priority stays normal.
    """

    def __init__(self) -> None:
        self.first = self._taken = False

    def take(self) -> None:
        """Raise the priority of this thread and of the threads that it starts from now on."""
        self.first = self._taken = True
        if hasattr(os, "setpriority"):
            with suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, 0, FIRST)

    def follow(self, keeps_up: bool) -> None:
        """After `take`: raised while the loop keeps up, else normal. Linux needs it for each thread."""
        if not self._taken or keeps_up is self.first:
            return
        self.first = keeps_up
        if sys.platform != "linux":
            return
        for thread in threading.enumerate():
            if thread.native_id is not None:
                with suppress(PermissionError, ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread.native_id, FIRST if keeps_up else ALIKE)

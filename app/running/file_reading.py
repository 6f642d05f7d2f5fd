"""A file that a person opens is read in a thread of its own: the window's thread stays free for STOP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from app.assembly.rig import Plan
from app.running.playback import Reel


class Reading:
    """The plan in a file, and the recording where it is one. A reading that is dropped is never waited for.

    Args:
        read: called once, in the thread; a reel that is not taken any more is closed there.
    """

    def __init__(self, path: Path, read: Callable[[Path], tuple[Plan, Reel | None]]) -> None:
        self.path = path
        self._read = read
        self._found: tuple[Plan, Reel | None] | None = None
        self._error: BaseException | None = None
        self._dropped = False
        self._lock = threading.Lock()  # of what is found, and whether it is dropped
        self._thread = threading.Thread(target=self._go, name="reading", daemon=True)
        self._thread.start()

    def taken(self) -> tuple[Plan, Reel | None] | None:
        """What was read, or None while it is being read. Never waits. Raises what the reading raised."""
        with self._lock:
            if self._error is not None:
                raise self._error
            return self._found

    def drop(self) -> None:
        """It is not wanted any more. Never waits."""
        with self._lock:
            self._dropped = True
            reel = self._found[1] if self._found is not None else None
        if reel is not None:
            threading.Thread(target=reel.close, name="end of a reading", daemon=True).start()

    def _go(self) -> None:
        try:
            plan, reel = self._read(self.path)
        except Exception as error:  # noqa: BLE001  raised again in the window's thread
            with self._lock:
                self._error = error
            return
        with self._lock:
            dropped = self._dropped
            self._found = None if dropped else (plan, reel)
        if dropped and reel is not None:
            reel.close()


def read_with(planner: Callable[[Path], Plan]) -> Callable[[Path], tuple[Plan, Reel | None]]:
    """How a file is read: by `planner`, and opened where it is a recording. Raises Refused, Fault."""

    def read(path: Path) -> tuple[Plan, Reel | None]:
        plan = planner(path)
        return plan, Reel(path, plan) if plan.kind == "REPLAY" else None

    return read

"""Reads a file that the user opens, in a thread of its own: the window's thread stays free for STOP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from app.assembly.rig import Plan
from app.running.playback import Reel


class Reading:
    """The plan of a file and, for a recording, its Reel. No call waits for a reading that was dropped.

    Args:
        read: called once, in the thread; its reel is closed there if the reading was dropped meanwhile.
    """

    def __init__(self, path: Path, read: Callable[[Path], tuple[Plan, Reel | None]]) -> None:
        self.path = path
        self._read = read
        self._result: tuple[Plan, Reel | None] | None = None
        self._error: BaseException | None = None
        self._dropped = False
        self._lock = threading.Lock()  # protects _result, _error and _dropped
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)
        self._thread.start()

    def taken(self) -> tuple[Plan, Reel | None] | None:
        """The result; None while the file is being read. Never waits. Raises the error of the reading."""
        with self._lock:
            if self._error is not None:
                raise self._error
            return self._result

    def drop(self) -> None:
        """Discard the reading and close its reel. Never waits."""
        with self._lock:
            self._dropped = True
            reel = self._result[1] if self._result is not None else None
        if reel is not None:
            threading.Thread(target=reel.close, name="end of a reading", daemon=True).start()

    def _run(self) -> None:
        try:
            plan, reel = self._read(self.path)
        except Exception as error:  # noqa: BLE001  raised again in the window's thread
            with self._lock:
                self._error = error
            return
        with self._lock:
            dropped = self._dropped
            self._result = None if dropped else (plan, reel)
        if dropped and reel is not None:
            reel.close()


def read_with(planner: Callable[[Path], Plan]) -> Callable[[Path], tuple[Plan, Reel | None]]:
    """A function that reads a file with `planner` and opens it if it is a recording. It raises Refused, Fault."""

    def read(path: Path) -> tuple[Plan, Reel | None]:
        plan = planner(path)
        return plan, Reel(path, plan) if plan.kind == "REPLAY" else None

    return read

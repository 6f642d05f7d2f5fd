"""The opening of a rig in the background, which can be polled and cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.running.running_loop import RunningLoop
from control.contract import Fault


class RigOpening:
    """At most one loop that is being opened, and one whose cancelled opening has not released its devices yet."""

    def __init__(self) -> None:
        self._loop: RunningLoop | None = None
        self.failed: RunningLoop | None = None  # the last loop that could not be opened
        self._began_s = 0.0
        self._closing_thread: threading.Thread | None = None  # ends a cancelled opening
        self._end_unreported = False  # the end of a cancelled opening is not shown yet

    @property
    def duration_s(self) -> float | None:
        """How long the rig has been opening; None: it is not."""
        return time.monotonic() - self._began_s if self._loop is not None else None

    @property
    def note(self) -> str:
        """Present step of the opening, in words: it compiles."""
        return self._loop.note if self._loop is not None else ""

    def begin(self, loop: RunningLoop) -> None:
        """Begin to open. Waits until a cancelled opening has released its devices."""
        self.wait_for_end()
        self._loop, self._began_s = loop, time.monotonic()
        loop.begin()

    def poll(self) -> RunningLoop | None:
        """The loop, once, after it has started. Does not block.

        Raises the Refused or Fault of a failed opening, and then `failed` is its loop.
        """
        loop = self._loop
        if loop is None:
            return None
        try:
            if not loop.opened():
                return None
        except BaseException:
            self._loop, self.failed = None, loop
            raise
        self._loop = None
        return loop

    def cancel(self, on_doubt: Callable[[RunningLoop, str], None]) -> bool:
        """End an opening, dark, in a thread of its own; whether there was one.

        Args:
            on_doubt: called with the loop and the error if its laser may be on.
        """
        loop, self._loop = self._loop, None
        if loop is not None:
            self._end_unreported = True
            self._closing_thread = threading.Thread(
                target=_close_cancelled, args=(loop, on_doubt), name="end of opening", daemon=True
            )
            self._closing_thread.start()
        return loop is not None

    def cancelled(self) -> bool:
        """Whether a cancelled opening has released its devices since the last call."""
        if not self._end_unreported or self.ending:
            return False
        self._end_unreported, self._closing_thread = False, None
        return True

    @property
    def ending(self) -> bool:
        """Whether a cancelled opening still holds its devices."""
        return self._closing_thread is not None and self._closing_thread.is_alive()

    @property
    def unfinished(self) -> bool:
        """Whether an opening was cancelled and its end is neither reported nor waited for."""
        return self._closing_thread is not None

    def wait_for_end(self) -> None:
        """Wait until a cancelled opening has released its devices."""
        if self._closing_thread is not None:
            self._closing_thread.join()
            self._closing_thread = None


def _close_cancelled(loop: RunningLoop, on_doubt: Callable[[RunningLoop, str], None]) -> None:
    try:
        loop.close()
    except Fault as fault:
        on_doubt(loop, str(fault))

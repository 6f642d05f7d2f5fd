"""How large the record is, and what is left of its disk: asked in a thread, since a disk in a network may hang."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from app.desktop.window.background_questions import Background
from app.desktop.window.status_line import StatusLine

LATE_S = 2.0  # without an answer for so long, the disk is said not to answer


class DiskRoom:
    """Shows both in the status line."""

    def __init__(self, status: StatusLine) -> None:
        self._status = status
        self._asked_s = 0.0  # since when there is no answer
        self._questions = Background(sizes, status)
        self._questions.answered.connect(self._show)

    def ask(self, runs: Path, record: Path | None) -> None:
        """Begin to look at the folder of new records, and at the record that is open. Never waits."""
        now_s = time.monotonic()
        if not self._questions.busy:
            self._asked_s = now_s
            self._questions.ask((runs, record))
        elif now_s - self._asked_s > LATE_S:
            self._status.show_silent_disk()

    def forget(self) -> None:
        """The record is another one: an answer about the one before is not shown."""
        self._questions.drop()

    def _show(self, found: tuple[int, int] | None) -> None:
        if found is None:
            self._status.show_silent_disk()
        else:
            self._status.show_disk(*found)


def sizes(of: tuple[Path, Path | None]) -> tuple[int, int] | None:
    """(size of the record, 0 where there is none; free room of the disk with the runs), bytes; None: it can't be read.

    Args:
        of: the folder of new records, which need not exist yet, and the record.
    """
    runs, record = of
    try:
        there = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
        size = record.stat().st_size if record is not None and record.exists() else 0
        return size, shutil.disk_usage(there).free
    except (OSError, StopIteration):
        return None

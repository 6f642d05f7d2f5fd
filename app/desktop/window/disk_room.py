"""Size of the record and free space on its disk, read in a worker thread, since a network disk may hang."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from app.desktop.window.background_questions import Background
from app.desktop.window.status_line import StatusLine

LATE_S = 2.0  # after this time without a result, the status line reports that the disk does not answer


class DiskRoom:
    """Shows the size and the free space in the status line."""

    def __init__(self, status: StatusLine) -> None:
        self._status = status
        self._query_start_s = 0.0  # start of the running query
        self._queries = Background(sizes, status)
        self._queries.answered.connect(self._show)

    def ask(self, runs: Path, record: Path | None) -> None:
        """Query the folder of new records and the open record. Does not block."""
        now_s = time.monotonic()
        if not self._queries.busy:
            self._query_start_s = now_s
            self._queries.ask((runs, record))
        elif now_s - self._query_start_s > LATE_S:
            self._status.show_silent_disk()

    def forget(self) -> None:
        """Discard the running query: the record has changed."""
        self._queries.drop()

    def _show(self, size_and_free: tuple[int, int] | None) -> None:
        if size_and_free is None:
            self._status.show_silent_disk()
        else:
            self._status.show_disk(*size_and_free)


def sizes(paths: tuple[Path, Path | None]) -> tuple[int, int] | None:
    """(size of the record or 0, free space on the disk of the runs), bytes; None if the disk can't be read.

    Args:
        paths: (folder of new records, which need not exist yet; the record).
    """
    runs, record = paths
    try:
        existing_folder = next(folder for folder in (runs, *runs.absolute().parents) if os.path.exists(folder))
        size = record.stat().st_size if record is not None and record.exists() else 0
        return size, shutil.disk_usage(existing_folder).free
    except (OSError, StopIteration):
        return None

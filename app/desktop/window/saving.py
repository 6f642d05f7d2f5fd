"""Saves an experiment in a worker thread: if the disk hangs, the window's thread stays free for STOP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QUndoStack

from app.console.error_words import sentence
from config.refused import Refused
from control.contract import Fault

LOOK_MS = 15  # polling interval
AT_END_S = 2.0  # longest wait for a file when the window is closed


@dataclass
class SaveJob:
    """A file that is being written.

    Args:
        stack: the undo stack of the saved experiment.
        data: the experiment in the form, at the time of Save.
        write: writes the file; called once, in a worker thread.
        trouble: why the file was not written; empty if it was.
    """

    path: Path
    stack: QUndoStack
    data: dict[str, Any]
    write: Callable[[], None]
    trouble: str = ""

    def work(self) -> None:
        try:
            self.write()
        except (Fault, Refused) as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001  the operator reads every error
            self.trouble = sentence(error)


class Saving(QObject):
    """Runs SaveJobs; `ended` carries the finished SaveJob, in the window's thread."""

    ended = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: SaveJob | None = None
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._poll)

    def begin(self, job: SaveJob) -> None:
        """Start a job; does not block. Raises Refused while the previous file is being written."""
        self._poll()
        if self._job is not None:
            raise Refused(f"{job.path.name} is not saved: {self._job.path} is still being written; save again later")
        self._job = job
        self._thread = threading.Thread(target=job.work, name="save", daemon=True)
        self._thread.start()
        self._timer.start()

    def finish(self) -> None:
        """Wait at most AT_END_S for the file that is being written: the disk may hang."""
        if self._thread is not None:
            self._thread.join(AT_END_S)
        self._poll()

    def _poll(self) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        job, self._job, self._thread = self._job, None, None
        self._timer.stop()
        self.ended.emit(job)

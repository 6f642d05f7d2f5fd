"""An experiment is written in a thread of its own: where its disk hangs, the window's thread stays free for STOP."""

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

LOOK_MS = 15  # between two looks whether it is written
AT_END_S = 2.0  # that a window which is closed waits for a file


@dataclass
class SaveJob:
    """One file that is being written.

    Args:
        stack: the edits of the experiment that is saved.
        data: the experiment as it stood in the form.
        write: writes it; called once, in a thread.
        trouble: why it is not written; empty where it is.
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
        except Exception as error:  # noqa: BLE001  whatever it is, the operator reads it
            self.trouble = sentence(error)


class Saving(QObject):
    """`ended` carries the SaveJob, in the thread of the window."""

    ended = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: SaveJob | None = None
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    def begin(self, job: SaveJob) -> None:
        """Never waits. Raises Refused while the file before is not written yet."""
        self._look()
        if self._job is not None:
            raise Refused(f"{job.path.name} is not saved: {self._job.path} is still being written; save again later")
        self._job = job
        self._thread = threading.Thread(target=job.work, name="save", daemon=True)
        self._thread.start()
        self._timer.start()

    def finish(self) -> None:
        """Wait for the file that is being written, but not for a disk that hangs."""
        if self._thread is not None:
            self._thread.join(AT_END_S)
        self._look()

    def _look(self) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        job, self._job, self._thread = self._job, None, None
        self._timer.stop()
        self.ended.emit(job)

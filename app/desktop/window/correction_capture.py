"""Makes a dark frame, a map of hot pixels or a background from images of the camera or a recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from app.assembly.correction_images import write
from app.console.error_words import sentence
from app.console.output_files import require_files
from app.tuning.images_to_corrections import IMAGES, TAKEN, made
from config.refused import Refused

Image = NDArray[Any]


@dataclass
class CorrectionJob:
    """A correction image that is being made and written."""

    what: str
    images: tuple[Image, ...]
    path: Path
    said: str = ""
    trouble: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        try:
            image, self.said = made(self.what, self.images)
            write(self.path, image)
        except (Refused, ValueError) as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001  the operator reads every error
            self.trouble = sentence(error)
        finally:
            self.done.set()


class CorrectionCapture(QObject):
    """Collects images while the window polls it, and makes the correction image in a worker thread.

    `taken` carries the edit of the rig that puts the image in force, and a message; `said` carries the progress.

    Args:
        newest: returns the image on screen; None if there is none.
    """

    taken = pyqtSignal(dict, str)
    said = pyqtSignal(str)

    def __init__(self, newest: Callable[[], Image | None], runs: Path) -> None:
        super().__init__()
        self._newest, self._runs = newest, runs
        self.what = ""  # kind of image in progress; empty: none
        self._images: list[Image] = []
        self._due_s = 0.0
        self._path = runs
        self._job: CorrectionJob | None = None

    def begin(self, kind: str, images: list[Image] | None = None) -> None:
        """Take one of TAKEN, from these images of a recording, or with None from the next camera images.

        Raises Refused if the file can't be created.
        """
        if self._job is not None:
            return
        self._path = (self._runs / f"{datetime.now():%Y-%m-%d_%H%M%S}.{kind}.tif").absolute()
        require_files({}, {"the image": (self._path, "")})
        self.what, self._images, self._due_s = kind, list(images or ()), 0.0
        if images is not None:
            self._make()

    def forget(self) -> None:
        """Discard the collected images: the rig has changed."""
        self.what, self._images, self._job = "", [], None

    def poll(self) -> None:
        """Take one more image if it is due, and report a finished correction."""
        if self._job is not None:
            self._finish(self._job)
        elif self.what:
            self._collect()

    def _collect(self) -> None:
        image, now_s = self._newest(), time.monotonic()
        if image is None or now_s < self._due_s or (self._images and image is self._images[-1]):
            return
        if self._images and image.shape != self._images[-1].shape:
            self._images = []
        self._images.append(image)
        self._due_s = now_s + TAKEN[self.what].over_s / IMAGES
        self.said.emit(f"taking the {TAKEN[self.what].name}: {len(self._images)} of {IMAGES} images")
        if len(self._images) == IMAGES:
            self._make()

    def _make(self) -> None:
        self._job = CorrectionJob(self.what, tuple(self._images), self._path)
        threading.Thread(target=self._job.work, name="correction", daemon=True).start()

    def _finish(self, job: CorrectionJob) -> None:
        if not job.done.is_set():
            return
        self.forget()
        if job.trouble:
            self.said.emit(f"no {TAKEN[job.what].name} was taken: {job.trouble}")
        else:
            self.taken.emit({TAKEN[job.what].key: str(job.path)}, job.said)

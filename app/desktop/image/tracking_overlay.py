"""Candidates that tracking settings keep and reject, drawn on the image: settings of the form or the tuning panel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.desktop.image.image_view import View
from app.desktop.panels.device_panel import DevicePanel
from app.desktop.panels.tuning_panel import TuningPanel
from app.desktop.window.playback_view import PlaybackView
from app.tuning.candidates import Candidates, candidates
from app.tuning.judge import LOOKED_AT
from config.refused import Refused
from control.contract import Fault, Turn

Image = NDArray[Any]
NOTHING = np.empty((0, 2))


class CandidateSearch:
    """Finds candidates in the turn on screen, once a second and on request, in a worker thread."""

    def __init__(
        self, view: View, devices: DevicePanel, tuning: TuningPanel, current_turn: Callable[[], Turn | None]
    ) -> None:
        self.view, self.devices, self.tuning, self._current_turn = view, devices, tuning, current_turn
        self._worker = ThreadPoolExecutor(1, "candidates")  # the first call compiles kernels
        self._pending: Future[Candidates] | None = None
        self._repeat = False  # another search was requested during this one
        devices.candidates.toggled.connect(self.show)
        tuning.judged.connect(self.show)
        tuning.wanted.connect(self.collect)

    def image(self) -> Image | None:
        turn = self._current_turn()
        return turn.frame.image if turn is not None and turn.frame is not None and turn.frame.image.size else None

    def collect(self) -> None:
        """Give the tuning panel one more image."""
        if (image := self.image()) is not None:
            self.tuning.add(image)

    def show(self) -> None:
        """Start a search for kept and rejected candidates, if requested; `poll` draws the result."""
        image, judged = self.image(), self.tuning.judgement
        self._repeat = False
        if image is None or (judged is None and not self.devices.candidates.isChecked()):
            self._pending = None
            self.view.show_candidates(NOTHING, NOTHING)
            return
        if self._pending is not None:
            self._repeat = True
            return
        try:
            settings = self.devices.tracking() if judged is None else judged.settings
        except Refused as refused:
            self.devices.say(str(refused))
            self.view.show_candidates(NOTHING, NOTHING)
            return
        self._pending = self._worker.submit(candidates, settings, image, self.devices.plan.corrections)

    def forget(self) -> None:
        """Discard the result and the running search: the image has changed."""
        self._pending, self._repeat = None, False
        self.view.show_candidates(NOTHING, NOTHING)

    def poll(self) -> None:
        """Draw a finished result."""
        if self._pending is None or not self._pending.done():
            return
        future, self._pending = self._pending, None
        error = future.exception()
        if isinstance(error, (Refused, Fault)):
            self.devices.say(str(error))
        elif error is not None:
            raise error
        else:
            result = future.result()
            self.view.show_candidates(result.kept_px, result.rejected_px)
        if self._repeat:
            self.show()

    def close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)


def spread_images(playback: PlaybackView, number: int = LOOKED_AT) -> list[Image]:
    """Up to `number` images of a recording, evenly spaced from its first to its last ready frame. Raises Refused."""
    reel = playback.reel
    if reel is None or reel.ready == 0:
        return []
    rows = np.unique(np.linspace(0, reel.ready - 1, number).astype(int)).tolist()
    frames = [reel.turn(row).frame for row in rows]
    return [frame.image for frame in frames if frame is not None and frame.image.size]

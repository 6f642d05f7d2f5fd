"""What tracking settings would keep and reject, drawn on the image: those in the form, or those of the tuning panel."""

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


class Judging:
    """Looks at the turn that the window shows, once a second and when somebody asks, beside the window's thread."""

    def __init__(self, view: View, devices: DevicePanel, tuning: TuningPanel, shown: Callable[[], Turn | None]) -> None:
        self.view, self.devices, self.tuning, self._shown = view, devices, tuning, shown
        self._worker = ThreadPoolExecutor(1, "candidates")  # a first look compiles
        self._pending: Future[Candidates] | None = None
        self._again = False  # another look was asked for meanwhile
        devices.candidates.toggled.connect(self.show)
        tuning.judged.connect(self.show)
        tuning.wanted.connect(self.collect)

    def image(self) -> Image | None:
        turn = self._shown()
        return turn.frame.image if turn is not None and turn.frame is not None and turn.frame.image.size else None

    def collect(self) -> None:
        """One more image for the tuning panel."""
        if (image := self.image()) is not None:
            self.tuning.add(image)

    def show(self) -> None:
        """Kept and rejected, if that is asked for; drawn by `poll` as soon as they are found."""
        image, judged = self.image(), self.tuning.judgement
        self._again = False
        if image is None or (judged is None and not self.devices.candidates.isChecked()):
            self._pending = None
            self.view.show_candidates(NOTHING, NOTHING)
            return
        if self._pending is not None:
            self._again = True
            return
        try:
            settings = self.devices.tracking() if judged is None else judged.settings
        except Refused as refused:
            self.devices.say(str(refused))
            self.view.show_candidates(NOTHING, NOTHING)
            return
        self._pending = self._worker.submit(candidates, settings, image, self.devices.plan.corrections)

    def forget(self) -> None:
        """What was found, or is being looked for, is of another image."""
        self._pending, self._again = None, False
        self.view.show_candidates(NOTHING, NOTHING)

    def poll(self) -> None:
        """Draw what was found since."""
        if self._pending is None or not self._pending.done():
            return
        done, self._pending = self._pending, None
        error = done.exception()
        if isinstance(error, (Refused, Fault)):
            self.devices.say(str(error))
        elif error is not None:
            raise error
        else:
            found = done.result()
            self.view.show_candidates(found.kept_px, found.rejected_px)
        if self._again:
            self.show()

    def close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)


def spread_images(playback: PlaybackView, number: int = LOOKED_AT) -> list[Image]:
    """So many of a recording, from its first frame to the last that is ready. Raises Refused."""
    reel = playback.reel
    if reel is None or reel.ready == 0:
        return []
    rows = np.unique(np.linspace(0, reel.ready - 1, number).astype(int)).tolist()
    frames = [reel.turn(row).frame for row in rows]
    return [frame.image for frame in frames if frame is not None and frame.image.size]

"""A recording in the window: the current turn, the command sent then, and the command of the edited law."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from app.analysis.findings import RunTables
from app.analysis.recent_turns import MOST
from app.analysis.run_events import Happening
from app.assembly.rig import Plan
from app.desktop.image.image_view import View
from app.desktop.plots.observable_plots import REMEMBERED, Plots
from app.desktop.window.playback_controls import Transport
from app.desktop.window.state_strip import StateStrip
from app.running.playback import Reel
from config.refused import Refused
from control.contract import Tracks, Turn
from control.experiment import Experiment

TRAIL_S = 3.0

Floats = NDArray[np.float64]


class PlaybackView:
    """Shows the turns of a reel; does not store them."""

    def __init__(self, view: View, strip: StateStrip, plots: Plots, transport: Transport) -> None:
        self.view, self.strip, self.plots, self.transport = view, strip, plots, transport
        self.reel: Reel | None = None
        self.shown: Turn | None = None
        self._compared_index = -1
        self._awaits_tracking = False  # for tracking with other settings
        self._measured: tuple[tuple[int, int], RunTables | None] = ((0, 0), None)
        transport.moved.connect(self.show_turn)
        transport.load(None)

    def open(self, reel: Reel) -> None:
        """Show this recording."""
        self.close()
        self.reel = reel
        self.transport.load(self.reel)
        self.plots.source = self
        self.strip.show_stopped("a recording: nothing here reaches a laser")
        self.view.say("tracking the first frames")

    def close(self) -> None:
        """Close the recording in a thread, since its file may hang. Does not block."""
        if self.reel is not None:
            threading.Thread(target=self.reel.close, name="end of a recording", daemon=True).start()
        self.reel, self.shown, self._compared_index, self._awaits_tracking = None, None, -1, False
        self._measured = (0, 0), None
        self.plots.source = None
        self.transport.load(None)
        self.view.compare(None)

    def edit(self, plan: Plan) -> None:
        """Compute the commands of this plan for the recording. Raises Refused."""
        if self.reel is None:
            return
        if self.reel.edit(plan):
            self._awaits_tracking = True
            self._measured = (0, 0), None
            self.view.forget()
            self.plots.forget()
        self._compared_index = -1

    def poll(self) -> None:
        """Advance playback; show the current turn again when its comparison is ready."""
        if self.reel is None:
            return
        self.transport.tick()
        index = int(self.transport.position)
        ready = self.reel.compared if self.reel.retracked else self.reel.ready
        if (self._awaits_tracking or self.shown is None) and index < ready:
            self._awaits_tracking = False
            self.show_turn(index)
        elif self._compared_index < index < self.reel.compared:
            self.show_turn(index)
        if self.reel.trouble:
            self.strip.show_stopped(self.reel.trouble, trouble=True)

    def tracks(self) -> list[Tracks]:
        """Tracks up to the current turn; at the beginning, those of the first turns, so that plots are not empty."""
        return self.reel.tracks(*self._turn_range(REMEMBERED)) if self.reel is not None else []

    def tables(self) -> RunTables | None:
        """Tables up to the current turn; the same object until the turns change."""
        if self.reel is None:
            return None
        turn_range = self._turn_range(MOST)
        if turn_range != self._measured[0]:
            self._measured = turn_range, self.reel.tables(*turn_range)
        return self._measured[1]

    def latencies_s(self) -> Floats:
        """Latencies of up to MOST turns up to the current one, under all laws: latency does not depend on the law."""
        if self.reel is None:
            return np.empty(0)
        end = max(int(self.transport.position) + 1, min(MOST, self.reel.ready))
        return self.reel.latencies_s(max(end - MOST, 0), end)

    def since(self) -> str:
        """The part of the recording that the tracks belong to, in words."""
        period = self.reel.stretch(int(self.transport.position))[2] if self.reel is not None else ""
        return f"of the recording{period}"

    def law(self) -> Experiment | None:
        """The law that acted up to the current turn; None without light, or with more than one law."""
        return self.reel.law(*self._turn_range(REMEMBERED)) if self.reel is not None else None

    def said(self) -> list[Happening]:
        """The events of the recording."""
        return self.reel.said() if self.reel is not None else []

    def _turn_range(self, most: int) -> tuple[int, int]:
        """(first, end) of `most` turns, or fewer, that end at the current one, or later if there are too few before it.

        All of them have the same law, and all are with light or all without.
        """
        if self.reel is None:
            return 0, 0
        first, last, _ = self.reel.stretch(int(self.transport.position))
        end = min(max(int(self.transport.position) + 1, first + most), last)
        return max(end - most, first), max(end, first)

    def show_turn(self, index: int) -> None:
        """Show the image, the tracks and both commands of a turn."""
        if self.reel is None or not 0 <= index < self.reel.ready:
            return
        try:
            turn = self.reel.turn(index)
        except Refused as refused:
            self.strip.show_stopped(str(refused), trouble=True)
            return
        edited_turn = self.reel.again(index)
        if edited_turn is not None:
            self._compared_index = index
        self.shown = turn
        first = index - round(TRAIL_S * self.reel.fps)
        self.view.trails.put(self.reel.tracks(first, index + 1))
        self.view.show_recorded(turn)
        self.view.compare(edited_turn)
        self.strip.show_recorded(turn, edited_turn, self.reel.first is None)

"""The running instrument in the window: the newest turn in the image, the state strip, the plots and the log."""

from __future__ import annotations

import time
from pathlib import Path

from app.assembly.pairing import WATCH_ONLY
from app.assembly.rig import Plan
from app.desktop.image.image_view import View
from app.desktop.panels.device_panel import DevicePanel
from app.desktop.panels.log_panel import LogPanel
from app.desktop.plots.observable_plots import Plots
from app.desktop.window import theme
from app.desktop.window.disk_room import DiskRoom
from app.desktop.window.overload_notice import TooSlow
from app.desktop.window.session import Session
from app.desktop.window.state_strip import StateStrip
from app.desktop.window.status_line import StatusLine
from app.running.overload import Judge
from app.running.running_loop import RunningLoop
from config.reader import plain, write
from control.contract import Turn

READ_S = 0.2  # interval between updates of the numbers
OVER = 30  # number of polls for the mean polling rate


class LiveView:
    """Polls the newest Turn; the loop sends nothing on its own."""

    def __init__(
        self, view: View, strip: StateStrip, plots: Plots, log: LogPanel, status: StatusLine, devices: DevicePanel
    ) -> None:
        self.view, self.strip, self.plots, self.log = view, strip, plots, log
        self.status, self.devices = status, devices
        self.too_slow = TooSlow(view)
        self._disk = DiskRoom(status)
        self.record: Path | None = None
        self._record_from_s = 0.0
        self._live: RunningLoop | None = None
        self._count = 0  # counter of the newest turn shown
        self._poll_times_s: list[float] = []  # times of the last polls
        self._pause_until_s = 0.0  # no painting before this time, after a slow painting
        self._judge = Judge()
        self._logged_errors: set[str] = set()
        self._silent = False  # the loop sends no messages
        self._last_update_s = 0.0  # time of the last update of the numbers

    def begin_record(self, path: Path | None) -> None:
        self.record, self._record_from_s = path, time.monotonic()

    def forget(self) -> None:
        """Clear everything from the last loop except the lines of the log: the rig is closed or replaced."""
        self.record, self._silent = None, False
        self.log.unpin()
        self.status.forget()
        self.devices.answers.clear()
        self.too_slow.forget()
        self._disk.forget()
        self.strip.show_record("")
        self.plots.forget()

    def poll(self, session: Session) -> None:
        """Show the newest turn if it is new."""
        live = session.live
        if live is None:
            return
        if live is not self._live:
            self._begin(live, session.opened_plan)
        new_turns = live.recent(self._count)
        newest = live.newest
        began_s = time.monotonic()
        self._poll_times_s = [*self._poll_times_s[-OVER:], began_s]
        if new_turns and newest is not None and began_s >= self._pause_until_s:
            self._count = new_turns[-1][0]
            turns = [turn for _, turn in new_turns]
            self.view.show_turn(newest, turns)
            self.plots.add(turns)
            self.log.add(turns)
            self.strip.show_turn(newest)
            ended_s = time.monotonic()
            self._pause_until_s = ended_s + (ended_s - began_s) + self.view.paint_s  # at most half the time
        self._show_silence(session.silence, newest)
        if not live.running:
            error = live.trouble
            self.strip.show_stopped(error or "the camera has no more frames", trouble=bool(error), light=session.light)
        self._log_errors(live)
        if time.monotonic() - self._last_update_s < READ_S:
            return  # faster updates are not readable
        self._last_update_s = time.monotonic()
        pace = live.pace()
        self.status.show_pace(pace, newest, self._polling_rate_hz())
        if newest is not None:
            rig = session.plan.rig
            overload = self._judge.look(rig, time.monotonic(), pace.turns, live.stopwatch, len(newest.tracks))
            if not live.running or newest.frame is None:  # a silent camera is reported as a fault
                overload = None
            self.too_slow.show_overload(overload)
            self.status.show_slow(overload is not None)
            planned_s = rig.camera.image_age_s + rig.loop.latency_s
            self.devices.answers.show_turn(rig, newest, pace, planned_s)

    def _show_silence(self, reason: str, newest: Turn | None) -> None:
        """Show in the strip, and once in the log, that the loop sends no messages: its beam may be on."""
        if reason:
            self.strip.show_silent(reason)
            if not self._silent:
                self.log.say(reason, theme.RED)
        elif self._silent and newest is not None:
            self.strip.show_turn(newest)
            self.log.say("the loop answers again", theme.INK)
        self._silent = bool(reason)

    def each_second(self, runs: Path) -> None:
        """Update the size of the record and the free space of its disk."""
        self._disk.ask(runs, self.record)

    def _begin(self, live: RunningLoop, plan: Plan) -> None:
        """Begin a new run: clear the trails and plots of the last one."""
        self.log.begin(write(plan.experiment), plain(plan.rig))
        self.log.say(f"started: {plan.experiment.title}, {plan.rig.title}")
        if plan.kind == "WATCH ONLY":
            self.log.say(WATCH_ONLY, theme.AMBER)
        self._live, self._count, self._poll_times_s, self._last_update_s = live, 0, [], 0.0
        self._judge.forget()
        self._logged_errors.clear()
        self.view.trails.clear()
        self.plots.clear_tracks()

    def _log_errors(self, live: RunningLoop) -> None:
        """Log each error of the loop once, with its details; show the duration of the record."""
        for message, details in ((live.trouble, live.details), (live.recorder_trouble, "")):
            if message and message not in self._logged_errors:
                self._logged_errors.add(message)
                for line in details.splitlines():
                    self.log.say(line, theme.FAINT)
                self.log.say(message, theme.RED)
        seconds = time.monotonic() - self._record_from_s
        self.strip.show_record(lasting(seconds) if live.recording else "")

    def _polling_rate_hz(self) -> float:
        if len(self._poll_times_s) < 2:
            return float("nan")
        return (len(self._poll_times_s) - 1) / max(self._poll_times_s[-1] - self._poll_times_s[0], 1e-6)


def lasting(seconds: float) -> str:
    """The duration as hours:minutes:seconds.

    >>> lasting(3723.4)
    '01:02:03'
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"

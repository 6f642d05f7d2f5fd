"""The main window: the image in the middle, with panels, plots and controls around it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PyQt6.QtWidgets import QMainWindow

from app.assembly.plan import unpinned
from app.assembly.rig import EXPERIMENTS, Plan
from app.assembly.stated_by_recording import SCALE
from app.console.error_words import sentence
from app.console.terminal import say
from app.desktop.forms.editing_keys import add_shortcuts
from app.desktop.image.image_view import View
from app.desktop.image.mouse_tools import MouseTools
from app.desktop.image.tracking_overlay import CandidateSearch, spread_images
from app.desktop.panels.device_panel import DevicePanel
from app.desktop.panels.experiment_panel import ExperimentPanel
from app.desktop.panels.log_panel import LogPanel
from app.desktop.panels.tuning_panel import TuningPanel
from app.desktop.panels.undo_edits import DeviceEdit
from app.desktop.plots.observable_plots import Plots
from app.desktop.window import theme
from app.desktop.window.actions import Actions
from app.desktop.window.closing_wait import wait_painting
from app.desktop.window.correction_capture import CorrectionCapture
from app.desktop.window.file_opening import FileOpening
from app.desktop.window.layout import lay_out
from app.desktop.window.live_view import LiveView
from app.desktop.window.playback_controls import Transport
from app.desktop.window.playback_view import PlaybackView
from app.desktop.window.python_permission import PythonPermission
from app.desktop.window.refresh_timer import RefreshTimer
from app.desktop.window.remembered_layout import RememberedLayout
from app.desktop.window.saving import SaveJob, Saving
from app.desktop.window.session import Session, save_experiment
from app.desktop.window.settings_changes import REREADING, SettingsChanges, excluded_regions, requires_reopening
from app.desktop.window.state_strip import StateStrip
from app.desktop.window.status_line import StatusLine
from app.desktop.window.stop_key import Escape
from app.desktop.window.video_questions import VideoQuestions
from app.desktop.window.window_heartbeat import WindowHeartbeat
from app.running import stop_signals as signals
from app.running.playback import Reel
from config.refused import Refused
from control.contract import Fault, Level, OrderKind, Tracks, Turn

PLOT_MS = 1000
NOTHING_LIT = "STOP: the beam is dark"
LIT = (Level.ARMED, Level.PROBING)
WELCOME = "Start turns the loop; the beam stays dark until Arm"


class Window(QMainWindow):
    """Polls the newest Turn and sends orders. Closing the window switches the laser off.

    Args:
        path: file of the session's plan.
        runs: folder for new records.
        planner: makes the plan of a file from its path and settings such as "camera.channel_number=2".
        memory: layout, recent files and unsaved edits, stored between sessions.
    """

    def __init__(
        self,
        session: Session,
        path: Path,
        runs: Path,
        planner: Callable[..., Plan],
        memory: RememberedLayout | None = None,
    ) -> None:
        super().__init__()
        self.session, self.path, self.runs = session, path, runs
        self._memory = memory
        self.first: Callable[[], Plan] | None = None  # reads again the rig given on the command line
        self.settings = SettingsChanges(self)
        self.files = FileOpening(self, planner, memory.unsaved if memory is not None else None)
        self._reported_edits: list[Any] | None = None  # edits whose failed storage the window has reported
        self._last_save: SaveJob | None = None  # the last Save of an experiment that was shown
        self.end_trouble = ""  # error at closing: the laser may be on, or a record was lost
        self._record_time, self._records = "", 0  # time of the newest record, and number of records with that time
        self._stopped_at: int | None = None  # newest turn at the time of STOP; None after the result is known
        self._waits_for_closing = self._close_requested = False  # a rig is being closed; the window closes after it
        session.wait_for = self._wait_for_closing
        self._has_ended = False
        self.setWindowTitle("Cybloids")
        self._make_parts()
        lay_out(self)
        self._connect()
        self._welcome()
        self.setAcceptDrops(True)
        self.heartbeat = WindowHeartbeat(self.session.beat, self)
        self.refresh_timer = RefreshTimer(self._handle, self)
        self.refresh_timer.beat.connect(self.poll)
        self.plot_timer = QTimer(self)
        self.plot_timer.timeout.connect(self.each_second)
        self.plot_timer.start(PLOT_MS)
        self.refresh_timer.start()

    def _make_parts(self) -> None:
        """Create the image, the panels and their controllers."""
        session, rig = self.session, self.session.plan.rig
        self.view = View(rig.optics.um_per_px, rig.plant.diameter_um)
        self.view.scale_bar.px_um = rig.optics.um_per_px if SCALE in session.plan.unknown else 0.0
        self.strip = StateStrip(str(session.plan.kind), rig.why_unconfirmed)
        self.strip.show_watch(rig.loop.window_timeout_s)
        self.strip.show_stopped("not started", light=session.light)
        self.status = StatusLine()
        self.panel = ExperimentPanel(unpinned(session.plan.experiment), session.edits.conditions, EXPERIMENTS)
        self.devices = DevicePanel(session.plan)
        self.tuning = TuningPanel(lambda: self.session.plan.rig.tracking, lambda: self.session.plan.corrections)
        self.plots, self.log = Plots(self._latencies_s, lambda: session.plan), LogPanel()
        self.transport = Transport()
        self.playback = PlaybackView(self.view, self.strip, self.plots, self.transport)
        self.live_view = LiveView(self.view, self.strip, self.plots, self.log, self.status, self.devices)
        self.candidate_search = CandidateSearch(self.view, self.devices, self.tuning, self._current_turn)
        self.mouse_tools = MouseTools(self.view, self.panel.data, self._tracks)
        self.mouse_tools.regions.show(excluded_regions(session.plan))
        self.correction_capture = CorrectionCapture(self.candidate_search.image, self.runs)
        self.saving = Saving(self)
        self.actions_bar = Actions(self)
        self.video_questions = VideoQuestions(self, self.files.use_values)
        self.permission = PythonPermission(self.video_questions)

    def _welcome(self) -> None:
        """Initial content: recent files, unsaved edits, stored layout, and a recording if the plan is a REPLAY."""
        self.view.say(WELCOME)
        self.panel.list.runs = self.runs
        self.panel.list.show_recent([*(self._memory.recent if self._memory is not None else ())])
        self.panel.list.remember(self.path)
        self.files.list_copies()
        for message in (
            *self.files.copies.unread,
            *(f"edits that were not saved: {copy.name}" for copy in self.files.copies),
        ):
            self.log.say(message, theme.AMBER)
        if self._memory is not None:
            self._memory.restore(self)
        if self.session.plan.kind == "REPLAY":
            try:
                self.show_recording(Reel(self.path, self.session.plan))
            except Refused as refused:
                self.trouble(str(refused))

    def _connect(self) -> None:
        actions = self.actions_bar
        actions.start.triggered.connect(self.start)
        actions.close_rig.triggered.connect(self.close_rig)
        actions.reconnect.triggered.connect(self.reconnect)
        actions.record.triggered.connect(self.record)
        actions.arm.triggered.connect(self.arm)
        actions.stop.triggered.connect(self.stop)
        actions.reset.triggered.connect(lambda: self.session.order(OrderKind.RESET))
        self.escape = Escape(self, self.stop)
        self.panel.applied.connect(self.settings.apply)
        self.panel.edited.connect(self.mouse_tools.show_traps)
        self.panel.said.connect(lambda message: self.status.showMessage(message, 6000))
        self.panel.why_wait = lambda: REREADING if self.files.rereading else ""
        self.panel.rig_stepped.connect(self.settings.step_rig)
        self.mouse_tools.edited.connect(self.panel.put_in_force)
        self.mouse_tools.rig_edited.connect(lambda edits: self.settings.change_rig(edits, False))
        self.mouse_tools.asked_for.connect(self.settings.take_image)
        self.mouse_tools.refused.connect(lambda message: self.status.showMessage(message, 6000))
        self.correction_capture.taken.connect(self.settings.use_image)
        self.correction_capture.said.connect(lambda message: self.status.showMessage(message, 6000))
        self.devices.changed.connect(self.settings.change_rig)
        self.devices.edited.connect(
            lambda before, after: self.panel.undo_stack.push(DeviceEdit(before, after, self.devices.put))
        )
        self.devices.undo_asked.connect(self.panel.undo)
        self.devices.redo_asked.connect(self.panel.redo)
        add_shortcuts(self, self.panel.key_actions)
        self.tuning.used.connect(lambda edits: self.settings.change_rig(edits, False))
        self.panel.not_allowed.connect(lambda refused: self.permission.ask_once(refused, self.panel.refresh))
        self.panel.list.chosen.connect(self.files.open)
        self.panel.list.saved.connect(self.save)
        self.saving.ended.connect(self._show_saved)
        self.panel.list.resumed.connect(self.files.resume)
        self.live_view.too_slow.chosen.connect(self.settings.change_rig)
        self.transport.asked.connect(lambda: self.video_questions.ask(self.session.plan))

    # actions of the user --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to open the rig; does not block. `poll` shows the result."""
        if self.session.opening.ending:
            self.status.showMessage("the rig that was opened before is still being closed: press Start again", 6000)
            return
        if self.session.live is not None and not self.session.running:
            self.close_rig()  # clear everything from the ended loop except the lines of the log
        self.session.start()
        self.status.clearMessage()

    def close_rig(self) -> None:
        """Stop the loop, dark, and release the devices. The window stays; Start opens the devices again.

        Everything from the closed loop disappears except the lines of the log.
        """
        message = ""
        try:
            self.session.close()
        except Fault as fault:
            message = str(fault)
        message = message or self.session.lost_record
        self._forget_running()
        self.view.say(WELCOME)
        if message:
            self.trouble(message)
        else:
            self.strip.show_stopped("the rig is closed; Start opens it again", light=self.session.light)
            self.log.say("the rig is closed")
        self.actions_bar.follow(self.session)

    def _forget_running(self) -> None:
        """Clear image, marks, trip, numbers and plots, and cancel a correction image and a search for candidates."""
        optics, plant = self.session.plan.rig.optics, self.session.plan.rig.plant
        self._stopped_at = None
        self.candidate_search.forget()
        self.live_view.forget()
        self.correction_capture.forget()
        self.view.show_rig(optics.um_per_px, plant.diameter_um, SCALE in self.session.plan.unknown)

    def _wait_for_closing(self, closing: Future[None]) -> None:
        """Wait until a rig is closed: seconds if a process, a device or a disk does not respond. Input is ignored.

        If the window is closed during the wait, it closes afterwards, because the waiting code still needs the window.
        """
        was_active, self._waits_for_closing = self.refresh_timer.active, True
        self.refresh_timer.stop()
        try:
            wait_painting(closing, lambda: self.strip.show_stopped("the rig is being closed", light=self.session.light))
        finally:
            self._waits_for_closing = False
        if self._close_requested:
            QTimer.singleShot(0, self.close)
        if was_active:
            self.refresh_timer.resume()

    def reconnect(self) -> None:
        """Close the rig and open it again, for a device that was disconnected. The beam stays dark until Arm."""
        self.close_rig()
        if not self._close_requested:  # meanwhile
            self.start()

    def arm(self) -> None:
        """Order ARM, unless the click may have waited while the window was busy: then the user saw an old state."""
        if self.heartbeat.stalled:
            self.status.showMessage("the window was busy when Arm was pressed: look, and press it again", 6000)
            return
        self.session.arm()

    def stop(self) -> None:
        """Order STOP, from any focus, and show the result. Cancels the opening of a rig and the reading of a file."""
        self.session.order(OrderKind.STOP)
        reading = self.files.reading
        self.files.drop()
        if self.session.opening.duration_s is not None:
            self._cancel()
            return
        if reading is not None:
            self.panel.list.show_title(self.session.plan.experiment.title)
            self.status.showMessage(f"STOP was sent; {reading.path.name} is not opened", 4000)
            return
        if self.session.running:
            newest = self.session.newest
            self._stopped_at = newest.number if newest is not None else -1
        else:
            self.status.showMessage(NOTHING_LIT if self.session.light == "dark" else "STOP: no loop is running", 4000)
        self._show_stop_result()

    def _show_stop_result(self) -> None:
        """Show the result of STOP: a later turn is dark, or no turn arrives."""
        newest, silence = self.session.newest, self.session.silence
        if self._stopped_at is None:
            return
        if not self.session.running:  # the message about the end of the loop includes the result
            self._stopped_at = None
        elif silence:
            self.status.showMessage(f"STOP was sent, but {silence}", 4000)
        elif newest is None or newest.number <= self._stopped_at or newest.level in LIT:
            self.status.showMessage("STOP was sent", 4000)
        else:
            self._stopped_at = None
            lit = newest.sent.may_be_lit or len(newest.sent)
            self.status.showMessage("STOP was obeyed, but the laser may be on" if lit else NOTHING_LIT, 4000)

    def _cancel(self) -> None:
        self.session.cancel()
        self.strip.show_stopped("the opening of the rig is being stopped", light=self.session.light)
        self.view.say(WELCOME)
        self.status.showMessage("STOP: the rig is not opened", 4000)

    def _show_cancelled(self) -> None:
        """Show the result of a cancelled opening."""
        if self.session.opening.cancelled() and self.session.live is None and self.session.opening.duration_s is None:
            if self.session.doubt:
                self.trouble(self.session.doubt)
            else:
                self.strip.show_stopped("not started: the opening of the rig was stopped", light=self.session.light)

    def _show_opening(self) -> None:
        """Show whether the rig that `start` opens is open."""
        try:
            if self.session.poll():
                self.session.beat()  # before an ARM: the window may hang before the timer's first beat
                self.show_conditions()
                self.view.say("waiting for the first frame")
        except (Fault, Refused) as error:
            self.trouble(str(error))
        since_s = self.session.opening.duration_s
        if since_s is not None:
            self.strip.show_opening(since_s, self.session.opening.note, self.session.light)
            self.view.say("opening the rig; STOP (Esc) ends that")

    def record(self, on: bool) -> None:
        """Order the start or the end of a record; `poll` shows the result."""
        try:
            self.session.record(self._record_path() if on else None)
        except Fault as fault:
            self.trouble(str(fault))

    def _record_path(self) -> Path:
        """A unique path in the folder of runs, named after the time. Does not access the disk."""
        time = f"{datetime.now():%Y-%m-%d_%H%M%S}"
        self._records = self._records + 1 if time == self._record_time else 1
        self._record_time = time
        return self.runs / (f"{time}.h5" if self._records == 1 else f"{time}_{self._records}.h5")

    def _show_record_result(self) -> None:
        """Show the result of an order to record."""
        try:
            record_order = self.session.recorded()
        except (Fault, Refused) as error:
            self.trouble(str(error))
            return
        if record_order is not None:
            self.live_view.begin_record(record_order.path)
            self.status.showMessage(
                f"recording to {record_order.path}" if record_order.path is not None else "the record is closed", 6000
            )

    def show_recording(self, reel: Reel, again: bool = False) -> None:
        """Show a recording. What it does not state is asked for, unless it is shown `again` with other settings."""
        self.playback.open(reel)
        if not again:
            self.video_questions.ask(reel.plan)
        self.tuning.source = lambda: spread_images(self.playback)
        self.log.show_run(self.playback.said())
        self.show_conditions()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Keys that the focused widget did not use: those of the playback."""
        if event is not None and not self.transport.press(event):
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and len(data.urls()) == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        data = event.mimeData() if event is not None else None
        if data is None or not data.urls():
            return
        url = data.urls()[0]
        if url.isLocalFile():
            self.files.open(Path(url.toLocalFile()))
        else:
            self.trouble(f"{url.toString()}: only a file of this computer can be opened")

    def show_plan(self, plan: Plan, edits: dict[str, Any] | None = None) -> None:
        """Show another plan, not started; close the previous rig, dark. Raises Fault.

        Args:
            edits: edits of the devices that are not in force, by dotted key.
        """
        self.session.open(plan)
        self.playback.close()
        self.tuning.forget()
        self._forget_running()
        self.strip.show_kind(str(plan.kind), plan.rig.why_unconfirmed)
        self.strip.show_watch(plan.rig.loop.window_timeout_s)
        self.strip.show_stopped("not started", light=self.session.light)
        self.devices.show_plan(plan, edits)
        self.mouse_tools.close_menu()
        self.mouse_tools.regions.show(excluded_regions(plan))
        self.show_conditions()
        self.setWindowTitle(f"{plan.experiment.title} · {plan.rig.title} · Cybloids")
        self.view.say(WELCOME)
        self._update()
        self.show_lost_record()

    def show_lost_record(self) -> None:
        """Report a record that could not be closed with the previous rig."""
        if self.session.lost_record:
            self.trouble(self.session.lost_record)

    def save(self, path: Path) -> None:
        """Begin to write the edited experiment; `_show_saved` shows the result."""
        plan = self.session.plan
        try:
            experiment, data = self.panel.read(), self.panel.data()
            if plan.kind == "REPLAY":  # the law may be opened on another rig, which has a frame rate and scale
                data["set"] = self.panel.law_set(requires_reopening)
                experiment = replace(experiment, set=data["set"])
            job = SaveJob(path, self.panel.undo_stack, data, lambda: save_experiment(plan, experiment, path))
            self.saving.begin(job)
        except Refused as refused:
            self.refuse(str(refused))

    def _show_saved(self, job: SaveJob) -> None:
        """Show the result of `save`."""
        if job.trouble:
            self.refuse(job.trouble)
            return
        if job.stack is self.panel.undo_stack:  # else another experiment was opened since
            self.panel.saved(job.data)
            self._last_save = job
        self.panel.list.remember(job.path)
        self.status.showMessage(f"saved to {job.path}", 6000)

    def refuse(self, message: str) -> None:
        """Show why an order of the experiment panel was refused: in this panel, the log and the status line."""
        self.panel.say(message)
        self.log.say(message, theme.RED)
        self.status.showMessage(message, 10_000)

    def show_conditions(self) -> None:
        """Give the plots the experiment in force, for the theory. No theory if its check is running or has failed."""
        experiment = self.session.plan.experiment
        self.plots.experiment, self.plots.conditions = experiment, None
        with suppress(Refused):  # the panel shows the error; after StillChecking this is called again
            self.plots.conditions = self.session.edits.conditions(experiment)

    def _current_turn(self) -> Turn | None:
        return self.playback.shown if self.playback.reel is not None else self.session.newest

    def _tracks(self) -> Tracks | None:
        turn = self._current_turn()
        return turn.tracks if turn is not None else None

    def _latencies_s(self) -> NDArray[np.float64]:
        live = self.session.live
        return live.latencies_s() if live is not None else np.empty(0)

    def trouble(self, message: str) -> None:
        """Show an error in the status line while a loop runs, else in the strip and on the image; always in the log."""
        if self.session.running:
            self.status.showMessage(message)  # the strip keeps showing the state of the instrument
        else:
            self.strip.show_stopped(message, trouble=True, light=self.session.light)
            self.view.say(message)
            if self.playback.reel is not None:
                self.status.showMessage(message)  # the strip will show the next recorded turn
        self.log.say(message, theme.RED)

    def _handle(self) -> int | None:
        live = self.session.live
        return live.handle if live is not None else None

    # updates from the instrument ------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Show new data."""
        self.files.poll()
        self._update()

    def _update(self) -> None:
        """Update from the instrument and the recording."""
        self.strip.doubt = self.session.doubt
        self._show_cancelled()
        self._show_opening()
        self._show_record_result()
        self.settings.show_not_applied()
        if self.session.edits.checked:
            self.panel.refresh()
            self.show_conditions()
        self.candidate_search.poll()
        self.plots.poll()
        self.playback.poll()
        self.live_view.poll(self.session)
        self._show_stop_result()
        self.correction_capture.poll()
        self.actions_bar.follow(self.session)

    def each_second(self) -> None:
        """Update plots, disk and devices, and the number of particles that share the light."""
        self.plots.draw()
        self.live_view.each_second(self.runs)
        self.devices.answers.show_returned(self.session.returned)
        self.candidate_search.collect()
        self.candidate_search.show()
        tracks = self._tracks()
        particles = len(tracks) if tracks is not None else 0
        if particles and particles != self.session.edits.particles:
            self.session.edits.particles = particles
            self.panel.refresh()

    def fail(self, error: BaseException) -> None:
        """After any error in the window: trip, and show the error."""
        self.session.order(OrderKind.TRIP, f"the window: {sentence(error)}")
        self.status.showMessage(sentence(error))
        self.log.say(sentence(error), theme.RED)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if self._waits_for_closing and event is not None:
            self._close_requested = True
            event.ignore()
            return
        self._close_requested = False
        with signals.held():  # a second signal must not interrupt the closing of a device
            if event is not None and not (self._has_ended or self._store_edits() or signals.came()):
                event.ignore()
                return
            self._end()
        super().closeEvent(event)

    def _store_edits(self) -> bool:
        """Store unsaved edits. Whether the window may close: always, except after the first failure to store these."""
        self.session.order(OrderKind.STOP)  # dark first: the disk may be slow
        copies, copy = self.files.copies, None
        copies_before = list(copies)
        try:
            try:
                self.saving.finish()
                copy = self.files.unsaved()
                if copy is not None:
                    copies.add(copy)
            finally:
                copies.write()  # the other copies, even if the edits can't be read from the form
            copies.keep()
        except Exception as error:  # noqa: BLE001  the laser must be switched off after any error
            unwritten = [(item.path, item.data, item.devices) for item in copies.unwritten]
            copies.all = copies_before
            if unwritten == self._reported_edits:
                return True
            self._reported_edits = unwritten
            message = str(error) if isinstance(error, Refused | OSError) else sentence(error)
            self.trouble(f"the edits can't be kept ({message}): save them, or close the window once more")
            return False
        if copy is not None and copy.file is not None:
            with suppress(OSError):
                say("cybloids: edits that were not saved are kept; the list of experiments has them next time")
        return True

    def _end(self) -> None:
        """Close the rig, dark, and stop all helpers. Sets `end_trouble` if the laser or a record is in doubt."""
        if self._has_ended:
            return
        self._has_ended = True
        layout = self._memory if self.refresh_timer.active else None
        with ExitStack() as steps:  # all are called, the last one first, even if one raises
            parts: tuple[Callable[[], object], ...] = (
                self.candidate_search.close, self.plots.close_workers, self.playback.close, self._close_rig_at_end,
                self.panel.list.close_dialog, self.video_questions.close, self.files.drop,
            )  # fmt: skip
            for part in parts:
                steps.callback(part)
            if layout is not None:
                steps.callback(layout.keep, self, str(self._path_next_time().absolute()), self.panel.list.recent)
            for timer in (self.refresh_timer, self.heartbeat, self.plot_timer):
                timer.stop()

    def _path_next_time(self) -> Path:
        """The file to open next time: the one as which this experiment was saved last, but a recording stays."""
        saved = self._last_save
        if saved is None or saved.stack is not self.panel.undo_stack or self.session.plan.kind == "REPLAY":
            return self.path
        return saved.path

    def _close_rig_at_end(self) -> None:
        """Close the rig, dark. Prints errors of the laser and of the record."""
        for close in (self.session.close, self.session.close_helpers):
            try:
                close()
            except Exception as error:  # noqa: BLE001  reported; the second call must follow
                message = sentence(error)
                self.end_trouble = f"{self.end_trouble}; {message}" if self.end_trouble else message
        self.end_trouble = "; ".join(filter(None, (self.end_trouble, self.session.lost_record)))
        if self.end_trouble and not signals.came():  # else the message about the signal contains it
            with suppress(OSError):  # the terminal may be closed
                say(f"cybloids: {self.end_trouble}", error=True)

"""Files that the window opens: read in the background, shown with edits that were not saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtGui import QUndoStack
from PyQt6.QtWidgets import QApplication

from app.assembly.in_flight import opened_anew
from app.assembly.plan import unpinned
from app.assembly.python_law import NotAllowed
from app.assembly.rig import Plan
from app.assembly.stated_by_recording import channels_to_choose, with_user_values
from app.desktop.forms.editing_keys import commit
from app.desktop.panels.undo_edits import settle_devices
from app.desktop.window import theme
from app.desktop.window.copy_check import require_shown
from app.desktop.window.kept_plan import with_stored_edits
from app.desktop.window.settings_changes import REREADING, rig_edit
from app.desktop.window.unsaved_edits import Copies, Unsaved
from app.running.file_reading import Reading, read_with
from config.refused import Refused
from control.contract import Fault

if TYPE_CHECKING:
    from app.desktop.window.main_window import Window


class FileOpening:
    """Reads one file at a time for a window, and keeps unsaved edits of the file before it.

    Args:
        planner: the plan of a file, called with its path and settings such as "camera.channel_number=2".
        unsaved: folder of the copies of unsaved edits; None: they are not stored.
    """

    def __init__(self, window: Window, planner: Callable[..., Plan], unsaved: Path | None) -> None:
        self._window, self._planner = window, planner
        self.reading: Reading | None = None  # of an opened file that is not shown yet
        self._resumed: Unsaved | None = None  # the edits for this file
        self._undo_step: Callable[[], None] | None = None  # step of the undo stack after this reading
        self._reopened_keys: frozenset[str] = frozenset()  # changed settings for which a recording is read again
        self.copies = Copies(unsaved)

    def open(self, path: Path, resumed: Unsaved | None = None, sets: tuple[str, ...] = ()) -> None:
        """Begin to read an experiment, a rig, a run or a video; cancel the present reading.

        After reading, the previous rig is closed, dark, and its unsaved edits are stored in the list.

        Args:
            resumed: stored edits of this file.
            sets: settings for it, such as "camera.channel_number=2".
        """
        window = self._window
        self.drop()
        window.video_questions.close()
        stored_plan = resumed.plan if resumed is not None else None
        self._resumed, self._undo_step = resumed, None

        def read(file: Path) -> Plan:
            if stored_plan is None:
                return self._planner(file, *sets)
            if stored_plan.kind == "REPLAY":
                return stored_plan  # with the values that the user gave for the recording
            return with_stored_edits(
                [self._planner(file, *sets), *([window.first()] if window.first is not None else [])], stored_plan
            )

        self.reading = Reading(path, read_with(read))
        window.status.showMessage(f"reading {path}; STOP (Esc) ends that")

    def resume(self, copy: Unsaved) -> None:
        """Resume stored edits."""
        self.open(copy.path, copy)

    @property
    def rereading(self) -> bool:
        """Whether the shown recording is being read again, to put other values of its camera or scale in force."""
        stack = self._window.panel.undo_stack
        return self.reading is not None and self._resumed is not None and self._resumed.stack is stack

    def poll(self) -> None:
        """Show an opened file as soon as it is read."""
        window = self._window
        if self.reading is None:
            return
        try:
            result = self.reading.taken()
        except (Fault, Refused) as error:
            self._show_read_error(self.reading.path, error)
            return
        except BaseException:
            self.reading = None
            raise
        if result is None:
            return
        path, (plan, reel) = self.reading.path, result
        resumed, previous, stack = self._resumed, self.unsaved(), window.panel.undo_stack
        if resumed is not None and resumed.stack is stack:
            self._include_newer_edits(resumed)
        reading, self.reading = self.reading, None  # an error below is raised once, not by each poll
        try:
            if resumed is not None and resumed.stack is None:  # read from its file
                require_shown(resumed, plan)
            window.show_plan(plan, resumed.devices if resumed is not None else None)
        except (Fault, Refused) as error:
            reading.drop()
            self._show_read_error(path, error)
            return
        except BaseException:
            reading.drop()
            raise
        if previous is not None and (resumed is None or resumed.stack is not stack):
            self.copies.add(previous)  # now: an error below must not lose them
            self.list_copies()
        window.path = path
        window.panel.list.remember(path)
        window.log.clear()
        if reel is not None:
            window.show_recording(reel, again=self._undo_step is not None)
        if window.status.currentMessage() != REREADING:
            window.status.clearMessage()
        window.show_lost_record()  # the log was cleared
        self._show_edits(resumed)
        if stack is window.panel.undo_stack:  # the edits before are resumed
            if self._undo_step is not None:
                self._undo_step()
            self.list_copies()
        else:
            self._store_previous(previous, stack)

    def _include_newer_edits(self, resumed: Unsaved) -> None:
        """Add the edits that were made while the file was read."""
        window = self._window
        resumed.data = {**window.panel.data(), "set": resumed.data["set"]}
        edits = window.devices.edits()
        resumed.devices = {key: value for key, value in edits.items() if key not in self._reopened_keys}

    def _store_previous(self, previous: Unsaved | None, stack: QUndoStack) -> None:
        """Show the kept edits of the previous experiment in the list; close its dialog to save."""
        window = self._window
        if window.panel.list.end_saving():
            window.log.say("the dialog to save was closed: it was for the experiment before", theme.AMBER)
        if previous is None:
            stack.deleteLater()
        self.list_copies(previous)

    def _show_edits(self, resumed: Unsaved | None) -> None:
        """Show the experiment of the present plan, with the resumed edits."""
        window = self._window
        plan = window.session.plan
        experiment = unpinned(plan.experiment)
        if resumed is None:
            window.panel.show_experiment(experiment)
            return
        window.panel.show_unsaved(resumed, experiment)
        if resumed.stack is None:
            window.devices.record_edits()
        self.copies.remove(resumed)
        shown_keys = {f"{part}.{name}" for part, form in window.devices.forms.items() for name in form.rows}
        if missing := [key for key in resumed.devices if key not in shown_keys]:
            window.log.say(f"this rig has no such settings, which these edits had: {', '.join(missing)}", theme.AMBER)
        if resumed.rig not in ("", plan.rig.title):
            message = f"these edits were made on the rig '{resumed.rig}'; they are resumed on '{plan.rig.title}'"
            window.log.say(message, theme.AMBER)
        if resumed.plan is not None and (parts := opened_anew(resumed.plan.rig, plan.rig)):
            message = f"since these edits were kept, the files of this rig have other settings: {', '.join(parts)}"
            window.log.say(message, theme.AMBER)

    def use_values(self, values: dict[str, float]) -> None:
        """Open a video again, with its edits, after the user has given values that the file does not state."""
        window = self._window
        plan, stack = window.session.plan, window.panel.undo_stack
        edit = rig_edit(plan, values, True, window.panel.in_force.set)
        pending = {key: value for key, value in window.devices.edits().items() if key not in values}

        def finish() -> None:
            settle_devices(window.panel.undo_stack, values)
            stack.push(edit)

        self.reopen(with_user_values(plan, values), values, pending, finish)

    def reopen(self, plan: Plan, edits: dict[str, Any], pending: dict[str, Any], finish: Callable[[], None]) -> None:
        """Open the same recording with other values of its camera or scale (`edits`), as in the plan's `set`."""
        window = self._window
        copy = window.panel.unsaved_copy(window.path, plan, pending)
        other_values = {key: value for key, value in copy.data["set"].items() if key not in edits}
        new_values = {key: value for key, value in plan.experiment.set.items() if key in edits}
        copy.data = {**copy.data, "set": other_values | new_values}
        self.open(window.path, copy)
        self._undo_step, self._reopened_keys = finish, frozenset(edits)

    def _show_read_error(self, path: Path, error: Exception) -> None:
        window = self._window
        self.reading = None
        window.status.clearMessage()
        window.panel.list.show_title(window.session.plan.experiment.title)
        resumed = self._resumed
        has_channel = resumed is not None and resumed.plan is not None  # an edit of the shown recording
        channels = channels_to_choose(error) if isinstance(error, Refused) and not has_channel else 0
        if channels:
            window.status.showMessage(str(error))
            window.video_questions.ask_channel(
                str(error), channels, lambda number: self.open(path, resumed, (f"camera.channel_number={number}",))
            )
        else:
            is_copy = resumed is not None and resumed in self.copies  # else the present edits, with another setting
            window.trouble(_with_location(str(error), resumed) if resumed is not None and is_copy else str(error))
            if isinstance(error, NotAllowed):
                window.permission.ask(error, lambda: self.open(path, resumed))

    def drop(self) -> None:
        if self.reading is not None:
            self.reading.drop()
            self.reading = None

    def unsaved(self) -> Unsaved | None:
        """The unsaved edits, including typed text; None if there are none."""
        window = self._window
        field = QApplication.focusWidget()
        forms = (window.panel, window.devices)  # each may be in a floating window of its own
        if field is not None and any(form.isAncestorOf(field) for form in forms):
            commit(field)
        return window.panel.unsaved(window.path, window.session.plan, window.devices.edits())

    def list_copies(self, copy: Unsaved | None = None) -> None:
        """Show the unsaved edits in the list, with a message about a new copy."""
        window = self._window
        window.panel.list.show_unsaved(self.copies)
        if copy is not None:
            window.status.showMessage(f"in the list: {copy.name}", 10_000)
            window.log.say(f"{copy.name}: these edits are kept in the list of experiments")


def _with_location(message: str, copy: Unsaved) -> str:
    """The reason why edits could not be resumed, and where they remain."""
    if copy.file is None:
        return f"{message}; the edits stay in the list of experiments"
    hint = " (if it was moved, write its new path there, as 'opened')" if "no such file" in message else ""
    return f"{message}; the edits stay in {copy.file}{hint}"

"""Changes of settings that the window puts in force: an edited experiment, values of the rig, correction images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.assembly.given_keys import GONE
from app.assembly.plan import unpinned
from app.assembly.rig import Plan
from app.assembly.stated_by_recording import KEYS, value_at
from app.desktop.image.tracking_overlay import spread_images
from app.desktop.panels.device_panel import with_edits
from app.desktop.panels.undo_edits import RigEdit, settle_devices
from app.desktop.window import theme
from app.desktop.window.session import NOT_WHILE_RECORDING
from app.running.plan_check import StillChecking
from app.tuning.images_to_corrections import IMAGES
from config.reader import Document, plain
from config.refused import Refused
from control.contract import Fault
from control.experiment import Experiment

if TYPE_CHECKING:
    from app.desktop.window.main_window import Window

DROPPED = "the values typed in the device panel, not applied, are dropped"
REREADING = "the recording is being read again with its last change: do this again when that has ended"


class SettingsChanges:
    """Puts changed settings in force for a window: from the next turn on, or dark, with the devices reopened."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def change_rig(self, edits: dict[str, Any], reopens: bool) -> bool:
        """Change values of the rig: tracking between two turns, devices by reopening them, dark.

        The change can be undone like an edit of the experiment. Returns False, with a message, if it is refused.
        """
        window = self._window
        edit = rig_edit(window.session.plan, edits, reopens, window.panel.in_force.set)
        return self.set_rig(edits, reopens, lambda: window.panel.undo_stack.push(edit))

    def step_rig(self, edit: RigEdit, forward: bool, undo_step: Callable[[], None]) -> None:
        """Redo (`forward`) or undo an edit of the rig."""
        if forward:
            self.set_rig(edit.after, edit.reopens, undo_step)
        else:
            self.set_rig(edit.before, edit.reopens, undo_step, edit)

    def set_rig(
        self, edits: dict[str, Any], reopens: bool, undo_step: Callable[[], None], undone: RigEdit | None = None
    ) -> bool:
        """Change values of the rig; call `undo_step`, a step of the undo stack, after success.

        Args:
            undone: the edit that this undoes: `set` has then no values that it had not before the edit.
        """
        window = self._window
        set_values = with_edits(window.panel.in_force, edits).set
        set_values = set_values if undone is None else undone.undone(set_values)
        pending = window.devices.edits()
        remaining_edits = {key: value for key, value in pending.items() if key not in edits}
        dropped = [key for key, value in pending.items() if key in edits and value != edits[key]]

        def finish() -> None:
            settle_devices(window.panel.undo_stack, edits)
            undo_step()
            if dropped:
                window.log.say(f"{', '.join(dropped)}: {DROPPED}", theme.AMBER)

        try:
            self._refuse_while_rereading()
            experiment = with_edits(window.session.plan.experiment, edits)
            if window.playback.reel is not None:
                plan = self._plan_of_recording(experiment, edits, undone)
                if any(requires_reopening(key) for key in edits):
                    window.files.reopen(plan, edits, remaining_edits, finish)
                    return True
                window.playback.edit(plan)
                window.session.plan = plan
            elif reopens:
                window.show_plan(window.session.edits.planned(experiment, edits), remaining_edits)
            else:
                window.session.apply(experiment)
        except (Fault, Refused) as error:
            self._show_refused(error)
            return False
        window.panel.show_set(set_values)
        finish()
        window.devices.show_plan(window.session.plan, remaining_edits)
        window.mouse_tools.regions.show(excluded_regions(window.session.plan))
        window.tuning.accepted()
        window.show_conditions()
        suffix = f"; {', '.join(dropped)}: {DROPPED}" if dropped else ""
        if window.playback.reel is not None:
            window.status.showMessage(f"the recording goes through these settings again{suffix}", 6000)
            return True
        effect = "the devices are opened anew by Start" if reopens else "in force from the next turn on"
        window.status.showMessage(f"{', '.join(edits)}: {effect}{suffix}")
        return True

    def _plan_of_recording(self, experiment: Experiment, edits: dict[str, Any], undone: RigEdit | None) -> Plan:
        """The plan of the shown recording with these edits. Raises Refused."""
        plan = self._window.session.edits.planned(experiment, edits)
        if undone is None:
            return plan
        experiment_before = replace(plan.experiment, set=undone.undone(plan.experiment.set))
        return replace(plan, experiment=experiment_before, unknown=undone.unknown)

    def _show_refused(self, error: Fault | Refused) -> None:
        """Show why values of the rig are not changed, and the excluded regions in force."""
        window = self._window
        window.devices.say(str(error))
        window.mouse_tools.regions.show(excluded_regions(window.session.plan))
        window.status.showMessage(str(error), 6000)
        if isinstance(error, Fault):
            window.trouble(str(error))

    def _refuse_while_rereading(self) -> None:
        """Raise Refused while the recording is read again: the settings in force are then those of this reading."""
        if self._window.files.rereading:
            raise Refused(REREADING)

    def apply(self, experiment: Any) -> None:
        """Put an edited experiment in force, or show why it is refused."""
        window = self._window
        plan_before, pending_before = window.session.plan, window.devices.edits()
        set_before = plan_before.experiment.set
        changed = {key: value for key, value in experiment.set.items() if set_before.get(key, GONE) != value}
        try:
            self._refuse_while_rereading()
            if window.playback.reel is not None and any(
                requires_reopening(key) for key in changed
            ):  # from stored edits
                plan = window.session.edits.planned(experiment)
                window.files.reopen(plan, changed, window.devices.edits(), lambda: window.panel.accepted(experiment))
                return
            reopens = self._apply_set(experiment, set_before)
            window.playback.edit(window.session.plan)
        except StillChecking as checking:  # the panel also shows this until the result arrives
            window.status.showMessage(str(checking), 6000)
            return
        except (Fault, Refused) as error:
            if window.playback.reel is not None and window.session.plan is not plan_before:  # which stays in force
                window.session.plan = plan_before
                window.devices.show_plan(plan_before, pending_before)
                window.mouse_tools.regions.show(excluded_regions(plan_before))
            window.refuse(str(error))
            if isinstance(error, Fault):
                window.trouble(str(error))
            return
        window.panel.accepted(experiment)
        window.show_conditions()
        shows_recording = window.playback.reel is not None
        effect = "the devices are opened anew by Start" if reopens else "in force from the next turn on"
        window.status.showMessage("squares: what it would have sent" if shows_recording else effect, 6000)

    def _apply_set(self, experiment: Any, set_before: dict[str, Any]) -> bool:
        """Put an experiment in force; reopen the devices, dark, if their settings change. Returns whether they do.

        Raises Refused, Fault.
        """
        window = self._window
        if experiment.set == set_before:
            window.session.apply(experiment)
            return False
        set_after = window.session.edits.planned(experiment).experiment.set  # with earlier values of removed keys
        all_values = {**set_before, **set_after}
        changed = {key for key in all_values if set_before.get(key, GONE) != set_after.get(key, GONE)}
        pending = window.devices.edits()
        remaining_edits = {key: value for key, value in pending.items() if key not in changed}
        dropped = [key for key, value in pending.items() if key in changed and value != set_after.get(key, GONE)]
        reopens = window.playback.reel is None and window.session.edits.needs_opening(experiment)
        if reopens:
            window.show_plan(window.session.edits.planned(experiment), remaining_edits)
        else:
            window.session.apply(experiment)
            window.devices.show_plan(window.session.plan, remaining_edits)
            window.mouse_tools.regions.show(excluded_regions(window.session.plan))
            window.tuning.accepted()
        settle_devices(window.panel.undo_stack, changed)
        if dropped:
            window.log.say(f"{', '.join(dropped)}: {DROPPED}", theme.AMBER)
        return reopens

    def show_not_applied(self) -> None:
        """If the loop could not put settings in force: show those in force. The beam stays dark until Apply."""
        window = self._window
        reason = window.session.not_applied()
        if reason:
            window.panel.hold(unpinned(window.session.plan.experiment))
            window.devices.show_plan(window.session.plan, window.devices.edits())
            window.mouse_tools.regions.show(excluded_regions(window.session.plan))
            window.tuning.accepted()
            window.show_conditions()
            window.log.say(f"{reason}; those before are in force, and Arm waits for Apply", theme.RED)

    def take_image(self, kind: str) -> None:
        """Begin to take a correction image from the images on screen; `poll` shows the result."""
        window = self._window
        if window.session.recording:
            window.status.showMessage(NOT_WHILE_RECORDING, 6000)
            return
        try:
            images = spread_images(window.playback, IMAGES) if window.playback.reel is not None else None
            if images is None and window.candidate_search.image() is None:
                raise Refused("there is no image yet: press Start first")
            window.correction_capture.begin(kind, images)
        except Refused as refused:
            window.status.showMessage(str(refused), 6000)

    def use_image(self, edits: dict[str, Any], message: str) -> None:
        """Put a correction image in force from the next turn on, or log why this failed."""
        window = self._window
        file = next(iter(edits.values()))
        if self.change_rig(edits, False):
            window.log.say(f"{message}; {file}", theme.INK)
        else:
            window.log.say(f"{message}; it is not in force ({window.devices.trouble.text()}); {file}", theme.RED)


def requires_reopening(key: str) -> bool:
    """Whether a change of this rig value requires reading a recording again."""
    return key in KEYS or key.partition(".")[0] == "camera"


def rig_edit(plan: Plan, edits: dict[str, Any], reopens: bool, experiment_set: dict[str, Any]) -> RigEdit:
    """The edit of a plan's rig: present values and new values.

    Args:
        experiment_set: the present `set` of the experiment.
    """
    rig = Document("the rig", plain(plan.rig), {})
    return RigEdit({key: value_at(rig, key) for key in edits}, edits, reopens, experiment_set, plan.unknown)


def excluded_regions(plan: Plan) -> list[dict[str, Any]]:
    """The excluded regions of a plan, as plain data."""
    return [plain(region) for region in plan.rig.tracking.excluded_regions]

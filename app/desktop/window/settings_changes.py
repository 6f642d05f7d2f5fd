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

    def step_rig(self, edit: RigEdit, forward: bool, done: Callable[[], None]) -> None:
        """Redo (`forward`) or undo an edit of the rig."""
        if forward:
            self.set_rig(edit.after, edit.reopens, done)
        else:
            self.set_rig(edit.before, edit.reopens, done, edit)

    def set_rig(
        self, edits: dict[str, Any], reopens: bool, done: Callable[[], None], undone: RigEdit | None = None
    ) -> bool:
        """Change values of the rig; call `done`, a step of the undo stack, after success.

        Args:
            undone: the edit that this undoes: `set` has then no values that it had not before the edit.
        """
        window = self._window
        own = with_edits(window.panel.in_force, edits).set
        own = own if undone is None else undone.undone(own)
        pending = window.devices.edits()
        waiting = {key: value for key, value in pending.items() if key not in edits}
        lost = [key for key, value in pending.items() if key in edits and value != edits[key]]

        def finish() -> None:
            settle_devices(window.panel.undo_stack, edits)
            done()
            if lost:
                window.log.say(f"{', '.join(lost)}: {DROPPED}", theme.AMBER)

        try:
            self._refuse_while_rereading()
            experiment = with_edits(window.session.plan.experiment, edits)
            if window.playback.reel is not None:
                plan = window.session.edits.planned(experiment, edits)
                if undone is not None:
                    before = replace(plan.experiment, set=undone.undone(plan.experiment.set))
                    plan = replace(plan, experiment=before, unknown=undone.unknown)
                if any(opens_anew(key) for key in edits):
                    window.files.reopen(plan, edits, waiting, finish)
                    return True
                window.session.plan = plan
                window.playback.edit(plan)
            elif reopens:
                window.show_plan(window.session.edits.planned(experiment, edits), waiting)
            else:
                window.session.apply(experiment)
        except (Fault, Refused) as error:
            self._show_refused(error)
            return False
        window.panel.show_set(own)
        finish()
        window.devices.show_plan(window.session.plan, waiting)
        window.hand.regions.show(excluded_regions(window.session.plan))
        window.tuning.accepted()
        window.show_conditions()
        end = f"; {', '.join(lost)}: {DROPPED}" if lost else ""
        if window.playback.reel is not None:
            window.status.showMessage(f"the recording goes through these settings again{end}", 6000)
            return True
        what = "the devices are opened anew by Start" if reopens else "in force from the next turn on"
        window.status.showMessage(f"{', '.join(edits)}: {what}{end}")
        return True

    def _show_refused(self, error: Fault | Refused) -> None:
        """Show why values of the rig are not changed, and the excluded regions in force."""
        window = self._window
        window.devices.say(str(error))
        window.hand.regions.show(excluded_regions(window.session.plan))
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
        before = window.session.plan.experiment.set
        other = {key: value for key, value in experiment.set.items() if before.get(key, GONE) != value}
        try:
            self._refuse_while_rereading()
            if window.playback.reel is not None and any(opens_anew(key) for key in other):  # possible with stored edits
                plan = window.session.edits.planned(experiment)
                window.files.reopen(plan, other, window.devices.edits(), lambda: window.panel.accepted(experiment))
                return
            reopens = self._apply_set(experiment, before)
            window.playback.edit(window.session.plan)
        except StillChecking as checking:  # the panel also shows this until the result arrives
            window.status.showMessage(str(checking), 6000)
            return
        except (Fault, Refused) as error:
            window.refuse(str(error))
            if isinstance(error, Fault):
                window.trouble(str(error))
            return
        window.panel.accepted(experiment)
        window.show_conditions()
        recorded = window.playback.reel is not None
        live = "the devices are opened anew by Start" if reopens else "in force from the next turn on"
        window.status.showMessage("squares: what it would have sent" if recorded else live, 6000)

    def _apply_set(self, experiment: Any, before: dict[str, Any]) -> bool:
        """Put an experiment in force; reopen the devices, dark, if their settings change. Returns whether they do.

        Raises Refused, Fault.
        """
        window = self._window
        if experiment.set == before:
            window.session.apply(experiment)
            return False
        after = window.session.edits.planned(experiment).experiment.set  # with earlier values of removed keys
        changed = {key for key in {**before, **after} if before.get(key, GONE) != after.get(key, GONE)}
        pending = window.devices.edits()
        waiting = {key: value for key, value in pending.items() if key not in changed}
        lost = [key for key, value in pending.items() if key in changed and value != after.get(key, GONE)]
        reopens = window.playback.reel is None and window.session.edits.needs_opening(experiment)
        if reopens:
            window.show_plan(window.session.edits.planned(experiment), waiting)
        else:
            window.session.apply(experiment)
            window.devices.show_plan(window.session.plan, waiting)
            window.hand.regions.show(excluded_regions(window.session.plan))
            window.tuning.accepted()
        settle_devices(window.panel.undo_stack, changed)
        if lost:
            window.log.say(f"{', '.join(lost)}: {DROPPED}", theme.AMBER)
        return reopens

    def show_not_applied(self) -> None:
        """If the loop could not put settings in force: show those in force. The beam stays dark until Apply."""
        window = self._window
        why = window.session.not_applied()
        if why:
            window.panel.hold(unpinned(window.session.plan.experiment))
            window.devices.show_plan(window.session.plan, window.devices.edits())
            window.hand.regions.show(excluded_regions(window.session.plan))
            window.tuning.accepted()
            window.show_conditions()
            window.log.say(f"{why}; those before are in force, and Arm waits for Apply", theme.RED)

    def take_image(self, what: str) -> None:
        """Begin to take a correction image from the images on screen; `poll` shows the result."""
        window = self._window
        if window.session.recording:
            window.status.showMessage(NOT_WHILE_RECORDING, 6000)
            return
        try:
            images = spread_images(window.playback, IMAGES) if window.playback.reel is not None else None
            if images is None and window.judging.image() is None:
                raise Refused("there is no image yet: press Start first")
            window.taking.begin(what, images)
        except Refused as refused:
            window.status.showMessage(str(refused), 6000)

    def use_image(self, edits: dict[str, Any], said: str) -> None:
        """Put a correction image in force from the next turn on, or log why this failed."""
        window = self._window
        file = next(iter(edits.values()))
        if self.change_rig(edits, False):
            window.log.say(f"{said}; {file}", theme.INK)
        else:
            window.log.say(f"{said}; it is not in force ({window.devices.trouble.text()}); {file}", theme.RED)


def opens_anew(key: str) -> bool:
    """Whether a change of this rig value requires reading a recording again."""
    return key in KEYS or key.partition(".")[0] == "camera"


def rig_edit(plan: Plan, edits: dict[str, Any], reopens: bool, own: dict[str, Any]) -> RigEdit:
    """The edit of a plan's rig: present values and new values.

    Args:
        own: the present `set` of the experiment.
    """
    rig = Document("the rig", plain(plan.rig), {})
    return RigEdit({key: value_at(rig, key) for key in edits}, edits, reopens, own, plan.unknown)


def excluded_regions(plan: Plan) -> list[dict[str, Any]]:
    """The excluded regions of a plan, as plain data."""
    return [plain(region) for region in plan.rig.tracking.excluded_regions]

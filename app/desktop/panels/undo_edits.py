"""Edits on the undo stack: of the experiment, of rig values in force, and of the device panel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from PyQt6.QtGui import QUndoCommand, QUndoStack

IN_ONE_GO_S = 1.0  # changes of one value within this time are one edit


class EditedForm(Protocol):
    """The form whose data an Edit changes."""

    undo_stack: QUndoStack

    def data(self) -> dict[str, Any]:
        """The edited experiment as plain data."""

    def show_data(self, data: Any) -> None:
        """Show these data, and check them."""

    def take_over(self, data: Any) -> None:
        """Take these data, which the form already shows, and check them."""


class Edit(QUndoCommand):
    """One edit of the form: the data before and after. Quick successive changes of one value are one edit.

    Args:
        shown: the form already shows `after`.
        alone: it is put in force at once, without the other edits of the form.
    """

    def __init__(self, panel: EditedForm, before: Any, after: Any, shown: bool = False, alone: bool = False) -> None:
        super().__init__("edit")
        self._shown, self.alone = shown, alone
        self.panel, self.before, self.after = panel, before, after
        self.where = () if counts_differ(before, after) else difference(before, after)
        self.at_s = time.monotonic()
        self.applied = False  # whether it was put in force
        # `*_in_force`: whether the data before and after it have been in force
        below = last_edit(panel.undo_stack, panel.undo_stack.index())
        self.before_in_force: bool = below is None or below.after_in_force
        self.after_in_force: bool = False

    def id(self) -> int:
        return 1

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        if not isinstance(other, Edit) or self.applied or self.after_in_force or other.at_s - self.at_s > IN_ONE_GO_S:
            return False
        if not self.where or other.where != self.where or self.alone or other.alone:
            return False
        self.after, self.at_s = other.after, other.at_s
        return True

    def undo(self) -> None:
        self._show(self.before, self.after)

    def redo(self) -> None:
        if self._shown:
            self._shown = False
            self.panel.take_over(self.after)
        else:
            self._show(self.after, self.before)

    def _show(self, data: Any, other: Any) -> None:
        """Show the data. Values of `set` from other panels are not part of this edit and stay."""
        own = data["set"] != other["set"]
        self.panel.show_data(data if own else {**data, "set": self.panel.data()["set"]})


class RigEdit(QUndoCommand):
    """A change of rig values that is in force: values before and after, by dotted key.

    The window changes the rig first and then the undo stack. If the rig refuses, neither changes.

    Args:
        own: the experiment's `set` before it; an undo leaves no other values there.
        unknown: those values of a recording that were guesses before it.
    """

    def __init__(
        self,
        before: dict[str, Any],
        after: dict[str, Any],
        reopens: bool,
        own: dict[str, Any],
        unknown: tuple[str, ...],
    ) -> None:
        super().__init__("edit of the rig")
        self.before, self.after, self.reopens, self.unknown = before, after, reopens, unknown
        self._own = {key: value for key, value in own.items() if key in after}

    def undone(self, values: dict[str, Any]) -> dict[str, Any]:
        """The `set` of an experiment without this edit."""
        return {key: value for key, value in values.items() if key not in self.after} | self._own

    def again(self) -> RigEdit:
        """The same edit, once more."""
        return RigEdit(self.before, self.after, self.reopens, self._own, self.unknown)

    def reverse(self) -> RigEdit:
        """The edit that takes this one back."""
        known = tuple(key for key in self.unknown if key not in self.after)
        return RigEdit(self.after, self.before, self.reopens, self.after, known)


class DeviceEdit(QUndoCommand):
    """An edit of the device panel that is not in force: values before and after, by dotted key.

    It becomes obsolete when its values are put in force, by a RigEdit.
    """

    def __init__(self, before: dict[str, Any], after: dict[str, Any], show: Callable[[dict[str, Any]], None]) -> None:
        super().__init__("edit of a device")
        self.before, self.after, self._show = before, after, show
        self._shown, self.at_s = True, time.monotonic()  # `_shown`: the form already shows `after`

    def id(self) -> int:
        return 2

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        if not isinstance(other, DeviceEdit) or self.isObsolete() or other.at_s - self.at_s > IN_ONE_GO_S:
            return False
        if len(self.after) != 1 or self.after.keys() != other.after.keys():
            return False
        self.after, self.at_s = other.after, other.at_s
        return True

    def undo(self) -> None:
        self._show(self.before)

    def redo(self) -> None:
        if self._shown:
            self._shown = False
        else:
            self._show(self.after)


def follows(edit: QUndoCommand | None, forward: bool) -> bool:
    """Whether the rig follows when an edit is redone (`forward`) or undone: only to data that were in force."""
    if isinstance(edit, Edit):
        return edit.applied and (edit.alone or (edit.after_in_force if forward else edit.before_in_force))
    return isinstance(edit, RigEdit)


def last_edit(stack: QUndoStack, index: int) -> Edit | None:
    """The last edit of the experiment among the first `index` edits; None: the data are as opened."""
    edits = (stack.command(number) for number in range(index - 1, -1, -1))
    return next((edit for edit in edits if isinstance(edit, Edit)), None)


def settle_devices(stack: QUndoStack, keys: Iterable[str]) -> None:
    """These rig values are now in force: edits of the device panel that contain one of them can't be undone."""
    gone = set(keys)
    for index in range(stack.index()):
        edit = stack.command(index)
        if isinstance(edit, DeviceEdit) and gone & edit.after.keys():
            edit.before = {key: value for key, value in edit.before.items() if key not in gone}
            edit.after = {key: value for key, value in edit.after.items() if key not in gone}
            edit.setObsolete(not edit.after)
    drop_obsolete(stack)


def drop_obsolete(stack: QUndoStack) -> None:
    """Remove obsolete edits from the top: the next undo is then of an edit that does something."""
    while (edit := stack.command(stack.index() - 1)) is not None and edit.isObsolete():
        stack.undo()


def note_in_force(stack: QUndoStack) -> None:
    """The data between the edits that are done and those that are undone are now in force."""
    edits = [stack.command(index) for index in range(stack.count())]
    done, undone = edits[: stack.index()], edits[stack.index() :]
    for edit in done:
        if isinstance(edit, Edit):
            edit.applied = True
    below, above = last_edit(stack, stack.index()), next((edit for edit in undone if isinstance(edit, Edit)), None)
    if below is not None:
        below.after_in_force = True
    if above is not None:
        above.before_in_force = True


def counts_differ(before: Any, after: Any) -> bool:
    """Whether a list of settings has gained or lost some: each such edit is an edit of its own."""
    if isinstance(before, dict) and isinstance(after, dict):
        return any(counts_differ(before[key], after[key]) for key in before.keys() & after.keys())
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    if len(before) != len(after):
        return any(isinstance(one, dict) for one in (*before, *after))
    return any(counts_differ(*both) for both in zip(before, after, strict=True))


def difference(before: Any, after: Any) -> tuple[Any, ...]:
    """Path of keys to the differing value, or to the first of several siblings; empty if the keys themselves differ."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        keys: list[Any] = [key for key in before if before[key] != after[key]]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        keys = [index for index in range(len(before)) if before[index] != after[index]]
    else:
        return ()
    return (keys[0], *difference(before[keys[0]], after[keys[0]])) if len(keys) == 1 else tuple(keys[:1])

"""The keys of a form, in whichever of its fields is being edited: Ctrl+Enter applies, Ctrl+Z undoes."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
Chord = tuple[int, Qt.KeyboardModifier]
APPLY: tuple[Chord, ...] = ((Qt.Key.Key_Return, CTRL), (Qt.Key.Key_Enter, CTRL))
UNDO: tuple[Chord, ...] = ((Qt.Key.Key_Z, CTRL),)
REDO: tuple[Chord, ...] = ((Qt.Key.Key_Z, CTRL | SHIFT), (Qt.Key.Key_Y, CTRL))


class EditingKeys(QObject):
    """Watches the field of `form` that has the focus. What is typed there is committed before a key acts.

    Args:
        actions: what a key does. A field keeps its own use of every other key.
        typed: called after each key with whether the field holds text that is not committed yet.
    """

    def __init__(
        self, form: QWidget, actions: dict[tuple[Chord, ...], Callable[[], None]], typed: Callable[[bool], None]
    ) -> None:
        super().__init__(form)
        self._form, self._typed = form, typed
        self._actions = {chord: action for chords, action in actions.items() for chord in chords}
        self._field: QWidget | None = None
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focus_moved)

    def eventFilter(self, field: QObject | None, event: QEvent | None) -> bool:
        if not isinstance(event, QKeyEvent) or not isinstance(field, QWidget):
            return False
        action = self._actions.get((event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier))
        if event.type() == QEvent.Type.ShortcutOverride and action is not None:
            event.accept()  # the key comes to the field, not to a shortcut of the window
            return True
        if event.type() != QEvent.Type.KeyPress:
            return False
        if action is None:
            QTimer.singleShot(0, self._look)  # when the field has taken the key
            return False
        commit(field)
        action()
        return True

    def _focus_moved(self, before: QWidget | None, now: QWidget | None) -> None:
        if self._field is not None:
            self._field.removeEventFilter(self)
            self._field.destroyed.disconnect(self._gone)
            self._field = None
        if now is not None and self._form.isAncestorOf(now):
            self._field = now
            now.installEventFilter(self)
            now.destroyed.connect(self._gone)
        self._look()

    def _gone(self) -> None:
        self._field = None

    def _look(self) -> None:
        self._typed(self._field is not None and uncommitted(self._field))


def commit(field: QWidget) -> None:
    """Take over what is typed, as if the focus had left the field."""
    if isinstance(field, QAbstractSpinBox):
        field.interpretText()
        field.editingFinished.emit()
    elif isinstance(field, QLineEdit) and field.isModified():
        field.editingFinished.emit()


def uncommitted(field: QWidget) -> bool:
    """Whether the field shows text that is not its value yet."""
    if isinstance(field, QAbstractSpinBox):
        line = field.lineEdit()
        return line is not None and line.isModified()
    return isinstance(field, QLineEdit) and field.isModified()

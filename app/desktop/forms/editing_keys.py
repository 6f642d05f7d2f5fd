"""Keys that work in every field of a form: Ctrl+Enter applies, Ctrl+Z undoes."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QKeyCombination, QObject, Qt, QTimer
from PyQt6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QDoubleSpinBox,
    QLineEdit,
    QToolTip,
    QWidget,
)

from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.number_box import CountBox, NumberBox

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
Chord = tuple[int, Qt.KeyboardModifier]
APPLY: tuple[Chord, ...] = ((Qt.Key.Key_Return, CTRL), (Qt.Key.Key_Enter, CTRL))
UNDO: tuple[Chord, ...] = ((Qt.Key.Key_Z, CTRL),)
REDO: tuple[Chord, ...] = ((Qt.Key.Key_Z, CTRL | SHIFT), (Qt.Key.Key_Y, CTRL))
KeyActions = dict[tuple[Chord, ...], Callable[[], None]]


class EditingKeys(QObject):
    """Filters the keys of the field of `form` that has the focus. Typed text is committed before a key acts.

    Undo and redo do not act if the typed text changes no value: they only take it back. Apply does not act if the
    field refuses the text.

    Args:
        actions: the action of each key. The field handles all other keys itself.
        typed: called after each key and each other user edit (paste, drop, input method), with a bool: whether the
            field holds text that is not committed yet.
        values: returns the committed values of the form.
        refused: called with a sentence if a field refuses the typed text.
    """

    def __init__(
        self,
        form: QWidget,
        actions: KeyActions,
        typed: Callable[[bool], None],
        values: Callable[[], object],
        refused: Callable[[str], None],
    ) -> None:
        super().__init__(form)
        self._form, self._typed, self._values, self._report_refusal = form, typed, values, refused
        self._actions = {chord: action for chords, action in actions.items() for chord in chords}
        self._field: QWidget | None = None
        self._line: QLineEdit | None = None  # the line edit of the field
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focus_moved)

    def eventFilter(self, field: QObject | None, event: QEvent | None) -> bool:
        if not isinstance(event, QKeyEvent) or not isinstance(field, QWidget):
            return False
        chord = (event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier)
        action = self._actions.get(chord)
        if event.type() == QEvent.Type.ShortcutOverride and action is not None:
            event.accept()  # Qt sends the key to the field, not to a shortcut of the window
            return True
        if event.type() != QEvent.Type.KeyPress:
            return False
        if action is None:
            self._check_field_soon()
            return False
        if self._commit_typed_text(field, chord in APPLY):
            action()
        return True

    def _commit_typed_text(self, field: QWidget, applies: bool) -> bool:
        """Commit the typed text. Returns whether the key then still acts."""
        if not uncommitted(field):
            return True
        values_before = self._values()
        acceptable = not isinstance(field, QAbstractSpinBox) or field.hasAcceptableInput()
        commit(field)
        self._check_field_soon()
        return acceptable if applies else self._values() != values_before

    def _refused(self, message: str) -> None:
        """Show at the field, and by the form, why the typed text is not taken."""
        if self._field is not None:
            QToolTip.showText(self._field.mapToGlobal(self._field.rect().bottomLeft()), message, self._field)
        self._report_refusal(message)

    def _focus_moved(self, previous: QWidget | None, focused: QWidget | None) -> None:
        if self._field is not None:
            self._field.removeEventFilter(self)
            self._field.destroyed.disconnect(self._field_deleted)
            if self._line is not None:
                self._line.textEdited.disconnect(self._check_field_soon)
            if isinstance(self._field, NumberBox | CountBox):
                self._field.refused.disconnect(self._refused)
            self._field = self._line = None
        if focused is not None and self._form.isAncestorOf(focused):
            self._field = focused
            focused.installEventFilter(self)
            focused.destroyed.connect(self._field_deleted)
            self._line = line_of(focused)
            if self._line is not None:
                self._line.textEdited.connect(self._check_field_soon)
            if isinstance(focused, NumberBox | CountBox):
                focused.refused.connect(self._refused)
        self._check_field()

    def _field_deleted(self) -> None:
        self._field = self._line = None

    def _check_field_soon(self, *_: object) -> None:
        """Check the field after it has processed the event."""
        QTimer.singleShot(0, self._check_field)

    def _check_field(self) -> None:
        self._typed(self._field is not None and uncommitted(self._field))


def add_shortcuts(window: QWidget, actions: KeyActions) -> None:
    """Add the same keys for the window and its floating panels, when no field has the focus."""
    for chords, action in actions.items():
        for key, modifiers in chords:
            QShortcut(QKeySequence(QKeyCombination(modifiers, Qt.Key(key))), window).activated.connect(action)


def commit(field: QWidget) -> None:
    """Commit the typed text, as if the field had lost the focus."""
    if isinstance(field, QAbstractSpinBox):
        field.interpretText()
        field.editingFinished.emit()
    elif (line := line_of(field)) is not None and uncommitted(field):
        line.editingFinished.emit()


def uncommitted(field: QWidget) -> bool:
    """Whether the field shows text that is not yet its value."""
    line = line_of(field)
    if line is None:
        return False
    if isinstance(field, ChoiceBox):
        return field.currentText() != field.committed
    if isinstance(field, QDoubleSpinBox):  # Qt does not set `modified` when a paste replaces the whole text
        return line.isModified() or field.cleanText() != field.textFromValue(field.value())
    return line.isModified()


def line_of(field: QWidget) -> QLineEdit | None:
    """The line edit of a field; None if it has none."""
    if isinstance(field, QAbstractSpinBox | ChoiceBox):  # an editable list takes the focus of its line edit
        return field.lineEdit()
    return field if isinstance(field, QLineEdit) else None

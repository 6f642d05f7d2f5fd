"""A form generated from the fields of a settings class, with the names, units, limits and help of the YAML file.

Every editor holds plain data (mappings, lists, numbers, strings), as in YAML. Only `config.reader` validates them.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any, get_args, get_origin

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.desktop.forms.choice_box import ChoiceBox
from app.desktop.forms.defaults import bare, begin, fallback, help_of, holds_settings, is_union, words
from app.desktop.forms.value_editors import (
    Editor,
    Optional,
    choice,
    count,
    discard,
    number,
    stacked,
    text,
    truth,
    yaml_line,
)
from app.desktop.window import theme
from config.fields import FieldForm, describe, variants


class Fields(Editor):
    """All fields of one settings class, one row for each."""

    def __init__(self, cls: type, only: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.cls = cls
        self.rows: dict[str, Editor] = {}
        self._other_values: dict[str, Any] = {}
        layout = QFormLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.setLayout(layout)
        for form in describe(cls):
            if form.name == "kind" or (only and form.name not in only):
                continue
            editor = editor_of(form)
            self.rows[form.name] = editor
            editor.edited.connect(self.edited)
            editor.setToolTip(help_of(form))
            self._add(layout, form, editor)

    def _add(self, layout: QFormLayout, form: FieldForm, editor: Editor) -> None:
        label = QLabel(words(form.name))
        label.setToolTip(help_of(form))
        if isinstance(editor, Variant):
            layout.addRow(label, editor.kind)
            layout.addRow(editor)
        elif isinstance(editor, Fields):
            box = QGroupBox(words(form.name))
            box.setToolTip(form.help)
            stacked(box, margin=theme.GRID).addWidget(editor)
            layout.addRow(box)
        elif isinstance(editor, (Items, OptionalGroup)):
            layout.addRow(editor)
        else:
            layout.addRow(label, editor)

    def get(self) -> dict[str, Any]:
        return {**self._other_values, **{name: editor.get() for name, editor in self.rows.items()}}

    def put(self, value: dict[str, Any]) -> None:
        self._other_values = {name: part for name, part in value.items() if name not in self.rows}
        for name, editor in self.rows.items():
            editor.put(value[name])


class Variant(Editor):
    """One of several settings classes, selected by `kind`."""

    def __init__(self, union: Any) -> None:
        super().__init__()
        self.kinds = variants(union)
        self.kind = ChoiceBox()
        self.kind.addItems([*self.kinds])
        for index, cls in enumerate(self.kinds.values()):
            self.kind.setItemData(index, (cls.__doc__ or "").strip(), Qt.ItemDataRole.ToolTipRole)
        self.fields: Editor | None = None
        self._shown_kind = ""
        self._column = stacked(self, QVBoxLayout())  # of the fields; the parent widget places `kind`
        self.kind.activated.connect(self._chosen)

    def get(self) -> dict[str, Any]:
        assert self.fields is not None
        return {"kind": self._shown_kind, **self.fields.get()}

    def put(self, value: dict[str, Any]) -> None:
        self._show(str(value["kind"]))
        self.kind.setCurrentText(self._shown_kind)
        assert self.fields is not None
        self.fields.put({name: part for name, part in value.items() if name != "kind"})

    def _show(self, kind: str) -> None:
        if kind == self._shown_kind:
            return
        fields = fields_of(self.kinds[kind])  # first: an unknown kind changes nothing
        if self.fields is not None:
            self._column.removeWidget(self.fields)
            discard(self.fields)
        self.fields = fields
        self.fields.edited.connect(self.edited)
        self._column.addWidget(self.fields)
        follow_in_tab_order(self.kind, self.fields)
        self._shown_kind = kind

    def _chosen(self, index: int) -> None:
        kind = self.kind.itemText(index)
        if kind != self._shown_kind:
            values_before = self.get()
            self.put(begin(self.kinds[kind], values_before))
            self.edited.emit()


class Items(Editor):
    """A list of editors of the same type, with buttons to add and remove."""

    def __init__(self, form: FieldForm, inner: Any) -> None:
        super().__init__()
        self.form, self.inner = form, inner
        self.items: list[Editor] = []
        self._boxes: list[QWidget] = []
        self._column = stacked(self, QVBoxLayout())
        item_name = words(form.name).removesuffix("s")
        self.more = QPushButton(f"Add {'an' if item_name[0] in 'aeiou' else 'a'} {item_name}")
        self.more.clicked.connect(self._add)
        self._column.addWidget(self.more)

    def get(self) -> list[Any]:
        return [item.get() for item in self.items]

    def put(self, value: list[Any]) -> None:
        while len(self.items) > len(value):
            self._drop_editor(len(self.items) - 1)
        while len(self.items) < len(value):
            self._append_editor()
        for item, part in zip(self.items, value, strict=True):
            item.put(part)

    def _append_editor(self) -> None:
        item = editor_of(dataclasses.replace(self.form, type=self.inner))
        item.edited.connect(self.edited)
        box = QGroupBox(f"{words(self.form.name).removesuffix('s')} {len(self.items) + 1}")
        column = stacked(box, margin=theme.GRID)
        row = QHBoxLayout()
        if isinstance(item, Variant):
            row.addWidget(item.kind, 1)
        remove_button = QToolButton()
        remove_button.setText("✕")
        remove_button.setAutoRaise(True)
        remove_button.setToolTip("remove this one")
        remove_button.clicked.connect(lambda: self._remove(self.items.index(item)))
        row.addWidget(remove_button, 0, Qt.AlignmentFlag.AlignRight)
        column.addLayout(row)
        column.addWidget(item)
        self.items.append(item)
        self._boxes.append(box)
        previous = self.more.previousInFocusChain()
        self._column.insertWidget(len(self._boxes) - 1, box)
        if previous is not None:
            follow_in_tab_order(previous, box)

    def _drop_editor(self, index: int) -> None:
        self.items.pop(index)
        box = self._boxes.pop(index)
        self._column.removeWidget(box)
        discard(box)

    def _remove(self, index: int) -> None:
        value = self.get()
        del value[index]
        self.put(value)
        self.edited.emit()

    def _add(self) -> None:
        value = self.get()
        value.append(value[-1] if value else begin(next(iter(variants(self.inner).values()))))
        self.put(value)
        self.edited.emit()


def follow_in_tab_order(before: QWidget, inside: QWidget) -> None:
    """Let Tab go from `before` through all fields of `inside`: Qt puts new fields of a shown form at the end."""
    if not before.isVisible():
        return  # a form that is being built: its fields are in order
    for field in inside.findChildren(QWidget):
        takes_focus = field.focusPolicy() & Qt.FocusPolicy.TabFocus and field.focusProxy() is None
        if takes_focus and field.window() is before.window():  # else it is in the popup of a list
            QWidget.setTabOrder(before, field)
            before = field


class OptionalGroup(Editor):
    """An optional group of fields: set, or None as a whole. Its box enables the fields when it is ticked."""

    def __init__(self, inner: Editor, default: Any, form: FieldForm) -> None:
        super().__init__()
        self.inner, self.default = inner, default
        self.box = QGroupBox(words(form.name))
        self.box.setCheckable(True)
        self.box.setToolTip(help_of(form))
        stacked(self.box, margin=theme.GRID).addWidget(inner)
        stacked(self).addWidget(self.box)
        self.box.toggled.connect(lambda on: self.edited.emit())
        inner.edited.connect(self.edited)

    def get(self) -> Any:
        return self.inner.get() if self.box.isChecked() else None

    def put(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(value is not None)
        self.box.blockSignals(False)
        self.inner.put(self.default if value is None else value)


SPECIAL: dict[type, Callable[[type], Editor]] = {}  # editors of settings classes that do not use Fields


def fields_of(cls: type) -> Editor:
    return SPECIAL.get(cls, Fields)(cls)


def editor_of(form: FieldForm) -> Editor:
    """The editor for one field, chosen by its type."""
    hint = bare(form.type)
    options = [bare(option) for option in get_args(hint)] if is_union(hint) else [hint]
    if type(None) in options:
        rest = [option for option in options if option is not type(None)]
        inner = dataclasses.replace(form, type=functools.reduce(operator.or_, rest))
        editor = editor_of(inner)
        if isinstance(editor, Fields):
            return OptionalGroup(editor, fallback(inner), form)
        return Optional(editor, fallback(inner))
    if form.choices:
        return choice(form)
    if len(options) > 1 and all(dataclasses.is_dataclass(option) for option in options):
        return Variant(hint)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return fields_of(hint)
    if get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis and holds_settings(get_args(hint)[0]):
        return Items(form, get_args(hint)[0])
    simple = {float: number, int: count, bool: truth, str: text}
    return simple.get(hint, yaml_line)(form)

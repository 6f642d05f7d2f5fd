"""Initial values of a new form, and labels of its fields."""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any, Union, get_args, get_origin

from config.fields import FieldForm, describe, variants
from config.reader import plain
from config.units import SUFFIXES

INITIAL_VALUES: dict[type, dict[str, Any]] = {}  # initial values of settings classes that need more than their defaults


def begin(cls: type, like: dict[str, Any] | None = None) -> dict[str, Any]:
    """Initial values as plain data: from `like` if name and type agree, else the default, else an allowed value."""
    values = {}
    for form in describe(cls):
        if form.name == "kind":
            values["kind"] = form.default
        else:
            default = plain(form.default) if form.default is not dataclasses.MISSING else fallback(form)
            values[form.name] = (
                like[form.name] if like is not None and _same_type(like.get(form.name), default) else default
            )
    return values | INITIAL_VALUES.get(cls, {})


def _same_type(value: Any, default: Any) -> bool:
    return value is not None and (default is None or type(value) is type(default))


def fallback(form: FieldForm) -> Any:
    """An allowed value for a field without a default."""
    hint = bare(form.type)
    if form.default is not dataclasses.MISSING and form.default is not None:
        return plain(form.default)
    if form.choices:
        return form.choices[0]
    if holds_settings(hint):
        return begin(next(iter(variants(hint).values())) if is_union(hint) else hint)
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        item_types = [inner[0]] if inner[-1] is Ellipsis else inner
        return [fallback(dataclasses.replace(form, type=part)) for part in item_types]
    if hint in (float, int):
        number = next((n for n in (1, form.minimum + 1, form.maximum - 1) if form.minimum < n < form.maximum), 0)
        return hint(number)
    return {bool: False, str: "", dict: {}}.get(get_origin(hint) or hint)


def words(name: str) -> str:
    """The label of a field: its name without the unit, which follows the number.

    >>> words("stiffness_pn_per_um"), words("keep_in_field")
    ('stiffness', 'keep in field')
    """
    numerator, _, denominator = name.partition("_per_")
    parts = numerator.split("_")
    while len(parts) > 1 and parts[-1] in SUFFIXES:
        parts.pop()
    if denominator and len(numerator.split("_")) == 1:
        return name.replace("_", " ")
    return " ".join(parts)


def help_of(form: FieldForm) -> str:
    limits = []
    if form.minimum > float("-inf"):
        limits.append(f"from {form.minimum:g}")
    if form.maximum < float("inf"):
        limits.append(f"to {form.maximum:g}")
    help_text = f"{form.help} ({' '.join(limits)} {form.unit})" if limits else form.help
    return f"<b>{form.name}</b><br>{help_text}"


def bare(hint: Any) -> Any:
    return bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def holds_settings(hint: Any) -> bool:
    hint = bare(hint)
    options = get_args(hint) if is_union(hint) else (hint,)
    return all(dataclasses.is_dataclass(bare(option)) for option in options)

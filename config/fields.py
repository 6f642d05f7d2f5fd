"""Settings: frozen dataclasses whose fields define the strict reader, the panel's form and the reference page.

@settings
class Annular:
    \"\"\"A harmonic ring.\"\"\"
    kind: Literal["annular"] = "annular"
    radius_um: Annotated[float, Gt(0), Doc("radius of the ring")] = 1.0
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import ConfigDict, Field
from typing_extensions import Doc

from config.units import unit_of
from config.words import quoted

__all__ = [
    "Doc",
    "Field",
    "FieldForm",
    "Ge",
    "Gt",
    "Interval",
    "Le",
    "Lt",
    "beyond",
    "bounds",
    "describe",
    "set_absent",
    "settings",
]

T = TypeVar("T")

# Largest magnitude of a number without a narrower bound, by the unit of its field.
LARGEST = {"px": 1e6, "µm": 1e9, "s": 1e9, "Hz": 1e9, "mW": 1e12, "kT": 1e12, "V": 1e6, "pN": 1e12, "°": 1e6, "K": 1e9}
LARGEST_NUMBER = 1e18  # with any other unit
LARGEST_COUNT = 2**63 - 1  # whole numbers, such as a seed
SMALLEST = {"µm": 1e-6, "s": 1e-9, "px": 1e-3, "V": 1e-3}  # numbers that must be positive, by unit
SMALLEST_NUMBER = 1e-12  # with any other unit
LONGEST_TEXT = 20_000  # characters


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass that `build` reads with strict types, known keys and finite numbers only."""
    frozen = dataclass(frozen=True, kw_only=True)(cls)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    frozen.__pydantic_config__ = config  # type: ignore[attr-defined]
    return frozen


def set_absent(cls: type, **values: Any) -> None:
    """Set attributes that a settings class does not declare as fields; to be called in __init_subclass__.

    An attribute of the superclass would become the default of a field of the same name.
    """
    bases = [base for base in cls.__mro__ if base is cls or "__pydantic_config__" in vars(base)]
    declared = {name for base in bases for name in inspect.get_annotations(base)}
    for name, value in values.items():
        if name not in declared and not hasattr(cls, name):
            setattr(cls, name, value)


@dataclass(frozen=True)
class FieldForm:
    """A field of a settings class, for forms and reference pages."""

    name: str
    type: Any  # float, int, bool, str, a settings class, a tuple or a union
    unit: str
    help: str
    default: Any  # MISSING if it has none
    minimum: float
    maximum: float
    choices: tuple[Any, ...]  # of a Literal, else empty


def describe(cls: type) -> tuple[FieldForm, ...]:
    """The fields of a settings class, in order."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_form(field, hints[field.name]) for field in dataclasses.fields(cls))


def _form(field: dataclasses.Field[Any], hint: Any) -> FieldForm:
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        make: Callable[[], Any] = field.default_factory
        default = make()
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    text = next((mark.documentation for mark in marks if isinstance(mark, Doc)), "")
    low, high = -math.inf, math.inf
    for mark in marks:
        low = max(
            low, *(float(x) for x in (getattr(mark, "gt", None), getattr(mark, "ge", None)) if x is not None), low
        )
        high = min(
            high, *(float(x) for x in (getattr(mark, "lt", None), getattr(mark, "le", None)) if x is not None), high
        )
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    return FieldForm(field.name, hint, unit_of(field.name), text, default, low, high, choices)


def variants(union: Any) -> dict[str, type]:
    """The settings classes of a union, by the value of their `kind`."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    members = get_args(union) if get_origin(union) in (Union, types.UnionType) else (union,)
    return {get_args(get_type_hints(member)["kind"])[0]: member for member in members}


@lru_cache(maxsize=1024)
def bounds(cls: type) -> dict[str, tuple[float, float]]:
    """(least, largest) allowed number in each field of a settings class: by its annotation, else by its unit."""
    hints = get_type_hints(cls, include_extras=True)
    return {form.name: _bounds(form, hints[form.name]) for form in describe(cls)}


def _bounds(form: FieldForm, hint: Any) -> tuple[float, float]:
    if Any in (form.type, *get_args(form.type)):  # checked when a value replaces a number
        return -math.inf, math.inf
    largest = LARGEST_COUNT if form.type is int else LARGEST.get(form.unit, LARGEST_NUMBER)
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    positive = any(getattr(mark, "gt", None) == 0 for mark in marks) and form.type is not int
    return max(form.minimum, SMALLEST.get(form.unit, SMALLEST_NUMBER) if positive else -largest), min(
        form.maximum, largest
    )


def beyond(value: Any, at: tuple[str | int, ...] = (), limits: tuple[float, float] | None = None) -> Iterator[
    tuple[tuple[str | int, ...], str]
]:  # fmt: skip
    """Yield (place, problem) for each number in settings outside its `bounds`, and for each overlong text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name, field_limits in bounds(type(value)).items():
            yield from beyond(getattr(value, name), (*at, name), field_limits)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from beyond(inner, (*at, key), limits)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from beyond(inner, (*at, index), limits)
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield at, f"is a text of {len(value)} characters (allowed: {LONGEST_TEXT})"
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and limits is not None:
        low, high = limits
        if not low <= value <= high:
            yield at, f"is {quoted(value)} (allowed: {low:g} to {high:g})"

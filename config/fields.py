"""Settings: frozen dataclasses whose fields make the strict reader, the panel's form and the reference page.

@settings
class Annular:
    \"\"\"A harmonic ring.\"\"\"
    kind: Literal["annular"] = "annular"
    radius_um: Annotated[float, Gt(0), Doc("radius of the ring")] = 1.0
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import ConfigDict, Field
from typing_extensions import Doc

from config.units import unit_of

__all__ = ["Doc", "Field", "FieldForm", "Ge", "Gt", "Interval", "Le", "Lt", "describe", "settings"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass that refuses unknown keys, wrong types and numbers that are not finite."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # type: ignore[attr-defined]
    return made


@dataclass(frozen=True)
class FieldForm:
    """One field of a settings class, as a form or a reference page shows it."""

    name: str
    type: Any  # float, int, bool, str, a settings class, a tuple or a union
    unit: str
    help: str
    default: Any  # MISSING where there is none
    minimum: float
    maximum: float
    choices: tuple[Any, ...]  # of a Literal; else empty


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
    """The settings classes of a list page (a union told apart by `kind`), by their kind."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    members = get_args(union) if get_origin(union) in (Union, types.UnionType) else (union,)
    return {get_args(get_type_hints(member)["kind"])[0]: member for member in members}

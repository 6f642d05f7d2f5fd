"""The value that given settings set at one key, by naming the key itself or a mapping that contains it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from config.reader import value_of


class Gone:
    """Stands for a removed value: the given mapping lacks this key, and replaces a mapping that had it."""


GONE = Gone()


@dataclass(frozen=True)
class Given:
    """The value given for a key, or GONE, and the setting that gave it."""

    value: Any
    by: str


def decides(name: str, key: str) -> bool:
    """Whether a setting of `name` determines the value at `key`: `optics` determines `optics.um_per_px`, for one."""
    return key == name or key.startswith(f"{name}.")


def inside(value: Any, name: str, key: str) -> Any:
    """The value at `key` inside a value that is set at `name`; GONE if that is a mapping without it."""
    for step in key.removeprefix(name).split(".")[1:]:
        if not isinstance(value, dict):
            return value  # not a mapping: the strict reader refuses it
        if step not in value:
            return GONE
        value = value[step]
    return value


def given_by(sets: Sequence[str], key: str) -> Given | None:
    """The last of `sets` ("key=value") that determines the value at `key`; None: none does. Raises Refused."""
    for item in reversed(sets):
        name, equals, text = item.partition("=")
        if equals and decides(name.strip(), key):
            return Given(inside(value_of(text, f"--set {item}"), name.strip(), key), item)
    return None


def names_of(values: dict[Any, Any], keys: Iterable[str]) -> tuple[str, ...]:
    """Those of `keys` that a mapping of settings, by dotted key, sets."""
    return tuple(
        key
        for key in keys
        if any(decides(f"{name}", key) and inside(value, f"{name}", key) is not GONE for name, value in values.items())
    )

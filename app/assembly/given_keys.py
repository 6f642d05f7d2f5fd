"""What settings that were given say of one key, whether they name the key itself or a mapping that holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from config.reader import value_of


class Gone:
    """In the place of a value: a mapping was given that has no such key, so that what stood there before is gone."""


GONE = Gone()


@dataclass(frozen=True)
class Given:
    """The value that decides what stands at a key, or GONE, and the setting that gave it."""

    value: Any
    by: str


def decides(name: str, key: str) -> bool:
    """Whether what is set at `name` decides what stands at `key`: `optics` and `optics.um_per_px` do, of the latter."""
    return key == name or key.startswith(f"{name}.")


def inside(value: Any, name: str, key: str) -> Any:
    """What a value that is set at `name` has at `key`; GONE where it is a mapping without it."""
    for step in key.removeprefix(name).split(".")[1:]:
        if not isinstance(value, dict):
            return value  # no mapping: the strict reader refuses it
        if step not in value:
            return GONE
        value = value[step]
    return value


def given_by(sets: Sequence[str], key: str) -> Given | None:
    """The last of `sets` ("key=value") that decides what stands at `key`; None: none does. Raises Refused."""
    for item in reversed(sets):
        name, equals, text = item.partition("=")
        if equals and decides(name.strip(), key):
            return Given(inside(value_of(text, f"--set {item}"), name.strip(), key), item)
    return None


def names_of(values: dict[Any, Any], keys: Iterable[str]) -> tuple[str, ...]:
    """Those of `keys` that a mapping of settings by dotted key says something of."""
    return tuple(
        key
        for key in keys
        if any(decides(f"{name}", key) and inside(value, f"{name}", key) is not GONE for name, value in values.items())
    )

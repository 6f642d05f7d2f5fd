"""The changes of settings by an APPLY, in words: keys, and their values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.reader import parse
from config.words import quoted

LONG = 30  # a list with more characters is shown by its length only
MISSING = object()
NAMES = ("title", "about")  # of an experiment; they have no effect on a run


def changes(before: str, after: str, rig: Mapping[str, Any]) -> str:
    """All differences `key before → after` between two texts of experiments. Raises Refused if one is invalid.

    Args:
        rig: the rig under `before`, as plain values: the first `set` of a key is compared with it.
    """
    old, new = (parse(text, "the experiment of an APPLY").data for text in (before, after))
    differences = [*_differences("", {**old, "set": {}}, {**new, "set": {}}), *_sets(old, new, rig)]
    effective = [change for key, change in differences if key not in NAMES]
    return "; ".join(effective) or "; ".join(change for _, change in differences) or "the same settings again"


def _sets(old: dict[str, Any], new: dict[str, Any], rig: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Changes of the rig by `set`; a key that is no longer set returns to the value of the rig file."""
    old_sets, new_sets = (each.get("set") or {} for each in (old, new))
    for key in dict.fromkeys((*old_sets, *new_sets)):
        previous = old_sets.get(key, _within(rig, key))
        if key not in new_sets:
            yield key, f"{key} {_short(previous)} → as in the rig file"
        elif previous != new_sets[key]:
            yield key, f"{key} {_short(previous)} → {_short(new_sets[key])}"


def _within(rig: Mapping[str, Any], key: str) -> Any:
    value: Any = rig
    for name in key.split("."):
        value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
    return value


def _differences(key: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """(key, change in words) for each difference of two plain values; another `kind` counts as one change."""
    if isinstance(old, dict) and isinstance(new, dict) and old.get("kind") == new.get("kind"):
        for name in dict.fromkeys((*old, *new)):
            yield from _differences(f"{key}.{name}" if key else name, old.get(name, MISSING), new.get(name, MISSING))
    elif isinstance(old, list) and isinstance(new, list) and _of_mappings(old, new):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else MISSING for each in (old, new))
            yield from _differences(f"{key}.{index}", before, after)
    elif old != new:
        yield key, f"{key} {_short(old)} → {_short(new)}"


def _of_mappings(*lists: list[Any]) -> bool:
    return all(isinstance(item, dict) for each in lists for item in each)


def _short(value: Any) -> str:
    """A value as short text: long lists are abbreviated."""
    if value is MISSING:
        return "none"
    if isinstance(value, dict):
        return str(value.get("kind", "…"))
    if isinstance(value, list) and len(str(value)) > LONG:
        return f"[{len(value)} values]"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return (
        f"{value:.6g}" if isinstance(value, float) else str(value) if not isinstance(value, str) else quoted(value, 60)
    )

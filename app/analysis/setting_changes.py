"""What an APPLY changes, in words: keys, and their values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.reader import parse
from config.words import quoted

LONG = 30  # characters of a value that is shown
MISSING = object()
NAMES = ("title", "about")  # of an experiment; they change nothing that flies


def changes(before: str, after: str, rig: Mapping[str, Any]) -> str:
    """`key before → after` of all that differs between two texts of experiments; raises Refused where one is none.

    Args:
        rig: as it was under `before`, in plain values: what the first `set` of a key is compared with.
    """
    old, new = (parse(text, "the experiment of an APPLY").data for text in (before, after))
    found = [*_differences("", {**old, "set": {}}, {**new, "set": {}}), *_sets(old, new, rig)]
    said = [one for key, one in found if key not in NAMES]
    return "; ".join(said) or "; ".join(one for _, one in found) or "the same settings again"


def _sets(old: dict[str, Any], new: dict[str, Any], rig: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What `set` changes of the rig; a key that is no longer set goes back to the rig file."""
    first, then = (each.get("set") or {} for each in (old, new))
    for key in dict.fromkeys((*first, *then)):
        was = first.get(key, _within(rig, key))
        if key not in then:
            yield key, f"{key} {_short(was)} → as in the rig file"
        elif was != then[key]:
            yield key, f"{key} {_short(was)} → {_short(then[key])}"


def _within(rig: Mapping[str, Any], key: str) -> Any:
    found: Any = rig
    for name in key.split("."):
        found = found.get(name, MISSING) if isinstance(found, Mapping) else MISSING
    return found


def _differences(key: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """(key, what became of it) where two plain values differ; another kind of thing is one change."""
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
    """A value as a person reads it: whole where it is short."""
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

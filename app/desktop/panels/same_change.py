"""Makes a change of plain data in other data, as in a three-way merge."""

from __future__ import annotations

from typing import Any


class Unclear(Exception):
    """A change can't be made in other data, because they differ where it was made."""


def changed_alike(data: Any, before: Any, after: Any) -> Any:
    """The data with the change that leads from `before` to `after`, and with their own other values.

    Raises Unclear.

    >>> changed_alike({"a": 1, "b": [2]}, {"a": 5, "b": [2]}, {"a": 5, "b": [2, 3]})
    {'a': 1, 'b': [2, 3]}
    """
    if before == after:
        return data
    if data in (before, after):  # `after`: the change is there already
        return after
    if isinstance(after, dict | list) and type(before) is not type(after) and not data:
        return after  # invalid text was replaced as a whole
    if isinstance(data, dict) and isinstance(before, dict) and isinstance(after, dict):
        if data.keys() == before.keys() == after.keys():
            return {key: changed_alike(data[key], before[key], after[key]) for key in data}
    elif isinstance(data, list) and isinstance(before, list) and isinstance(after, list) and not shifted(data, before):
        if len(data) == len(before) == len(after) and not _other_group_changes(data, before, after):
            return [changed_alike(*three) for three in zip(data, before, after, strict=True)]
        if len(data) == len(before) and after[: len(before)] == before:
            return data + after[len(before) :]
        for index in range(len(before)) if len(data) == len(before) == len(after) + 1 else ():
            if before[:index] + before[index + 1 :] == after and data[index] == before[index]:
                return data[:index] + data[index + 1 :]
    raise Unclear


def shifted(data: list[Any], before: list[Any]) -> bool:
    """Whether a group of settings has another place in the two lists: places then do not correspond."""
    return any(
        one != other and isinstance(one, dict) and (one in before or other in data)
        for one, other in zip(data, before, strict=False)
    )


def _other_group_changes(data: list[Any], before: list[Any], after: list[Any]) -> bool:
    """Whether a group that the change edits differs in `data`: it may be another group with the same place."""
    return any(
        edited != one != other and isinstance(one, dict) for other, one, edited in zip(data, before, after, strict=True)
    )

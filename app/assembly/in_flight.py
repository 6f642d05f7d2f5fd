"""Settings of a rig that may change between two turns: the tracking. All others require reopening the devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from app.assembly.rig import Rig
from config.refused import Refused

IN_FLIGHT = ("tracking",)  # parts of a rig


def changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a rig that a new `set` of an experiment changes: all values in IN_FLIGHT, and other changed values.

    A device value that is the same in both keeps the value of the rig, even one from `--set` on the command line.
    """
    return {
        key: value
        for key, value in after.items()
        if key.partition(".")[0] in IN_FLIGHT or key not in before or before[key] != value
    }


def opened_anew(before: Rig, after: Rig) -> tuple[str, ...]:
    """The parts of a rig that differ and require reopening the devices."""
    parts = (field.name for field in dataclasses.fields(before) if field.name not in IN_FLIGHT)
    return tuple(part for part in parts if getattr(before, part) != getattr(after, part))


def require_same_devices(before: Rig, after: Rig) -> None:
    """Raises Refused if the new rig has other settings of the open devices.

    The loop would use the new settings, while the devices and the guard keep those of their opening: the light would be
    misplaced.
    """
    parts = opened_anew(before, after)
    if parts:
        raise Refused(f"these settings need the devices opened anew, dark: {', '.join(parts)} (allowed while the loop "
                      f"runs: {', '.join(IN_FLIGHT)})")  # fmt: skip

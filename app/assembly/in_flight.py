"""What of a rig may change between two turns: how its images are tracked. All else needs its devices opened anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from app.assembly.rig import Rig
from config.refused import Refused

IN_FLIGHT = ("tracking",)  # parts of a rig


def changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What another `set` of an experiment changes of a rig: all that it sets of IN_FLIGHT, and other changed values.

    A value of a device that is the same in both stays as the rig has it, be it from a `--set` on the command line.
    """
    return {
        key: value
        for key, value in after.items()
        if key.partition(".")[0] in IN_FLIGHT or key not in before or before[key] != value
    }


def opened_anew(before: Rig, after: Rig) -> tuple[str, ...]:
    """The parts of a rig that differ, and for which its devices have to be opened anew."""
    parts = (field.name for field in dataclasses.fields(before) if field.name not in IN_FLIGHT)
    return tuple(part for part in parts if getattr(before, part) != getattr(after, part))


def require_same_devices(before: Rig, after: Rig) -> None:
    """Raises Refused where the devices of an open rig would have other settings.

    The loop would compute with them, and the devices and the guard go on with those that they were opened with: light
    would land elsewhere.
    """
    parts = opened_anew(before, after)
    if parts:
        raise Refused(f"these settings need the devices opened anew, dark: {', '.join(parts)} (allowed while the loop "
                      f"runs: {', '.join(IN_FLIGHT)})")  # fmt: skip

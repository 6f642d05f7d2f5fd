"""The loop's memory in a record that begins in flight: how it is stored, and checks when it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from config.refused import Refused
from control.contract import Turn
from control.loop import LoopMemory, Machine
from drivers.journal import Run
from drivers.journal.memory import NotStorable, decode, encode
from tracking.tracker import TrackerMemory as TrackerMemory

NAMES = {  # in the file: "module:class" here
    "loop.Memory": "control.loop:LoopMemory",
    "loop.Level": "control.contract:Level",
    "loop.Command": "control.contract:Command",
    "loop.Hold": "control.expected:Hold",
    "loop.Whereabouts": "control.expected:PredictedPositions",
    "history.History": "control.history:History",
    "history.Sighting": "control.history:Sighting",
    "predictive.Known": "control.policies.predictive:PredictiveMemory",
    "predictive.Learning": "control.policies.response:Learning",
    "predictive.Response": "control.policies.response:Response",
    "predictive.Told": "control.policies.response:CommandedTraps",
    "calibrating.Held": "control.policies.calibrating:Held",
    "tracker.Memory": "tracking.tracker:TrackerMemory",
    "tracker.Remembered": "tracking.link:LinkMemory",
    "tracker.Choice": "tracking.locate.auto:Choice",
    "tracker.Agreement": "tracking.locate.windows:Agreement",
    "tracker.Tracking": "tracking.settings:Tracking",
    "tracker.Sorting": "tracking.settings:Sorting",
    "tracker.Rectangle": "tracking.settings:Rectangle",
    "tracker.Ellipse": "tracking.settings:Ellipse",
    "species.Labels": "models.lie.species:SpeciesMemory",
    "absent": "app.assembly.stored_memory:Absent",
}

FARTHEST_PX = 1e6  # larger than any image
MOST_COUNT = 2**48  # frames, particles


@dataclass(frozen=True)
class Absent:
    """Replaces the memory of a tracker or a policy that can't be stored."""

    why: str


def encoded(memory: LoopMemory) -> bytes:
    """The stored memory at the beginning of a record in flight. Raises NotStorable if even the rest can't be stored."""
    return encode(replace(memory, tracker=_storable(memory.tracker), policy=_storable(memory.policy)), NAMES)


def _storable(part: Any) -> Any:
    """The part itself, or Absent if it can't be stored."""
    try:
        encode(part, NAMES)
    except NotStorable as error:
        return Absent(str(error))
    return part


def recalled(run: Run) -> LoopMemory | None:
    """The memory at the beginning of a record; None if none is stored. Raises Refused."""
    if not run.memory:
        return None
    memory = decode(run.memory, NAMES, str(run.path))
    if not isinstance(memory, LoopMemory) or not _sound(memory.tracker):
        raise Refused(f"{run.path}: the memory that the record begins with is not that of a loop")
    return memory


def from_first_turn(machine: Machine, first: Turn) -> LoopMemory:
    """The memory of a record without a stored one, as far as the first turn gives it: level, reason and counts."""
    new = replace(machine.start(), level=first.level, reason=first.reason)
    return replace(new, number=first.number, dropped=first.dropped)


def _sound(memory: Any) -> bool:
    """Whether compiled code can safely read a tracker's memory: its arrays have consistent sizes, types and values."""
    if not isinstance(memory, TrackerMemory):
        return memory is None or isinstance(memory, Absent)
    who, place_px, light = memory.seen.who, memory.seen.place_px, memory.light
    rows, velocity_px, own_steps = who.shape[:1], memory.seen.velocity_px, memory.seen.own_steps
    return (
        velocity_px.dtype.str == "<f8"
        and velocity_px.shape in ((0, 2), (*rows, 2))
        and not bool((np.abs(velocity_px) >= FARTHEST_PX).any())
        and own_steps.dtype.str == "<f8"
        and own_steps.shape in ((0, 2), (*rows, 2))
        and bool(((own_steps >= 0) & (own_steps < FARTHEST_PX**2)).all())
        and 0 <= memory.seen.moves < MOST_COUNT
        and 0 <= memory.seen.steps < MOST_COUNT
        and 0 <= memory.seen.variance_px2 < FARTHEST_PX**2
        and [column.dtype.str for column in (who, place_px, light)] == ["<i8", "<f8", "<f8"]
        and (who.shape, place_px.shape, light.shape) == ((*rows, 5), (*rows, 4), (*rows, 2))
        and bool((np.abs(place_px) < FARTHEST_PX).all() and (np.diff(who[:, 0]) > 0).all())
        and bool((np.abs(who) < MOST_COUNT).all() and max(map(abs, memory.seen.drift_px)) < FARTHEST_PX)
    )

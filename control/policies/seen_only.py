"""Read-only input of a law: the loop, the record and the light use the same arrays and history."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from control.contract import Command, Forces, Policy, Seen, Tracks
from control.history import History
from control.read_only import read_only

Columns = TypeVar("Columns", Tracks, Command)

VALUES = {kind: attrgetter(*(field.name for field in fields(kind))) for kind in (Tracks, Command)}


def seen_only(seen: Seen) -> Seen:
    """The same tracks, history and command, read-only. The arrays of a history are always read-only."""
    source = seen.history
    history = History(source.depth_s, source.sightings, MappingProxyType(source.begun_s))
    return Seen(_columns(seen.tracks), history, seen.effect_s, seen.hold_s, _columns(seen.allowed))


def _columns(columns: Columns) -> Columns:
    values: tuple[Any, ...] = VALUES[type(columns)](columns)
    cls: Any = type(columns)
    copied: Columns = cls(*[read_only(value) if type(value) is np.ndarray else value for value in values])
    return copied


@dataclass(frozen=True)
class SeenOnly:
    """A policy of a plug-in, which gets a read-only input."""

    policy: Policy

    @property
    def longest_delay_s(self) -> float:
        return self.policy.longest_delay_s

    def start(self) -> Any:
        return self.policy.start()

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
        return self.policy.step(memory, seen_only(seen))

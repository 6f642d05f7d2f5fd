"""The law of a plug-in cannot change its input."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from control.contract import Command, Forces, Seen, Tracks
from control.history import History, Sighting
from control.policies.seen_only import SeenOnly, seen_only


def seen() -> Seen:
    who = np.arange(2)
    tracks = Tracks(1.0, who, np.ones((2, 2)), np.zeros(2, np.uint8), lost=np.array([5]), notes=("one",))
    command = Command(np.ones((2, 2)), np.ones(2), np.ones(2), who, effect_s=0.9)
    history = History(1.0).push(Sighting(1.0, who, tracks.position_um), uncertain=who[1:])
    return Seen(tracks, history, 1.01, 0.02, command)


def test_all_arrays_are_read_only_views_of_the_same_values() -> None:
    at = seen()
    found = seen_only(at)
    for part, own in ((found.tracks, at.tracks), (found.allowed, at.allowed)):
        for field in fields(own):
            value, before = getattr(part, field.name), getattr(own, field.name)
            if isinstance(before, np.ndarray):
                assert np.shares_memory(value, before) or not before.size
                assert (value.flags.writeable, before.flags.writeable) == (False, True)
            assert np.array_equal(value, before, equal_nan=isinstance(before, np.ndarray) and before.dtype.kind == "f")
    assert not found.history.sightings[-1].position_um.flags.writeable
    assert found.history.begun_s == at.history.begun_s == {1: 1.0}
    with pytest.raises(TypeError, match="does not support item assignment"):
        found.history.begun_s[0] = 2.0  # type: ignore[index]
    assert (found.effect_s, found.hold_s) == (at.effect_s, at.hold_s)


def test_a_foreign_policy_can_not_change_the_tracks() -> None:
    class Moves:
        longest_delay_s = 0.5

        def start(self) -> int:
            return 3

        def step(self, memory: int, seen: Seen) -> tuple[int, Forces]:
            if memory == 3:
                return 4, Forces(seen.tracks.particle)
            seen.tracks.position_um[0] += 1.0
            raise AssertionError

    policy: Any = SeenOnly(Moves())
    assert (policy.start(), policy.longest_delay_s) == (3, 0.5)
    memory, forces = policy.step(3, seen())
    assert (memory, len(forces.particle)) == (4, 2)
    with pytest.raises(ValueError, match="read-only"):
        policy.step(memory, seen())

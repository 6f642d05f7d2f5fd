"""The newest turns of a running loop, as tables for its findings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.analysis.findings import RunTables, conditions_of
from app.analysis.frame_times import changes_in_words, counting_hz, numbers_by_time
from app.analysis.trajectories import not_counted
from app.assembly.rig import Plan
from control.contract import Command, Forces, Tracks, Turn
from drivers.frame_rate import mean_hz

MOST = 4000  # turns
MOST_PLACES = 120_000  # particles times turns


@dataclass(frozen=True)
class Moment:
    """The data kept of a turn, without its image."""

    now_s: float
    tracks: Tracks
    wanted: Forces
    sent: Command
    late_s: float  # by how much the command acted later than the turn expected
    frame: int = -1  # frame number; -1: no frame


class Recent:
    """A window over the newest turns."""

    def __init__(self) -> None:
        self.moments: deque[Moment] = deque(maxlen=MOST)

    def add(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            if turn.frame is None and not len(turn.tracks):
                continue  # no frame and no particle
            if self.moments and turn.now_s <= self.moments[-1].now_s:
                self.moments.clear()  # another run
            late_s = turn.sent.effect_s - turn.effect_s
            frame = turn.frame.number if turn.frame is not None else -1
            self.moments.append(Moment(turn.now_s, turn.tracks, turn.wanted, turn.sent, late_s, frame))

    def clear(self) -> None:
        self.moments.clear()

    def copy(self) -> Recent:
        """A copy for another thread; turns added later are not in it."""
        copied = Recent()
        copied.moments = self.moments.copy()
        return copied

    def tables(self, plan: Plan) -> RunTables | None:
        """The tables, as in main.py analyse; None before a second of turns with particles."""
        requested_hz = plan.rig.camera.fps
        particles = max((len(moment.tracks) for moment in self.moments), default=0)
        moments = [*self.moments][-most(particles) :]
        if not particles or len(moments) < max(requested_hz, 16.0):
            return None
        framed = [each for each in moments if each.frame >= 0]
        numbers, frame_time_s = (
            np.array([each.frame for each in framed]),
            np.array([each.tracks.time_s for each in framed]),
        )
        conditions = conditions_of(plan, particles, mean_hz(numbers, frame_time_s, requested_hz))
        fps = counting_hz(numbers, frame_time_s, requested_hz)
        return RunTables(
            plan, conditions, fps, tracks_of(moments, fps), commands_of(moments),
            delays_of(moments, lambda wanted: wanted.delay_s), delays_of(moments, lambda wanted: wanted.ring_delay_s),
            turns_of(moments), plan.kind.light_acts and any(len(each.sent) for each in moments),
            changes=changes_in_words(numbers, frame_time_s),
        )  # fmt: skip


def most(particles: float) -> int:
    """Number of turns for the findings, by particles per turn: more would take longer to analyse than to record."""
    return min(MOST, max(int(MOST_PLACES / max(particles, 1.0)), 200))


def tracks_of(moments: list[Moment], fps: float) -> pd.DataFrame:
    """frame, time_s, particle, x_um, y_um, carried: a row for each particle and turn; frames are numbered by time.

    An uncertain particle counts as carried, as in `analyse`.
    """
    counts = [len(moment.tracks) for moment in moments]
    carried = [apart(each.tracks, each.wanted) for each in moments]
    frame_time_s, frame_index = np.unique([each.tracks.time_s for each in moments], return_inverse=True)
    frame = int(frame_time_s[0] * fps + 1e-6) + numbers_by_time(frame_time_s, fps)
    place_um = np.concatenate([each.tracks.position_um for each in moments])
    return pd.DataFrame(
        {
            "frame": np.repeat(frame[frame_index], counts),
            "time_s": np.repeat([each.tracks.time_s for each in moments], counts),
            "particle": np.concatenate([each.tracks.particle for each in moments]),
            "x_um": place_um[:, 0],
            "y_um": place_um[:, 1],
            "carried": np.concatenate(carried),
        }
    )


def apart(tracks: Tracks, wanted: Forces) -> NDArray[np.bool_]:
    """[N] `not_counted` for the particles of one turn."""
    is_carried = np.isin(tracks.particle, wanted.particle[wanted.carried])
    return not_counted(is_carried, tracks.state) if len(tracks.state) else is_carried


def commands_of(moments: list[Moment]) -> pd.DataFrame:
    """command, turn, effect_s, x_um, y_um, power_mw, dwell_s: a row for each sent spot."""
    counts = [len(moment.sent) for moment in moments]
    place_um = np.concatenate([each.sent.position_um for each in moments])
    return pd.DataFrame(
        {
            "command": "sent",
            "turn": np.repeat(np.arange(len(moments)), counts),
            "effect_s": np.repeat([each.sent.effect_s for each in moments], counts),
            "x_um": place_um[:, 0],
            "y_um": place_um[:, 1],
            "power_mw": np.concatenate([each.sent.power_mw for each in moments]),
            "dwell_s": np.concatenate([each.sent.dwell_s for each in moments]),
        }
    )


def delays_of(moments: list[Moment], delay_s: Callable[[Forces], NDArray[Any]]) -> pd.DataFrame:
    """delay_s, delay_achieved_s: a row for each force or ring."""
    per_turn_s = [delay_s(each.wanted) for each in moments]
    requested_s = np.concatenate(per_turn_s)
    late_s = np.repeat([each.late_s for each in moments], [len(delays_s) for delays_s in per_turn_s])
    return pd.DataFrame({"delay_s": requested_s, "delay_achieved_s": requested_s + late_s})


def turns_of(moments: list[Moment]) -> pd.DataFrame:
    """turn, now_s, frame_time_s, sent_effect_s: a row for each turn."""
    return pd.DataFrame(
        {
            "turn": np.arange(len(moments)),
            "now_s": [each.now_s for each in moments],
            "frame_time_s": [each.tracks.time_s for each in moments],
            "sent_effect_s": [each.sent.effect_s for each in moments],
        }
    )

"""A recorded run, or a stretch of it, as tables for its findings."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from app.analysis.findings import RunTables, conditions_of
from app.analysis.frame_times import changes_in_words, counted_by_time
from app.analysis.trajectories import sure
from app.assembly.open import plan_after
from app.assembly.rig import Plan
from config.refused import Refused
from control.contract import Level
from drivers.frame_rate import mean_hz
from drivers.journal import Run
from drivers.journal.tidy import tidy

LEAST = 50  # turns: a shorter stretch is too short to analyse


@dataclass(frozen=True)
class Stretch:
    """Turns under one law, all of them armed or none: from turn `begin` to before `end`."""

    begin: int
    end: int
    armed: bool
    laws: int  # number of laws applied before
    since: str  # its beginning, in words

    def __len__(self) -> int:
        return self.end - self.begin


class Stretches:
    """A run divided into stretches, in order: data under different laws, or with and without light, are not pooled."""

    def __init__(self, run: Run, plan: Plan) -> None:
        turns, orders = run.rows("turns"), run.rows("orders")
        armed = turns["level"] == Level.ARMED.encode()
        rows = orders["kind"] == b"APPLY"
        laws = orders["turn"][rows] - run.first_turn
        self._texts = [run.printable_text(int(row)) for row in orders["text"][rows]]
        self._plans = [plan]  # in the order in which they were in force
        switched = np.flatnonzero(armed[1:] != armed[:-1]) + 1
        begins = np.unique(np.concatenate([[0], switched, laws[(laws > 0) & (laws < len(turns))]])).astype(int)
        self.all: list[Stretch] = []
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(turns)], strict=True):
            event = "APPLY" if begin in laws else turns["level"][begin].decode() if begin < len(turns) else ""
            since = f"since {event} at {turns['now_s'][begin]:.1f} s" if begin else "since its start"
            is_armed = bool(armed[begin]) if begin < len(turns) else False
            self.all.append(Stretch(begin, end, is_armed, int(np.count_nonzero(laws <= begin)), since))

    def at(self, turn: int) -> Stretch:
        """The stretch with this turn; if the first stretches are too short to analyse, a later one."""
        number = bisect_right([stretch.begin for stretch in self.all], max(turn, 0)) - 1
        while len(self.all[number]) < LEAST and turn < LEAST and number + 1 < len(self.all):
            number += 1
        return self.all[number]

    def longest(self) -> Stretch:
        """The longest armed stretch; if none was armed, the longest."""
        return max(self.all, key=lambda stretch: (stretch.armed, len(stretch)))

    def plan(self, stretch: Stretch) -> Plan:
        """The plan in force during a stretch. Raises Refused."""
        while len(self._plans) <= stretch.laws:
            self._plans.append(plan_after(self._plans[-1], self._texts[len(self._plans) - 1], "the run: "))
        return self._plans[stretch.laws]


def tables_of(run: Run, plan: Plan, start: int = 0, stop: int | None = None) -> RunTables | None:
    """The tables of turns from `start` to before `stop`; None without particles. Raises Refused for a damaged file."""
    tables = {name: pd.DataFrame(columns) for name, columns in tidy(run, run.batches(start, stop)).items()}
    tracks, sent = tables["tracks"], tables["commands"]["command"] == "sent"
    tracks = tracks[np.isfinite(tracks["time_s"])].reset_index(drop=True)  # rows without a frame have no time
    if not len(tracks):
        return None
    number, time_s = tracks["frame"].to_numpy(np.int64), tracks["time_s"].to_numpy(np.float64)
    conditions = conditions_of(plan, int(tracks["particle"].nunique()), mean_hz(number, time_s, run.header.fps))
    changes = changes_in_words(number, time_s)
    tracks, fps = counted_by_time(tracks, run.header.fps)
    armed = bool(np.any(tables["turns"]["level"] == Level.ARMED.value))
    acted = run.header.kind.light_acts and armed and bool(np.any(sent))
    return RunTables(
        plan, conditions, fps, sure(tracks), tables["commands"], tables["forces"], tables["rings"], tables["turns"],
        acted, changes=changes,
    )  # fmt: skip


def longest_tables_of(run: Run, plan: Plan) -> RunTables | None:
    """The tables of the longest armed stretch under one law; if none was armed, of the longest stretch.

    None if no particle was seen in the whole run. Raises Refused if no particle was seen in that stretch, or the file
    is damaged.
    """
    stretches = Stretches(run, plan)
    stretch = stretches.longest()
    single = len(stretches.all) == 1
    tables = tables_of(run, stretches.plan(stretch), stretch.begin, stretch.end)
    if tables is None and not single:
        raise Refused(f"{run.path}: no particle was seen {stretch.since}, for {len(stretch)} turns")
    return tables if tables is None or single else replace(tables, since=stretch.since)

"""Random access to the turns of a recording: as they were, and as an edited law would make them. No Qt here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.analysis.findings import RunTables
from app.analysis.recent_turns import Recent, most
from app.analysis.run_events import EventKind, Happening, Teller, of_level
from app.analysis.run_tables import Stretches, tables_of
from app.assembly.instrument import Instrument
from app.assembly.machine import needs_network
from app.assembly.open import open_instrument
from app.assembly.plan import plan_of
from app.assembly.recording import is_run
from app.assembly.rig import Plan
from app.console.error_words import sentence
from app.running.thread import NoRecord
from config.reader import plain
from config.refused import Refused
from control.contract import Ended, Frame, Level, Order, OrderKind, State, Tracks, Turn
from control.experiment import Experiment
from control.loop import run
from drivers.device_settings import of_class
from drivers.journal import Run, read_run
from drivers.video import Video, VideoCamera, open_video

Image = NDArray[Any]
Floats = NDArray[np.float64]


class Pass:
    """Runs a recording through a plan's machine, from the first frame to the last, in a thread, as fast as possible."""

    def __init__(self, plan: Plan, opener: Callable[[Plan], Instrument] = open_instrument) -> None:
        self.plan = plan
        self.turns: list[Turn] = []  # without their images; turns are only appended
        self.trouble = ""
        self._open = opener
        self._instrument: Instrument | None = None if needs_network(plan) else opener(plan)  # torch loads in the thread
        self._closing = False
        self._first = [(Order(plan.arming),)]
        self._thread = threading.Thread(target=self._run, name="pass", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._closing = True
        self._thread.join(10.0)

    def read(self) -> Frame | None:
        """The next frame. Raises Ended after `close`."""
        if self._closing:
            raise Ended
        assert self._instrument is not None
        return self._instrument.camera.read()

    def _run(self) -> None:
        try:
            instrument = self._instrument = self._instrument or self._open(self.plan)
            try:
                run(instrument.machine, self, instrument.beam, instrument.clock, NoRecord(), self._orders, self._watch)
            finally:
                instrument.close()
        except Exception as error:  # noqa: BLE001  the operator reads it; there is no light in a recording
            self.trouble = sentence(error)

    def _orders(self) -> tuple[Order, ...]:
        return self._first.pop() if self._first else ()

    def _watch(self, turn: Turn) -> None:
        slim = None if turn.frame is None else replace(turn.frame, image=EMPTY)
        self.turns.append(replace(turn, frame=slim))


EMPTY: Image = np.empty((0, 0), np.uint8)


class Source(Protocol):
    """A recording: complete turns, or images only."""

    def __len__(self) -> int: ...

    def turn(self, index: int) -> Turn | None:
        """The recorded turn, with its image; None if only images were recorded."""
        ...

    def image(self, index: int) -> Image: ...

    def tracks(self, begin: int, end: int) -> list[Tracks] | None: ...

    def tables(self, begin: int, end: int) -> RunTables | None: ...

    def latencies_s(self, begin: int, end: int) -> Floats: ...

    def law(self, begin: int, end: int) -> Experiment | None: ...

    def stretch(self, index: int) -> tuple[int, int, str]:
        """(first turn, turn after the last, beginning in words) of the turns around this one with one law, all of them
        armed or none."""
        ...

    def said(self) -> list[Happening]: ...

    def close(self) -> None: ...


class RunSource:
    """A run of Cybloids: its tracks are read, not computed again."""

    def __init__(self, path: Path) -> None:
        self.run: Run = read_run(path)
        try:
            self.run.require_turns()
            self.plan = plan_of(self.run.header, f"{path}: ")
        except Refused:
            self.run.close()
            raise
        rows, turns = self.run.rows("tracks"), self.run.rows("turns")
        self._particle, self._state = rows["particle"].copy(), rows["state"].copy()
        self._position_um = np.column_stack([rows["x_um"], rows["y_um"]])
        self._ends = turns["tracks_end"].copy()
        self._sent_ends = turns["sent_end"].copy()
        self._stretches = Stretches(self.run, self.plan)
        self._time_s = turns["tracks_time_s"].copy()
        self._latency_s = np.where(turns["has_frame"] != 0, turns["sent_s"] - turns["frame_time_s"], np.nan)
        self._mark_carried(rows)

    def _mark_carried(self, rows: Any) -> None:
        """Carried particles count as UNCERTAIN: the law did not cause their displacements."""
        wanted = self.run.rows("wanted")
        carried = wanted[wanted["carried"] != 0]
        if len(carried):
            id_count = int(rows["particle"].max(initial=0)) + 1
            is_carried = np.isin(
                rows["turn"] * id_count + rows["particle"], carried["turn"] * id_count + carried["particle"]
            )
            self._state[is_carried] = int(State.UNCERTAIN)

    def __len__(self) -> int:
        return len(self.run)

    def turn(self, index: int) -> Turn:
        return self.run.turn(index)

    def image(self, index: int) -> Image:
        frame = self.run.turn(index).frame
        return EMPTY if frame is None else frame.image

    def tracks(self, begin: int, end: int) -> list[Tracks]:
        tracks = []
        for index in range(begin, end):
            rows = slice(int(self._ends[index - 1]) if index else 0, int(self._ends[index]))
            tracks.append(
                Tracks(float(self._time_s[index]), self._particle[rows], self._position_um[rows], self._state[rows])
            )
        return tracks

    def tables(self, begin: int, end: int) -> RunTables | None:
        stretch = self._stretches.at(end - 1)
        begin = max(begin, stretch.begin)
        rows_per_turn = (
            (self._ends[end - 1] - (self._ends[begin - 1] if begin else 0)) / max(end - begin, 1) if end else 0.0
        )
        return tables_of(self.run, self._stretches.plan(stretch), max(begin, end - most(rows_per_turn)), end)

    def stretch(self, index: int) -> tuple[int, int, str]:
        stretch = self._stretches.at(index)
        return stretch.begin, stretch.end, f", {stretch.since}" if len(self._stretches.all) > 1 else ""

    def said(self) -> list[Happening]:
        """Orders with their changes, levels and particles without light with their reasons, and notes, in order."""
        orders, events, turns = (self.run.rows(table) for table in ("orders", "events", "turns"))
        now_s = dict(zip(turns["turn"].tolist(), turns["now_s"].tolist(), strict=True))
        reason = dict(zip(turns["turn"].tolist(), turns["reason"].tolist(), strict=True))
        teller = Teller(self.run.header.experiment, plain(self.plan.rig))
        changed = set(events["turn"][events["kind"] == b"level"].tolist())
        happenings: list[tuple[int, Happening]] = []
        for turn, kind, text in orders[["turn", "kind", "text"]].tolist():
            if turn in now_s:  # a damaged run lacks some
                order = Order(OrderKind(kind.decode()), self.run.printable_text(text))
                reason_text = self.run.printable_text(reason[turn]) if turn in changed else ""
                happenings += [(turn, happening) for happening in teller.of_order(order, now_s[turn], reason_text)]
        last_dark: dict[tuple[int, int], int] = {}  # last turn of (particle, reason for no light)
        for turn, kind, particle, text in events[["turn", "kind", "particle", "text"]].tolist():
            if turn not in now_s:
                continue
            if kind == b"level":
                level = Level(self.run.printable_text(text))
                happenings.append((turn, of_level(level, self.run.printable_text(reason[turn]), now_s[turn])))
            elif kind == b"note":
                happenings.append((turn, Happening(EventKind.NOTE, self.run.printable_text(text), now_s[turn])))
            elif kind == b"withheld":
                if last_dark.get((particle, text), -2) < turn - 1:
                    happenings.append(
                        (turn, Happening(EventKind.DARK, self.run.printable_text(text), now_s[turn], particle=particle))
                    )
                last_dark[particle, text] = turn
        return [happening for _, happening in sorted(happenings, key=lambda each: each[0])]

    def law(self, begin: int, end: int) -> Experiment | None:
        """The law in force; None unless light was sent and could act, and all turns were armed under this law."""
        lit = end > begin and self._sent_ends[end - 1] > (self._sent_ends[begin - 1] if begin else 0)
        stretch = self._stretches.at(end - 1)
        if not lit or not stretch.armed or begin < stretch.begin or not self.run.header.kind.light_acts:
            return None
        return self._stretches.plan(stretch).experiment

    def latencies_s(self, begin: int, end: int) -> Floats:
        latencies_s: Floats = self._latency_s[begin:end]
        return latencies_s[np.isfinite(latencies_s)]

    def close(self) -> None:
        self.run.close()


class VideoSource:
    """Images only: a Pass computes their tracks."""

    def __init__(self, camera: VideoCamera, notes: tuple[str, ...] = ()) -> None:
        self.video: Video = open_video(camera)
        self._notes = notes

    def __len__(self) -> int:
        return len(self.video)

    def turn(self, index: int) -> None:
        return None

    def image(self, index: int) -> Image:
        return self.video.image(index)

    def tracks(self, begin: int, end: int) -> None:
        return None

    def tables(self, begin: int, end: int) -> None:
        return None

    def latencies_s(self, begin: int, end: int) -> Floats:
        return np.empty(0)

    def law(self, begin: int, end: int) -> None:
        return None

    def stretch(self, index: int) -> tuple[int, int, str]:
        return 0, len(self), ""

    def said(self) -> list[Happening]:
        return [Happening(EventKind.NOTE, sentence.removeprefix("note: ")) for sentence in self._notes]

    def close(self) -> None:
        self.video.close()


class Reel:
    """A recording to view: `turn` is a turn as it was, `again` as the edited law would have made it."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan, self._opened_plan = path, plan, plan
        camera = of_class(plan.rig.camera, VideoCamera)
        self.source: Source = RunSource(path) if is_run(path) else VideoSource(camera, plan.taken)
        self.first: Pass | None = None if is_run(path) else Pass(plan)
        self.edited: Pass | None = None
        self.fps = camera.fps

    def __len__(self) -> int:
        return len(self.source)

    @property
    def ready(self) -> int:
        """Number of turns that can be shown."""
        return len(self.source) if self.first is None else len(self.first.turns)

    @property
    def retracked(self) -> bool:
        """Whether the tracks were computed with other tracking settings than those of the recorded run."""
        return self.first is None and self.edited is not None and self._tracks_differ(self._opened_plan)

    def _tracks_differ(self, before: Plan) -> bool:
        return self.plan.rig.tracking != before.rig.tracking

    @property
    def compared(self) -> int:
        """Number of turns that the edited law has processed."""
        return len(self.edited.turns) if self.edited is not None else 0

    @property
    def busy(self) -> bool:
        return any(passed is not None and passed.running for passed in (self.first, self.edited))

    @property
    def trouble(self) -> str:
        return next(
            (passed.trouble for passed in (self.edited, self.first) if passed is not None and passed.trouble), ""
        )

    def turn(self, index: int) -> Turn:
        """The turn as it was, with its image. Raises Refused if the file is damaged, IndexError if it is not ready."""
        recorded = self.source.turn(index)
        if recorded is not None:
            if not self.retracked:
                return recorded
            edited_turn = self.again(index)
            return replace(
                recorded, tracks=Tracks(recorded.tracks.time_s) if edited_turn is None else edited_turn.tracks
            )
        assert self.first is not None
        turn = self.first.turns[index]
        return turn if turn.frame is None else replace(turn, frame=replace(turn.frame, image=self.source.image(index)))

    def again(self, index: int) -> Turn | None:
        """The turn of the edited law for the same frame; None if it is not computed yet, or nothing was edited."""
        return self.edited.turns[index] if self.edited is not None and index < len(self.edited.turns) else None

    def tracks(self, begin: int, end: int) -> list[Tracks]:
        begin, end = max(begin, 0), min(end, self.ready)
        if self.retracked:
            assert self.edited is not None
            return [turn.tracks for turn in self.edited.turns[begin:end]]
        recorded = self.source.tracks(begin, end)
        if recorded is not None:
            return recorded
        assert self.first is not None
        return [turn.tracks for turn in self.first.turns[begin:end]]

    def tables(self, begin: int, end: int) -> RunTables | None:
        """The tables for `main.py analyse`, of the turns `begin` to `end`. Raises Refused if the file is damaged."""
        begin, end = max(begin, 0), min(end, self.ready)
        tracked = self.edited if self.retracked else self.first
        if tracked is None:
            return self.source.tables(begin, end)
        recent = Recent()
        recent.add(tracked.turns[begin:end])
        return recent.tables(tracked.plan)

    def latencies_s(self, begin: int, end: int) -> Floats:
        """Recorded times from mid-exposure to the sending of the command; empty for a video."""
        return self.source.latencies_s(max(begin, 0), max(end, 0))

    def law(self, begin: int, end: int) -> Experiment | None:
        """The law that acted from turn `begin` to `end`; None if there was none, as in a video."""
        return self.source.law(max(begin, 0), min(end, self.ready))

    def stretch(self, index: int) -> tuple[int, int, str]:
        """(first turn, turn after the last, beginning in words) of the turns around this one that may be pooled."""
        begin, end, since = self.source.stretch(index)
        return begin, min(end, self.ready), since

    def said(self) -> list[Happening]:
        """Events of a run, in words; for a video, its frame rate and scale with their sources."""
        return self.source.said()

    def edit(self, plan: Plan) -> bool:
        """Run the recording through another plan's machine, for comparison. Returns whether its tracks change.

        Other tracking settings find other particles: these are shown from now on. Raises Refused.
        """
        edited, previous = Pass(plan), self.edited
        tracks_change = self._tracks_differ(plan)
        first = self.first
        if first is not None and tracks_change:
            if law_of(first.plan) == law_of(plan):
                self.first, edited_now = edited, None
            else:
                self.first, edited_now = Pass(replace(first.plan, rig=plan.rig)), edited
        else:
            edited_now = edited
        self.edited, self.plan = edited_now, plan
        for passed in (previous, first if first is not self.first else None):
            if passed is not None:
                threading.Thread(target=passed.close, name="end of a pass", daemon=True).start()
        return tracks_change

    def close(self) -> None:
        for passed in (self.edited, self.first):
            if passed is not None:
                passed.close()
        self.source.close()


def law_of(plan: Plan) -> Experiment:
    """The experiment without title, description and settings of the rig, to compare laws."""
    return replace(plan.experiment, title="", about="", set={})

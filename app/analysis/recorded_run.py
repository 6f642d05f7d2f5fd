"""A recorded run for Python programs: its tables, turns and plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from app.assembly.plan import plan_of
from app.assembly.rig import Plan
from app.console.arguments import path_of, reading, whole_number
from config.refused import Refused
from config.words import quoted
from control.contract import Turn
from drivers.journal import Header, read_run
from drivers.journal import Run as RunFile
from drivers.journal.tidy import TIDY


class RecordedRun:
    """An open run file. Close it, or use it in a `with` statement.

    Attributes:
        path: its file.
        header: facts from before the first turn: settings, versions, calibration, seed.
        summary: turns, trips and latencies of a run that was just made; else empty.
    """

    def __init__(self, path: Path | str, summary: Mapping[str, Any] | None = None) -> None:
        """Open the file. Raises Refused if it is not a run, or damaged."""
        self.path, self.summary = path_of("run", path), dict(summary or {})
        self._file, self._closed = read_run(self.path), False
        try:
            self._file.require_turns()
        except BaseException:
            self._file.close()
            raise
        self.header: Header = self._file.header

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of turns."""
        return len(self._file)

    def __repr__(self) -> str:
        return f"<run {self.path}: {len(self)} turns, {self.header.fps:g} frames/s, {self.header.um_per_px:g} um/px>"

    def close(self) -> None:
        self._closed = True
        self._file.close()

    def _open(self) -> RunFile:
        """Raises Refused after `close`."""
        if self._closed:
            raise Refused(f"{self.path}: this run is closed; open it again with cybloids.read_run")
        return self._file

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.header.fps

    @property
    def um_per_px(self) -> float:
        """Size of a pixel in the sample, um."""
        return self.header.um_per_px

    @property
    def ended_cleanly(self) -> bool:
        """False if the recording was killed, or is still running."""
        return self._file.ended_cleanly

    @cached_property
    def plan(self) -> Plan:
        """The rig and the experiment at the beginning of the run. Raises Refused."""
        return plan_of(self.header, f"{self.path}: ")

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """A row for each particle and frame, as in `export`.

        Columns: frame, time_s, particle, x, y (px, as in trackpy), x_um, y_um, mass, size, ecc, signal, raw_mass, ep,
        state, species, species_age, cell, carried (moved by the return into the field, not by the law), turn.
        """
        return self.table("tracks")

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables tracks, forces, rings, commands, turns, orders and events, as in `export`.

        Raises Refused for another name, and if the file is damaged or closed.
        """
        with reading("table", name):
            if not isinstance(name, str) or name not in TIDY:
                raise Refused(f"table: found '{quoted(name)}' (allowed: {', '.join(TIDY)})")
        return self._open().table(name)

    def turns(self, start: int = 0, stop: int | None = None) -> Iterator[Turn]:
        """The turns from `start` to before `stop`, exactly as recorded. Raises Refused if the file is damaged."""
        first, end = whole_number("start", start), None if stop is None else whole_number("stop", stop)
        return self._open().turns(first, end)

"""Tables of a run in tidy form: one observation per row, units in the names, without internal indices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.units import unit_of
from drivers.journal.tables import TABLES, TURNS, Rows

if TYPE_CHECKING:
    from drivers.journal.read import Run

Columns = dict[str, NDArray[Any]]
Batch = tuple[Rows, dict[str, Rows], dict[str, int]]

TIDY = ("tracks", "forces", "rings", "commands", "turns", "orders", "events")
TRACKPY_NAMES = {"x_px": "x", "y_px": "y", "size_px": "size", "ep_px": "ep"}  # trackpy's names
TRACKS_ORDER = (
    "frame", "time_s", "particle", "x", "y", "x_um", "y_um", "mass", "size", "ecc", "signal", "raw_mass", "ep",
    "state", "species", "species_age", "cell", "carried", "turn",
)  # fmt: skip
NO_SUFFIX = dict.fromkeys(TRACKPY_NAMES.values(), "px")


def tidy_table(run: Run, name: str) -> pd.DataFrame:
    """One table of TIDY, for all turns of a run, as in `export`; units are in `attrs["units"]`."""
    columns = tidy(run, run.batches())[name]
    table = pd.DataFrame(columns)
    table.attrs = {"units": {column: unit for column, unit in units(columns).items() if unit}}
    return table


def tidy_tracks(run: Run) -> pd.DataFrame:
    """All tracks of a run: the table `tracks`."""
    return tidy_table(run, "tracks")


def tidy(run: Run, batches: Iterable[Batch]) -> dict[str, Columns]:
    """The columns of every table in TIDY, for some batches of a run.

    tracks: a particle in a frame, with trackpy's columns; `x`, `y`, `size` and `ep` are in pixels. `carried`: the
    instrument was moving it back into the field, so that it did not follow the law.
    forces: wanted force on a particle; rings: wanted ring of light.
    commands: a spot; `command` is "allowed" or "sent".
    turns, orders, events: one per row.
    """
    turns, tables = _joined(batches)
    ends = {table: turns[f"{table}_end"] for table in TABLES}
    lines = {table: _lines(ends[table], len(tables[table])) for table in tables}
    columns = {table: run.readable(rows) for table, rows in tables.items() if rows.dtype.names and table != "texts"}
    for table, values in columns.items():
        values["frame"] = turns["frame"][lines[table]]
        values["time_s"] = turns["now_s"][lines[table]]
    tracks = columns["tracks"]
    tracks.setdefault("species_age", np.full(len(tracks["particle"]), -1))  # older runs lack this column
    tracks["time_s"] = turns["tracks_time_s"][lines["tracks"]]
    tracks["carried"] = _carried(lines, tables)
    for axis in ("x", "y"):
        tracks[f"{axis}_px"] = _in_pixels(tracks[f"{axis}_px"], tracks[f"{axis}_um"], run.header.um_per_px)
    tracks = {TRACKPY_NAMES.get(name, name): values for name, values in tracks.items()}
    for command in ("allowed", "sent"):
        columns[command]["effect_s"] = turns[f"{command}_effect_s"][lines[command]]
    return {
        "tracks": _signed({name: tracks[name] for name in TRACKS_ORDER}),
        "forces": _first(columns["wanted"], "frame", "time_s"),
        "rings": _first(columns["rings"], "frame", "time_s"),
        "commands": _commands(columns["allowed"], columns["sent"]),
        "turns": _first(run.readable(turns), "frame", "frame_time_s"),
        "orders": _first(columns["orders"], "frame", "time_s"),
        "events": _first(columns["events"], "frame", "time_s"),
    }


def units(columns: Iterable[str]) -> dict[str, str]:
    """The unit of each column; empty if it has none."""
    return {name: NO_SUFFIX.get(name) or unit_of(name) for name in columns}


def _in_pixels(place_px: NDArray[Any], place_um: NDArray[Any], um_per_px: float) -> NDArray[Any]:
    """[N] tracked positions in px; for rigs without images, positions in um converted to px."""
    if um_per_px <= 0.0:
        return place_px
    return np.where(np.isnan(place_px), place_um / um_per_px, place_px)


def _signed(columns: Columns) -> Columns:
    """Unsigned columns as int64, so that differences can be negative."""
    return {name: values.astype(np.int64) if values.dtype.kind == "u" else values for name, values in columns.items()}


def _joined(batches: Iterable[Batch]) -> tuple[Rows, dict[str, Rows]]:
    """All batches in one; the ends count from the first row."""
    parts = list(batches)
    tables = {
        table: np.concatenate([part[1][table] for part in parts]) if parts else np.empty(0, layout)
        for table, layout in TABLES.items()
    }
    turns = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, TURNS)
    for table in TABLES if parts else ():
        turns[f"{table}_end"] -= parts[0][2][table]
    return turns, tables


def _lines(ends: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """[count] index in the batch of the turn of each row."""
    return np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)) if count else np.empty(0, np.int64)


def _carried(lines: dict[str, NDArray[np.int64]], tables: dict[str, Rows]) -> NDArray[np.bool_]:
    """[N] whether the instrument was moving the tracked particle back into the field in that turn."""
    is_carried = tables["wanted"]["carried"] != 0
    pairs = zip(lines["wanted"][is_carried].tolist(), tables["wanted"]["particle"][is_carried].tolist(), strict=True)
    index = pd.MultiIndex.from_arrays([lines["tracks"], tables["tracks"]["particle"]])
    return np.asarray(index.isin(list(pairs)) if is_carried.any() else np.zeros(len(index), np.bool_))


def _commands(allowed: Columns, sent: Columns) -> Columns:
    """Spots of both commands in one table, in order of turns."""
    joined = {name: np.concatenate([allowed[name], sent[name]]) for name in allowed}
    joined["command"] = np.repeat(np.array(["allowed", "sent"], object), [len(allowed["turn"]), len(sent["turn"])])
    order = np.argsort(joined["turn"], kind="stable")
    joined = {name: values[order] for name, values in joined.items()}
    return _first(joined, "frame", "time_s", "effect_s", "command", "particle")


def _first(columns: Columns, *names: str) -> Columns:
    """The columns with these first, and `turn` last."""
    others = [name for name in columns if name not in (*names, "turn")]
    return {name: columns[name] for name in (*names, *others, "turn")}

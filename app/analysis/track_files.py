"""Reads and checks tables of tracks: an exported run, or the tracks of another program."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from app.analysis.trajectories import not_counted
from config.files import kind_of, require_file
from config.refused import Refused
from config.words import one_line
from control.contract import State
from drivers.journal.tidy import Columns

TABLES = (".csv", ".parquet")
NEEDED = ("time_s", "particle", "x_um", "y_um")
FORCES = ("fx_pn", "fy_pn")
KNOWN = {*NEEDED, *FORCES, "carried", "frame", "state"}  # columns that are read; others are ignored
LARGEST_BYTES = 100_000_000  # of a table
MOST_COLUMNS = 1000
MOST_VALUES = 20_000_000  # rows times columns, before anything is read
PLAIN = ("BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE")  # numeric types of Parquet
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RuntimeError,
          csv.Error)  # fmt: skip
SHORTEST_S = 1e-9  # least time between two rows of a particle, for a meaningful speed
LARGEST = {"time_s": 1e12, "particle": 2.0**53, "x_um": 1e10, "y_um": 1e10, "fx_pn": 1e10, "fy_pn": 1e10}


def read_tracks(path: Path) -> tuple[Columns, Columns | None]:
    """(tracks, forces if they are in a separate table, else None). Raises Refused.

    The tracks have the columns time_s, particle, x_um, y_um, carried (default: false), and fx_pn, fy_pn (default: 0).
    Rows of an uncertain particle are marked as `carried`: their displacement may be that between two particles.
    The forces may instead be in a table `forces` beside the table `tracks`, as `export` writes them.
    """
    path = _table_in(path)
    tracks = _without_duplicates(read_table(path, NEEDED), path)
    state = _state(tracks)
    tracks["carried"] = not_counted(_carried(tracks, path), state)
    force_columns = [name for name in FORCES if name in tracks]
    if len(force_columns) == 1:
        raise Refused(f"{path}: there is a column '{force_columns[0]}' alone; a force needs both fx_pn and fy_pn")
    if force_columns:
        check(tracks, FORCES, path)
        return tracks, None
    forces_path = path.with_name(f"forces{path.suffix}")
    if path.stem == "tracks" and forces_path.exists() and "frame" in tracks:
        check(tracks, ("frame",), path)
        return tracks, read_table(forces_path, ("frame", "particle", *FORCES), empty=True)
    return tracks | {name: np.zeros(len(tracks["time_s"])) for name in FORCES}, None


def _table_in(path: Path) -> Path:
    if kind_of(path) != "a folder":
        return path
    tables = [path / f"tracks{suffix}" for suffix in TABLES if (path / f"tracks{suffix}").exists()]
    if not tables:
        raise Refused(f"{path}: this folder has no table tracks.csv or tracks.parquet")
    return tables[0]


def read_table(path: Path, needed: tuple[str, ...], empty: bool = False) -> Columns:
    """The known columns of a table. Those in `needed` are required, with finite numbers. Raises Refused.

    The size is checked before reading: a compressed table may be a thousand times larger than its file.
    """
    require_file(path, "a table")
    if path.stat().st_size > LARGEST_BYTES:
        raise Refused(f"{path}: this table is too large (allowed: {LARGEST_BYTES / 1e6:g} MB)")
    try:
        columns = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
        for name in needed:
            if name not in columns:
                raise Refused(f"{path}: there is no column '{name}' (needed: {', '.join(needed)})")
        if any(len(values) for values in columns.values()):
            check(columns, needed, path)
        elif empty:
            return {name: values.astype(np.float64) for name, values in columns.items()}
        else:
            raise Refused(f"{path}: this table has no rows")
    except DAMAGE as error:
        raise Refused(f"{path}: this table can't be read ({one_line(error)})") from None
    return columns


def _read_csv(path: Path) -> Columns:
    import pandas as pd

    with path.open(encoding="utf-8", newline="") as file:
        width = len(next(csv.reader(file), []))
    with path.open("rb") as raw:
        rows = sum(piece.count(b"\n") + piece.count(b"\r") for piece in iter(lambda: raw.read(1 << 20), b""))
    _require_size(path, rows, width)
    table: Any = pd.read_csv(path)
    return {str(name): table[name].to_numpy() for name in table if name in KNOWN}


def _read_parquet(path: Path) -> Columns:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        metadata = file.metadata
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
        _require_size(path, rows, metadata.num_columns)
        inflated = sum(
            group.column(column).total_uncompressed_size for group in groups for column in range(group.num_columns)
        )
        if inflated > 8 * MOST_VALUES:
            raise Refused(f"{path}: this table has {inflated / 1e6:.0f} MB (allowed: {8e-6 * MOST_VALUES:g} MB)")
        leaves = [file.schema.column(column) for column in range(metadata.num_columns)]
        plain = {leaf.path for leaf in leaves if leaf.physical_type in PLAIN and leaf.max_repetition_level == 0}
        columns = {leaf.path for leaf in leaves} & KNOWN
        columns -= {"state"} - plain  # another program's
        for name in sorted(columns - plain):
            raise Refused(f"{path}: the column '{name}' holds something that is not a finite number")
        table = file.read(columns=sorted(columns))
        return {name: table.column(name).to_numpy() for name in table.column_names}


def _require_size(path: Path, rows: int, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise Refused(f"{path}: this table has {columns} columns (allowed: {MOST_COLUMNS})")
    if rows * columns > MOST_VALUES:
        raise Refused(f"{path}: this table has {rows} rows of {columns} columns (allowed: {MOST_VALUES:g} values)")


def check(columns: Columns, names: tuple[str, ...], path: Path) -> None:
    """Raises Refused if one of these columns contains anything except finite numbers within LARGEST."""
    for name in names:
        values = columns[name]
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise Refused(f"{path}: the column '{name}' holds something that is not a finite number")
        largest = LARGEST.get(name, np.inf)
        if (np.abs(values.astype(np.float64)) > largest).any():
            raise Refused(f"{path}: the column '{name}' holds numbers beyond {largest:g}")


def _without_duplicates(tracks: Columns, path: Path) -> Columns:
    """The tracks without duplicate rows. Raises Refused if a particle is at two positions at the same time."""
    order = np.lexsort((tracks["time_s"], tracks["particle"]))
    particle, time_s = tracks["particle"][order], tracks["time_s"][order]
    is_duplicate = np.concatenate([[False], (particle[1:] == particle[:-1]) & (time_s[1:] == time_s[:-1])])
    for axis in ("x_um", "y_um"):
        place = tracks[axis][order]
        conflicts = np.flatnonzero(is_duplicate[1:] & (place[1:] != place[:-1]))
        if len(conflicts):
            row = conflicts[0] + 1
            raise Refused(f"{path}: particle {particle[row]:g} is at two places at {time_s[row]:g} s")
    steps_s = np.diff(time_s.astype(np.float64))[(particle[1:] == particle[:-1]) & ~is_duplicate[1:]]
    if len(steps_s) and steps_s.min() < SHORTEST_S:
        raise Refused(
            f"{path}: the column 'time_s' has times of one particle that are {steps_s.min():g} s apart "
            f"(allowed: at least {SHORTEST_S:g} s)"
        )
    keep = np.sort(order[~is_duplicate])
    return {name: values[keep] for name, values in tracks.items()}


def _state(tracks: Columns) -> Any:
    """[N] the column `state` of an exported run; GOOD if there is none, or if it is that of another program."""
    values = tracks.get("state", np.zeros(0)) if {"carried", "frame"} <= tracks.keys() else np.zeros(0)
    known = len(values) == len(tracks["time_s"]) and values.dtype.kind in "biuf" and np.isin(values, [*State]).all()
    return values.astype(np.int64) if known else np.full(len(tracks["time_s"]), State.GOOD.value)


def _carried(tracks: Columns, path: Path) -> Any:
    """[N] bool: the column `carried`, rows that must not be used; false by default. Raises Refused."""
    values = tracks.get("carried", np.zeros(len(tracks["time_s"]), np.bool_))
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise Refused(f"{path}: the column 'carried' must say true or false in every row")
    return values.astype(np.bool_)

"""Tables of tracks from anywhere, checked: an exported run, or what another program tracked."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from config.files import kind_of, require_file
from config.refused import Refused
from config.words import one_line
from drivers.journal.tidy import Columns

TABLES = (".csv", ".parquet")
NEEDED = ("time_s", "particle", "x_um", "y_um")
FORCES = ("fx_pn", "fy_pn")
KNOWN = {*NEEDED, *FORCES, "carried", "frame"}  # columns that are read; others stay where they are
LARGEST_BYTES = 100_000_000  # of a table
MOST_COLUMNS = 1000
MOST_VALUES = 20_000_000  # rows times columns, before anything is read
PLAIN = ("BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE")  # types of Parquet that are numbers
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RuntimeError,
          csv.Error)  # fmt: skip
SHORTEST_S = 1e-9  # between two rows of a particle: no speed is known of less
LARGEST = {"time_s": 1e12, "particle": 2.0**53, "x_um": 1e10, "y_um": 1e10, "fx_pn": 1e10, "fy_pn": 1e10}


def read_tracks(path: Path) -> tuple[Columns, Columns | None]:
    """Tracks, and forces where they stand in a table of their own. Raises Refused.

    Tracks have columns time_s, particle, x_um, y_um, carried (nobody, where there is none), and fx_pn, fy_pn (0, where
    there are none) unless those are in the table `forces` beside a table `tracks`, as `export` writes them.
    """
    path = _tracks_in(path)
    tracks = _once_each(read_table(path, NEEDED), path)
    tracks["carried"] = _carried(tracks, path)
    given = [name for name in FORCES if name in tracks]
    if len(given) == 1:
        raise Refused(f"{path}: there is a column '{given[0]}' alone; a force needs both fx_pn and fy_pn")
    if given:
        check(tracks, FORCES, path)
        return tracks, None
    beside = path.with_name(f"forces{path.suffix}")
    if path.stem == "tracks" and beside.exists() and "frame" in tracks:
        return tracks, read_table(beside, ("frame", "particle", *FORCES), empty=True)
    return tracks | {name: np.zeros(len(tracks["time_s"])) for name in FORCES}, None


def _tracks_in(path: Path) -> Path:
    if kind_of(path) != "a folder":
        return path
    there = [path / f"tracks{suffix}" for suffix in TABLES if (path / f"tracks{suffix}").exists()]
    if not there:
        raise Refused(f"{path}: this folder has no table tracks.csv or tracks.parquet")
    return there[0]


def read_table(path: Path, needed: tuple[str, ...], empty: bool = False) -> Columns:
    """The columns of a table that are known here; those that are needed are there, and finite numbers. Raises Refused.

    Its size is bounded before it is read: a compressed table may be a thousand times larger than its file.
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
        said = file.metadata
        groups = [said.row_group(index) for index in range(said.num_row_groups)]
        rows = max(said.num_rows, sum(group.num_rows for group in groups))
        _require_size(path, rows, said.num_columns)
        inflated = sum(group.column(at).total_uncompressed_size for group in groups for at in range(group.num_columns))
        if inflated > 8 * MOST_VALUES:
            raise Refused(f"{path}: this table has {inflated / 1e6:.0f} MB (allowed: {8e-6 * MOST_VALUES:g} MB)")
        leaves = [file.schema.column(at) for at in range(said.num_columns)]
        plain = {leaf.path for leaf in leaves if leaf.physical_type in PLAIN and leaf.max_repetition_level == 0}
        known = {leaf.path for leaf in leaves} & KNOWN
        for name in sorted(known - plain):
            raise Refused(f"{path}: the column '{name}' holds something that is not a finite number")
        table = file.read(columns=sorted(known))
        return {name: table.column(name).to_numpy() for name in table.column_names}


def _require_size(path: Path, rows: int, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise Refused(f"{path}: this table has {columns} columns (allowed: {MOST_COLUMNS})")
    if rows * columns > MOST_VALUES:
        raise Refused(f"{path}: this table has {rows} rows of {columns} columns (allowed: {MOST_VALUES:g} values)")


def check(columns: Columns, names: tuple[str, ...], path: Path) -> None:
    """Raises Refused where one of these columns is not of numbers that a bench could have."""
    for name in names:
        values = columns[name]
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise Refused(f"{path}: the column '{name}' holds something that is not a finite number")
        largest = LARGEST.get(name, np.inf)
        if (np.abs(values.astype(np.float64)) > largest).any():
            raise Refused(f"{path}: the column '{name}' holds numbers beyond {largest:g}")


def _once_each(tracks: Columns, path: Path) -> Columns:
    """Without rows that say the same twice. Raises Refused where one particle is at two places at once."""
    order = np.lexsort((tracks["time_s"], tracks["particle"]))
    who, when = tracks["particle"][order], tracks["time_s"][order]
    again = np.concatenate([[False], (who[1:] == who[:-1]) & (when[1:] == when[:-1])])
    for axis in ("x_um", "y_um"):
        place = tracks[axis][order]
        apart = np.flatnonzero(again[1:] & (place[1:] != place[:-1]))
        if len(apart):
            row = apart[0] + 1
            raise Refused(f"{path}: particle {who[row]:g} is at two places at {when[row]:g} s")
    steps_s = np.diff(when.astype(np.float64))[(who[1:] == who[:-1]) & ~again[1:]]
    if len(steps_s) and steps_s.min() < SHORTEST_S:
        raise Refused(
            f"{path}: the column 'time_s' has times of one particle that are {steps_s.min():g} s apart "
            f"(allowed: at least {SHORTEST_S:g} s)"
        )
    keep = np.sort(order[~again])
    return {name: values[keep] for name, values in tracks.items()}


def _carried(tracks: Columns, path: Path) -> Any:
    """[N] bool: rows that are not to be used."""
    values = tracks.get("carried", np.zeros(len(tracks["time_s"]), np.bool_))
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise Refused(f"{path}: the column 'carried' must say true or false in every row")
    return values.astype(np.bool_)

"""Layouts of the tables of a run file, and the columns that hold each field of the values in control/contract.py.

Every table is flat, begins with the number of its turn, and has units at the end of column names. A row of `turns` has
the ends of the turn's rows in every other table, and the chained hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]  # of one of the layouts below

INT, FLOAT, BYTE = "<i8", "<f8", "u1"
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Column:
    """An array of a contract value, and its column in the table (two columns for x and y)."""

    attribute: str
    names: tuple[str, ...]
    type: str = FLOAT
    empty: int = 0  # value in the table if the array is empty


@dataclass(frozen=True, slots=True)
class TableGroup:
    """Arrays of the same length in one contract value: one table."""

    table: str
    source: str  # the field of a Turn that has them
    columns: tuple[Column, ...]


TRACKS = TableGroup(
    "tracks",
    "tracks",
    (
        Column("particle", ("particle",), INT),
        Column("position_um", ("x_um", "y_um")),
        Column("state", ("state",), BYTE),
        Column("species", ("species",), INT),
        Column("cell", ("cell",), INT),
        Column("position_px", ("x_px", "y_px")),
        Column("mass", ("mass",)),
        Column("size_px", ("size_px",)),
        Column("ecc", ("ecc",)),
        Column("signal", ("signal",)),
        Column("raw_mass", ("raw_mass",)),
        Column("ep_px", ("ep_px",)),
        Column("species_age", ("species_age",), INT, -1),
    ),
)
LOST = TableGroup("lost", "tracks", (Column("lost", ("particle",), INT),))
WANTED = TableGroup(
    "wanted",
    "wanted",
    (
        Column("particle", ("particle",), INT),
        Column("force_pn", ("fx_pn", "fy_pn")),
        Column("delay_s", ("delay_s",)),
        Column("carried", ("carried",), BYTE),
    ),
)
RINGS = TableGroup(
    "rings",
    "wanted",
    (
        Column("ring_particle", ("particle",), INT),
        Column("ring_um", ("x_um", "y_um")),
        Column("ring_radius_um", ("radius_um",)),
        Column("ring_kt", ("depth_kt",)),
        Column("ring_delay_s", ("delay_s",)),
    ),
)
SPOTS = (
    Column("position_um", ("x_um", "y_um")),
    Column("power_mw", ("power_mw",)),
    Column("dwell_s", ("dwell_s",)),
    Column("particle", ("particle",), INT),
)
ALLOWED, SENT = TableGroup("allowed", "allowed", SPOTS), TableGroup("sent", "sent", SPOTS)
GROUPS = (TRACKS, LOST, WANTED, RINGS, ALLOWED, SENT)


def _layout(group: TableGroup, *more: tuple[str, str]) -> np.dtype[Any]:
    columns = [(name, column.type) for column in group.columns for name in column.names]
    return np.dtype([("turn", INT), *columns, *more])


TABLES: dict[str, np.dtype[Any]] = {
    "text_bytes": np.dtype(BYTE),  # UTF-8 of all texts of the run, one after another
    "texts": np.dtype([("turn", INT), ("end", INT)]),  # end of each text in text_bytes
    **{group.table: _layout(group) for group in GROUPS},
    "wanted": _layout(WANTED, ("delay_achieved_s", FLOAT)),  # delay_s + sent - expected effect
    "rings": _layout(RINGS, ("delay_achieved_s", FLOAT)),
    "orders": np.dtype([("turn", INT), ("kind", "S8"), ("text", INT)]),
    "events": np.dtype([("turn", INT), ("kind", "S16"), ("particle", INT), ("text", INT)]),
}

TURNS = np.dtype(
    [
        ("turn", INT),
        ("frame", INT),  # the camera's counter; -1 without a frame
        ("frame_time_s", FLOAT),
        ("has_frame", BYTE),
        ("image", INT),  # row in `frames`; -1 if not recorded
        ("now_s", FLOAT),
        ("sent_s", FLOAT),
        ("effect_s", FLOAT),
        ("tracks_time_s", FLOAT),
        ("allowed_effect_s", FLOAT),
        ("sent_effect_s", FLOAT),
        ("dropped", INT),
        ("level", "S8"),
        ("reason", INT),  # a row of `texts`, as are the next two
        ("allowed_reason", INT),
        ("sent_reason", INT),
        *[(f"{table}_end", INT) for table in TABLES],
        *[(f"{group.table}_absent", "<u4") for group in GROUPS],  # bit c: array c was empty
        ("image_hash", BYTE, (HASH_BYTES,)),
        ("hash", BYTE, (HASH_BYTES,)),
    ]
)

ENDS = {table: f"{table}_end" for table in TABLES}
HASHED = TURNS.itemsize - HASH_BYTES  # bytes of a turn's row before its own hash


def pack_group(
    group: TableGroup, values: list[Any], turn: NDArray[np.int64]
) -> tuple[Rows, NDArray[np.int64], list[int]]:
    """(rows of one table for a batch of values, number of rows of each value, bits of its empty arrays).

    Raises ValueError if arrays of one value that are not empty differ in length.
    """
    arrays = [[getattr(value, column.attribute) for value in values] for column in group.columns]
    lengths = np.array([[len(array) for array in column] for column in arrays], np.int64)  # [columns, values]
    counts = lengths.max(0)
    absent = (lengths == 0) & (counts > 0)
    if ((lengths != counts) & ~absent).any():
        raise ValueError(f"the columns of '{group.table}' differ in length")
    rows = np.zeros(int(counts.sum()), TABLES[group.table])
    rows["turn"] = np.repeat(turn, counts)
    for column, pieces, missing in zip(group.columns, arrays, absent, strict=True):
        where: Any = slice(None) if not missing.any() else np.repeat(~missing, counts)
        full = np.concatenate([np.reshape(piece, (-1, len(column.names))) for piece in pieces])
        for axis, name in enumerate(column.names):
            rows[name] = column.empty
            rows[name][where] = full[:, axis]
    bits = absent.T @ (1 << np.arange(len(group.columns)))
    return rows, counts, bits.tolist()


def unpack_group(group: TableGroup, rows: Rows, absent: int) -> dict[str, NDArray[Any]]:
    """The arrays of one value, by attribute."""
    arrays: dict[str, NDArray[Any]] = {}
    for index, column in enumerate(group.columns):
        if column.names[0] not in (rows.dtype.names or ()):  # older runs lack this column
            arrays[column.attribute] = np.empty(0, column.type)
            continue
        filled = rows[:0] if absent >> index & 1 else rows
        pieces = [filled[name] for name in column.names]
        array = np.stack(pieces, 1) if len(pieces) > 1 else pieces[0].copy()
        arrays[column.attribute] = array.astype(np.bool_) if column.attribute == "carried" else array
    return arrays

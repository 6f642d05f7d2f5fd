"""Tables from any source: the size is checked before the file is read, and values that are not finite are refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.analysis.track_files import MOST_COLUMNS, NEEDED, read_tracks
from config.refused import Refused

LONGEST_S = 120  # generous, for a busy machine


def columns(rows: int, **changes: Any) -> dict[str, Any]:
    return {
        "time_s": np.arange(rows) / 10.0,
        "particle": np.zeros(rows, np.int64),
        "x_um": np.ones(rows),
        "y_um": np.ones(rows),
    } | changes


def saved(path: Path, **named: Any) -> Path:
    parquet.write_table(pa.table(named), path, compression="zstd")
    return path


def refused(path: Path) -> str:
    with pytest.raises(Refused) as error:
        read_tracks(path)
    assert len(str(error.value)) < 500
    return str(error.value)


@pytest.mark.timeout(LONGEST_S)
def test_a_compressed_parquet_of_very_many_rows_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    piece = pa.table({name: np.zeros(2_000_000) for name in NEEDED})
    with parquet.ParquetWriter(path, piece.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(piece, row_group_size=2_000_000)
    assert path.stat().st_size < 1_000_000
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    said = refused(path)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 50_000_000
    assert "20000000 rows of 4 columns (allowed: 2e+07 values)" in said


@pytest.mark.timeout(LONGEST_S)
def test_a_text_column_that_expands_is_not_read(tmp_path: Path) -> None:
    """One long text, repeated a million times, gives a small file that needs 1 TB in memory."""
    text = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int32), pa.array(["x" * 1_000_000]))
    path = saved(tmp_path / "a.parquet", **columns(1_000_000), note=text)
    tracks, _ = read_tracks(path)
    assert "note" not in tracks
    path = saved(tmp_path / "b.parquet", **columns(1_000_000, x_um=text))
    assert "'x_um' holds something that is not a finite number" in refused(path)


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_very_many_columns_are_refused(tmp_path: Path, suffix: str) -> None:
    """Regression: 200 000 columns took 15 s."""
    names = [*NEEDED, *(f"c{number}" for number in range(MOST_COLUMNS))]
    path = tmp_path / f"wide.{suffix}"
    if suffix == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    else:
        saved(path, **{name: [1.0] for name in names})
    assert f"{MOST_COLUMNS + 4} columns (allowed: {MOST_COLUMNS})" in refused(path)


@pytest.mark.timeout(LONGEST_S)
def test_very_many_rows_of_a_csv_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(",".join(NEEDED) + "\n" + ",,,\n" * 5_000_001)
    assert "rows of 4 columns" in refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", NEEDED)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_value_that_is_not_finite_is_refused(tmp_path: Path, suffix: str, column: str, value: float) -> None:
    table = columns(5)
    table[column] = table[column].astype(np.float64)
    table[column][3] = value
    path = tmp_path / f"odd.{suffix}"
    if suffix == "csv":
        rows = zip(*table.values(), strict=True)
        path.write_text(",".join(table) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    else:
        saved(path, **table)
    assert f"'{column}' holds something that is not a finite number" in refused(path)


@pytest.mark.parametrize("factor", [1e-320, 1e-12])
def test_times_too_close_together_are_refused_with_their_column(tmp_path: Path, factor: float) -> None:
    """Regression: speeds were infinite, and NumPy printed warnings with source lines."""
    path = saved(tmp_path / "short.parquet", **columns(4, time_s=factor * np.arange(4.0)))
    assert "the column 'time_s' has times of one particle that are" in refused(path)


def test_malformed_tables_are_refused_and_valid_ones_are_read(tmp_path: Path) -> None:
    twice = pa.table([pa.array([0.0, 1.0])] * 5, names=[*NEEDED, "x_um"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    assert "can't be read" in refused(tmp_path / "twice.parquet")
    lists = pa.array([[1.0], [2.0]])
    assert "x_um" in refused(saved(tmp_path / "lists.parquet", **columns(2, x_um=lists)))
    tracks, forces = read_tracks(saved(tmp_path / "sound.parquet", **columns(4), carried=[True, False, False, True]))
    assert forces is None
    assert tracks["carried"].tolist() == [True, False, False, True]
    assert tracks["time_s"].tolist() == [0.0, 0.1, 0.2, 0.3]

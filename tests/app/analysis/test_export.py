"""A run as tables and as a video that pandas, trackpy and tifffile open."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import tifffile
import trackpy

from app.analysis.export import export
from app.analysis.run_description import info, text
from app.commands.export import export_run
from config.refused import Refused
from control.contract import Order, OrderKind, Turn
from drivers.journal import Journal, read_run
from tests.drivers.turns import header, plausible
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_time

TRACKPY_COLUMNS = ["frame", "time_s", "particle", "x", "y", "x_um", "y_um", "mass", "size", "ecc"]


def given(count: int = 300) -> list[Turn]:
    """Turns of 0 to 4 particles. Particle 1 is carried in turns 10 to 19; turn 3 has an order, turn 5 has no frame."""
    turns = [plausible(number, particles=number % 5) for number in range(count)]
    for number in range(10, min(20, count)):
        turn = turns[number]
        carried = turn.wanted.particle == 1
        turns[number] = dataclasses.replace(turn, wanted=dataclasses.replace(turn.wanted, carried=carried))
    turns[3] = dataclasses.replace(turns[3], orders=(Order(OrderKind.MARK, "look, here"),))
    turns[5] = dataclasses.replace(turns[5], frame=None)  # 5 has no particles
    return turns


def record(path: Path, turns: list[Turn], frames: bool = True) -> Path:
    journal = Journal(path, header(), frames, wait_s=30.0)
    for turn in turns:
        journal.write(turn)
    journal.close()
    return path


@pytest.mark.parametrize("error", [UnicodeError("text"), OSError(errno.EIO, "no answer")])
def test_an_export_that_fails_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = record(tmp_path / "run.h5", given(6))
    monkeypatch.setattr("app.analysis.export._tables", fail)
    with pytest.raises(Refused if isinstance(error, OSError) else UnicodeError):
        export(path, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["parquet", "csv"])
def test_exported_tables_equal_the_recorded_turns(tmp_path: Path, to: str) -> None:
    turns = given()
    path = record(tmp_path / "run.h5", turns)
    done: list[int] = []
    made = export(path, to, tmp_path / "out", done.append)
    assert done[-1] == 300
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(file.name for file in made)
    read = pd.read_parquet if to == "parquet" else pd.read_csv
    tables = {file.stem: read(file) for file in made}
    assert {*tables} == {"tracks", "forces", "rings", "commands", "turns", "orders", "events"}
    tracks = tables["tracks"]
    assert list(tracks.columns[: len(TRACKPY_COLUMNS)]) == TRACKPY_COLUMNS
    for name, values in (
        ("particle", [turn.tracks.particle for turn in turns]),
        ("x_um", [turn.tracks.position_um[:, 0] for turn in turns]),
        ("y", [turn.tracks.position_px[:, 1] for turn in turns]),
        ("size", [turn.tracks.size_px for turn in turns]),
        ("time_s", [np.full(len(turn.tracks), turn.tracks.time_s) for turn in turns]),
        ("frame", [np.full(len(turn.tracks), turn.frame.number if turn.frame else -1) for turn in turns]),
        ("turn", [np.full(len(turn.tracks), turn.number) for turn in turns]),
    ):
        np.testing.assert_array_equal(tracks[name], np.concatenate(values))
    carried = tracks[tracks["carried"]]
    assert {*carried["particle"]} == {1}
    assert {*carried["turn"]} == {12, 13, 14, 17, 18, 19}
    assert len(tables["commands"]) == 2 * sum(len(turn.sent) for turn in turns)
    assert list(tables["orders"]["text"]) == ["look, here"]
    assert len(tables["turns"]) == 300
    assert list(tables["turns"]["reason"]) == ["armed"] * 300
    assert not tables["turns"]["has_frame"][5]


def test_units_are_in_the_parquet_file(tmp_path: Path) -> None:
    made = export(record(tmp_path / "run.h5", given(20)), "parquet", tmp_path / "out")
    tracks = next(file for file in made if file.stem == "tracks")
    schema = pyarrow.parquet.read_schema(tracks)
    units = {name: (schema.field(name).metadata or {}).get(b"unit", b"").decode() for name in schema.names}
    assert units["x_um"] == "µm"
    assert units["x"] == units["size"] == "px"
    assert units["time_s"] == "s"
    assert units["mass"] == units["particle"] == ""
    assert pd.read_parquet(tracks).attrs["units"]["y_um"] == "µm"


@pytest.mark.parametrize("to", ["parquet", "csv"])
def test_trackpy_reads_the_exported_table_unchanged(tmp_path: Path, to: str) -> None:
    """imsd, emsd, compute_drift and link accept positions of free particles in pixels; no column is renamed."""
    chance = np.random.default_rng(3)
    place_px = 20.0 * np.arange(1, 4)[:, None] + np.cumsum(chance.normal(0.0, 0.3, (60, 3, 2)), axis=0)  # [T, N, 2]
    turns = []
    for number, own_px in enumerate(place_px):
        turn = plausible(number, 3)
        turns.append(
            dataclasses.replace(
                turn, tracks=dataclasses.replace(turn.tracks, position_px=own_px, position_um=0.1 * own_px)
            )
        )
    path = record(tmp_path / "run.h5", turns)
    made = next(file for file in export(path, to, tmp_path / "out") if file.stem == "tracks")
    tracks = pd.read_parquet(made) if to == "parquet" else pd.read_csv(made)
    np.testing.assert_allclose(tracks["x"], tracks["x_um"] / 0.1, rtol=1e-12)
    with read_run(path) as run:
        mpp, fps = run.header.um_per_px, run.header.fps
    assert len(trackpy.compute_drift(tracks)) == 58  # frame 6 was dropped
    moved = trackpy.subtract_drift(tracks.copy())
    assert np.isfinite(trackpy.emsd(moved, mpp, fps, max_lagtime=5)).all()
    one = trackpy.imsd(tracks, mpp, fps, max_lagtime=2)[0].to_numpy()[0]  # particle 0, lag 1
    steps_um = 0.1 * np.diff(place_px[:, 0], axis=0)
    steps_um = np.delete(steps_um, 5, axis=0)
    assert one == pytest.approx((steps_um**2).sum(axis=1).mean(), rel=1e-9)
    linked = trackpy.link(tracks.drop(columns="particle"), 5.0, memory=1)
    assert linked["particle"].nunique() == 3


def test_a_runs_table_is_the_exported_table(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", given())
    made = {file.stem: pd.read_parquet(file) for file in export(path, "parquet", tmp_path / "out")}
    with read_run(path) as run:
        for name, table in made.items():
            pd.testing.assert_frame_equal(run.table(name), table, check_dtype=False)
            assert run.table(name).attrs == table.attrs
        assert run.table("lost").columns[0] == "turn"  # not an exported table: read directly from the file


def test_positions_without_images_are_exported_in_pixels(tmp_path: Path) -> None:
    turns = [plausible(number) for number in range(5)]
    for number, turn in enumerate(turns):
        nowhere = np.full_like(turn.tracks.position_px, np.nan)
        turns[number] = dataclasses.replace(turn, tracks=dataclasses.replace(turn.tracks, position_px=nowhere))
    with read_run(record(tmp_path / "run.h5", turns)) as run:
        tracks = run.table("tracks")
    np.testing.assert_allclose(tracks[["x", "y"]], tracks[["x_um", "y_um"]] / 0.1, rtol=1e-12)


def test_a_run_without_turns_gives_tables_without_rows(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", [])
    for file in export(path, "parquet", tmp_path / "out"):
        assert len(pd.read_parquet(file)) == 0
    assert list(pd.read_parquet(tmp_path / "out" / "tracks.parquet").columns[:3]) == ["frame", "time_s", "particle"]


def test_the_video_keeps_pixels_scale_and_times(tmp_path: Path) -> None:
    turns = given(30)
    path = record(tmp_path / "run.h5", turns)
    done: list[int] = []
    (made,) = export(path, "ome-tiff", tmp_path / "out", done.append)
    assert done == list(range(1, 30))
    with tifffile.TiffFile(made) as file:
        assert file.is_ome
        assert file.series[0].axes == "TYX"
        np.testing.assert_array_equal(file.asarray(), [turn.frame.image for turn in turns if turn.frame])
        about = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]
    assert about["PhysicalSizeX"] == about["PhysicalSizeY"] == 0.1
    assert about["PhysicalSizeXUnit"] == "µm"
    times_s = [plane["DeltaT"] for plane in about["Plane"]]
    assert about["TimeIncrement"] == pytest.approx(np.diff(times_s).mean())  # 0.01 but for the turn without an image
    np.testing.assert_allclose(times_s, [turn.frame.time_s for turn in turns if turn.frame])


def test_export_refuses_missing_frames_formats_and_files(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", given(10), frames=False)
    with pytest.raises(Refused, match="no frames to export"):
        export(path, "ome-tiff", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(Refused, match="allowed: parquet, csv, ome-tiff"):
        export(path, "xlsx", tmp_path / "out")
    with pytest.raises(Refused, match="a folder for the exported files"):
        export(path, "csv", path)
    with pytest.raises(Refused, match="no such file"):
        export(tmp_path / "none.h5", "csv", tmp_path / "out")


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_the_tables_of_one_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The tables of the first run remain; no table of the second run replaces one of them."""
    first, second = (record(tmp_path / f"{count}.h5", given(count)) for count in (20, 40))
    export(first, "csv", tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    calls: list[object] = []
    real = getattr(os, name)

    def full(*words: Any) -> Any:
        calls.append(words)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*words)

    with monkeypatch.context() as disk:
        disk.setattr(f"config.atomic.os.{name}", full)
        with pytest.raises(Refused, match="can't be written"):
            export(second, "csv", tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("to", ["parquet", "csv", "ome-tiff"])
def test_export_replaces_files_only_in_a_named_folder(tmp_path: Path, to: str) -> None:
    run = record(tmp_path / "a.h5", given(20))
    export_run(run, to, None, json=None)
    before = {file: file.read_bytes() for file in (tmp_path / "a").iterdir()}
    last = max(before)
    first, *others = before
    for file in others:
        file.unlink()
    first.write_bytes(mine := before[first] + b"mine")
    with pytest.raises(Refused, match=f"{first.name}' is there already, and it is left as it is; name another file"):
        export_run(run, to, None, json=None)
    assert {file: file.read_bytes() for file in (tmp_path / "a").iterdir()} == {first: mine}
    export_run(run, to, tmp_path / "a", json=None)
    assert first.read_bytes() != mine
    assert last.exists()


def test_an_unfinished_run_is_exported_up_to_its_last_turn(tmp_path: Path) -> None:
    live, cut = tmp_path / "live.h5", tmp_path / "cut.h5"
    journal = Journal(live, header(), True, wait_s=30.0)
    for number in range(100):
        journal.write(plausible(number))
    until_s = time.monotonic() + PATIENCE_S
    turns = 0
    while turns < 100 and time.monotonic() < until_s:
        time.sleep(0.05)
        with read_run(live) as run:
            turns = len(run)
    shutil.copy(live, cut)  # the file that a killed process leaves
    journal.close()
    found = info(cut)
    assert found["ended"] == "unfinished"
    assert found["turns"] == 100
    assert "unfinished" in text(found)
    tables = {file.stem: pd.read_parquet(file) for file in export(cut, "parquet", tmp_path / "out")}
    assert len(tables["tracks"]) == 300
    assert export(cut, "ome-tiff", tmp_path / "out")

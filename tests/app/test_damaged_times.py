"""A run with impossible times is refused in one sentence before any playback, and no file is left."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import main
from app.analysis.live_observables import paths
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands.analyse import analyse_run
from app.running.headless import fly
from app.running.playback import RunSource
from config.refused import Refused
from drivers.journal import read_run
from drivers.journal.header import header_of
from drivers.journal.trust import TIMES
from tests.drivers.turns import header

RECORD = gzip.decompress((Path(__file__).parent / "old_runs" / "record.h5.gz").read_bytes())


def damaged(path: Path, column: str, row: int | None, value: float) -> Path:
    path.write_bytes(RECORD)
    with h5py.File(path, "r+") as file:
        turns = file["turns"][...]
        turns[column][slice(None) if row is None else row] = value
        file["turns"][...] = turns
    return path


def test_a_valid_run_passes(tmp_path: Path) -> None:
    (tmp_path / "g.h5").write_bytes(RECORD)
    with read_run(tmp_path / "g.h5") as run:
        run.require_turns()


@pytest.mark.parametrize(
    ("row", "value", "place"),
    [(None, np.nan, "turn 1 "), (5, 1e308, "turn 6 "), (5, -1e308, "turn 6 "), (5, np.inf, "turn 6 ")],
)
@pytest.mark.parametrize("column", TIMES)
def test_an_impossible_time_is_refused(tmp_path: Path, column: str, row: int | None, value: float, place: str) -> None:
    path = damaged(tmp_path / "g.h5", column, row, value)
    with read_run(path) as run:
        if np.isnan(value) and column not in ("frame_time_s", "now_s", "tracks_time_s"):
            run.require_turns()  # this time may be unknown
            return
        with pytest.raises(Refused, match=f"{place}.*{column}") as refused:
            run.require_turns()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("verb", ["replay g.h5 --out y.h5", "analyse g.h5 --out y.html", "tune g.h5 --out y.png"])
@pytest.mark.parametrize(("column", "value"), [("now_s", np.nan), ("now_s", 1e308), ("tracks_time_s", np.nan)])
def test_commands_that_play_the_run_are_refused(
    verb: str,
    column: str,
    value: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    damaged(Path("g.h5"), column, None if np.isnan(value) else 5, value)
    monkeypatch.setattr("sys.argv", ["main.py", *verb.split()])
    assert main.main() == 2
    said = capsys.readouterr().err
    assert said.startswith("cybloids: g.h5: turn ")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["g.h5"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("later_s", [1e6, 3.9e9])
def test_a_run_that_paused_for_years_is_played(
    later_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = plan(
        EXPERIMENTS / "ring_crystal.yaml", None, ["sample.number=3", "camera.width_px=64", "camera.height_px=64"]
    )
    fly(made, 0.3, Path("g.h5"), True, "three")
    with h5py.File("g.h5", "r+") as file:
        turns = file["turns"][...]
        half = len(turns) // 2
        for column in ("now_s", "frame_time_s", "tracks_time_s"):
            turns[column][half:] += later_s
        file["turns"][...] = turns
    for verb, code in (("replay g.h5 --out y.h5", 1), ("analyse g.h5 --out y.html", 0)):  # no command came: it trips
        monkeypatch.setattr("sys.argv", ["main.py", *verb.split()])
        assert main.main() == code
    assert "no command came for" in capsys.readouterr().err
    source = RunSource(Path("g.h5"))
    grid = paths(source.tracks(0, len(turns)), 0.01)
    source.close()
    assert len(grid.time_s) <= 50 * len(turns)


def without_frames(turns: Any) -> None:
    turns["has_frame"], turns["frame_time_s"], turns["tracks_time_s"] = 0, np.nan, np.nan


def one_time(turns: Any) -> None:
    for column in ("now_s", "frame_time_s", "tracks_time_s"):
        turns[column] = 4e9


def least_frames(turns: Any) -> None:
    turns["frame"][::2] = -(2**63)


def largest_frame(turns: Any) -> None:
    turns["frame"][-1] = 2**63 - 1


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (
            without_frames,
            "turn 1 of this run is damaged: it has particles, and its tracks_time_s, nan, is not the time",
        ),
        (least_frames, "turn 1 of this run is damaged: its frame is -9223372036854775808"),
        (largest_frame, "of this run is damaged: its frame is 9223372036854775807"),
        (one_time, "its frame_time_s is 4000000000.0, and the frame before is not older"),
    ],
)
def test_turns_with_invalid_frames_are_refused(damage: Callable[[Any], None], why: str, tmp_path: Path) -> None:
    path = tmp_path / "g.h5"
    path.write_bytes(RECORD)
    with h5py.File(path, "r+") as file:
        turns = file["turns"][...]
        damage(turns)
        file["turns"][...] = turns
    with pytest.raises(Refused, match=why):
        analyse_run(path, tmp_path / "y.html", json=None)


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e-9, 1e300, float("nan"), float("inf")])
def test_a_header_without_a_frame_rate_is_refused(fps: float) -> None:
    with pytest.raises(Refused, match="'fps' is "):
        header_of(header(fps=fps).text(), "g.h5")

"""A run with a damaged row is refused in one sentence by every verb, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import main
from app.info import info
from app.reel import RunSource
from app.verify import verify_run
from config.refused import Refused
from control.contract import Level, Order, OrderKind
from drivers.journal import Journal, read_run
from drivers.journal.trust import TIMES
from tests.drivers.turns import header, plausible


@pytest.fixture(scope="module", autouse=True)
def record(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A run of 20 turns with frames."""
    path = tmp_path_factory.mktemp("run") / "run.h5"
    journal = Journal(path, header(), True, wait_s=30.0)
    for number in range(20):
        orders = (Order(OrderKind.ARM, "go"),) if number == 0 else ()
        journal.write(replace(plausible(number), orders=orders))
    journal.close()
    SOUND.append(path.read_bytes())


SOUND: list[bytes] = []


def damaged(path: Path, table: str, damage: Callable[[Any], None]) -> Path:
    path.write_bytes(SOUND[-1])
    with h5py.File(path, "r+") as file:
        rows = file[table][...]
        damage(rows)
        file[table][...] = rows
    return path


def put(column: str, value: object, row: int | slice = 5) -> Callable[[Any], None]:
    def damage(rows: Any) -> None:
        rows[column][row] = value

    return damage


def times(change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def damage(rows: Any) -> None:
        for column in TIMES:
            rows[column] = change(rows[column])

    return damage


def backwards(rows: Any) -> None:
    rows["now_s"] = rows["now_s"][::-1].copy()


def cut_word(rows: Any) -> None:
    rows[:] = 0xFF


EVERY = slice(None)
DAMAGE: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "image": ("turns", put("image", -1), "turn 6 of this run is damaged: its image is -1"),
    "images": ("turns", put("image", -(2**63), EVERY), "turn 1 of this run is damaged: its image is -9223"),
    "image of another": ("turns", put("image", 0), "turn 6 of this run is damaged: its image is 0"),
    "level": ("turns", put("level", b"\xff"), r"turn 6 of this run is damaged: its level is \xff"),
    "no level": ("turns", put("level", b"nope"), "turn 6 of this run is damaged: its level is nope"),
    "reason": ("turns", put("reason", 2**40), "turn 6 of this run is damaged: its reason is text 1099511627776"),
    "end": ("turns", put("tracks_end", 2**62), "turn 6 of this run is damaged: its tracks_end is "),
    "end below": ("turns", put("events_end", -1), "turn 6 of this run is damaged: its events_end is -1"),
    "number": ("turns", put("turn", 3, EVERY), "turn 2 of this run is damaged: its number is 3"),
    "number below": ("turns", put("turn", -5, EVERY), "turn 1 of this run is damaged: its number is -5"),
    "gap": ("turns", put("turn", 10**12, slice(8, None)), "turn 9 of this run is damaged: its number is 10000000"),
    "clock": ("turns", backwards, "turn 2 of this run is damaged: its now_s is "),
    "one time": ("turns", times(np.ones_like), "turns take 0 s"),
    "no time": ("turns", times(lambda found: found * 1e-15), "turns take "),
    "event": ("events", put("kind", b"bogus", 0), "row 1 of 'events': its kind is bogus"),
    "event's text": ("events", put("text", -1, 0), "row 1 of 'events': its text is -1"),
    "order": ("orders", put("kind", b"ZZ", 0), "row 1 of 'orders': its kind is ZZ"),
    "text": ("texts", put("end", 2**62, 0), "text 0 can't be read"),
    "texts": ("texts", put("end", 0, slice(1, None)), "text 1 can't be read"),
    "no UTF-8": ("text_bytes", cut_word, "text 0 can't be read"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_row_is_refused_where_the_run_is_opened(name: str, tmp_path: Path) -> None:
    table, damage, why = DAMAGE[name]
    path = damaged(tmp_path / "g.h5", table, damage)
    for read in (info, RunSource):
        with pytest.raises(Refused) as refused:
            read(path)
        said = str(refused.value)
        assert why in said
        assert said.startswith(f"{path}: ")
        assert said.isprintable()


VERBS = ("info g.h5", "replay g.h5 --out y.h5", "tune g.h5 --out y.png", "symmetry g.h5", "analyse g.h5 --out y.html",
         "export g.h5 --to ome-tiff --out y", "export g.h5 --to csv --out y")  # fmt: skip


@pytest.mark.parametrize("name", ["images", "level", "end"])
def test_every_verb_says_it_in_one_sentence_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table, damage, why = DAMAGE[name]
    damaged(Path("g.h5"), table, damage)
    for verb in VERBS:
        monkeypatch.setattr("sys.argv", ["main.py", *verb.split()])
        assert main.main() == 2, verb
        said = capsys.readouterr().err
        assert why in said
        assert said.count("\n") == 1
        assert [path.name for path in tmp_path.iterdir()] == ["g.h5"]


@pytest.mark.parametrize("value", [1e308, -1e308, np.inf])
def test_a_place_that_none_can_be_is_refused(value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damaged(tmp_path / "g.h5", "tracks", put("x_um", value, 3))
    monkeypatch.setattr("sys.argv", ["main.py", "analyse", str(path), "--out", str(tmp_path / "y.html")])
    assert main.main() == 2
    with pytest.raises(Refused, match="row 4 of 'tracks': its x_um is "):
        RunSource(path)


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="row 4 of 'tracks': its state is 255"):
        RunSource(damaged(tmp_path / "g.h5", "tracks", put("state", 255, 3)))


def test_a_run_that_was_cut_to_no_turns_did_not_end_cleanly(tmp_path: Path) -> None:
    for turns in (0, 5):
        (tmp_path / "g.h5").write_bytes(SOUND[-1])
        with h5py.File(tmp_path / "g.h5", "r+") as file:
            file["turns"].resize((turns,))
        with pytest.raises(Refused, match=f"and its {turns} turns end at row"):
            info(tmp_path / "g.h5")


def test_a_sound_run_begins_at_any_turn_and_may_pause_for_years(tmp_path: Path) -> None:
    def later(rows: Any) -> None:
        rows["turn"] += 61
        for column in ("now_s", "frame_time_s", "tracks_time_s"):
            rows[column][8:] += 3e9

    with read_run(damaged(tmp_path / "g.h5", "turns", later)) as run:
        run.require_turns()
        assert run.first_turn == 61
        assert set(run.rows("turns")["level"].tolist()) <= {level.value.encode() for level in Level}


@pytest.mark.parametrize("frames", [True, False])
def test_a_run_of_no_turns_is_verified_by_what_it_was_to_keep(
    frames: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(tmp_path / "g.h5", header(), frames, wait_s=30.0).close()
    with read_run(tmp_path / "g.h5") as run:
        assert run.kept_frames is frames
    Journal(tmp_path / "h.h5", header(), frames, wait_s=30.0).close()
    journal = Journal(tmp_path / "i.h5", header(), frames, wait_s=30.0)
    journal.write(plausible(0))
    journal.close()
    with read_run(tmp_path / "i.h5") as run:
        assert run.kept_frames is frames
    with pytest.raises(Refused):  # its rig is none
        verify_run(tmp_path / "g.h5", json=None)


def test_an_image_that_cant_be_read_is_bad_input_for_tune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.h5").write_bytes(SOUND[-1])
    with h5py.File("g.h5", "r+") as file:
        file["frames"].id.write_direct_chunk((3, 0, 0), bytes(60), filter_mask=0)
    monkeypatch.setattr("sys.argv", ["main.py", "tune", "g.h5", "--out", "y.png"])
    assert main.main() == 2
    said = capsys.readouterr().err
    assert "image 3 can't be read" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["g.h5"]

"""A run with a damaged row is refused in one sentence by every command, before any result is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import main
from app.analysis.run_description import info
from app.assembly.rig import EXPERIMENTS
from app.commands import analyse
from app.commands.verify import verify_run
from app.running.playback import RunSource
from config.refused import Refused
from control.contract import DARK, Forces, Level, Order, OrderKind, Tracks
from drivers.journal import Journal, read_run
from drivers.journal.header import header_of
from drivers.journal.tables import TABLES
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


def turned(*columns: str) -> Callable[[Any], None]:
    """The rows, or some of their columns, in reverse order."""

    def damage(rows: Any) -> None:
        for column in columns or rows.dtype.names:
            rows[column] = rows[column][::-1].copy()

    return damage


def together(*damages: Callable[[Any], None]) -> Callable[[Any], None]:
    def damage(rows: Any) -> None:
        for one in damages:
            one(rows)

    return damage


def swapped(rows: Any) -> None:
    rows[[1, 2]] = rows[[2, 1]]


def stopped(rows: Any) -> None:
    rows["now_s"][5:15] = rows["now_s"][5]


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
    "one time": ("turns", times(np.ones_like), "its frame_time_s is 1.0, and the frame before is not older"),
    "no time": ("turns", times(lambda found: found * 1e-15), "turns take "),
    "event": ("events", put("kind", b"bogus", 0), "row 1 of 'events': its kind is bogus"),
    "event's text": ("events", put("text", -1, 0), "row 1 of 'events': its text is -1"),
    "order": ("orders", put("kind", b"ZZ", 0), "row 1 of 'orders': its kind is ZZ"),
    "text": ("texts", put("end", 2**62, 0), "text 0 can't be read"),
    "texts": ("texts", put("end", 0, slice(1, None)), "text 1 can't be read"),
    "no UTF-8": ("text_bytes", cut_word, "text 0 can't be read"),
    "tracks of another turn": ("tracks", put("turn", -1, 3), "row 4 of 'tracks': its turn is -1, and it belongs to"),
    "tracks reversed": ("tracks", turned(), "row 1 of 'tracks': its turn is 19, and it belongs to another"),
    "sent reversed": ("sent", turned(), "row 1 of 'sent': its turn is 19, and it belongs to another"),
    "texts of another turn": ("texts", put("turn", 3, 0), "row 1 of 'texts': its turn is 3"),
    "event of another turn": ("events", put("turn", 2**62, 2), "row 3 of 'events': its turn is 4611686018427387904"),
    "order of another turn": ("orders", put("turn", -1, 0), "row 1 of 'orders': its turn is -1"),
    "wanted of another turn": ("wanted", put("turn", 0, 3), "row 4 of 'wanted': its turn is 0"),
    "particles swapped": ("tracks", swapped, "row 3 of 'tracks': its particle is 1, and a turn has each once"),
    "particle twice": ("tracks", put("particle", 0, EVERY), "row 2 of 'tracks': its particle is 0, and a turn has"),
    "no particle": ("tracks", put("particle", -1, 3), "row 4 of 'tracks': its particle is -1 (allowed: 0 to"),
    "place": ("tracks", put("x_um", 1e300, 3), "row 4 of 'tracks': its x_um is 1e+300 (allowed: -1e+09 to 1e+09)"),
    "places": ("tracks", put("y_um", np.inf, EVERY), "row 1 of 'tracks': its y_um is inf"),
    "no state": ("tracks", put("state", 255, 3), "row 4 of 'tracks': its state is 255"),
    "power": ("sent", put("power_mw", -50.0, 3), "row 4 of 'sent': its power_mw is -50.0 (allowed: 0 to 1e+12)"),
    "large power": ("sent", put("power_mw", 1e300, 3), "row 4 of 'sent': its power_mw is 1e+300"),
    "endless power": ("sent", put("power_mw", -np.inf, 3), "row 4 of 'sent': its power_mw is -inf"),
    "no power": ("allowed", put("power_mw", np.nan, 3), "row 4 of 'allowed': its power_mw is nan"),
    "spot": ("allowed", put("x_um", 1e300, 3), "row 4 of 'allowed': its x_um is 1e+300"),
    "endless spot": ("allowed", put("y_um", np.inf, EVERY), "row 1 of 'allowed': its y_um is inf"),
    "no spot": ("sent", put("x_um", np.nan, 3), "row 4 of 'sent': its x_um is nan"),
    "dwell": ("allowed", put("dwell_s", -5.0, 3), "row 4 of 'allowed': its dwell_s is -5.0"),
    "no dwell": ("sent", put("dwell_s", 0.0, 3), "row 4 of 'sent': its dwell_s is 0.0 (allowed: more than 0)"),
    "force": ("wanted", put("fx_pn", np.nan, 3), "row 4 of 'wanted': its fx_pn is nan"),
    "delay": ("wanted", put("delay_s", -1e300, 3), "row 4 of 'wanted': its delay_s is -1e+300"),
    "delay achieved": ("wanted", put("delay_achieved_s", np.inf, 3), "row 4 of 'wanted': its delay_achieved_s is inf"),
    "dropped": ("turns", put("dropped", -7, 19), "turn 20 of this run is damaged: its dropped is -7"),
    "dropped fewer": ("turns", put("dropped", 0, 19), "turn 20 of this run is damaged: its dropped is 0"),
    "dropped more": ("turns", put("dropped", 2**62, 19), "turn 20 of this run is damaged: its dropped is 46116860"),
    "clock stops": ("turns", stopped, "turn 7 of this run is damaged: its now_s is 0.055, and the clock stands still"),
    "frame": ("turns", put("frame", 7, EVERY), "turn 2 of this run is damaged: its frame is 7, and frames count up"),
    "frames reversed": ("turns", turned("frame"), "turn 2 of this run is damaged: its frame is 19, and frames count"),
    "has_frame": ("turns", put("has_frame", 2), "turn 6 of this run is damaged: its has_frame is 2 (allowed: 0 and 1)"),
    "tripped": ("turns", put("level", b"TRIPPED"), "turn 6 of this run is damaged: its level is TRIPPED, and"),
    "safe": ("turns", put("level", b"SAFE", EVERY), "turn 1 of this run is damaged: its level is SAFE, and"),
    "frame time": ("turns", put("frame_time_s", 0.5, EVERY), "turn 1 of this run is damaged: it has particles"),
    "tracks time": ("turns", put("tracks_time_s", -3e9), "turn 6 of this run is damaged: it has particles"),
    "times reversed": ("turns", turned("frame_time_s", "tracks_time_s"), "turn 2 of this run is damaged: its frame_ti"),
    "one frame time": (
        "turns", together(put("frame_time_s", 0.5, EVERY), put("tracks_time_s", 0.5, EVERY)),
        "turn 2 of this run is damaged: its frame_time_s is 0.5, and the frame before is not older",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_row_is_refused_when_the_run_is_opened(name: str, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["images", "level", "end", "place", "power", "tracks reversed"])
def test_every_command_refuses_a_damaged_row_and_leaves_no_file(
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


def test_turns_that_trip_the_interlock_are_recorded_and_read(tmp_path: Path) -> None:
    """A law whose forces are NaN, a frame that is not newer, a frame that cannot be tracked, a silent camera, and a
    clock with coarse steps."""
    path = tmp_path / "g.h5"
    dark: dict[str, Any] = {"level": Level.TRIPPED, "allowed": DARK, "sent": DARK}
    journal = Journal(path, header(), True, wait_s=30.0)
    for number in range(12):
        made = plausible(number)
        if number == 3:
            wanted = replace(made.wanted, force_pn=np.full((3, 2), np.nan), delay_s=np.full(3, np.inf))
            made = replace(made, wanted=wanted, **dark)
        if number in (4, 5) and made.frame is not None:
            again = made.frame if number == 4 else replace(made.frame, number=1, time_s=0.01)
            made = replace(made, frame=again, tracks=Tracks(made.now_s), wanted=Forces(), dropped=0, **dark)
        if number == 8:
            made = replace(made, frame=None, tracks=Tracks(made.now_s), wanted=Forces(), **dark)
        journal.write(replace(made, now_s=0.015 * (made.now_s // 0.015)))
    journal.close()
    assert info(path)["turns"] == 12


RIG = "camera: {fps: 100}\noptics: {um_per_px: 0.1}\n"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"fps": 1e6}, "the header's 'fps' is 1000000.0, and camera.fps of its rig is 100"),
        ({"um_per_px": 0.2}, "the header's 'um_per_px' is 0.2, and optics.um_per_px of its rig is 0.1"),
        ({"seed": 8}, "the header's 'seed' is 8, and seed of its experiment is 7"),
    ],
)
def test_a_header_that_contradicts_its_rig_is_refused(found: dict[str, Any], why: str, tmp_path: Path) -> None:
    for name, given in (("sound", {}), ("damaged", found), ("none", {"rig": "[", "experiment": "1", **found})):
        path = tmp_path / f"{name}.h5"
        Journal(path, header(**{"rig": RIG, "experiment": "seed: 7\n", **given}), True, wait_s=30.0).close()
        if name != "damaged":  # a rig that cannot be read cannot be compared
            assert info(path)["turns"] == 0
            continue
        with pytest.raises(Refused) as refused:
            info(path)
        assert str(refused.value) == f"{path}: {why}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"zzz": 1}, "the header's 'zzz' is not known; this run may be of a newer version"),
        ({"rig": ...}, "the header has no 'rig'"),
        ({"kind": ...}, "the header has no 'kind'"),
        ({"kind": "FREE"}, "the header's 'kind' is FREE, where SIMULATED or REPLAY or REAL or WATCH ONLY is needed"),
        ({"kind": []}, "the header's 'kind' is [], where SIMULATED or REPLAY or REAL or WATCH ONLY is needed"),
        ({"field_um": 4}, "the header's 'field_um' is 4, where a list of four numbers is needed"),
        ({"field_um": "abcd"}, "the header's 'field_um' is abcd, where a list of four numbers is needed"),
    ],
)
def test_an_invalid_header_is_refused_in_plain_words(change: dict[str, Any], why: str) -> None:
    data = {**json.loads(header().text()), **change}
    text = json.dumps({name: value for name, value in data.items() if value is not ...})
    with pytest.raises(Refused) as refused:
        header_of(text, "g.h5")
    assert str(refused.value) == f"g.h5: {why}"


@pytest.mark.parametrize(("text", "why"), [("[1]", "the header is [1], where a mapping"), ("{", "it is not JSON")])
def test_a_header_that_is_not_a_mapping_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        header_of(text, "g.h5")
    assert why in str(refused.value)


@pytest.mark.parametrize("field", ["rig", "experiment"])
def test_unreadable_settings_are_refused_with_the_file_name(field: str, tmp_path: Path) -> None:
    path = tmp_path / "g.h5"
    settings = {"rig": (EXPERIMENTS.parent / "rigs" / "simulated.yaml").read_text(), "experiment": "[", field: "["}
    journal = Journal(path, header(**settings, fps=100.0), True, wait_s=30.0)
    journal.write(plausible(0))
    journal.close()
    for read in (analyse.tables, RunSource, lambda path: verify_run(path, json=None)):
        with pytest.raises(Refused) as refused:
            read(path)
        assert str(refused.value).startswith(f"{path}: the run's {field}, line ")


def test_a_run_with_missing_turns_is_refused(tmp_path: Path) -> None:
    for turns in (0, 5):
        (tmp_path / "g.h5").write_bytes(SOUND[-1])
        with h5py.File(tmp_path / "g.h5", "r+") as file:
            file["turns"].resize((turns,))
        with pytest.raises(Refused, match=f"and its {turns} turns end at row"):
            info(tmp_path / "g.h5")


def test_a_valid_run_may_begin_at_any_turn_and_pause_for_years(tmp_path: Path) -> None:
    def later(rows: Any) -> None:
        for column in ("now_s", "frame_time_s", "tracks_time_s"):
            rows[column][8:] += 3e9

    path = damaged(tmp_path / "g.h5", "turns", later)
    with h5py.File(path, "r+") as file:
        for table in ("turns", *(name for name in TABLES if name != "text_bytes")):
            rows = file[table][...]
            rows["turn"] += 61
            file[table][...] = rows
    with read_run(path) as run:
        run.require_turns()
        assert run.first_turn == 61
        assert set(run.rows("turns")["level"].tolist()) <= {level.value.encode() for level in Level}


@pytest.mark.parametrize("frames", [True, False])
def test_a_run_of_no_turns_keeps_its_setting_for_frames(
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
    with pytest.raises(Refused):  # its header has no valid rig
        verify_run(tmp_path / "g.h5", json=None)


def test_tune_refuses_an_unreadable_image(
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

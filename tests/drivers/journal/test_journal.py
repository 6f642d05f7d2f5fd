"""The journal: every value is read back bit for bit, and failures to write are reported."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.recfunctions import drop_fields

from config.refused import Refused
from control.contract import Command, Fault, Forces, Frame, Level, Order, OrderKind, Tracks, Turn
from drivers.journal import Journal, check, compare, read_run, same_contents
from drivers.journal.tables import GROUPS, TRACKS, unpack_group
from drivers.journal.write import TURN_TABLES
from tests.drivers.turns import WIDTH_PX, header, plausible, turns
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_time


def record(path: Path, given: list[Turn], keep_frames: bool = True, **more: object) -> Path:
    journal = Journal(path, header(**more), keep_frames, wait_s=30.0)
    for turn in given:
        journal.write(turn)
    journal.close()
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(given=st.lists(turns(), max_size=5))
def test_every_field_is_read_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, given: list[Turn]) -> None:
    path = record(tmp_path_factory.mktemp("run") / "run.h5", given)
    with read_run(path) as run:
        assert run.ended_cleanly
        found = list(run.turns())
        assert len(found) == len(run) == len(given)
        assert [compare(a, b) for a, b in zip(given, found, strict=True)] == [None] * len(given)
        assert check(run) is None


def test_a_huge_delay_is_kept(tmp_path: Path) -> None:
    turn = plausible(0)
    wanted = dataclasses.replace(turn.wanted, delay_s=np.full(len(turn.wanted.particle), 1.7e308))
    sent = dataclasses.replace(turn.sent, effect_s=turn.effect_s + 1.7e308)
    turn = dataclasses.replace(turn, wanted=wanted, sent=sent)
    assert len(wanted.delay_s) > 0
    with read_run(record(tmp_path / "run.h5", [turn])) as run:
        assert run.ended_cleanly
        assert [compare(turn, found) for found in run.turns()] == [None]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(a=turns(), data=st.data())
def test_compare_names_the_field_that_differs(a: Turn, data: st.DataObject) -> None:
    assert compare(a, a) is None
    b = data.draw(turns())
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(Turn) if field.name != "number"]))
    c = dataclasses.replace(a, **{name: getattr(b, name)})
    found = compare(a, c)
    assert found is None or found.startswith(f"turn {a.number}: {name}")
    # a differing byte of a scalar is found, in both directions of the comparison
    assert (found is None) == (compare(c, a) is None)


def test_compare_states_row_and_values() -> None:
    a = plausible(4)
    moved = a.tracks.position_um.copy()
    moved[1, 1] = 3.25
    b = dataclasses.replace(a, tracks=dataclasses.replace(a.tracks, position_um=moved))
    found = compare(a, b)
    assert found is not None
    assert found.startswith("turn 4: tracks.position_um, row 1, column 1, is ")
    assert found.endswith("and 3.25")


def test_the_journal_has_a_column_for_every_field() -> None:
    columns = {(group.source, column.attribute) for group in GROUPS for column in group.columns}
    beside = {"time_s", "notes", "withheld", "reason", "effect_s", "may_be_lit"}  # columns of `turns`, or events
    for source, value in (("tracks", Tracks), ("wanted", Forces), ("allowed", Command), ("sent", Command)):
        fields = {field.name for field in dataclasses.fields(value)}
        assert {name for where, name in columns if where == source} == fields - beside


def test_a_run_of_many_batches_is_read_in_parts(tmp_path: Path) -> None:
    given = [plausible(number, particles=number % 4) for number in range(600)]
    with read_run(record(tmp_path / "run.h5", given)) as run:
        assert [turn.number for turn in run.turns(250, 530)] == list(range(250, 530))
        assert compare(run.turn(599), given[599]) is None
        tracks = run.table("tracks")
        assert len(tracks) == sum(len(turn.tracks) for turn in given)
        wanted = run.table("wanted")
        np.testing.assert_allclose(wanted["delay_achieved_s"], 0.501)  # 1 ms later than expected
        assert (wanted["delay_s"] == 0.5).all()
        assert run.image_count == 600
        with pytest.raises(IndexError):
            run.turn(600)


def test_every_axis_has_a_dimension_scale(tmp_path: Path) -> None:
    """As in netCDF, so that no program invents names of dimensions; also while the run grows."""
    path = tmp_path / "run.h5"
    journal = Journal(path, header(), True, wait_s=30.0)
    try:
        with h5py.File(path, "r", swmr=True) as growing:
            assert growing["frames"].dims[2].keys() == ["x_px"]
    finally:
        for number in range(40):
            journal.write(plausible(number))
        journal.close()
    with h5py.File(path, "r") as file:
        for name, found in file.items():
            if found.ndim == 1 and name != "image":
                assert found.is_scale, name
            for axis in range(found.ndim if found.ndim > 1 else 0):
                (scale,) = found.dims[axis].values()
                length = found.shape[axis] if scale.name == "/image" else scale.shape[0]
                assert length == found.shape[axis]
        assert [axis[0].name for axis in file["frames"].dims] == ["/image", "/y_px", "/x_px"]
        np.testing.assert_array_equal(file["x_px"], np.arange(WIDTH_PX))
        assert file["table"][...].tolist() == [name.encode() for name in TURN_TABLES]
        assert "REFERENCE_LIST" in file["image"].attrs


def test_every_axis_has_its_netcdf_name(tmp_path: Path) -> None:
    """The rule of h5netcdf, with which xarray opens a run: an axis without a scale would get an invented name."""
    path = record(tmp_path / "run.h5", [plausible(number) for number in range(4)])
    with h5py.File(path, "r") as file:
        named = {}
        for name, found in file.items():
            own = found.attrs.get("CLASS") == b"DIMENSION_SCALE"
            assert own or all(len(axis) for axis in found.dims)
            named[name] = (name,) if own else tuple(axis[0].name.removeprefix("/") for axis in found.dims)
            assert found.ndim == len(named[name])
        without_values = [name for name, found in file.items() if found.attrs.get("NAME", b"").startswith(b"This is a")]
    assert without_values == ["image"]
    assert named.pop("frames") == ("image", "y_px", "x_px")
    assert named.pop("digests") == ("table", "digest")
    assert named == {name: (name,) for name in named}
    assert {"turns", "tracks", "sent", "header", "texts"} <= named.keys()


def test_without_frames_all_but_the_image_is_kept(tmp_path: Path) -> None:
    given = [plausible(number) for number in range(4)]
    path = record(tmp_path / "run.h5", given, keep_frames=False)
    with read_run(path) as run:
        found = list(run.turns())
        assert not run.keep_frames
        assert run.image_count == 0
        assert all(turn.frame is not None and turn.frame.image.shape == (0, 0) for turn in found)
        assert [compare(a, b) for a, b in zip(given, found, strict=True)] == [None] * 4
        assert check(run) is None


def test_a_lone_surrogate_is_kept_and_is_an_escape_in_a_table(tmp_path: Path) -> None:
    """Before, such a text ended every export of its run in a UnicodeEncodeError."""
    given = [dataclasses.replace(plausible(0), orders=(Order(OrderKind.MARK, "a\ud800\udc00b"),))]
    path = record(tmp_path / "run.h5", given)
    with read_run(path) as run:
        assert next(run.turns()).orders[0].text == "a\ud800\udc00b"
        assert "a\\ud800\\udc00b" in run.table("orders")["text"].to_list()
        assert check(run) is None


def test_orders_and_changes_of_the_level_are_events(tmp_path: Path) -> None:
    orders = (Order(OrderKind.ARM), Order(OrderKind.APPLY, "tau_s: 0.5\n", machine=object()))
    first = dataclasses.replace(plausible(0), level=Level.SAFE, reason="not armed")
    second = dataclasses.replace(plausible(1), orders=orders)
    third = dataclasses.replace(plausible(2), level=Level.TRIPPED, reason="stale frame")
    with read_run(record(tmp_path / "run.h5", [first, second, third])) as run:
        events = run.table("events")
        levels = events[events["kind"] == "level"]
        assert list(zip(levels["turn"], levels["text"], strict=True)) == [(0, "SAFE"), (1, "ARMED"), (2, "TRIPPED")]
        assert list(run.table("orders")["kind"]) == ["ARM", "APPLY"]
        assert run.table("orders")["text"][1] == "tau_s: 0.5\n"
        assert list(run.table("turns")["reason"]) == ["not armed", "armed", "stale frame"]


def test_the_same_turns_give_the_same_contents(tmp_path: Path) -> None:
    given = [plausible(number) for number in range(40)]
    a = record(tmp_path / "a.h5", given)
    b = record(tmp_path / "b.h5", given, started="2027-02-02T00:00:00+00:00")
    c = record(tmp_path / "c.h5", [*given[:-1], plausible(39, seed=1)])
    d = record(tmp_path / "d.h5", given, seed=8)
    with read_run(a) as run_a, read_run(b) as run_b, read_run(c) as run_c, read_run(d) as run_d:
        assert same_contents(run_a, run_b) is None
        assert run_a.rows("turns")["hash"].tobytes() == run_b.rows("turns")["hash"].tobytes()
        found = same_contents(run_a, run_c)
        assert found is not None
        assert "'tracks': turn 39: x_um is" in found
        assert same_contents(run_a, run_d) == "the headers differ (seed)"


def _stretches(path: Path) -> dict[str, tuple[int, int]]:
    """Position of the bytes of each dataset in the file: (offset, length)."""
    found = {}
    with h5py.File(path, "r") as file:
        for name, dataset in file.items():
            if dataset.chunks is None:
                found[name] = (dataset.id.get_offset(), dataset.id.get_storage_size())
            elif dataset.size:
                chunk = dataset.id.get_chunk_info(0)
                used = chunk.size if name == "frames" else min(dataset.size, dataset.chunks[0]) * dataset.dtype.itemsize
                found[name] = (chunk.byte_offset, used)
    return found


def test_a_changed_byte_anywhere_is_found_and_named(tmp_path: Path) -> None:
    given = [dataclasses.replace(plausible(n), orders=(Order(OrderKind.MARK, f"mark {n}"),)) for n in range(30)]
    path = record(tmp_path / "run.h5", given)
    whole = path.read_bytes()
    chance = np.random.default_rng(3)
    places = _stretches(path)
    assert {"header", "frames", "turns", "tracks", "wanted", "allowed", "sent", "orders", "events", "texts"} < {*places}
    for name, (offset, length) in places.items():
        for at in {offset, offset + length - 1, *(offset + chance.integers(0, length, 4)).tolist()}:
            changed = bytearray(whole)
            changed[at] ^= 1 << int(chance.integers(8))
            copy = tmp_path / "copy.h5"
            copy.write_bytes(changed)
            try:
                with read_run(copy) as run:
                    found = check(run)
            except Refused as error:
                found = str(error)
            assert found is not None, (name, at)
            assert f"'{name}'" in found or f"in {name}" in found or f"the {name}" in found or "digest" in name, found


def test_the_first_damaged_turn_is_named(tmp_path: Path) -> None:
    given = [plausible(number) for number in range(30)]
    path = record(tmp_path / "run.h5", given)
    with h5py.File(path, "r+") as file:
        rows = file["tracks"][...]
        rows["x_um"][[3 * 17 + 1, 3 * 22]] += 1e-9
        file["tracks"][...] = rows
    with read_run(path) as run:
        assert check(run) == f"{path}: turn 17 is not what was written (in tracks)"


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    path = record(tmp_path / "run.h5", [plausible(0)])
    before = path.read_bytes()
    with pytest.raises(Refused, match="never written over"):
        Journal(path, header(), True)
    assert path.read_bytes() == before


def test_a_full_queue_and_a_dead_writer_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import drivers.journal.growing as module

    def slow(dataset: object, rows: object) -> None:
        time.sleep(0.2)
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "extend", slow)
    journal = Journal(tmp_path / "run.h5", header(), True, queue_turns=4)
    faults: list[str] = []
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and not any("no space left" in said for said in faults):
        try:
            journal.write(plausible(0))
        except Fault as fault:
            faults.append(str(fault))
    assert "does not keep up (4 turns wait" in faults[0]
    assert "no space left" in faults[-1]
    with pytest.raises(Fault, match="no space left"):
        journal.close()
    with read_run(tmp_path / "run.h5") as run:
        assert not run.ended_cleanly
        assert len(run) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_thread_that_died_is_a_fault_at_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error during the last turns: no later turn could report it."""
    path = tmp_path / "a.h5"
    journal = Journal(path, header(), True)
    packs = journal._packer.pack

    def pack(turns: list[Turn]) -> object:
        if any(turn.number >= 2 for turn in turns):
            raise IndexError("index 3 is out of bounds")
        return packs(turns)

    journal.write(plausible(0))
    until(lambda: journal._kept == 1)
    monkeypatch.setattr(journal._packer, "pack", pack)
    journal.write(plausible(2))
    journal._thread.join(PATIENCE_S)
    said = r"a\.h5: writing ended by an error of the program.*; its 1 turns before that can be read$"
    with pytest.raises(Fault, match=said):
        journal.write(plausible(3))
    with pytest.raises(Fault, match=said):
        journal.close()
    journal.close()  # reported once
    with read_run(path) as run:
        assert (len(run), run.ended_cleanly) == (1, False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IndexError("3"), "by an error of the program; all of its 2 turns can be read, but it may not count as ended"),
        (MemoryError(), "the record can't be written: MemoryError$"),
    ],
)
def test_after_an_error_at_the_digest_all_turns_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    """Before, the message stated that the last turns were missing."""

    def fails(self: Journal) -> None:
        raise error

    monkeypatch.setattr(Journal, "_end", fails)
    journal = Journal(tmp_path / "a.h5", header(), True)
    journal.write(plausible(0))
    journal.write(plausible(1))
    with pytest.raises(Fault, match=said):
        journal.close()
    with read_run(tmp_path / "a.h5") as run:
        assert (len(run), run.ended_cleanly) == (2, False)


def test_a_frame_of_another_size_is_a_fault(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.h5", header(), True)
    with pytest.raises(Fault, match="not what the run began with"):
        journal.write(dataclasses.replace(plausible(0), frame=Frame(0, 0.0, np.zeros((3, 3), np.uint8))))
    with pytest.raises(Fault, match="not what the run began with, and the record ends before this turn"):
        journal.write(plausible(0))
    with pytest.raises(Fault, match=r"ends before this turn; its 0 turns before that can be read$"):
        journal.close()
    with pytest.raises(Fault, match="not what the run began with"):
        journal.write(plausible(0))


def write_all(journal: Journal, numbers: Iterator[int]) -> None:
    for number in numbers:
        journal.write(plausible(number))


def test_no_turn_is_missing_within_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk stalls until the queue is full, then continues. Later turns are not kept; the run has no end mark."""
    import drivers.journal.growing as module

    stalls, may_go_on = module.extend, threading.Event()

    def stalling(dataset: object, rows: object) -> None:
        assert may_go_on.wait(PATIENCE_S)
        stalls(dataset, rows)

    monkeypatch.setattr(module, "extend", stalling)
    journal = Journal(tmp_path / "run.h5", header(), True, queue_turns=4)
    numbers = iter(range(1000))
    with pytest.raises(Fault, match=r"does not keep up \(4 turns wait"):
        write_all(journal, numbers)
    written = next(numbers) - 1
    may_go_on.set()
    time.sleep(0.3)  # there was room again in the old code
    with pytest.raises(Fault, match="the record ends before this turn"):
        write_all(journal, numbers)
    with pytest.raises(Fault, match=rf"keep up .* its {written} turns before that can be read$"):
        journal.close()
    with read_run(tmp_path / "run.h5") as run:
        assert not run.ended_cleanly
        assert [turn.number for turn in run.turns()] == list(range(written))
        run.require_turns()


def test_a_file_that_is_not_a_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    good = record(tmp_path / "run.h5", [plausible(number) for number in range(50)])
    short, other, text = tmp_path / "short.h5", tmp_path / "other.h5", tmp_path / "text.h5"
    short.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    text.write_text("x" * 5000)
    with h5py.File(other, "w", libver="v110") as file:
        file["a"] = 1
    for path, words in (
        (tmp_path / "none.h5", "no such file"),
        (short, "cut off"),
        (other, "not a run"),
        (text, "not a run"),
    ):
        with pytest.raises(Refused) as refused:
            read_run(path)
        said = str(refused.value)
        assert words in said
        assert str(path) in said
        assert "\n" not in said


KILLED = """
    import sys, time
    from drivers.journal import Journal
    from tests.drivers.turns import header, plausible
    journal = Journal(sys.argv[1], header(), True)
    number = 0
    while True:
        journal.write(plausible(number))
        print(number, time.time(), flush=True)
        number += 1
        time.sleep(0.005)
"""


@pytest.mark.parametrize("after_s", [0.6, 0.93])
def test_a_killed_recording_loses_less_than_half_a_second(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "run.h5"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("0 ")
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    said = [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    written_s = {int(number): float(stamp) for number, stamp in (line for line in said if len(line) == 2)}
    with read_run(path) as run:
        assert not run.ended_cleanly
        assert check(run) is None
        found = list(run.turns())
        assert [compare(turn, plausible(number)) for number, turn in enumerate(found)] == [None] * len(found)
        assert max(written_s.values()) - written_s[len(found) - 1] < 0.5


def test_a_run_can_be_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    journal = Journal(path, header(), True)
    for number in range(20):
        journal.write(plausible(number))
    until_s = time.monotonic() + PATIENCE_S
    length = 0
    while length < 20 and time.monotonic() < until_s:
        time.sleep(0.05)
        with read_run(path) as run:
            length = len(run)
            assert not run.ended_cleanly
    journal.close()
    assert length == 20


LIMITED = """
    import resource, sys
    from control.contract import Fault
    from drivers.journal import Journal
    from tests.drivers.turns import header, plausible
    journal = Journal(sys.argv[1], header(), True, wait_s=5.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        for number in range(100_000):
            journal.write(plausible(number))
    except Fault as fault:
        print(fault)
"""


def test_a_limit_on_the_file_size_is_a_fault(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / "run.h5")]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[3], timeout=60, check=False
    )
    assert "the record can't be written" in done.stdout, done.stderr


def test_a_run_without_the_column_species_age_is_read(tmp_path: Path) -> None:
    given = [plausible(number, particles=2) for number in range(3)]
    with read_run(record(tmp_path / "run.h5", given)) as run:
        rows = run.rows("tracks")
        assert set(rows["species_age"].tolist()) == {-1}  # no classifier
        old = drop_fields(rows, "species_age")
    found = unpack_group(TRACKS, old[:2], 0)
    assert len(found["species_age"]) == 0
    assert found["particle"].tolist() == given[0].tracks.particle.tolist()

"""Records that begin and end in flight: they do not affect the loop, and each record verifies."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from app.analysis.export import export
from app.analysis.run_description import info, text
from app.assembly.machine import build_machine
from app.assembly.open import plan_after
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.assembly.stored_memory import NAMES, encoded, recalled
from app.commands.analyse import analyse_run
from app.commands.replay import replay_recording
from app.commands.verify import Beginning, first_difference, verify_run
from app.running.playback import RunSource
from config.reader import write
from config.refused import Refused
from control.contract import STILL_LIT, Fault, Level, OrderKind, Turn
from control.loop import LoopMemory
from drivers.guard import Guard
from drivers.journal import Journal, check, compare, read_run
from drivers.journal.memory import encode
from tests.app.flights import Flight, calibrating, planned

OLD = Path(__file__).parent / "old_runs"


def verified(path: Path) -> list[Turn]:
    """The turns of a record that verifies bit for bit."""
    with read_run(path) as run:
        assert run.ended_cleanly
        assert check(run) is None
        assert first_difference(run) is None
        return list(run.turns())


def same(some: list[Turn], other: list[Turn]) -> None:
    """Equal bit for bit, except for the machines of orders."""
    assert [compare(a, b) for a, b in zip(some, other, strict=True)] == [None] * len(other)


# ten records in one flight --------------------------------------------------------------------------------------------

SPECIES = "species=[3, 1, 2, 3, 1, 2, 5]"


def test_ten_records_in_flight_change_nothing_and_each_verifies(tmp_path: Path) -> None:
    """Compared with the same flight without a record: identities, species by hand, law, level, light, all bits."""
    made = planned(SPECIES)
    at: dict[int, Callable[[Flight], None]] = {}
    for one in range(10):
        at[70 + 12 * one] = lambda flight, one=one: flight.record(tmp_path / f"{one}.h5")  # type: ignore[misc]
        at[76 + 12 * one] = lambda flight: flight.record(None)
    recorded, free = Flight(made, 190, at), Flight(made, 190)
    same(recorded.fly(), free.fly())
    assert recorded.live.recorder_trouble == ""
    lit = [turn for turn in recorded.seen if turn.number >= 70]
    assert {turn.level for turn in lit} == {Level.ARMED}
    assert {turn.reason for turn in lit} == {"armed by the operator"}
    assert all(len(turn.sent) for turn in lit)
    for one in range(10):
        turns = verified(tmp_path / f"{one}.h5")
        assert [turn.number for turn in turns] == list(range(71 + 12 * one, 77 + 12 * one))
        same(turns, recorded.seen[71 + 12 * one : 77 + 12 * one])
        assert not any(turn.orders for turn in turns)
        for turn in turns:
            assert turn.tracks.species.tolist() == [(3, 1, 2, 3, 1, 2, 5)[who] for who in turn.tracks.particle]


def test_records_that_follow_each_other_keep_every_turn_once(tmp_path: Path) -> None:
    def two(flight: Flight) -> None:
        flight.record(tmp_path / "2.h5")
        flight.record(tmp_path / "3.h5")

    at: dict[int, Callable[[Flight], None]] = {
        -1: lambda flight: flight.record(tmp_path / "0.h5"),
        5: lambda flight: flight.record(tmp_path / "1.h5"),
        9: two,
        20: lambda flight: flight.record(None),
        22: lambda flight: flight.record(None),  # no record is open
    }
    flight = Flight(planned(), 30, at)
    flight.fly()
    numbers = [[turn.number for turn in verified(tmp_path / f"{one}.h5")] for one in range(4)]
    assert numbers == [[*range(6)], [*range(6, 10)], [], [*range(10, 21)]]
    assert not flight.live.recording


def test_open_and_later_records_are_closed_when_the_loop_ends(tmp_path: Path) -> None:
    flight = Flight(planned(), 12, {5: lambda flight: flight.record(tmp_path / "a.h5")})
    flight.fly()
    assert len(verified(tmp_path / "a.h5")) == 6
    flight.record(tmp_path / "late.h5")
    assert verified(tmp_path / "late.h5") == []
    assert not flight.live.recording


# trips ---------------------------------------------------------------------------------------------------------------


def reset_and_arm(flight: Flight) -> None:
    flight.live.order(OrderKind.RESET)
    flight.live.order(OrderKind.ARM)


@pytest.mark.parametrize("fault", ["camera", "beam"])
def test_a_record_begun_in_the_turn_of_a_fault_stays_tripped_until_reset(tmp_path: Path, fault: str) -> None:
    at: dict[int, Callable[[Flight], None]] = {
        9: lambda flight: flight.record(tmp_path / "before.h5"),
        10: lambda flight: flight.record(tmp_path / "in.h5"),
        11: lambda flight: flight.record(tmp_path / "after.h5"),
        14: lambda flight: flight.live.order(OrderKind.ARM),  # not sufficient alone
        17: reset_and_arm,
    }
    faults = {"unplugged": (10,)} if fault == "camera" else {"silent": (10,)}
    flight = Flight(planned(), 25, at, **faults)  # type: ignore[arg-type]
    turns = flight.fly()
    first = 10 if fault == "camera" else 11  # a fault of the beam is known after its turn
    assert [turn.level for turn in turns[:first]] == [Level.ARMED] * first
    assert {turn.level for turn in turns[first:18]} == {Level.TRIPPED}
    assert {turn.reason for turn in turns[first:18]} == {
        "camera: unplugged" if fault == "camera" else "beam: no answer"
    }
    assert all(turn.level is Level.ARMED for turn in turns[18:])
    assert not any(len(turn.sent) for turn in turns[first:18])
    kept = [turn for name in ("before", "in", "after") for turn in verified(tmp_path / f"{name}.h5")]
    same(kept, turns[10:])
    assert OrderKind.TRIP in {order.kind for order in turns[first].orders}


def test_a_second_fault_is_recorded_and_the_first_reason_stays(tmp_path: Path) -> None:
    flight = Flight(planned(), 20, {4: lambda flight: flight.record(tmp_path / "a.h5")}, unplugged=(8,), silent=(11,))
    flight.fly()
    turns = verified(tmp_path / "a.h5")
    assert {turn.reason for turn in turns if turn.level is Level.TRIPPED} == {"camera: unplugged"}
    faults = [(turn.number, order.text) for turn in turns for order in turn.orders if order.kind is OrderKind.TRIP]
    assert faults == [(8, "camera: unplugged"), (12, "beam: no answer")]


class Unclosed:
    """A recorder on a full disk: it writes, or not, and cannot be closed."""

    def __init__(self, writes: bool = True) -> None:
        self.writes = writes

    def write(self, turn: Turn) -> None:
        if not self.writes:
            raise Fault("the disk is full")

    def close(self) -> None:
        raise Fault("the disk is full")


def test_a_record_that_cannot_be_closed_trips(tmp_path: Path) -> None:
    def wait(flight: Flight) -> None:
        flight.live.record(None)

    flight = Flight(planned(), 400, {5: lambda flight: flight.live.record(Unclosed()), 8: wait})
    turns = flight.fly()
    assert flight.live.recorder_trouble == "the record was not closed: the disk is full"
    assert turns[8].level is Level.ARMED
    assert turns[-1].level is Level.TRIPPED
    assert turns[-1].reason == "no record, no beam: the record was not closed: the disk is full"
    assert not len(turns[-1].sent)


def test_a_failed_record_trips_only_once() -> None:
    """The trip is latched. After the operator has ended the record, Reset and Arm give light again."""
    at: dict[int, Callable[[Flight], None]] = {
        5: lambda flight: flight.live.record(Unclosed(writes=False)),
        9: lambda flight: flight.live.record(None),
        12: reset_and_arm,
    }
    flight = Flight(planned(), 200, at)
    turns = flight.fly()
    assert {turn.level for turn in turns[7:13]} == {Level.TRIPPED}
    assert turns[7].reason == "no record, no beam: the disk is full"
    assert {turn.level for turn in turns[13:]} == {Level.ARMED}
    assert flight.live.recorder_trouble == "the record was not closed: the disk is full"


# APPLY together with a record -----------------------------------------------------------------------------------------


def applying(flight: Flight, depth_kt: float) -> None:
    """As the window does: sets the plan for the header of the next record, and sends the order."""
    experiment = flight.made.experiment
    other = replace(
        experiment, trap=replace(experiment.trap, depth_kt=depth_kt), set={**experiment.set, "tracking.minmass": 90.0}
    )
    flight.made = plan_after(flight.made, write(other))
    flight.live.apply(build_machine(flight.made), write(other))


@pytest.mark.parametrize("first", ["apply", "record"])
@pytest.mark.parametrize("before", [False, True])
def test_an_apply_in_the_turn_of_a_record_is_part_of_it(tmp_path: Path, first: str, before: bool) -> None:
    """The header contains the last experiment ordered before the order to record."""

    def both(flight: Flight) -> None:
        steps = [partial(applying, flight, depth_kt=11.0), partial(flight.record, tmp_path / "a.h5")]
        for step in steps if first == "apply" else reversed(steps):
            step()

    at: dict[int, Callable[[Flight], None]] = {60: both, 75: partial(applying, depth_kt=14.0)}
    if before:
        at[58] = partial(applying, depth_kt=9.0)
    flight = Flight(planned(), 85, at)
    flight.fly()
    turns = verified(tmp_path / "a.h5")
    same(turns, flight.seen[61:])
    assert [order.kind for order in turns[0].orders] == [OrderKind.APPLY]
    with read_run(tmp_path / "a.h5") as run:
        was = "11.0" if first == "apply" else "9.0" if before else "20.0"
        assert f"depth_kt: {was}" in run.header.experiment


@pytest.mark.parametrize("level", [Level.SAFE, Level.TRIPPED, Level.PROBING])
def test_a_record_keeps_the_level(tmp_path: Path, level: Level) -> None:
    def ordered(flight: Flight) -> None:
        flight.live.order(OrderKind.TRIP if level is Level.TRIPPED else OrderKind.STOP, "by hand")
        if level is Level.PROBING:
            flight.live.order(OrderKind.PROBE)

    at: dict[int, Callable[[Flight], None]] = {10: ordered, 14: lambda flight: flight.record(tmp_path / "a.h5")}
    made = calibrating("scan") if level is Level.PROBING else planned()
    flight = Flight(made, 25, at)
    flight.fly()
    turns = verified(tmp_path / "a.h5")
    assert {turn.level for turn in turns} == {level}
    assert any(len(turn.sent) for turn in turns) == (level is Level.PROBING)
    same(turns, flight.seen[15:])


# every kind of memory of the shipped experiments ----------------------------------------------------------------------


SHIPPED = [
    *sorted(path for path in EXPERIMENTS.glob("*.yaml")), *sorted((EXPERIMENTS / "families").glob("*.yaml")),
]  # fmt: skip
BEGIN, TURNS = 62, 16


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_record_in_flight_of_every_shipped_experiment_verifies(path: Path, tmp_path: Path) -> None:
    in_flight(plan(path, None, ("rate=lockstep",)), tmp_path)


KINDS = {
    "predicted": ("trap.predict=true", "keep_in_field={margin_um: 4}"),
    "kept": ("keep_in_field={margin_um: 5}",),
    "auto": ("tracking.locator=auto", "tracking.predict=drift", "tracking.gate=sqrt_time"),
    "windows": ("tracking.locator=windows", "camera.blink=0.05"),
    "flow": ("tracking.predict=nearest_velocity", "sample.drift_um_per_s=[9, 0]", "tracking.confirm=0"),
    "landscape": ("mode=landscape",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_in_flight_of_every_kind_of_memory_verifies(kind: str, tmp_path: Path) -> None:
    in_flight(planned(*KINDS[kind]), tmp_path)


@pytest.mark.parametrize("kind", ["scan", "carry", "flash"])
def test_a_record_in_flight_of_a_calibration_verifies(kind: str, tmp_path: Path) -> None:
    in_flight(calibrating(kind), tmp_path)


def in_flight(made: Plan, tmp_path: Path) -> None:
    """A record of TURNS turns from turn BEGIN + 1 on, with the light on."""
    out = tmp_path / "a.h5"
    flight = Flight(made, BEGIN + 1 + TURNS, {BEGIN: lambda flight: flight.record(out)})
    flight.fly()
    turns = verified(out)
    same(turns, flight.seen[BEGIN + 1 :])
    assert turns[0].number == BEGIN + 1
    assert len(turns) == TURNS
    with read_run(out) as run:
        assert Beginning.of(run).words == "the stored memory"


# commands that read such a record -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of 60 turns, ARMED, begun in flight at turn 61."""
    path = tmp_path_factory.mktemp("record") / "a.h5"
    Flight(planned(), 121, {60: lambda flight: flight.record(path)}).fly()
    return path


def test_info_states_the_first_turn(record: Path) -> None:
    found = info(record)
    assert (found["first_turn"], found["turns"], found["turns_lit"], found["frames_dropped"]) == (61, 60, 60, 0)
    assert "begun in flight at turn 61, ended cleanly, 60 turns" in text(found)
    assert [change["turn"] for change in found["levels"]] == [61]


def test_analyse_export_and_playback_read_a_record_begun_in_flight(record: Path, tmp_path: Path) -> None:
    assert analyse_run(record, tmp_path / "a.html", json=tmp_path / "a.json") == 0
    assert {one["name"] for one in json.loads((tmp_path / "a.json").read_text())["findings"]}
    for to in ("csv", "ome-tiff"):
        export(record, to, tmp_path / to)
    lines = (tmp_path / "csv" / "turns.csv").read_text().splitlines()
    assert [int(line.split(",")[-1]) for line in lines[1:]] == list(range(61, 121))
    source = RunSource(record)
    try:
        assert [source.turn(row).number for row in (0, 59)] == [61, 120]
        assert [len(tracks) for tracks in source.tracks(0, 60)] == [7] * 60
        assert source.said()[0].level is Level.ARMED
        assert source.tables(0, 60) is not None
    finally:
        source.close()


def test_a_record_begun_in_flight_is_replayed(record: Path, tmp_path: Path) -> None:
    assert replay_recording(record, None, None, (), out=tmp_path / "b.h5", frames=False, json=None) == 0
    with read_run(tmp_path / "b.h5") as run:
        assert [turn.number for turn in run.turns()] == list(range(60))
    assert verify_run(tmp_path / "b.h5", json=None) == 0


def test_verify_states_the_stored_memory(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_run(record, json=tmp_path / "v.json") == 0
    assert "equal, 60 turns, begun in flight at turn 61, from the stored memory\n" in capsys.readouterr().out
    answer = json.loads((tmp_path / "v.json").read_text())
    assert (answer["equal"], answer["first_turn"], answer["start"], answer["from"]) == (
        True, 61, "the stored memory", "frames",
    )  # fmt: skip


def test_without_the_stored_memory_the_turns_differ(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored memory is necessary: a loop with a new memory makes other turns."""
    monkeypatch.setattr(Beginning, "memory_of", lambda self, machine: machine.start())
    with read_run(record) as run:
        assert first_difference(run) is not None


def test_a_record_without_frames_is_verified_from_its_tracks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.h5"
    Flight(planned(), 90, {60: lambda flight: flight.record(path)}, frames=False).fly()
    assert verify_run(path, json=tmp_path / "v.json") == 0
    said = "equal, 29 turns, begun in flight at turn 61, from the stored memory and the recorded tracks\n"
    assert said in capsys.readouterr().out
    assert json.loads((tmp_path / "v.json").read_text())["from"] == "tracks"


@pytest.mark.parametrize(
    ("lost", "words", "source"),
    [
        (("tracker",), "the stored memory and the recorded tracks", "tracks"),
        (("policy",), "the stored memory and the recorded forces", "frames"),
        (("tracker", "policy"), "the stored memory and the recorded tracks and the recorded forces", "tracks"),
        (("all",), "the recorded tracks and the recorded forces (no memory is stored)", "tracks"),
    ],
)
def test_a_record_without_a_whole_memory_is_verified_from_its_tracks(
    lost: tuple[str, ...], words: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def stored(memory: LoopMemory) -> bytes:
        tracker = object() if "tracker" in lost else memory.tracker
        return encoded(replace(memory, tracker=tracker, policy=object() if "policy" in lost else memory.policy))

    monkeypatch.setattr("app.assembly.open.encoded", None if lost == ("all",) else stored)
    path = tmp_path / "a.h5"
    flight = Flight(planned(), 90, {60: lambda flight: flight.record(path), 75: partial(applying, depth_kt=9.0)})
    flight.fly()
    assert verify_run(path, json=tmp_path / "v.json") == 0
    assert f"begun in flight at turn 61, from {words}\n" in capsys.readouterr().out
    answer = json.loads((tmp_path / "v.json").read_text())
    assert (answer["start"], answer["from"]) == (words, source)


@pytest.mark.parametrize(("name", "turns"), [("headless", 40), ("record", 61)])
def test_records_older_than_stored_memories_verify(
    name: str, turns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made by main at 3d612dc: a headless run, and a record begun in flight that tripped, was reset and armed."""
    path = tmp_path / f"{name}.h5"
    with gzip.open(OLD / f"{name}.h5.gz") as old, path.open("wb") as new:
        shutil.copyfileobj(old, new)
    assert verify_run(path, json=tmp_path / "v.json") == 0
    assert f"equal, {turns} turns, from the recorded tracks (the run kept no frames)\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "v.json").read_text())["start"] == "a new memory and the recorded tracks"
    assert "begun in flight" not in text(info(path))


# a memory of another loop ---------------------------------------------------------------------------------------------


def with_memory(record: Path, path: Path, memory: bytes) -> Path:
    """A copy of the record with another memory and valid hashes."""
    with read_run(record) as run:
        journal = Journal(path, run.header, True, wait_s=30.0, encoded=bytes)
        journal.begin(memory)
        for turn in run.turns():
            journal.write(turn)
        journal.close()
    with read_run(path) as run:
        assert check(run) is None
    return path


def remembered(record: Path) -> LoopMemory:
    with read_run(record) as run:
        memory = recalled(run)
    assert memory is not None
    return memory


def other_sight(memory: LoopMemory, **columns: object) -> LoopMemory:
    """The memory with other columns in `tracker.seen`."""
    return replace(memory, tracker=replace(memory.tracker, seen=replace(memory.tracker.seen, **columns)))


def short_history(memory: LoopMemory) -> LoopMemory:
    """A history of one sighting with fewer particles than positions."""
    one = replace(memory.history.sightings[0], particle=np.arange(3))
    return replace(memory, history=replace(memory.history, sightings=(one,)))


FOREIGN: dict[str, Callable[[LoopMemory], object]] = {
    "no loop's": lambda memory: memory.history,
    "no tracker": lambda memory: replace(memory, tracker=None),
    "another tracker": lambda memory: replace(memory, tracker=5),
    "no law": lambda memory: replace(memory, policy=None),
    "another law": lambda memory: replace(memory, policy=(1, 2, 3)),
    "too few columns": lambda memory: other_sight(memory, who=memory.tracker.seen.who[:, :3].copy()),
    "other numbers": lambda memory: other_sight(memory, who=memory.tracker.seen.who.astype(np.float64)),
    "no rows": lambda memory: other_sight(memory, place_px=np.empty((0, 4))),
    "not finite": lambda memory: other_sight(memory, place_px=memory.tracker.seen.place_px * np.inf),
    "not sorted": lambda memory: other_sight(memory, who=memory.tracker.seen.who[::-1].copy()),
    "far away": lambda memory: other_sight(memory, place_px=memory.tracker.seen.place_px + 1e7),
    "a wild drift": lambda memory: other_sight(memory, drift_px=(np.nan, 0.0)),
    "wild velocities": lambda memory: other_sight(memory, velocity_px=np.full((len(memory.tracker.seen), 2), 1e9)),
    "too many velocities": lambda memory: other_sight(memory, velocity_px=np.zeros((99, 2))),
    "negative own steps": lambda memory: other_sight(memory, own_steps=-np.ones((len(memory.tracker.seen), 2))),
    "too many own steps": lambda memory: other_sight(memory, own_steps=np.zeros((99, 2))),
    "a name beyond": lambda memory: other_sight(memory, next_particle=2**70),
    "a short history": lambda memory: short_history(memory),
    "no places": lambda memory: replace(
        memory, whereabouts=replace(memory.whereabouts, position_um=np.zeros(1))
    ),
    "another turn": lambda memory: replace(memory, number=5),
    "another level": lambda memory: replace(memory, level=Level.TRIPPED),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_memory_is_refused_or_detected_in_one_sentence(
    kind: str, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = encode(FOREIGN[kind](remembered(record)), NAMES)
    path = with_memory(record, tmp_path / "b.h5", memory)
    try:
        assert verify_run(path, json=None) == 1
        said = capsys.readouterr().out.partition("differs, 60 turns")[2]
    except Refused as refused:
        said = str(refused)
        assert "the memory that the record begins with" in said
    assert said
    assert len(said) < 500


def test_every_class_in_names_exists() -> None:
    for where in NAMES.values():
        module, _, name = where.partition(":")
        assert isinstance(getattr(import_module(module), name), type)


def test_the_record_of_a_crashed_loop_is_unfinished(tmp_path: Path) -> None:
    def crash(flight: Flight) -> None:
        raise ValueError("a fault of the program")

    path = tmp_path / "crashed.h5"
    flight = Flight(planned(), 40, {2: lambda flight: flight.record(path), 8: crash})
    flight.fly_to_any_end()
    assert "a fault of the program" in flight.live.details
    with read_run(path) as run:
        assert not run.ended_cleanly
        assert len(run) >= 5


def test_any_error_at_closing_the_beam_reports_that_it_may_be_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Guard.close

    def close(guard: Guard) -> None:
        real(guard)
        raise RuntimeError("a fault of a driver")

    monkeypatch.setattr(Guard, "close", close)
    flight = Flight(planned(), 5)
    flight.fly_to_any_end()
    monkeypatch.undo()
    assert f"{STILL_LIT}: RuntimeError: a fault of a driver" in flight.live.trouble

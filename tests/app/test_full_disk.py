"""No record, no beam: a run on a full disk, headless, with the window's loop, and in every command that records."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import drivers.journal.room as room
from app.assembly.instrument import Instrument
from app.assembly.open import open_instrument
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS, Plan
from app.commands.calibrate import calibrate_rig
from app.commands.verify import first_difference
from app.console.html_page import Page
from app.running.process import LoopProcess
from app.running.thread import beam_is_on
from config.refused import Refused
from control.contract import Beam, Command, Fault, Level, OrderKind
from drivers.journal import check, read_run
from tests.drivers.journal.test_journal_disk import GONE, deleted
from tests.full_disk import ROOT, random_sizes, small_disks
from tests.patience import until

SIZE = ("camera.width_px=160", "camera.height_px=160", "camera.fps=50", "sample.number=2", "sample.arrangement=line")
PATIENT = ("rate=real time", "loop.stale_periods=500")
posix_only = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")


def planned(*sets: str) -> Plan:
    return plan(EXPERIMENTS / "annular_activity.yaml", None, (*SIZE, *sets))


def main(*arguments: Path | str, code: int) -> str:
    """Runs a command in a separate process and returns its output. Its errors are one sentence, and its exit code is
    `code`."""
    command = [sys.executable, "main.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == (code != 0), done.stderr
    assert all(line.startswith("cybloids: ") for line in lines)
    return done.stdout + done.stderr


RUNS = """
    import resource, sys
    from pathlib import Path
    from app.running import headless
    from tests.app.test_full_disk import planned

    made = planned()
    close_record, trips = headless.close_record, []
    def noted(recorder, tripped):
        trips.extend(tripped)
        close_record(recorder, tripped)
    headless.close_record = noted
    for size, out in zip(sys.argv[1::2], sys.argv[2::2]):
        trips.clear()
        if int(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
        print("begin", flush=True)
        print("begin", file=sys.stderr, flush=True)
        code = headless.flown(made, 60.0, Path(out), frames=True, json=None)
        print("code", code, len(trips), flush=True)
"""


@posix_only
@pytest.mark.parametrize("number", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_runs_on_disks_of_random_sizes(number: int, tmp_path: Path) -> None:
    """Small real disks if they can be mounted, otherwise limits on the size of a file. Each run trips or is refused,
    and its record can be read."""
    sizes = random_sizes(21, number, 1_500_000, 4_500_000)
    if os.geteuid() == 0:
        with small_disks(tmp_path, sizes) as disks:
            assert_told(runs([(0, disk / "run.h5") for disk in disks]), "the disk is full, ")
    else:
        assert_told(
            runs([(size, tmp_path / f"{size}.h5") for size in sizes]), "a file may not grow any further here, the limit"
        )


def runs(wanted: list[tuple[int, Path]]) -> list[tuple[Path, list[str], list[str]]]:
    """Flies runs one after another in one process; returns (file, standard output, standard error) of each."""
    command = [sys.executable, "-c", textwrap.dedent(RUNS), *(str(item) for pair in wanted for item in pair)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done
    said, errors = ([part.splitlines()[1:] for part in text.split("begin")[1:]] for text in (done.stdout, done.stderr))
    assert len(said) == len(errors) == len(wanted)
    return [(path, out, error) for (_, path), out, error in zip(wanted, said, errors, strict=True)]


def assert_told(told: list[tuple[Path, list[str], list[str]]], words: str) -> None:
    begun = 0
    for path, said, errors in told:
        assert len(errors) == 1, errors
        assert words in errors[0]
        assert errors[0].endswith("; the laser is dark")
        if "can't be begun" in errors[0]:
            assert said == ["code 1 0"]
            assert not path.exists()
            continue
        begun += 1
        assert said == ["code 1 1"]  # one trip, and no message that the run is recorded
        assert errors[0].startswith(f"cybloids: the interlock tripped: no record, no beam: {path}: ")
        with read_run(path) as run:
            assert not run.ended_cleanly
            assert check(run) is None
            assert first_difference(run) is None
            assert f"its {len(run)} turns before that can be read" in errors[0]
    assert 5 <= begun < len(told)


@pytest.mark.slow
def test_the_commands_on_a_full_disk(tmp_path: Path) -> None:
    """`run`, `verify`, `info`, `export`, `replay` and `calibrate` on the command line."""
    sets = [word for item in SIZE for word in ("--set", item)]
    with small_disks(tmp_path, [3_500_000, 3_000_000, 3_500_000]) as (first, second, third):
        run = first / "run.h5"
        said = main("run", EXPERIMENTS / "annular_activity.yaml", *sets, "--seconds", "60", "--out", run, code=1)
        assert "recorded in" not in said
        assert "the interlock tripped: no record, no beam: " in said
        assert "the disk is full, " in said
        assert "the run ended unfinished" in main("verify", run, code=0)
        assert "ended unfinished" in main("info", run, code=0)
        main("export", run, "--to", "csv", "--out", tmp_path / "tables", code=0)
        assert (tmp_path / "tables" / "turns.csv").stat().st_size > 0
        whole = tmp_path / "whole.h5"
        main("run", EXPERIMENTS / "annular_activity.yaml", *sets, "--seconds", "30", "--out", whole, code=0)
        said = main("replay", whole, "--frames", "--out", second / "again.h5", code=1)
        assert "the disk is full, " in said
        assert "recorded in" not in said
        assert main("verify", second / "again.h5", code=0).count("equal") == 1
        rig, kept = ROOT / "config" / "rigs" / "simulated.yaml", third / "bench.calibration.yaml"
        said = main("calibrate", "diffusion", rig, "--seconds", "20", "--out", kept, code=1)
        assert "the disk is full, " in said
        assert not kept.exists()


def test_a_report_on_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    with small_disks(tmp_path, [65536]) as (disk,):
        page = Page("Title")
        page.text("x" * 200_000)
        with pytest.raises(Fault, match="the report could not be saved"):
            page.save(disk / "report.html")
        assert list(disk.iterdir()) == []


def test_a_calibration_is_not_undone_if_the_answer_has_no_room(tmp_path: Path) -> None:
    """The answer is not written if the calibration file has no room."""
    record = {"what": "diffusion", "date": "2026-01-01", "residual": None, "unit": "", "found": {"d": "x" * 5000}}
    rig = ROOT / "config" / "rigs" / "simulated.yaml"
    with small_disks(tmp_path, [4096, 4096]) as (full, other):
        for disk in (full, other):
            (disk / "filler").write_bytes(b"x" * 4096)
        kept = tmp_path / "k.yaml"
        kept.write_text(json.dumps({"rig": "r", "records": [record]}))
        before = kept.read_bytes()
        with pytest.raises(Refused, match=r"u\.json: the answer could not be written \(No space left"):
            undo(rig, kept, full / "u.json")
        assert kept.read_bytes() == before
        assert [path.name for path in full.iterdir()] == ["filler"]
        (other / "filler").unlink()
        kept = other / "k.yaml"
        kept.write_text("rig: r\nrecords:\n- {what: a, date: b}\n- {what: c, date: d}\n")
        before = kept.read_bytes()
        with pytest.raises(Fault, match="could not be saved"):
            undo(rig, kept, tmp_path / "v.json")
        assert kept.read_bytes() == before
        assert not (tmp_path / "v.json").exists()


def test_an_emulator_whose_log_has_no_room_leaves_no_file(tmp_path: Path) -> None:
    link = tmp_path / "lk"
    with small_disks(tmp_path, [4096]) as (disk,):
        (disk / "filler").write_bytes(b"x" * 4096)
        log = disk / "l.jsonl"
        said = main("emulate", "cobolt", "--log", log, "--link", link, "--fault", "end", code=1)
        assert said == f"cybloids: {log}: No space left on device\n"
        assert [path.name for path in disk.iterdir()] == ["filler"]
    assert [path.name for path in tmp_path.iterdir() if path.name != "000"] == []


def undo(rig: Path, kept: Path, answer: Path) -> None:
    calibrate_rig("diffusion", rig, (), out=kept, seconds=None, seed=1, pitch_um=2.5, undone=True, json=answer)


class Watched:
    """A beam that logs each command sent, and each order to be dark with its reason."""

    def __init__(self, beam: Beam, log: Path) -> None:
        self.beam, self.log = beam, log

    def send(self, command: Command) -> Command:
        sent = self.beam.send(command)
        with self.log.open("a") as file:
            file.write(f"{len(sent)}\n")
        return sent

    def dark(self, reason: str) -> Command:
        with self.log.open("a") as file:
            file.write(f"dark {reason}\n")
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()


def limited(made: Plan, size_bytes: int, log: Path) -> Instrument:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
    return watched(made, log)


def with_quota(made: Plan, used_up: Path, log: Path) -> Instrument:
    """Once the file `used_up` exists, no more space can be reserved in the loop process (errno of a quota)."""
    reserve = os.posix_fallocate

    def limited_reserve(file: int, begin_bytes: int, length_bytes: int) -> None:
        if used_up.exists():
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        reserve(file, begin_bytes, length_bytes)

    os.posix_fallocate = limited_reserve  # in the loop process, which ends with the test
    room.STEP_BYTES = 1 << 14  # reserved in advance: the quota is reached soon
    return watched(made, log)


def watched(made: Plan, log: Path) -> Instrument:
    opened = open_instrument(made)
    return replace(opened, beam=Watched(opened.beam, log))


def assert_trips_in_the_loops_process(
    live: LoopProcess, out: Path, log: Path, words: str, attack: Callable[[Path], None] = lambda out: None
) -> None:
    """Records, arms, and attacks the file while there is light. The loop trips, and stays dark from that turn on."""

    def level() -> Level | None:
        return live.newest.level if live.newest is not None else None

    live.record(out)
    until(lambda: live.recording)
    light(live)
    attack(out)
    until(lambda: level() is Level.TRIPPED)
    assert live.newest is not None
    assert live.newest.reason.startswith("no record, no beam: ")
    assert words in live.newest.reason
    number = live.newest.number
    until(lambda: live.newest is not None and live.newest.number > number + 20)
    assert level() is Level.TRIPPED
    assert all(len(turn.sent) == 0 for _, turn in live.recent() if turn.number >= number)
    live.record(None)
    until(lambda: live.running and words in live.recorder_trouble)  # reading `running` also receives the news
    done = log.read_text().splitlines()
    first_dark = next(index for index, line in enumerate(done) if line.startswith("dark ") and words in line)
    assert {line for line in done[first_dark:] if not line.startswith("dark")} <= {"0"}


def light(live: LoopProcess) -> None:
    """Sends ARM until there is light: on a busy computer an ARM that waited too long is not executed."""
    while not beam_is_on(live.newest):
        after = max((count for count, _ in live.recent()), default=0)
        live.order(OrderKind.ARM)
        until(partial(is_lit_or_late, live, after))


def is_lit_or_late(live: LoopProcess, after: int) -> bool:
    """Whether there is light, or a MARK that reports a late ARM."""
    return beam_is_on(live.newest) or is_obeyed(live, OrderKind.MARK, after)


@posix_only
def test_a_limit_on_the_file_size_trips_the_loop_process(tmp_path: Path) -> None:
    out, log = tmp_path / "run.h5", tmp_path / "log"
    log.touch()
    made = planned(*PATIENT)
    with LoopProcess(made, partial(limited, size_bytes=3_500_000, log=log)) as live:
        assert_trips_in_the_loops_process(live, out, log, "a file may not grow any further here")
        assert not live.trouble
    assert not live.trouble
    with read_run(out) as run:
        assert len(run) > 20
        assert first_difference(run) is None


def test_a_full_disk_trips_the_loop_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with small_disks(tmp_path, [3_500_000]) as (disk,):
        out = disk / "run.h5"
        with LoopProcess(planned(*PATIENT), partial(watched, log=log)) as live:
            assert_trips_in_the_loops_process(live, out, log, "the disk is full, ")
            live.record(tmp_path / "elsewhere.h5")  # a disk with room: the same process records again
            until(lambda: live.recording)
            live.record(None)
            until(lambda: not live.recording)
        assert not live.trouble
        with read_run(out) as run:
            assert check(run) is None
        with read_run(tmp_path / "elsewhere.h5") as run:
            assert run.ended_cleanly


def reset(live: LoopProcess) -> None:
    """Sends RESET until it holds: in a turn that still has the broken record, the fault has priority.

    One order at a time, each confirmed in its turn: a later one would end the next flight.
    """

    while live.newest is None or live.newest.level is not Level.SAFE:
        after = max((count for count, _ in live.recent()), default=0)
        live.order(OrderKind.RESET)
        until(partial(is_obeyed, live, OrderKind.RESET, after))


def is_obeyed(live: LoopProcess, kind: OrderKind, after: int) -> bool:
    """Whether a turn after the one counted `after` has an order of this kind."""
    return any(order.kind is kind for _, turn in live.recent(after) for order in turn.orders)


@posix_only
def test_a_deleted_record_trips_the_loop_process(tmp_path: Path) -> None:
    out, log = tmp_path / "run.h5", tmp_path / "log"
    log.touch()
    with LoopProcess(planned(*PATIENT), partial(watched, log=log)) as live:
        assert_trips_in_the_loops_process(live, out, log, "the file was deleted while it was being recorded", deleted)
    assert not live.trouble


@pytest.mark.slow
@posix_only
def test_a_lost_record_or_a_quota_trips_the_loop_process(tmp_path: Path) -> None:
    """Several records in one process: after a reset it makes the next record."""
    log, used_up = tmp_path / "log", tmp_path / "used up"

    def quota(out: Path) -> None:
        used_up.touch()

    expected = {**GONE, quota: "the quota on this disk is used up"}
    with LoopProcess(planned(*PATIENT), partial(with_quota, used_up=used_up, log=log)) as live:
        for attack, words in expected.items():
            log.write_text("")
            out = tmp_path / attack.__name__ / "run.h5"
            out.parent.mkdir()
            assert_trips_in_the_loops_process(live, out, log, words, attack)
            reset(live)
    assert not live.trouble
    with read_run(out) as run:  # the record that reached the quota
        assert not run.ended_cleanly
        assert len(run) > 0
        assert first_difference(run) is None


@posix_only
@pytest.mark.parametrize(
    "attack", [deleted, *(pytest.param(one, marks=pytest.mark.slow) for one in GONE if one is not deleted)]
)
def test_a_run_whose_file_is_lost_is_not_reported_as_recorded(attack: Callable[[Path], None], tmp_path: Path) -> None:
    """Headless and in real time, to leave time for the attack on the file."""
    out = tmp_path / "run.h5"
    sets = [word for item in (*SIZE, *PATIENT) for word in ("--set", item)]
    command = [sys.executable, "main.py", "run", str(EXPERIMENTS / "annular_activity.yaml"), *sets]
    command += ["--seconds", "600", "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: turns_in(out) > 5)
            attack(out)
            said, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "recorded in" not in said
    sentence = errors.splitlines()[-1]
    assert sentence.startswith(
        f"cybloids: the interlock tripped: no record, no beam: {out}: the record can't be written: "
        f"the file {GONE[attack]}"
    )
    assert " while it was being recorded" in sentence
    assert sentence.endswith("; the laser is dark")


def turns_in(path: Path) -> int:
    """Number of turns in the file; 0 if it is not yet begun."""
    try:
        with read_run(path) as run:
            return len(run)
    except Refused:
        return 0

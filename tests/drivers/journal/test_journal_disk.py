"""A full or failing disk, and a run file deleted by others: a Fault is raised, and the written turns can be read."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import drivers.journal.room as room
from control.contract import Fault, Turn
from drivers.journal import Journal, check, compare, read_run
from drivers.journal.growing import GrowingFile
from drivers.journal.room import Room
from tests.drivers.turns import header, plausible
from tests.full_disk import ROOT, random_sizes, small_disks
from tests.patience import until

posix_only = pytest.mark.skipif(os.name != "posix", reason="limits and devices of POSIX systems")
SIZE_PX = 64
QUEUE_TURNS = 32


def noisy(number: int) -> Turn:
    """A turn with an image that cannot be compressed: 4 KiB."""
    turn = plausible(number)
    assert turn.frame is not None
    image = np.random.default_rng(number).integers(0, 256, (SIZE_PX, SIZE_PX), np.uint8)
    return dataclasses.replace(turn, frame=dataclasses.replace(turn.frame, image=image))


def journal_at(path: Path, wait_s: float = 60.0) -> Journal:
    return Journal(path, header(height_px=SIZE_PX, width_px=SIZE_PX), True, queue_turns=QUEUE_TURNS, wait_s=wait_s)


def fill(journal: Journal, limit: int = 20_000) -> tuple[int, str]:
    """Write turns until one is refused; returns the number of accepted turns, and the reason."""
    for number in range(limit):
        try:
            journal.write(noisy(number))
        except Fault as fault:
            return number, str(fault)
    raise AssertionError("the disk was never full")


def assert_readable(path: Path, at_least: int, cleanly: bool = False) -> int:
    """The run can be read, each turn has its written values, and there are at least `at_least` turns."""
    with read_run(path) as run:
        assert check(run) is None
        assert run.ended_cleanly == cleanly
        assert [compare(found, noisy(number)) for number, found in enumerate(run.turns())] == [None] * len(run)
        assert len(run) >= at_least
        return len(run)


def turns_in(path: Path) -> int:
    with read_run(path) as run:
        return len(run)


def length_by_its_superblock(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[28:36], "little")


WORDS = {
    errno.ENOSPC: "the disk is full, ",
    errno.EDQUOT: "the quota on this disk is used up",
    errno.EFBIG: "a file may not grow any further here",
    errno.EIO: "the disk failed: Input/output error",
}


@posix_only
@pytest.mark.parametrize("number", WORDS)
def test_on_a_full_disk_the_accepted_turns_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    reserve, path = os.posix_fallocate, tmp_path / "run.h5"

    def limited(file: int, begin: int, length: int) -> None:
        if begin + length > 4_000_000:
            raise OSError(number, os.strerror(number))
        reserve(file, begin, length)

    monkeypatch.setattr(os, "posix_fallocate", limited)
    journal = journal_at(path)
    accepted, why = fill(journal)
    assert f"{path}: the record can't be written: {WORDS[number]}" in why
    with pytest.raises(Fault, match=r"its \d+ turns before that can be read") as closed:
        journal.close()
    assert str(closed.value).startswith(why)
    kept = assert_readable(path, at_least=accepted - QUEUE_TURNS)
    assert kept >= 100
    assert f"its {kept} turns" in str(closed.value)
    spare_bytes = path.stat().st_size - length_by_its_superblock(path)
    assert 0 <= spare_bytes < 4096  # the reserved space was released (in one of 45 runs HDF5 left 106 bytes)
    with h5py.File(path, "r") as file:  # closed correctly: the mark of a writer is removed
        assert len(file["turns"]) == kept


@posix_only
def test_a_disk_that_is_full_at_the_beginning_is_a_fault_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, begin: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(Fault, match=r"run\.h5: the record can't be begun: the disk is full, \d"):
        journal_at(tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_read_where_none_can_be_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"

    def unable(file: int, begin: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def left_bytes(of: Path) -> int:
        return 4_000_000 - (path.stat().st_size if path.exists() else 0)

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    monkeypatch.setattr(room, "free_bytes", left_bytes)
    journal = journal_at(path)
    accepted, why = fill(journal)
    assert "the disk is full, " in why
    with pytest.raises(Fault, match="can be read"):
        journal.close()
    assert assert_readable(path, at_least=accepted - QUEUE_TURNS) >= 100


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("other.h5"))


def replaced(path: Path) -> None:
    other = path.with_name("other.h5")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def halved(path: Path) -> None:
    os.truncate(path, length_by_its_superblock(path) // 2)


GONE: dict[Callable[[Path], None], str] = {
    deleted: "was deleted",
    moved: "was moved",
    replaced: "was replaced",
    emptied: "was cut off while it was being recorded, at 0 of",
    halved: "was cut off",
}


@posix_only
@pytest.mark.parametrize("attack", GONE, ids=lambda attack: attack.__name__)
def test_a_run_file_lost_during_recording_is_a_fault(tmp_path: Path, attack: Callable[[Path], None]) -> None:
    path = tmp_path / "run.h5"
    journal = journal_at(path)
    journal.write(noisy(0))
    until(lambda: turns_in(path) == 1)
    attack(path)
    _, why = fill(journal, limit=10**9)
    assert GONE[attack] in why
    with pytest.raises(Fault) as closed:
        journal.close()
    assert GONE[attack] in str(closed.value)
    if attack is moved:
        assert_readable(path.with_name("other.h5"), at_least=1)


@posix_only
@pytest.mark.parametrize("attack", GONE, ids=lambda attack: attack.__name__)
def test_a_run_file_lost_before_closing_is_a_fault(tmp_path: Path, attack: Callable[[Path], None]) -> None:
    path = tmp_path / "run.h5"
    journal = journal_at(path)
    journal.write(noisy(0))
    until(lambda: turns_in(path) == 1)
    attack(path)
    with pytest.raises(Fault, match=GONE[attack]):
        journal.close()


@posix_only
def test_a_run_file_lost_during_closing_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    journal = journal_at(path)
    journal.write(noisy(0))
    give_back = Room.give_back

    def and_deleted(self: Room, used_bytes: int) -> None:
        give_back(self, used_bytes)
        path.unlink()

    monkeypatch.setattr(Room, "give_back", and_deleted)
    with pytest.raises(Fault, match="was deleted"):
        journal.close()


def test_an_append_uses_no_more_than_the_reserved_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixtures of tables and images, with far more chunks than one index block of HDF5 has."""
    asked: list[tuple[int, int]] = []
    reserve = Room.reserve

    def noted(self: Room, used_bytes: int, more_bytes: int) -> None:
        asked.append((used_bytes, more_bytes))
        reserve(self, used_bytes, more_bytes)

    def tables(file: Any) -> None:
        file.create_dataset("bytes", (0,), "u1", maxshape=(None,), chunks=(64,))
        file.create_dataset("rows", (0,), [("a", "i8"), ("b", "u1", (32,))], maxshape=(None,), chunks=(256,))
        file.create_dataset(
            "images", (0, 5, 5), "u2", maxshape=(None, 5, 5), chunks=(1, 5, 5), fletcher32=True, compression="gzip"
        )

    monkeypatch.setattr(Room, "reserve", noted)
    chance = np.random.default_rng(5)
    file = GrowingFile(tmp_path / "grows.h5", tables, 0)
    row = np.dtype([("a", "i8"), ("b", "u1", (32,))])
    spare_bytes = file._spare_bytes
    for step in range(400):
        rows = {
            "images": chance.integers(0, 2**16, (int(chance.integers(0, 40)), 5, 5), np.uint16),
            "bytes": chance.integers(0, 256, int(chance.integers(0, 3000)), np.uint8),
            "rows": np.zeros(int(chance.integers(0, 700)), row),
        }
        file.append(rows, last=step % 2 > 0)
        used_bytes, more_bytes = asked[-1]
        assert file._used_bytes() - used_bytes <= more_bytes - (0 if step % 2 else spare_bytes)
        if step % 7 == 0:
            file.flush()
    file.close()
    assert (tmp_path / "grows.h5").stat().st_size == length_by_its_superblock(tmp_path / "grows.h5")


@posix_only
def test_a_reader_of_a_new_file_does_not_disturb_its_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader holds the lock that HDF5 requests, and releases it."""
    import fcntl

    path, give_back = tmp_path / "run.h5", Room.give_back

    def read(self: Room, used_bytes: int) -> None:
        give_back(self, used_bytes)
        reader = path.open("rb")
        fcntl.flock(reader, fcntl.LOCK_SH)
        threading.Timer(0.2, reader.close).start()

    monkeypatch.setattr(Room, "give_back", read)
    journal = journal_at(path)
    monkeypatch.undo()
    journal.write(noisy(0))
    journal.close()
    assert turns_in(path) == 1


CHILD = """
    import os, resource, sys
    from pathlib import Path
    from control.contract import Fault
    from drivers.journal.growing import GrowingFile
    from tests.drivers.journal.test_journal_disk import fill, journal_at

    def recorded(path):
        try:
            journal = journal_at(path)
        except Fault as fault:
            print(path, -1, fault, "!", flush=True)
            return
        accepted, why = fill(journal)
        try:
            journal.close()
        except Fault as fault:
            print(path, accepted, why, "!", fault, flush=True)

    def cut(path, stage):
        "HDF5's own writes meet a full device from now on, as no room was reserved for them."
        call, calls = getattr(GrowingFile, stage), []
        def instead(self, *values):
            calls.append(1)
            if len(calls) == 10:
                if stage == "append":
                    self.flush()
                os.dup2(os.open("/dev/full", os.O_RDWR), self._file.id.get_vfd_handle())
            return call(self, *values)
        setattr(GrowingFile, stage, instead)
        recorded(path)
        setattr(GrowingFile, stage, call)
"""


def child(script: str, *arguments: Path | str) -> list[list[str]]:
    """Output lines of a process for each record; it must end with exit code 0 and an empty standard error."""
    command = [sys.executable, "-c", textwrap.dedent(CHILD) + textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [line.split(maxsplit=2) for line in done.stdout.splitlines()]


def assert_said_and_readable(said: list[str], words: str) -> bool:
    """Returns whether the record was begun. If not, there is one sentence and no file. If so, there is a Fault, and all
    turns except the queue can be read."""
    path, accepted = Path(said[0]), int(said[1])
    assert words in said[2]
    if accepted < 0:
        assert "can't be begun" in said[2]
        assert not path.exists()
        return False
    assert_readable(path, at_least=accepted - QUEUE_TURNS)
    return True


@posix_only
def test_20_random_limits_on_the_file_size(tmp_path: Path) -> None:
    """RLIMIT_FSIZE. The limits are those of the process, which must also end correctly."""
    sizes = random_sizes(12, 20, 1_000_000, 5_000_000)
    script = """
        for number, size in enumerate(sys.argv[2:]):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
            recorded(Path(sys.argv[1]) / f"{number}.h5")
    """
    said = child(script, tmp_path, *map(str, sizes))
    assert len(said) == 20
    begun = [assert_said_and_readable(line, "a file may not grow any further here, the limit is ") for line in said]
    assert 5 <= sum(begun) < 20
    assert all((tmp_path / f"{n}.h5").stat().st_size <= size for n, size in enumerate(sizes) if begun[n])


def test_20_full_disks_of_random_sizes(tmp_path: Path) -> None:
    """Real file systems in memory, filled to the last free byte."""
    with small_disks(tmp_path, random_sizes(13, 20, 1_000_000, 5_000_000)) as disks:
        script = """
            for disk in sys.argv[1:]:
                recorded(Path(disk) / "run.h5")
        """
        said = child(script, *disks)
        assert len(said) == 20
        assert 5 <= sum(assert_said_and_readable(line, "the disk is full, ") for line in said) < 20


@posix_only
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("stage", ["append", "flush", "put", "close"])
def test_flushed_turns_can_be_read_after_an_error_of_hdf5(tmp_path: Path, stage: str) -> None:
    """Calls of HDF5 raise. The file is released, a new record can be written, and the process ends correctly."""
    script = """
        stage, path = sys.argv[1], Path(sys.argv[2])
        if stage in ("append", "flush"):
            cut(path, stage)
        else:
            call = getattr(GrowingFile, stage)
            def instead(self, *values):
                os.dup2(os.open("/dev/full", os.O_RDWR), self._file.id.get_vfd_handle())
                return call(self, *values)
            setattr(GrowingFile, stage, instead)
            journal = journal_at(path)
            from tests.drivers.journal.test_journal_disk import noisy
            for number in range(100):
                journal.write(noisy(number))
            try:
                journal.close()
            except Fault as fault:
                print(path, 100, fault, "!", flush=True)
            setattr(GrowingFile, stage, call)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))
        recorded(path.with_name("next.h5"))
    """
    said = child(script, stage, tmp_path / "run.h5")
    assert [Path(line[0]).name for line in said] == ["run.h5", "next.h5"]
    assert "the disk is full, " in said[0][2]
    assert_readable(tmp_path / "run.h5", at_least=1, cleanly=stage == "close")  # then all turns were flushed before
    assert assert_said_and_readable(said[1], "a file may not grow")

"""A hanging disk, e.g. in a network, does not block the window: other threads query its free space and write files."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.desktop.window import disk_room
from app.desktop.window.session import save_experiment
from tests.app.desktop.window.test_main_window import Bench, force, write
from tests.app.desktop.window.test_main_window import bench as bench
from tests.patience import PATIENCE_S


class Hanging:
    """Calls hang until `released` is set; calls in the window's thread are counted and do not hang."""

    def __init__(self) -> None:
        self.released, self.called, self.in_window = threading.Event(), threading.Event(), 0

    def wait(self) -> bool:
        if threading.current_thread() is threading.main_thread():
            self.in_window += 1
        else:
            self.called.set()
            assert self.released.wait(PATIENCE_S)
        return True


@pytest.fixture
def disk() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.released.set()


def test_a_hanging_disk_is_reported_and_the_window_goes_on(
    bench: Bench, disk: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, cell = shutil.disk_usage, bench.window.status.numbers["disk"]
    monkeypatch.setattr("shutil.disk_usage", lambda place: disk.wait() and real(place))
    bench.armed()
    bench.window.each_second()
    assert disk.in_window == 0
    bench.qtbot.waitUntil(lambda: cell.text() == "disk does not answer")
    assert bench.window.session.running
    disk.released.set()
    bench.qtbot.waitUntil(lambda: cell.text().endswith("free"))


def test_a_missing_disk_does_not_trip(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(place: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shutil.disk_usage", gone)
    bench.armed()
    bench.window.each_second()
    bench.qtbot.waitUntil(lambda: bench.window.status.numbers["disk"].text() == "disk does not answer")
    assert bench.window.strip.level.word == "ARMED"


def test_the_size_of_a_record_is_the_size_of_its_file(tmp_path: Path) -> None:
    record = tmp_path / "run.h5"
    record.write_bytes(b"x" * 1234)
    free = shutil.disk_usage(tmp_path).free
    size, found = disk_room.sizes((tmp_path / "not" / "yet", record)) or (0, 0)
    assert (size, abs(found - free) < 0.1 * free) == (1234, True)
    assert (disk_room.sizes((tmp_path, tmp_path / "none.h5")) or (1, 0))[0] == 0


def test_an_experiment_is_saved_in_another_thread(
    bench: Bench, disk: Hanging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    window, mine = bench.window, tmp_path / "mine.yaml"

    def save_slowly(*given: Any) -> None:
        disk.wait()
        save_experiment(*given)

    monkeypatch.setattr("app.desktop.window.main_window.save_experiment", save_slowly)
    write(force(window.panel).rows["delay_s"], 0.75)
    window.save(mine)
    assert disk.in_window == 0
    assert disk.called.wait(PATIENCE_S)
    window.save(tmp_path / "other.yaml")
    assert "mine.yaml is still being written" in window.status.currentMessage()
    write(force(window.panel).rows["delay_s"], 0.25)  # edited after the order to save
    disk.released.set()
    bench.qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    assert "delay_s: 0.75" in mine.read_text()
    assert not (tmp_path / "other.yaml").exists()
    copy = window.files.unsaved()
    assert copy is not None
    assert copy.data["policy"]["forces"][0]["delay_s"] == 0.25
    write(force(window.panel).rows["delay_s"], 0.75)
    assert window.files.unsaved() is None  # the file contains this value

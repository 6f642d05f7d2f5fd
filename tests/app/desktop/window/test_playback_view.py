"""A recording in the window: play, step, scrub, and compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from app.analysis.findings import findings, row
from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.commands.analyse import tables
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session
from app.running.headless import fly
from tests.app.desktop.window.test_main_window import force, write

SMALL = ("camera.width_px=128", "camera.height_px=128", "sample.number=1", "sample.arrangement=one")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    fly(plan(EXPERIMENTS / "annular_activity.yaml", None, SMALL), 1.2, path, True, "a run")
    return path


@pytest.fixture
def window(qtbot: QtBot, recorded: Path) -> Iterator[Window]:
    application()
    path, made = planner(recorded, None)
    opened = Window(Session(made), path, recorded.parent, lambda chosen: planner(chosen, None)[1])
    qtbot.addWidget(opened)
    opened.show()
    yield opened
    opened.close()


def test_a_recording_is_marked_as_a_replay(window: Window, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.playback.shown is not None)
    assert window.strip.kind.word == "REPLAY"
    assert window.strip.beam.word == "dark"
    assert "can't react" in window.transport.remark.text()
    assert window.transport.remark.isVisible()
    assert not window.actions_bar.start.isEnabled()
    assert not window.actions_bar.arm.isEnabled()


def test_scrub_step_and_play(window: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test sets the clock of the playback: a busy computer must not play on to the end."""
    now_s = [0.0]
    monkeypatch.setattr("app.desktop.window.playback_controls.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    reel = window.transport.reel
    assert reel is not None
    qtbot.waitUntil(lambda: reel.ready == len(reel) and window.playback.shown is not None)

    def shown() -> int:
        assert window.playback.shown is not None
        return window.playback.shown.number

    window.transport.slider.setValue(100)
    assert shown() == 100
    window.transport.forth.click()
    assert shown() == 101
    window.transport.back.click()
    assert shown() == 100
    window.transport.play.click()
    now_s[0] += 5.5 / reel.fps
    qtbot.waitUntil(lambda: shown() != 100)
    assert shown() == 105
    window.transport.play.click()
    now_s[0] += 5.5 / reel.fps
    window.transport.tick()
    assert shown() == 105
    window.transport.go(10_000)
    assert shown() == len(reel) - 1


def test_an_edited_law_is_compared_with_the_sent_spots(window: Window, qtbot: QtBot) -> None:
    window.transport.go(110)
    assert len(window.view.compared.data) == 0
    shape = force(window.panel).rows["shape"]
    write(shape.fields.rows["radius_um"], 0.2)  # type: ignore[attr-defined]
    window.panel.apply_button.click()
    qtbot.waitUntil(lambda: len(window.view.compared.data) == 1)
    assert "with the edits" in window.strip.reason.whole
    then, now = window.view.spots.data[0], window.view.compared.data[0]
    assert (then["x"], then["y"]) != (now["x"], now["y"])


def test_a_run_is_tracked_again_with_other_settings(window: Window, qtbot: QtBot) -> None:
    """The spots that were sent stay; the rings are from the new settings, and vanish if these find no particle."""
    window.transport.go(110)
    qtbot.waitUntil(lambda: len(window.view.good.data) == 1)
    write(window.devices.forms["tracking"].rows["minmass"], 1e6)
    window.devices.button.click()
    reel = window.playback.reel
    assert reel is not None
    qtbot.waitUntil(lambda: reel.compared > 110, timeout=60_000)
    qtbot.waitUntil(lambda: len(window.view.spots.data) == 1)
    assert len(window.view.good.data) == 0
    assert sum(len(tracks) for tracks in window.playback.tracks()) == 0


def test_from_a_recording_to_an_experiment_and_back(window: Window, recorded: Path, qtbot: QtBot) -> None:
    window.files.open(EXPERIMENTS / "ring_crystal.yaml")
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.strip.kind.word == "SIMULATED"
    assert not window.transport.isVisible()
    assert window.actions_bar.start.isEnabled()
    window.files.open(recorded)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.strip.kind.word == "REPLAY"
    assert window.transport.isVisible()


def test_a_recording_has_its_numbers_and_latencies(window: Window, recorded: Path, qtbot: QtBot) -> None:
    """The numbers are those of `main.py analyse`, and are computed once while the playback stands still."""
    qtbot.waitUntil(lambda: window.playback.shown is not None)
    numbers = window.plots.numbers
    window.plots.setCurrentWidget(numbers)

    def there() -> bool:
        window.plots.draw()
        return numbers.rowCount() > 0

    qtbot.waitUntil(there)
    run, _, _ = tables(recorded)
    assert numbers.read() == {name: (predicted, measured) for name, predicted, measured, *_ in map(row, findings(run))}
    assert "speed over τ" in numbers.read()
    assert window.playback.tables() is window.playback.tables()
    log = window.log.read()
    assert log[0][13:] == "ARMED: armed by the operator"
    assert len(log) == len(set(log)) < 10
    assert any("where it was 0.5 s ago is not known" in line for line in log)
    window.plots.setCurrentWidget(window.plots.latency)
    window.plots.draw()
    latency_ms = 1e3 * window.playback.latencies_s()
    assert len(latency_ms) == len(window.transport.reel or ())
    assert window.plots.latency.curves["measured"].yData.sum() == len(latency_ms)
    window.files.open(EXPERIMENTS / "ring_crystal.yaml")
    qtbot.waitUntil(lambda: window.files.reading is None)
    window.plots.setCurrentWidget(numbers)
    window.plots.draw()
    assert numbers.rowCount() == 0


def test_an_unreadable_file_does_not_close_the_recording(window: Window, recorded: Path, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.playback.shown is not None)
    bad = recorded.parent / "bad.yaml"
    bad.write_text("a: 1\n")
    window.files.open(bad)
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.view.notice.text() == ""
    assert "bad.yaml" in window.status.currentMessage()
    assert any("bad.yaml" in line for line in window.log.read())
    window.transport.go(5)
    assert window.view.notice.text() == ""

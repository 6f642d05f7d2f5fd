"""Another rig or recording: the window shows nothing of the previous one. New tracking settings are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot

from app.assembly.rig import EXPERIMENTS
from app.desktop.window.main_window import Window
from tests.app.desktop.toy import click
from tests.app.desktop.window.test_main_window import Bench, write
from tests.tracking.footage import spots

PLACES = np.array([[30.0, 30.0], [90.0, 60.0]])


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.window.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    images = np.array([spots((96, 128), PLACES + k, noise=0.0) for k in range(8)])
    tifffile.imwrite(tmp_path / "a.tif", images, photometric="minisblack")
    return tmp_path / "a.tif"


def rings(window: Window) -> int:
    view = window.view
    return sum(len(mark.data) for mark in (*view.species, view.new, view.uncertain))


def opened(bench: Bench, path: Path) -> None:
    bench.window.panel.list.chosen.emit(path)
    bench.qtbot.waitUntil(lambda: bench.window.files.reading is None)


def test_opening_a_video_clears_the_live_run(bench: Bench, video: Path) -> None:
    window, numbers = bench.window, bench.window.status.numbers
    bench.armed()
    window.actions_bar.record.trigger()
    bench.qtbot.waitUntil(lambda: window.strip.record.word.startswith("REC"))
    bench.qtbot.waitUntil(lambda: "7 (0 new, 1 uncertain" in numbers["identities"].text())
    bench.qtbot.waitUntil(lambda: any("ARMED" in line for line in window.log.read()))
    window.plots.draw()
    window.plots.finish()
    assert len(window.plots.msd.curves["measured"].getData()[0])
    opened(bench, video)
    assert window.strip.record.word == "no record"
    assert [numbers[name].text() for name in ("frame", "rate", "latency", "identities")] == [""] * 4
    assert not any("ARMED" in line for line in window.log.read())
    bench.qtbot.waitUntil(lambda: window.playback.shown is not None)
    assert rings(window) == 2
    assert len(window.view.labels.shown) == 2
    opened(bench, EXPERIMENTS / "ring_crystal.yaml")
    assert (rings(window), len(window.view.spots.data), window.view.labels.shown) == (0, 0, [])
    assert not any("a.tif" in line for line in window.log.read())
    assert not window.plots.msd.curves


def test_new_tracking_settings_are_drawn_in_a_video(bench: Bench, video: Path) -> None:
    window = bench.window
    opened(bench, video)
    bench.qtbot.waitUntil(lambda: window.playback.shown is not None)
    assert rings(window) == 2
    write(window.devices.forms["tracking"].rows["minmass"], 1e6)
    click(window.devices.button)
    assert rings(window) == 0
    reel = window.playback.reel
    assert reel is not None
    bench.qtbot.waitUntil(lambda: not reel.busy and reel.ready == len(reel))
    bench.qtbot.wait(100)
    assert rings(window) == 0
    assert sum(len(tracks) for tracks in window.playback.tracks()) == 0
    window.tuning.look_button.click()
    bench.qtbot.waitUntil(window.tuning.use_button.isEnabled)
    window.tuning.use_button.click()
    bench.qtbot.waitUntil(lambda: rings(window) == 2)
    bench.qtbot.waitUntil(lambda: not reel.busy)
    assert sum(len(tracks) for tracks in window.playback.tracks()) == 2 * len(reel)


def test_frame_rate_and_scale_of_a_video_are_shown_with_their_source(bench: Bench, video: Path) -> None:
    window, transport = bench.window, bench.window.transport
    opened(bench, video)
    bench.qtbot.waitUntil(lambda: window.playback.shown is not None)
    assert transport.stated.isVisible()
    guess = "(a guess: the file does not say)"
    assert transport.stated.text() == f"camera.fps 30 {guess}; optics.um_per_px 0.1 {guess}"
    window.plots.draw()
    window.plots.finish()
    assert set(window.plots.msd.names) <= {"measured"}
    assert "no theory: camera.fps and optics.um_per_px not known" in window.plots.msd.note
    window.video_questions.reject()
    assert not window.video_questions.isVisible()
    click(transport.tell)
    assert window.video_questions.isVisible()
    window.video_questions.reject()
    write(window.devices.forms["optics"].rows["um_per_px"], 0.2)
    window.devices.button.click()
    bench.qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.view.um_per_px == 0.2
    assert "optics.um_per_px 0.2 (as set)" in transport.stated.text()
    assert window.view.scale_bar.text.toPlainText().endswith("m")


def test_unapplied_settings_survive_a_new_scale(bench: Bench, video: Path) -> None:
    """Also an edit of a setting that was applied before, without reading the recording again."""
    window = bench.window
    opened(bench, video)
    bench.qtbot.waitUntil(lambda: window.playback.shown is not None)
    window.video_questions.reject()
    window.settings.change_rig({"tracking.memory": 7}, False)
    write(window.devices.forms["tracking"].rows["memory"], 9)
    window.settings.change_rig({"optics.um_per_px": 0.2}, True)
    bench.qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.session.plan.rig.optics.um_per_px == 0.2
    assert window.devices.edits() == {"tracking.memory": 9}

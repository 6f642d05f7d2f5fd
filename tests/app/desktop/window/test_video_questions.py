"""A video with unknown frame rate or scale: the window states this, draws no µm, and asks for the values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.desktop.forms.number_box import NumberBox
from app.desktop.window.main_window import Window
from app.desktop.window.open import application, planner
from app.desktop.window.session import Session
from app.desktop.window.unsaved_edits import Unsaved
from app.desktop.window.video_questions import VideoQuestions
from config.reader import read
from tests.tracking.footage import spots

IMAGES = np.array([spots((96, 128), np.array([[60.0 + k, 40.0]]), seed=k) for k in range(5)])


@pytest.fixture
def opened(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[Path], Window]]:
    application()
    windows: list[Window] = []

    def open_window(video: Path) -> Window:
        path, made = planner(video, None)
        window = Window(Session(made), path, tmp_path, lambda file, *more: planner(file, None, more)[1])
        qtbot.addWidget(window)
        window.show()
        windows.append(window)
        qtbot.waitUntil(lambda: window.playback.shown is not None)
        return window

    yield open_window
    for window in windows:
        window.close()


def test_unknown_values_are_asked_for_and_lengths_are_first_in_pixels(
    opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    assert window.video_questions.isVisible()
    assert not window.video_questions.isModal()
    assert list(window.video_questions.boxes) == ["camera.fps", "optics.um_per_px"]
    assert window.view.scale_bar.text.toPlainText().endswith(" px")
    assert any("optics.um_per_px 0.1 (a guess: a.tif does not say)" in line for line in window.log.read())
    window.video_questions.boxes["camera.fps"].setValue(50.0)
    window.video_questions.boxes["optics.um_per_px"].setValue(0.25)
    assert window.video_questions.use is not None
    window.video_questions.use.click()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    rig = window.session.plan.rig
    assert (rig.camera.fps, rig.optics.um_per_px) == (50.0, 0.25)
    assert window.playback.reel is not None
    assert window.playback.reel.fps == 50.0
    assert not window.video_questions.isVisible()
    assert window.view.scale_bar.text.toPlainText().endswith("µm")
    told = "camera.fps 50 (given in the window); optics.um_per_px 0.25 (given in the window)"
    assert any(told in line for line in window.log.read())
    assert window.transport.stated.text() == told
    assert not window.panel.apply_button.isEnabled()
    apply_fps(window, qtbot, 60.0)
    assert window.transport.stated.text().startswith("camera.fps 60 (as set); optics.um_per_px 0.25 (given")
    assert not window.panel.apply_button.isEnabled()
    assert window.panel.unsaved(window.path, window.session.plan, {}) is not None
    window.panel.undo()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.session.plan.rig.camera.fps == 50.0
    window.panel.redo()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    tifffile.imwrite(tmp_path / "b.tif", IMAGES, photometric="minisblack")
    window.files.open(tmp_path / "b.tif")
    qtbot.waitUntil(lambda: window.files.reading is None)
    window.video_questions.close()
    window.files.resume(next(iter(window.files.copies)))  # nothing was lost
    qtbot.waitUntil(lambda: window.files.reading is None)
    rig = window.session.plan.rig
    assert (rig.camera.fps, rig.optics.um_per_px) == (60.0, 0.25)
    window.files.open(tmp_path / "b.tif", Unsaved(tmp_path / "b.tif", "b", window.panel.data(), {}))  # as from a file
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.playback.reel is not None
    assert window.playback.reel.fps == 30.0
    window.panel.apply()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.playback.reel.fps == 60.0
    assert not window.panel.apply_button.isEnabled()


def test_the_question_is_asked_once_per_opening(opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path) -> None:
    """Not after each edit of the camera, since the question takes the keyboard focus. Its button stays."""
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    window.video_questions.reject()
    apply_fps(window, qtbot, 60.0)
    assert unknown(window) == ["optics.um_per_px"]
    assert not window.video_questions.isVisible()
    assert window.transport.tell.isVisible()
    window.transport.tell.click()
    assert list(window.video_questions.boxes) == ["optics.um_per_px"]
    window.files.open(tmp_path / "a.tif")
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.video_questions.isVisible()


def test_an_undo_of_given_values_makes_them_guesses_again(
    opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    """Otherwise they would count as known: the window would draw a scale bar in µm and a theory of free particles."""
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    panel, stated = window.panel, window.transport.stated
    guessed = stated.text()
    assert guessed.count("a guess") == 2
    give(window, qtbot, 50.0, 0.25)
    told = stated.text()
    assert panel.data()["set"] == {"camera.fps": 50.0, "optics.um_per_px": 0.25}
    step(window, qtbot, panel.undo)
    assert unknown(window) == ["camera.fps", "optics.um_per_px"]
    assert window.session.plan.experiment.set == panel.data()["set"] == {}
    assert stated.text() == guessed
    assert window.transport.tell.isVisible()
    assert window.view.scale_bar.text.toPlainText().endswith(" px")
    assert window.files.unsaved() is None
    assert not panel.apply_button.isEnabled()
    step(window, qtbot, panel.redo)
    assert stated.text() == told
    assert unknown(window) == []
    step(window, qtbot, panel.undo)
    apply_fps(window, qtbot, 60.0)
    assert unknown(window) == ["optics.um_per_px"]
    step(window, qtbot, panel.undo)
    assert (stated.text(), panel.data()["set"]) == (guessed, {})


def test_values_of_a_recording_are_not_saved_with_a_law(
    opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    """On another rig they would replace its own values. Values that the law itself sets are saved."""
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    give(window, qtbot, 50.0, 0.25)
    window.settings.change_rig({"tracking.memory": 7}, False)
    window.save(tmp_path / "law.yaml")
    qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    assert read(tmp_path / "law.yaml").data["set"] == {"tracking.memory": 7}
    assert window.session.plan.rig.camera.fps == 50.0
    assert window.files.unsaved() is not None  # the values that were given are in no file
    window.save(tmp_path / "law.yaml")
    qtbot.waitUntil(lambda: "saved to" in window.status.currentMessage())
    assert read(tmp_path / "law.yaml").data["set"] == {"tracking.memory": 7}


def unknown(window: Window) -> list[str]:
    return [*window.session.plan.unknown]


def give(window: Window, qtbot: QtBot, fps: float, um_per_px: float) -> None:
    """Answer the question."""
    window.video_questions.boxes["camera.fps"].setValue(fps)
    window.video_questions.boxes["optics.um_per_px"].setValue(um_per_px)
    step(window, qtbot, window.video_questions.accept)


def step(window: Window, qtbot: QtBot, action: Callable[[], None]) -> None:
    """Do an action, and wait until the recording has been read again."""
    action()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)


def apply_fps(window: Window, qtbot: QtBot, fps: float) -> None:
    window.devices.forms["camera"].rows["fps"].put(fps)
    window.devices.forms["camera"].edited.emit()
    window.devices.button.click()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert window.playback.reel is not None
    assert window.playback.reel.fps == fps


def test_values_stated_in_the_file_are_not_asked_for(opened: Callable[[Path], Window], tmp_path: Path) -> None:
    said = {"axes": "TYX", "TimeIncrement": 0.02, "PhysicalSizeX": 0.13, "PhysicalSizeY": 0.13}
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGES, ome=True, photometric="minisblack", metadata=said)
    window = opened(tmp_path / "a.ome.tif")
    assert not window.video_questions.isVisible()
    assert window.session.plan.rig.camera.fps == 50.0
    assert window.view.scale_bar.text.toPlainText().endswith("m")
    assert any("camera.fps 50 (its OME-XML: TimeIncrement)" in line for line in window.log.read())


def test_the_channel_of_a_stack_is_asked_for_and_can_be_changed(
    opened: Callable[[Path], Window], qtbot: QtBot, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    window = opened(tmp_path / "a.tif")
    two = np.stack([IMAGES, np.roll(IMAGES, 20, axis=2)], axis=1)
    said = {"axes": "TCYX", "TimeIncrement": 0.02, "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    tifffile.imwrite(tmp_path / "two.ome.tif", two, ome=True, photometric="minisblack", metadata=said)
    window.files.open(tmp_path / "two.ome.tif")
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert window.video_questions.isVisible()
    assert not window.video_questions.isModal()
    assert window.video_questions.channel.count() == 2
    window.video_questions.channel.setCurrentIndex(1)
    assert window.video_questions.use is not None
    window.video_questions.use.click()
    qtbot.waitUntil(lambda: window.path.name == "two.ome.tif" and window.playback.shown is not None)
    assert np.array_equal(shown(window), two[0, 1])
    devices = window.devices
    devices.forms["camera"].rows["channel_number"].put(1)
    devices.forms["camera"].edited.emit()
    devices.button.click()
    qtbot.waitUntil(lambda: window.files.reading is None and window.playback.shown is not None)
    assert np.array_equal(shown(window), two[0, 0])
    assert devices.edits() == {}
    devices.forms["camera"].rows["channel_number"].put(0)  # Regression: a question that no answer closed
    devices.forms["camera"].edited.emit()
    devices.button.click()
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert "choose one with camera.channel_number" in window.log.read()[-1]
    assert not window.video_questions.isVisible()
    devices.forms["camera"].rows["channel_number"].put(3)  # no such channel
    devices.forms["camera"].edited.emit()
    devices.button.click()
    qtbot.waitUntil(lambda: window.files.reading is None)
    assert "the file has 2 channels" in window.log.read()[-1]
    assert not window.video_questions.isVisible()
    assert np.array_equal(shown(window), two[0, 0])


def shown(window: Window) -> NDArray[Any]:
    turn = window.playback.shown
    assert turn is not None
    assert turn.frame is not None
    return turn.frame.image


def test_a_guess_is_not_given_for_text_that_is_refused(qtbot: QtBot, tmp_path: Path) -> None:
    """It was recorded "given in the window", with a scale bar in µm."""
    application()
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    told: list[dict[str, float]] = []
    parent = QWidget()
    qtbot.addWidget(parent)
    video_questions = VideoQuestions(parent, told.append)
    video_questions.ask(planner(tmp_path / "a.tif", None)[1])
    fps, scale = video_questions.boxes["camera.fps"], video_questions.boxes["optics.um_per_px"]
    write(fps, "abc")
    fps.interpretText()  # as by Tab
    assert video_questions.trouble.text() == "“abc” is not a number; 30 fps stays"
    write(scale, "0.25")
    press_use(video_questions)
    assert (told, video_questions.isVisible()) == ([], True)
    assert video_questions.trouble.text() == "“abc” is not a number; 30 fps stays"
    write(fps, "-1")  # and not committed
    press_use(video_questions)
    assert (told, video_questions.isVisible()) == ([], True)
    assert video_questions.trouble.text().startswith("-1 fps is too small")
    write(fps, "50")
    press_use(video_questions)
    assert (told, video_questions.isVisible()) == ([{"camera.fps": 50.0, "optics.um_per_px": 0.25}], False)


def test_the_guess_can_be_given_after_the_sentence(qtbot: QtBot, tmp_path: Path) -> None:
    application()
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, photometric="minisblack")
    told: list[dict[str, float]] = []
    parent = QWidget()
    qtbot.addWidget(parent)
    video_questions = VideoQuestions(parent, told.append)
    video_questions.ask(planner(tmp_path / "a.tif", None)[1])
    write(video_questions.boxes["camera.fps"], "1,000")
    press_use(video_questions)
    assert told == []
    press_use(video_questions)
    assert told == [{"camera.fps": 30.0, "optics.um_per_px": 0.1}]


def write(box: NumberBox, text: str) -> None:
    line = box.lineEdit()
    assert line is not None
    line.setText(text)


def press_use(video_questions: VideoQuestions) -> None:
    assert video_questions.use is not None
    video_questions.use.click()

"""The OpenCV camera, with a film instead of a webcam."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.reader import build, parse
from config.refused import Refused
from control.contract import Ended, Fault, Frame
from drivers.cameras.opencv_capture import OpenCVCamera, OpenCVCapture, refuse_pipe
from drivers.sim.clock import PacedClock
from tests.drivers.test_conformance import SIZE, film

pytestmark = pytest.mark.real_time


def opened(folder: Path, frames: int = 20, **changes: Any) -> tuple[OpenCVCapture, PacedClock]:
    clock = PacedClock(1.0)
    values: dict[str, Any] = {"fps": 100.0, "exposure_s": 0.004, "readout_s": 0.001, "width_px": SIZE[1],
                              "height_px": SIZE[0], **changes}  # fmt: skip
    return OpenCVCapture(OpenCVCamera(source=str(film(folder, frames)), **values), clock), clock


def all_of(camera: OpenCVCapture, pause_s: float = 0.0) -> list[Frame]:
    frames = []
    try:
        while True:
            frame = camera.read()
            assert frame is not None
            frames.append(frame)
            time.sleep(pause_s)
    except Ended:
        return frames


def test_frames_equal_those_of_the_film_and_missed_ones_are_counted(tmp_path: Path) -> None:
    camera, _ = opened(tmp_path)
    frames = all_of(camera, pause_s=0.03)
    numbers = [frame.number for frame in frames]
    assert [int(frame.image.mean()) for frame in frames] == [4 * number for number in numbers]
    missed = numbers[-1] + 1 - len(numbers)
    assert missed > 0
    assert camera.replaced == missed
    camera.close()


def test_the_time_of_a_frame_is_the_middle_of_its_exposure(tmp_path: Path) -> None:
    camera, clock = opened(tmp_path)
    before_s = clock.now_s()
    camera.read()
    frame = camera.read()
    after_s = clock.now_s()
    assert frame is not None
    assert before_s - 0.003 - 0.05 <= frame.time_s <= after_s - 0.003
    camera.close()


def test_a_source_that_cannot_be_opened_is_a_fault() -> None:
    with pytest.raises(Fault, match=r"'no such film\.avi' can't be opened"):
        OpenCVCapture(OpenCVCamera(source="no such film.avi"), PacedClock(1.0))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
@pytest.mark.timeout(60)
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "film.avi")
    with pytest.raises(Refused, match=r"camera\.source: .*film\.avi is a pipe \(allowed"):
        OpenCVCapture(OpenCVCamera(source=str(pipe)), PacedClock(1.0))


def test_a_long_address_is_no_path() -> None:
    refuse_pipe(f"rtsp://camera/{'a' * 5000}")
    refuse_pipe("0")


@pytest.mark.parametrize("kept", [0, 8])
def test_a_film_without_a_decodable_frame_is_a_fault(tmp_path: Path, kept: int) -> None:
    path = film(tmp_path, 5)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"movi") + 4 + kept])
    with pytest.raises(Fault, match=r"film\.avi: the first frame of this film can't be decoded"):
        OpenCVCapture(OpenCVCamera(source=str(path), width_px=SIZE[1], height_px=SIZE[0]), PacedClock(1.0))


def test_a_size_other_than_in_the_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="its image is 64x48, and the settings say 640x48"):
        opened(tmp_path, width_px=640)


def test_a_film_with_equal_channels_is_read_as_grey(tmp_path: Path) -> None:
    camera, _ = opened(tmp_path, channel="as it is")
    frame = camera.read()
    assert frame is not None
    assert frame.image.shape == SIZE
    camera.close()


def test_an_exposure_longer_than_the_frame_period_is_refused() -> None:
    with pytest.raises(Refused, match="does not fit in a frame"):
        build(parse("fps: 50\nexposure_s: 0.03\n", "rig.yaml"), OpenCVCamera)


class Webcam:
    """OpenCV's view of a camera: it accepts 640x480 and 30 fps, and an exposure in steps of a millisecond."""

    def __init__(self) -> None:
        self.values: dict[int, float] = {}

    def set(self, name: int, value: float) -> bool:
        import cv2

        if name == cv2.CAP_PROP_EXPOSURE:
            value = round(value, -1)
        if name == cv2.CAP_PROP_FPS:
            value = 30.0
        self.values[name] = value
        return True

    def get(self, name: int) -> float:
        return self.values.get(name, 0.0)

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        time.sleep(0.005)
        return True, np.zeros((480, 640, 3), np.uint8)

    def release(self) -> None:
        self.values.clear()


def test_every_setting_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.VideoCapture", lambda source: Webcam())
    monkeypatch.setattr("sys.platform", "linux")
    camera = OpenCVCapture(OpenCVCamera(fps=60.0, exposure_s=0.0104, gain=3.0), PacedClock(1.0))
    found = {setting.name.removeprefix("camera."): setting for setting in camera.returned}
    assert found["exposure_s"].asked == 0.0104
    assert found["exposure_s"].returned == pytest.approx(0.010)
    assert found["exposure_s"].agrees
    assert found["fps"].returned == 30.0
    assert not found["fps"].agrees
    assert found["gain"].returned == 3.0
    assert found["width_px"].agrees
    camera.close()


def test_a_failing_camera_is_a_fault_and_then_gives_no_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    webcam = Webcam()
    monkeypatch.setattr("cv2.VideoCapture", lambda source: webcam)
    camera = OpenCVCapture(OpenCVCamera(fps=200.0, exposure_s=0.001), PacedClock(1.0))
    webcam.read = lambda: (False, None)  # type: ignore[method-assign]

    def until_fault() -> None:
        for _ in range(100):
            camera.read()

    with pytest.raises(Fault, match="gives no more frames"):
        until_fault()
    assert camera.read() is None
    camera.close()

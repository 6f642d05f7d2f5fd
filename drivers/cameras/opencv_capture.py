"""Any camera that OpenCV can open: a webcam by its number, or a stream or film by its address."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import cv2
import numpy as np

from config.fields import Doc, Ge, Gt, Interval, settings
from config.files import kind_of
from config.refused import Refused
from config.words import one_line, quoted
from control.contract import Clock, Ended, Fault, Frame
from drivers.device_settings import RealCamera
from drivers.image_size import assert_image_size
from drivers.image_sources import require_film
from drivers.mailbox import Latest
from drivers.opencv_log import be_quiet
from drivers.readback import Returned
from drivers.video import Channel, grey

SILENT_S = 0.5  # timeout for a frame; 5 periods if they are longer
V4L2_S = 1e-4  # the unit of an exposure time in V4L2 (V4L2_CID_EXPOSURE_ABSOLUTE)
MANUAL = 1.0  # CAP_PROP_AUTO_EXPOSURE in V4L2: V4L2_EXPOSURE_MANUAL


@settings
class OpenCVCamera(RealCamera):
    """A webcam, or another source that OpenCV opens. These cameras do not report dropped frames."""

    address_key: ClassVar[str] = "source"

    kind: Literal["opencv"] = "opencv"
    source: Annotated[str, Doc("the camera's number, or the address of a stream or a film")] = "0"
    fps: Annotated[float, Interval(ge=0.1, le=1e5), Doc("frame rate")] = 30.0
    exposure_s: Annotated[float, Gt(0), Doc("exposure time")] = 0.01
    gain: Annotated[float, Ge(0), Doc("in the camera's own numbers; 0: left as it is")] = 0.0
    readout_s: Annotated[float, Ge(0), Doc("from the end of the exposure until the computer has the frame")] = 0.03
    width_px: Annotated[int, Interval(ge=16, le=8192), Doc("width of the image")] = 640
    height_px: Annotated[int, Interval(ge=16, le=8192), Doc("height of the image")] = 480
    channel: Annotated[Channel, Doc("of a colour image; 'as it is' is for grey ones")] = "grey"

    def __post_init__(self) -> None:
        assert_image_size(self.width_px, self.height_px)
        if self.exposure_s > 1.0 / self.fps:
            raise ValueError(f"an exposure of {self.exposure_s:g} s does not fit in a frame of {1 / self.fps:g} s")

    def open(self, clock: Clock) -> OpenCVCapture:
        """Raises Fault if it can't be opened, Refused if the image size differs from the settings."""
        return OpenCVCapture(self, clock)


def number_or_address(source: str) -> int | str:
    """A camera's number (a few ASCII digits), else the address unchanged."""
    return int(source) if source.isascii() and source.isdecimal() and len(source) < 10 else source


def refuse_pipe(source: str) -> None:
    """Raises Refused for a pipe or a socket: OpenCV would wait for its other end, and block signals meanwhile."""
    kind = kind_of(Path(source)) if os.path.exists(source) else ""  # a network address is not a path
    if kind not in ("", "a file", "a device"):
        raise Refused(f"camera.source: {quoted(source)} is {kind} (allowed: the number, the device or the address of "
                      "a camera, or a film)")  # fmt: skip


class OpenCVCapture:
    """The Camera plug. A thread reads frames and keeps the newest; a replaced frame leaves a gap in the numbers.

    A frame's time is that of its arrival minus the readout time and half of the exposure. A film plays at `fps` like a
    live camera. Raises Fault if it can't be opened, Refused if the image size differs from the settings.
    """

    identity = ""  # OpenCV does not identify the camera

    def __init__(self, config: OpenCVCamera, clock: Clock) -> None:
        self._config, self._clock = config, clock
        refuse_pipe(config.source)
        self._film = Path(config.source).is_file()
        if self._film:
            require_film(Path(config.source))
        be_quiet()
        self._capture = cv2.VideoCapture(number_or_address(config.source))
        if not self._capture.isOpened():
            self._capture.release()
            raise Fault(f"the camera '{config.source}' can't be opened")
        self.returned: tuple[Returned, ...] = () if self._film else self._set()
        self._box: Latest[Frame] = Latest()
        self._stop = threading.Event()
        try:
            self._box.put(self._frame(0))
        except Ended:
            self._capture.release()
            raise Fault(
                f"{config.source}: the first frame of this film can't be decoded; the film may be cut off"
            ) from None
        except BaseException:
            self._capture.release()
            raise
        self._thread = threading.Thread(target=self._grab, name="camera", daemon=True)
        self._thread.start()

    @property
    def replaced(self) -> int:
        """Number of frames that were replaced before they were read."""
        return self._box.replaced

    def read(self) -> Frame | None:
        return self._box.take(max(SILENT_S, 5.0 / self._config.fps))

    def close(self) -> None:
        self._stop.set()
        self._box.close()
        self._thread.join(timeout=2.0)

    def _set(self) -> tuple[Returned, ...]:
        """Set every setting, and read each back."""
        config = self._config
        requests = [
            ("width_px", cv2.CAP_PROP_FRAME_WIDTH, float(config.width_px), 1.0),
            ("height_px", cv2.CAP_PROP_FRAME_HEIGHT, float(config.height_px), 1.0),
            ("fps", cv2.CAP_PROP_FPS, config.fps, 1.0),
        ]
        if sys.platform == "linux":  # other systems use other numbers
            self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL)
            requests.append(("exposure_s", cv2.CAP_PROP_EXPOSURE, config.exposure_s, V4L2_S))
        if config.gain > 0:
            requests.append(("gain", cv2.CAP_PROP_GAIN, config.gain, 1.0))
        results = []
        for name, number, value, unit in requests:
            self._capture.set(number, value / unit)
            readback = self._capture.get(number)
            results.append(Returned(f"camera.{name}", value, readback * unit if readback > 0 else float("nan")))
        return tuple(results)

    def _grab(self) -> None:
        number, began_s = 0, time.monotonic()
        try:
            while not self._stop.is_set():
                number += 1
                if self._film:
                    self._stop.wait(max(began_s + number / self._config.fps - time.monotonic(), 0.0))
                self._box.put(self._frame(number))
        except Ended:
            self._box.close()
        except Exception as trouble:  # noqa: BLE001 - raised again by `read`
            self._box.fail(trouble if isinstance(trouble, Fault) else Fault(f"the camera failed: {trouble}"))
        finally:
            self._capture.release()

    def _frame(self, number: int) -> Frame:
        """The next frame. Raises Ended after a film's last, Fault, Refused."""
        config = self._config
        try:
            success, image = self._capture.read()
        except cv2.error as error:
            raise Fault(
                f"the camera '{config.source}' gives an image that can't be decoded ({one_line(error)})"
            ) from None
        arrived_s = self._clock.now_s()
        if not success and self._film:
            raise Ended(f"{config.source}: the film is over")
        if not success:
            raise Fault(f"the camera '{config.source}' gives no more frames")
        image = image if image.ndim == 2 else image[:, :, ::-1]  # OpenCV: blue, green, red
        image = np.ascontiguousarray(grey(image, config.channel, f"camera '{config.source}'"))
        if image.shape != (config.height_px, config.width_px):
            raise Refused(
                f"camera '{config.source}': its image is {image.shape[1]}x{image.shape[0]}, and the settings say "
                f"{config.width_px}x{config.height_px}"
            )
        image.setflags(write=False)
        return Frame(number, arrived_s - config.readout_s - config.exposure_s / 2.0, image)

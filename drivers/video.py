"""A recorded video behind the Camera plug: every frame once, at the times that the configured frame rate gives."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Interval, settings
from config.refused import Refused
from control.contract import Ended, Fault, Frame
from drivers.device_settings import CameraSettings, Images
from drivers.image_size import assert_image_size
from drivers.image_sources import DEPTHS, Pages, open_pages

Channel = Literal["as it is", "red", "green", "blue", "grey"]
CHANNELS = ("red", "green", "blue")


@settings
class VideoCamera(CameraSettings):
    """A recorded video in place of a camera: multi-page TIFF, a folder of images, AVI or MP4."""

    images: ClassVar[Images] = "recorded"
    address_key: ClassVar[str] = "path"

    kind: Literal["video"] = "video"
    path: Annotated[str, Doc("the video, where it is not given on the command line")] = ""
    fps: Annotated[float, Interval(ge=1e-4, le=1e5), Doc("frame rate at which it was recorded")] = 24.0
    channel: Annotated[Channel, Doc("of a colour video; 'as it is' is for grey ones, whose channels are equal")] = (
        "as it is"
    )
    channel_number: Annotated[
        int,
        Interval(ge=0, le=1000),
        Doc("of a TIFF with several channels, which one, from 1; 0: it has one"),
    ] = 0
    exposure_s: Annotated[float, Ge(0), Doc("exposure time, where it is known")] = 0.0
    readout_s: Annotated[float, Ge(0), Doc("from the end of the exposure until the computer had the frame")] = 0.0
    width_px: Annotated[int, Interval(ge=0, le=65535), Doc("width of the image; 0: as the video has it")] = 0
    height_px: Annotated[int, Interval(ge=0, le=65535), Doc("height of the image; 0: as the video has it")] = 0

    def __post_init__(self) -> None:
        assert_image_size(self.width_px, self.height_px)


class Video:
    """The Camera plug over the images of a recording; frame n has the time n / fps.

    Raises Refused if the first image can't be used; an image that can't be used later is a Fault.
    """

    def __init__(self, source: str, pages: Pages, fps: float, channel: Channel = "as it is") -> None:
        self._source, self._pages, self._fps, self._channel = source, pages, fps, channel
        self._next = 0
        self.stated = pages.stated
        try:
            first = self.image(0)
        except Fault as fault:
            raise Refused(str(fault)) from None
        self.height_px, self.width_px = first.shape
        self.pixel_type = first.dtype.name

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._pages)

    def read(self) -> Frame:
        """The next frame. Raises Ended after the last, Fault for one that can't be decoded."""
        number = self._next
        if number >= len(self._pages):
            raise Ended(f"{self._source}: the video is over")
        self._next += 1
        try:
            image = self.image(number)
        except Refused as refused:
            raise Fault(str(refused)) from None
        if image.shape != (self.height_px, self.width_px) or image.dtype.name != self.pixel_type:
            raise Fault(
                f"{self._source}, frame {number + 1}: found {image.shape[1]}x{image.shape[0]} {image.dtype}, where the "
                f"video began with {self.width_px}x{self.height_px} {self.pixel_type}"
            )
        return Frame(number, number / self._fps, image)

    def image(self, number: int) -> NDArray[Any]:
        """One image in grey: [height, width], read-only."""
        image = self._pages.image(number)
        image = grey(image, self._channel, f"{self._source}, frame {number + 1}", self._pages.off_grey_counts)
        image = np.ascontiguousarray(image)
        if image.flags.writeable:
            image.setflags(write=False)
        return image

    def close(self) -> None:
        self._next = len(self._pages)
        self._pages.close()


def open_video(config: VideoCamera, path: Path | str | None = None) -> Video:
    """The video of the settings, or the one at `path`. Raises Refused."""
    where = str(path or config.path)
    if not where:
        raise Refused("camera.path: a video is needed (multi-page TIFF, a folder of images, AVI or MP4)")
    pages = open_pages(where, config.channel_number)
    with ExitStack() as refusing:
        refusing.callback(pages.close)
        video = Video(where, pages, config.fps, config.channel)
        for name, actual, expected in (
            ("width_px", video.width_px, config.width_px), ("height_px", video.height_px, config.height_px),
        ):  # fmt: skip
            if expected not in (0, actual):
                raise Refused(
                    f"{where}: camera.{name} is {expected}, and the video has {actual} (0: as the video has it)"
                )
        refusing.pop_all()  # it stays open
    return video


def grey(image: NDArray[Any], channel: Channel, location: str, off_grey_counts: int = 0) -> NDArray[Any]:
    """The channel `channel` of an image [height, width] or [height, width, 3 or 4]. Raises Refused.

    "grey" is the luma of ITU-R BT.601; "as it is" takes a colour image only if its channels are equal (or differ by
    `off_grey_counts` at most).
    """
    if image.dtype.name not in DEPTHS:
        raise Refused(f"{location}: found pixels of type {image.dtype} (allowed: {', '.join(DEPTHS)})")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 2:
        return image
    if image.ndim != 3 or image.shape[2] not in (3, 4):
        raise Refused(
            f"{location}: found an image of shape {image.shape}, where height and width are needed, or 3 colours"
        )
    if channel in CHANNELS:
        return np.asarray(image[:, :, CHANNELS.index(channel)])
    image = np.ascontiguousarray(image[:, :, :3])
    if channel == "grey" or _colour_counts(image) <= off_grey_counts:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    raise Refused(f"{location}: found a colour video; choose a channel with camera.channel (red, green, blue or grey)")


def _colour_counts(image: NDArray[Any]) -> int:
    """Largest difference between the channels of an image [height, width, 3]."""
    red, green, blue = cv2.split(image)
    return int(max(cv2.absdiff(red, green).max(), cv2.absdiff(red, blue).max(), cv2.absdiff(green, blue).max()))

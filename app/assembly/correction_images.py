"""Images that correct those of the camera: located by the settings, read, checked, and combined to one correction."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from app.assembly.rig import Plan
from config.files import remember_read
from config.reader import Document, put
from config.refused import Refused
from drivers.still_image import read_still_image, write_still_image
from tracking.correct import Correction
from tracking.settings import Tracking

Image = NDArray[Any]

FILES = ("dark_file", "background_file", "hot_pixels_file")  # of `tracking`
KEYS = tuple(f"tracking.{name}" for name in FILES)
MOST_HOT = 0.1  # largest fraction of hot pixels; an image with more is not a map of hot pixels


def located(document: Document, folder: Path) -> Document:
    """The rig with absolute paths of its correction images. Relative paths are relative to `folder`."""
    tracking = document.data.get("tracking")
    for name in FILES:
        file = tracking.get(name) if isinstance(tracking, dict) else None
        if isinstance(file, str) and file and not os.path.isabs(file):
            document = put(document, f"tracking.{name}", absolute(file, folder), document.place(("tracking", name)))
    return document


def located_set(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same for the values of a rig that an experiment sets, by dotted key."""
    return {
        key: absolute(value, folder) if key in KEYS and isinstance(value, str) and value else value
        for key, value in values.items()
    }


def absolute(file: str, folder: Path) -> str:
    return os.path.abspath(folder / file)


def with_corrections(plan: Plan) -> Plan:
    """The plan with the images that its tracking settings name; images already loaded are kept. Raises Refused."""
    if plan.rig.camera.images == "ideal":  # a table of particles has no pixels
        return replace(plan, corrections={})
    size_px = plan.rig.camera.width_px, plan.rig.camera.height_px
    return replace(plan, corrections=images_of(plan.rig.tracking, plan.corrections, size_px))


def images_of(settings: Tracking, loaded: Mapping[str, Image], size_px: tuple[int, int] = (0, 0)) -> dict[str, Image]:
    """The images that the settings name, by file name; images in `loaded` are not read again. Raises Refused.

    Args:
        size_px: required width and height; 0: any.
    """
    images: dict[str, Image] = {}
    for name in FILES:
        file = getattr(settings, name)
        if not file:
            continue
        image = loaded[file] if file in loaded else read(Path(file))
        require_size(file, name, image, size_px)
        if name == "hot_pixels_file" and (image != 0).mean() > MOST_HOT:
            raise Refused(f"{file}: {(image != 0).mean():.0%} of the pixels are not 0, which are to be replaced "
                          f"(allowed for tracking.{name}: {MOST_HOT:.0%})")  # fmt: skip
        images[file] = image
    return images


def require_size(file: str, name: str, image: Image, size_px: tuple[int, int]) -> None:
    """Raises Refused if the size of an image differs from `size_px`, the camera's; 0: any."""
    height, width = image.shape
    if any(required not in (0, actual) for required, actual in zip(size_px, (width, height), strict=True)):
        raise Refused(f"{file}: found an image of {width}x{height} px, and tracking.{name} needs one of "
                      f"{size_px[0]}x{size_px[1]} px, as the camera's")  # fmt: skip


def correction_of(settings: Tracking, images: Mapping[str, Image]) -> Correction:
    """The correction of a frame by these images. Raises Refused if one of them is missing."""
    for name in FILES:
        file = getattr(settings, name)
        if file and file not in images:
            raise Refused(f"tracking.{name}: the image {file} is not in this record, or is not what was written")
    dark, background, hot = (images.get(getattr(settings, name)) for name in FILES)
    return Correction(dark, background, hot)


def write(path: Path, image: Image) -> None:
    """Write a TIFF or NPY file, by the file extension. Raises Refused, OSError."""
    write_still_image(path, image)


def read(path: Path) -> Image:
    """The image of a file, read again only if the file has changed. Raises Refused."""
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return read_still_image(path)  # it raises Refused with the reason
    remember_read(path)
    return _read(path, stamp)


@lru_cache(maxsize=8)
def _read(path: Path, stamp: tuple[int, int]) -> Image:
    return read_still_image(path)

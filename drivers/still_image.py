"""One grey image in a file: TIFF of one page, or NPY. Used for the correction images of a camera."""

from __future__ import annotations

import io
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from config.atomic import write_file
from config.files import read_bytes
from config.refused import Refused
from config.words import one_line, quoted
from drivers.image_size import BRIGHTEST, MOST_PIXELS

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # this program reports errors itself

Image = NDArray[Any]

TIFFS, NPY = (".tif", ".tiff"), ".npy"
TYPES = ("bool", "uint8", "uint16", "float32", "float64")
MOST_BYTES = 8 * MOST_PIXELS + (1 << 20)


def read_still_image(path: Path) -> Image:
    """The image [height, width] of a file, read-only. Raises Refused for a missing file or another content."""
    require_ending(path)
    data = io.BytesIO(read_bytes(path, MOST_BYTES, "an image (TIFF or NPY)"))
    try:
        pixels: Any = _of_npy(path, data) if path.suffix.lower() == NPY else _of_tiff(path, data)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  numpy and tifffile raise many errors for a damaged file
        raise Refused(f"{path}: this file can't be read as an image ({one_line(error)})") from None
    if not isinstance(pixels, np.ndarray) or pixels.dtype.name not in TYPES:
        raise Refused(f"{path}: found pixels of type {quoted(getattr(pixels, 'dtype', 'none'))} "
                      f"(allowed: {', '.join(TYPES)})")  # fmt: skip
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise Refused(
            f"{path}: found an image of shape {quoted(pixels.shape)}, where one of height and width is needed"
        )
    if not np.isfinite(pixels).all():
        raise Refused(f"{path}: found {np.count_nonzero(~np.isfinite(pixels))} pixels that are not finite")
    if (pixels < 0).any():
        raise Refused(f"{path}: found {np.count_nonzero(pixels < 0)} pixels below 0 (allowed: at least 0)")
    if (pixels > BRIGHTEST).any():
        raise Refused(f"{path}: found {np.count_nonzero(pixels > BRIGHTEST)} pixels above {BRIGHTEST:g} "
                      f"(allowed: 0 to {BRIGHTEST:g})")  # fmt: skip
    kind = np.dtype(np.uint8) if pixels.dtype == np.bool_ else pixels.dtype.newbyteorder("=")
    image: Image = np.ascontiguousarray(pixels, kind)
    image.setflags(write=False)
    return image


def write_still_image(path: Path, image: Image, kind: str = "") -> None:
    """Write as TIFF or NPY, by the ending. `kind` of a replaced file: config.output_kinds. Raises Refused, OSError."""
    require_ending(path)
    buffer = io.BytesIO()
    if path.suffix.lower() == NPY:
        np.save(buffer, image)
    else:
        tifffile.imwrite(buffer, image, photometric="minisblack")
    write_file(path, buffer.getvalue(), "an image file", kind=kind)


def require_ending(path: Path) -> None:
    """Raises Refused for a name without the ending of a TIFF or NPY file."""
    if path.suffix.lower() not in (*TIFFS, NPY):
        raise Refused(
            f"{path}: found the ending '{quoted(path.suffix)}' of an image (allowed: {', '.join(TIFFS)}, {NPY})"
        )


def _of_npy(path: Path, data: io.BytesIO) -> Image:
    """The array of a file. The header is checked before memory is allocated for the pixels. Raises Refused."""
    try:
        version = np.lib.format.read_magic(data)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(data)
    except Exception:  # noqa: BLE001  numpy evaluates the header's text, which may raise any error
        raise Refused(
            f"{path}: this file can't be read as an image (found no NPY header; versions 1.0 and 2.0 are read)"
        ) from None
    if kind.hasobject or kind.name not in TYPES:
        raise Refused(f"{path}: found pixels of type {quoted(kind)} (allowed: {', '.join(TYPES)})")
    if len(shape) != 2 or not 0 < math.prod(shape) <= MOST_PIXELS or min(shape) < 0:
        raise Refused(f"{path}: found an image of shape {quoted(shape)} (needed: height and width, "
                      f"{MOST_PIXELS} pixels at most)")  # fmt: skip
    data.seek(0)
    return np.asarray(np.load(data, allow_pickle=False))


def _of_tiff(path: Path, data: io.BytesIO) -> Image:
    with tifffile.TiffFile(data) as file:
        if len(file.pages) != 1:
            raise Refused(f"{path}: found {len(file.pages)} pages, where one image is needed")
        page: Any = file.pages[0]
        if page.size > MOST_PIXELS:
            raise Refused(f"{path}: found {page.size} pixels (allowed: {MOST_PIXELS})")
        return np.asarray(page.asarray())

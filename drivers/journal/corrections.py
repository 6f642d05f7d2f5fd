"""Correction images in the run file, so that `verify` and `replay` need no other file.

The dataset `corrections` has their bytes, one image after another. `extra.corrections` in the header has one row per
image, so that the chain of hashes includes them: original file, type, shape and SHA-256.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from config.refused import Refused
from drivers.image_size import BRIGHTEST, MOST_PIXELS

DATASET = "corrections"
TYPES = ("uint8", "uint16", "float32", "float64")
MOST_IMAGES = 16
MOST_PX = 1 << 16  # of a side
MOST_BYTES = 3 * 8 * MOST_PIXELS  # of all images: three float64 images of the largest size

Images = Mapping[str, NDArray[Any]]  # original file -> image


def listed(images: Images) -> list[dict[str, Any]]:
    """The rows of the header for these images."""
    return [
        {"file": file, "type": image.dtype.name, "shape": list(image.shape), "sha256": _digest(image.tobytes())}
        for file, image in images.items()
    ]


def create(file: Any, images: Images) -> None:
    """Create the dataset, if there are images."""
    if images:
        data = b"".join(np.ascontiguousarray(image).tobytes() for image in images.values())
        file.create_dataset(DATASET, data=np.frombuffer(data, np.uint8)).attrs["about"] = (
            "extra.corrections in the header says which"
        )


def stored(file: Any, extra: Mapping[str, Any], source: str) -> dict[str, NDArray[Any]] | None:
    """The images of a run file, read-only; None if they are damaged.

    Raises Refused, starting with `source`, if they are larger than MOST_BYTES.
    """
    rows = extra.get(DATASET, [])
    if not isinstance(rows, list) or len(rows) > MOST_IMAGES or not all(map(_is_row, rows)):
        return None
    if not rows:
        return {}
    sizes = [math.prod(row["shape"]) * np.dtype(row["type"]).itemsize for row in rows]
    if sum(sizes) > MOST_BYTES:
        raise Refused(f"{source}: the images that this run was corrected with take {sum(sizes)} bytes by its header "
                      f"(allowed: {MOST_BYTES})")  # fmt: skip
    dataset = file.get(DATASET)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype != np.uint8 or dataset.shape != (sum(sizes),):
        return None
    images: dict[str, NDArray[Any]] = {}
    position = 0
    for row, size in zip(rows, sizes, strict=True):
        try:
            part: NDArray[Any] = dataset[position : position + size]
        except (OSError, RuntimeError):
            return None
        position += size
        if hashlib.sha256(part.data).hexdigest() != row["sha256"]:
            return None
        images[row["file"]] = image = part.view(row["type"]).reshape(row["shape"])
        if not ((image >= 0) & (image <= BRIGHTEST)).all():
            return None
        image.setflags(write=False)
    return images


def _is_row(row: Any) -> bool:
    """Whether this is a valid row of `listed`."""
    if not isinstance(row, dict) or set(row) != {"file", "type", "shape", "sha256"}:
        return False
    shape = row["shape"]
    if not (
        isinstance(shape, list) and len(shape) == 2 and all(type(side) is int and 0 < side <= MOST_PX for side in shape)
    ):
        return False
    return row["type"] in TYPES and isinstance(row["file"], str) and isinstance(row["sha256"], str)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

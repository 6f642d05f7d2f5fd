"""Images that a run was corrected with, in its own file: `verify` and `replay` need no other.

The dataset `corrections` holds their bytes, one image after another. `extra.corrections` in the header has a row for
each, so that the chain of hashes covers them: the file that it came from, type, size, and SHA-256.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

DATASET = "corrections"
TYPES = ("uint8", "uint16", "float32", "float64")
MOST_IMAGES = 16
MOST_PX = 1 << 16  # of a side

Images = Mapping[str, NDArray[Any]]  # by the file that each came from


def listed(images: Images) -> list[dict[str, Any]]:
    """What the header says of them."""
    return [
        {"file": file, "type": image.dtype.name, "shape": list(image.shape), "sha256": _digest(image.tobytes())}
        for file, image in images.items()
    ]


def create(file: Any, images: Images) -> None:
    """The dataset, where there are any."""
    if images:
        data = b"".join(np.ascontiguousarray(image).tobytes() for image in images.values())
        file.create_dataset(DATASET, data=np.frombuffer(data, np.uint8)).attrs["about"] = (
            "extra.corrections in the header says which"
        )


def stored(file: Any, extra: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
    """The images of a run file; None where they are not what was written. The file may come from anywhere."""
    rows = extra.get(DATASET, [])
    if not isinstance(rows, list) or len(rows) > MOST_IMAGES or not all(map(_is_row, rows)):
        return None
    if not rows:
        return {}
    sizes = [math.prod(row["shape"]) * np.dtype(row["type"]).itemsize for row in rows]
    found = file.get(DATASET)
    if not isinstance(found, h5py.Dataset) or found.dtype != np.uint8 or found.shape != (sum(sizes),):
        return None
    try:
        data: bytes = found[...].tobytes()
    except (OSError, RuntimeError):
        return None
    images: dict[str, NDArray[Any]] = {}
    at = 0
    for row, size in zip(rows, sizes, strict=True):
        part, at = data[at : at + size], at + size
        if _digest(part) != row["sha256"]:
            return None
        images[row["file"]] = np.frombuffer(part, row["type"]).reshape(row["shape"])
    return images


def _is_row(row: Any) -> bool:
    """Whether it is what `listed` makes of an image."""
    if not isinstance(row, dict) or set(row) != {"file", "type", "shape", "sha256"}:
        return False
    shape = row["shape"]
    if not (
        isinstance(shape, list) and len(shape) == 2 and all(type(one) is int and 0 < one <= MOST_PX for one in shape)
    ):
        return False
    return row["type"] in TYPES and isinstance(row["file"], str) and isinstance(row["sha256"], str)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

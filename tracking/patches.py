"""Cuts an image patch around each particle and assigns species with a classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from control.contract import UNKNOWN, Classifier, State, Tracks

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def cut(image: NDArray[Any], position_px: Floats, size_px: int) -> tuple[NDArray[Any], Bools]:
    """(patches [N, size, size] around positions x, y [N, 2]; [N] whether each lies within the image [height, width]).

    Beyond the image its edge pixels are repeated.
    """
    corner = np.rint(position_px).astype(np.int64) - size_px // 2  # [N, 2]
    column = corner[:, :1] + np.arange(size_px)  # [N, size]
    row = corner[:, 1:] + np.arange(size_px)
    height, width = image.shape
    complete = (column[:, 0] >= 0) & (column[:, -1] < width) & (row[:, 0] >= 0) & (row[:, -1] < height)
    row, column = row.clip(0, height - 1), column.clip(0, width - 1)
    return image[row[:, :, None], column[:, None, :]], complete


def sorted_by(classifier: Classifier | None, labels: Any, image: NDArray[Any], tracks: Tracks) -> tuple[Any, Tracks]:
    """(classifier memory, tracks with species and their age). A GOOD particle of unknown species becomes UNSORTED."""
    if classifier is None:
        return None, tracks
    patches, complete = cut(image, tracks.position_px, classifier.patch_px)
    labels = classifier.start() if labels is None else labels
    labels, species, age = classifier.step(labels, tracks.particle, patches, complete)
    unsorted = (species == UNKNOWN) & (tracks.state == State.GOOD)
    state = np.where(unsorted, np.uint8(State.UNSORTED), tracks.state)
    return labels, replace(tracks, species=species, species_age=age, state=state)

"""Tracking without a loop: tables with trackpy's columns, from the locators and the linker of the loop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.console.arguments import in_yaml, reading
from config.geometry import Affine
from config.reader import Document, build
from config.refused import Refused
from control.contract import Frame, Tracks
from tracking.link import LinkMemory, led
from tracking.link import link as linked_frame
from tracking.locate.features import Features
from tracking.rules import NEWEST
from tracking.settings import Tracking
from tracking.tracker import LinkingTracker, locator

FILES = ("dark_file", "background_file", "hot_pixels_file", "classifier")  # paths relative to a rig file

END: Any = object()  # of a movie
MOST_PIXELS = 100_000_000  # of an image in lists


def settings_of(values: dict[str, Any]) -> Tracking:
    """The tracking settings with these values, and defaults for all others. Raises Refused."""
    for name in FILES:
        value = values.get(name)
        if value is not None and not (type(value) is str and not value):  # empty: none
            raise Refused(f"{name}: this setting needs a rig file; correct the images before")
    plain = {name: json.loads(in_yaml(name, value)) for name, value in values.items()}
    return build(Document("the tracking settings", plain, {}), Tracking)


def locate(image: NDArray[Any], s: Tracking) -> pd.DataFrame:
    """The particles in one image [height, width] of uint8, uint16 or float.

    Returns:
        A row for each particle: x, y, mass, size, ecc, signal, raw_mass, ep; lengths in px.
    """
    return pd.DataFrame(_columns(locator(s)(_grey(image, "the image"))))


def link(features: pd.DataFrame, s: Tracking) -> pd.DataFrame:
    """The same table, sorted by frame, with the identity of each feature in `particle` and its State in `state`.

    A frame number missing in the table is a frame without features: it counts against the memory.

    Args:
        features: a table checked by `linkable_table.linkable`: columns frame, x, y (px); other columns are kept, except
            `particle` and `state`.
    """
    table = features.sort_values("frame", kind="stable").reset_index(drop=True)
    memory, last = LinkMemory(), 0
    particle, state = np.zeros((2, len(table)), np.int64)
    frames: Any = table.groupby("frame", sort=True).indices
    for number, rows in ((int(number), rows) for number, rows in frames.items()):
        for empty in range(last + 1, number):
            if not len(memory):
                break  # no particle is remembered: further empty frames change nothing
            memory, _ = linked_frame(led(memory, empty, s), empty, np.empty((0, 2)), s, rules=NEWEST)
        place_px = np.ascontiguousarray(table.loc[rows, ["x", "y"]].to_numpy(np.float64))
        memory, linked = linked_frame(led(memory, number, s), number, place_px, s, rules=NEWEST)
        particle[rows], state[rows], last = linked.particle, linked.state, number
    return table.assign(particle=particle, state=state)


def batch(frames: Iterable[NDArray[Any]], s: Tracking) -> pd.DataFrame:
    """Locate and link the particles in a movie: an array [frames, height, width], or images one after another.

    Returns:
        A row for each particle and frame: frame, particle, x, y, mass, size, ecc, signal, raw_mass, ep, state; lengths
        in px.
    """
    tracker = LinkingTracker(s, Affine.scale("px", "um", 1.0))
    with reading("frames", frames):
        try:
            images = iter(frames)  # also for a sequence with __getitem__ only
        except TypeError:
            raise Refused(f"frames: found {type(frames).__name__}, where images are needed") from None
    memory, tables = tracker.start(), []
    for number in count():
        with reading("frames", frames):
            image = next(images, END)
        if image is END:
            break
        grey = _grey(image, f"frame {number}")
        memory, tracks = tracker.step(memory, Frame(number, float(number), grey))
        tables.append(_table(number, tracks))
    return pd.concat(tables, ignore_index=True) if tables else _table(0, Tracks(0.0))


def _table(number: int, tracks: Tracks) -> pd.DataFrame:
    features = Features(
        tracks.position_px, tracks.mass, tracks.size_px, tracks.ecc, tracks.signal, tracks.raw_mass, tracks.ep_px
    )
    identity = {"frame": np.full(len(tracks), number), "particle": tracks.particle}
    return pd.DataFrame({**identity, **_columns(features), "state": tracks.state.astype(np.int64)})


def _columns(features: Features) -> dict[str, NDArray[np.float64]]:
    """The columns by trackpy's names."""
    return {
        "x": features.position_px[:, 0], "y": features.position_px[:, 1], "mass": features.mass,
        "size": features.size_px, "ecc": features.ecc, "signal": features.signal, "raw_mass": features.raw_mass,
        "ep": features.ep_px,
    }  # fmt: skip


def _grey(image: Any, title: str) -> NDArray[Any]:
    """The image as a read-only array. Raises Refused if it is not a grey-level image."""
    with reading(title, image):
        if np.ma.is_masked(image):
            raise Refused(f"{title}: some of its pixels are masked; fill them before")
        try:
            if isinstance(image, Sequence) and sum(len(row) for row in image[: MOST_PIXELS + 1]) > MOST_PIXELS:
                raise Refused(f"{title}: found {type(image).__name__} of more than {MOST_PIXELS} pixels")
            grey = np.ascontiguousarray(image).view()
        except (TypeError, ValueError):  # rows of different lengths
            raise Refused(f"{title}: found {type(image).__name__}, where an array [height, width] is needed") from None
    grey.setflags(write=False)  # read-only like a camera's frame: the same compiled kernels
    if grey.ndim != 2 or not grey.size or (grey.dtype.kind != "f" and grey.dtype not in (np.uint8, np.uint16)):
        raise Refused(
            f"{title}: found an array of shape {grey.shape} and type {grey.dtype} (needed: [height, width] of uint8, "
            "uint16 or float)"
        )
    if not np.isfinite(grey).all():
        raise Refused(f"{title}: {np.count_nonzero(~np.isfinite(grey))} of its pixels are not finite")
    return grey

"""What a recording says of itself: frame rate, size of a pixel, channels, and where in the file it says so.

Read from OME-XML, from ImageJ's and tifffile's descriptions, from TIFF's resolution tags, and from a film's header.
What is not there, or beyond what a bench could have, is not stated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from config.refused import Refused
from config.words import quoted

FPS, UM_PER_PX = (1e-4, 1e5), (1e-4, 1e3)  # least and largest that a setting takes
LARGEST_UM_PER_PX = 10.0  # by resolution tags: beyond it a printer is meant
LARGEST_XML = 50_000_000  # characters
SQUARE = 0.01  # by how much the sides of a square pixel may differ, as a share
UNEVEN = 0.5  # by how much one interval of frames may differ from the median one, as a share of it
MOST_CHANNELS = 1000

SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "ns": 1e-9,
           "min": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0}  # fmt: skip
MICROMETRES = {"um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "pm": 1e-6,
               "mm": 1e3, "cm": 1e4, "m": 1e6, "a": 1e-4}  # fmt: skip
RESOLUTION_UM = {2: 25_400.0, 3: 10_000.0}  # an inch, a centimetre


@dataclass(frozen=True)
class Value:
    """A number, and where in the recording it stands."""

    value: float
    where: str


@dataclass(frozen=True)
class Stated:
    """What a recording says; None: it does not."""

    fps: Value | None = None
    um_per_px: Value | None = None
    oblong: str = ""  # the sides of its pixels, where they are not square
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """How the images of a TIFF are numbered: by channel, plane in depth and time."""

    channels: int = 1
    planes: int = 1
    frames: int = 1
    order: str = "CZT"  # the first of them varies fastest from page to page
    names: tuple[str, ...] = ()  # of the channels
    where: str = ""
    series: int = 1  # stacks that the file describes, of which this is the first

    def __len__(self) -> int:
        return self.channels * self.planes * self.frames

    def is_row(self, axis: str) -> bool:
        """Whether the images follow each other along this axis only."""
        return {"C": self.channels, "Z": self.planes, "T": self.frames}[axis] == len(self) > 1

    def pages(self, channel: int) -> list[int]:
        """Those of one channel, in time; or in depth, where there is one time only."""
        sizes = {"C": self.channels, "Z": self.planes, "T": self.frames}
        step, steps = 1, {}
        for axis in self.order:
            steps[axis] = step
            step *= sizes[axis]
        along = "Z" if self.frames == 1 else "T"
        return [channel * steps["C"] + index * steps[along] for index in range(sizes[along])]


def channel_of(stack: Stack, chosen: int, pages: int, at: Path) -> list[int] | None:
    """The pages of the chosen channel; None: all of them, as they come. Raises Refused.

    Args:
        chosen: a channel's number from 1; 0: none was chosen.
        pages: how many images there are.
        at: the file.
    """
    if stack.planes > 1 and stack.frames > 1:
        raise Refused(f"{at}: found {stack.planes} planes in depth at each of {stack.frames} times ({stack.where}); "
                      "a video has one; save the plane that is meant in a file of its own")  # fmt: skip
    if chosen > stack.channels:
        raise Refused(f"{at}: camera.channel_number is {chosen}, and the file has {_channels(stack)}")
    if stack.series > 1 and pages > len(stack):
        raise Refused(f"{at}: found {stack.series} series ({stack.where}), the first of {len(stack)} images, and "
                      f"{pages} images in all; save the series that is meant in a file of its own")  # fmt: skip
    if stack.channels == 1 or (not chosen and stack.is_row("C")):
        return None
    if not chosen:
        raise Refused(f"{at}: found {_channels(stack)}; choose one with camera.channel_number (1 to {stack.channels})")
    if len(stack) != pages:
        raise Refused(f"{at}: its description says {stack.channels} channels of {len(stack) // stack.channels} images "
                      f"({stack.where}), and there are {pages} images in the file")  # fmt: skip
    return stack.pages(chosen - 1)


def _channels(stack: Stack) -> str:
    names = f": {', '.join(quoted(name, 40) for name in stack.names[:8])}" if any(stack.names) else ""
    return f"{stack.channels} channel{'s' * (stack.channels > 1)} ({stack.where or 'no description'}{names})"


def of_tiff(tiff: Any) -> tuple[Stated, Stack]:
    """What a TIFF says. What is written there wrongly is not stated."""
    try:
        return _of_tiff(tiff)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError):
        return Stated(), Stack()


def _of_tiff(tiff: Any) -> tuple[Stated, Stack]:
    first = tiff.pages[0]
    scale = _of_tags(first)
    if tiff.is_ome:
        stated, stack = _of_ome(tiff.ome_metadata or "", first)
    elif tiff.is_imagej:
        stated, stack = _of_imagej(tiff.imagej_metadata or {}, first)
    else:
        stated, stack = Stated(), _of_shape(tiff)
    if stated.um_per_px is None and not stated.oblong and scale is not None:
        stated = Stated(stated.fps, scale, "", stated.notes)
    along = "depth" if stack.planes > 1 and stack.frames == 1 else "channels" if stack.is_row("C") else ""
    if along:
        images = f"{stack.planes} planes in depth" if along == "depth" else f"{stack.channels} channels of one image"
        note = f"its {images} ({stack.where}) are taken as frames, one after the other in time"
        stated = Stated(stated.fps, stated.um_per_px, stated.oblong, (*stated.notes, note))
    return stated, stack


def of_film(fps: float, kind: str) -> Stated:
    """What a film's header says."""
    return Stated(fps=_value(fps, FPS, f"the frame rate in its {kind} header"))


def _value(found: float, allowed: tuple[float, float], where: str) -> Value | None:
    return Value(found, where) if math.isfinite(found) and allowed[0] <= found <= allowed[1] else None


def _number(text: Any) -> float:
    """nan where it is none."""
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _count(text: Any) -> int:
    """A whole number from 1 on; 1 where it is none."""
    found = _number(text)
    return int(found) if 1 <= found < 2**31 else 1


def _inverse(interval: float) -> float:
    return 1.0 / interval if interval > 0 else math.nan


def _unit(text: Any) -> str:
    """As in SECONDS and MICROMETRES: a micro sign, or the Greek letter, is u."""
    said = str(text).strip().replace("\\u00B5", "u").replace("\\u00b5", "u").replace("µ", "u").replace("μ", "u")
    return said.replace("Å", "a").lower()


def _scale(x_um: float, y_um: float, where: str) -> Stated:
    """The size of a pixel where it is square."""
    if math.isfinite(x_um) and math.isfinite(y_um) and abs(x_um - y_um) > SQUARE * max(x_um, y_um):
        return Stated(oblong=f"{x_um:g} x {y_um:g} um ({where})")
    return Stated(um_per_px=_value(x_um, UM_PER_PX, where))


def _of_tags(first: Any) -> Value | None:
    """By TIFF's own resolution tags, in pixels per inch or centimetre."""
    um = RESOLUTION_UM.get(int(_tag(first, 296, 1)), math.nan)
    found = um * _inverse(_resolution(first, 282))
    return _value(found, (UM_PER_PX[0], LARGEST_UM_PER_PX), "its TIFF resolution tags")


def _tag(page: Any, code: int, otherwise: Any) -> Any:
    tag = page.tags.get(code)
    return otherwise if tag is None or tag.value is None else tag.value


def _resolution(page: Any, code: int) -> float:
    """Pixels per unit; nan where it is not there."""
    found = _tag(page, code, None)
    if not isinstance(found, tuple) or len(found) != 2 or not found[1]:
        return math.nan
    return float(found[0]) / float(found[1])


def _of_imagej(said: Mapping[str, Any], first: Any) -> tuple[Stated, Stack]:
    """ImageJ: finterval in tunit, pixels per `unit`, channels, slices and frames."""
    unit = MICROMETRES.get(_unit(said.get("unit", "")), math.nan)
    x_um, y_um = (unit * _inverse(_resolution(first, code)) for code in (282, 283))
    scale = _scale(x_um, y_um, "its ImageJ description: pixels per unit")
    interval_s = _number(said.get("finterval")) * SECONDS.get(_unit(said.get("tunit", "s")), math.nan)
    fps = _value(_inverse(interval_s), FPS, "its ImageJ description: finterval")
    channels, planes = (_count(said.get(name, 1)) for name in ("channels", "slices"))
    frames = _count(said.get("frames", _count(said.get("images", 1)) // (channels * planes)))
    stack = Stack(min(channels, MOST_CHANNELS), planes, frames, "CZT", (), "its ImageJ description")
    return Stated(fps, scale.um_per_px, scale.oblong), stack


def _of_shape(tiff: Any) -> Stack:
    """The shape that tifffile writes; of two axes before the image's own without names, the last is of channels."""
    first = tiff.pages[0]
    said = _json(first.description) or _json(first.description1)
    shape, axes = tuple(said.get("shape", ())), str(said.get("axes", ""))
    own = len(first.shape)
    outer = [_count(size) for size in shape[: len(shape) - own]] if tuple(shape[-own:]) == tuple(first.shape) else []
    names = axes[: len(outer)] if len(axes) == len(shape) else "TZC"[-len(outer) :] if len(outer) != 2 else "TC"
    if len(outer) < 2 or len(outer) > 3 or len(set(names)) != len(outer) or not set(names) <= set("TZC"):
        return Stack()
    size = {"T": 1, "Z": 1, "C": 1} | dict(zip(names, outer, strict=True))
    order = names[::-1] + "".join(axis for axis in "CZT" if axis not in names)
    return Stack(size["C"], size["Z"], size["T"], order, (), "the shape in its description")


def _json(text: str) -> dict[str, Any]:
    """What tifffile writes of a stack's shape; empty where there is none."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and "shape" in found else {}


def _of_ome(text: str, first: Any) -> tuple[Stated, Stack]:
    """OME-XML: TimeIncrement, or else the planes' DeltaT; PhysicalSizeX and Y; SizeC, SizeZ and SizeT."""
    pixels, series = _pixels(text)
    if pixels is None:
        return Stated(), Stack()
    own = {key: str(value) for key, value in pixels.attrib.items()}
    scale = _scale(_side_um(own, "X"), _side_um(own, "Y"), "its OME-XML: PhysicalSizeX")
    time_unit_s = SECONDS.get(_unit(own.get("TimeIncrementUnit", "s")), math.nan)
    fps = _value(_inverse(_number(own.get("TimeIncrement")) * time_unit_s), FPS, "its OME-XML: TimeIncrement")
    steps_s = np.diff(sorted(_times_s(pixels)))
    middle_s = float(np.median(steps_s)) if len(steps_s) else math.nan
    if fps is None:
        fps = _value(_inverse(middle_s), FPS, "its OME-XML: the median of DeltaT from frame to frame")
    notes: tuple[str, ...] = ()
    if fps is not None and len(steps_s) and np.abs(steps_s - middle_s).max() > UNEVEN * middle_s:
        notes = (f"the times of its frames are uneven (up to {steps_s.max():.4g} s apart, DeltaT in its OME-XML), and "
                 f"they are taken as even",)  # fmt: skip
    samples = max(int(first.samplesperpixel), 1)
    names = tuple(_names(pixels))
    order = own.get("DimensionOrder", "XYCZT")[2:]
    stack = Stack(
        min(max(_count(own.get("SizeC", 1)) // samples, 1), MOST_CHANNELS),
        _count(own.get("SizeZ", 1)),
        _count(own.get("SizeT", 1)),
        order if sorted(order) == ["C", "T", "Z"] else "CZT",
        names,
        "its OME-XML",
        series,
    )
    return Stated(fps, scale.um_per_px, scale.oblong, notes), stack


def _side_um(own: Mapping[str, str], axis: str) -> float:
    """Of a pixel, by the attributes of Pixels; nan where they do not say."""
    unit_um = MICROMETRES.get(_unit(own.get(f"PhysicalSize{axis}Unit", "um")), math.nan)
    return _number(own.get(f"PhysicalSize{axis}")) * unit_um


def _pixels(text: str) -> tuple[Any, int]:
    """The element Pixels of the first series (or None), and how many series there are. Entities are not obeyed."""
    if len(text) > LARGEST_XML or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None, 0
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None, 0
    series = [one for one in root.iter() if _name(one) == "Pixels"]
    return (series[0] if series else None), len(series)


def _name(element: Any) -> str:
    """Without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _names(pixels: Any) -> Iterator[str]:
    """Of the channels; empty where one has none."""
    return (str(one.attrib.get("Name", "")) for one in pixels if _name(one) == "Channel")


def _times_s(pixels: Any) -> Iterator[float]:
    """When the frames of the first channel and plane were taken."""
    for plane in pixels:
        own = plane.attrib
        if _name(plane) != "Plane" or _number(own.get("TheC", 0)) > 0 or _number(own.get("TheZ", 0)) > 0:
            continue
        time_s = _number(own.get("DeltaT")) * SECONDS.get(_unit(own.get("DeltaTUnit", "s")), math.nan)
        if math.isfinite(time_s):
            yield time_s

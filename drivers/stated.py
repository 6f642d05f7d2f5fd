"""Metadata of a recording: frame rate, size of a pixel, channels, and the place of each in the file.

Sources: OME-XML, the descriptions of ImageJ and tifffile, the resolution tags of TIFF, the header of a film. Missing
and implausible values are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from config.refused import Refused
from config.words import one_line, quoted
from drivers.film_frames import FilmFrames
from drivers.frame_rate import mean_hz

FPS, UM_PER_PX = (1e-4, 1e5), (1e-4, 1e3)  # least and largest allowed setting
LARGEST_UM_PER_PX = 10.0  # by resolution tags: larger values are printer resolutions
LARGEST_XML = 50_000_000  # characters
MOST_TAGS = 2_000_000  # of an XML: each takes some 100 bytes of memory, and one of an image has 40 characters or more
SQUARE = 0.01  # largest relative difference of the sides of a square pixel
UNEVEN = 0.5  # largest relative difference of an interval of frames from that of the frame rate
CONFLICT = 0.01  # largest relative difference of two stated frame rates
CLOCK_S = 1e-3  # to which the times of frames in a film are rounded (Matroska, Windows Media)
MOST_CHANNELS = 1000
BEGIN = 2000  # characters at the beginning of an XML, in which its element OME is looked for
MOST_IMAGES = 2_000_000  # in a description
TRUNCATED = "truncated TIFF"  # by tifffile: one page for all images of a series
STK_PLANES = 33629  # the tag UIC2, with one value for each plane
MISSING = -1  # instead of a page number

SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "usecs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
INCHES = ("in", "inch", "inches")
MICROMETRES = {"um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "pm": 1e-6,
               "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "a": 1e-4, **dict.fromkeys(INCHES, 25_400.0)}  # fmt: skip
NO_UNIT, INCH, CENTIMETRE = 1, 2, 3  # of the resolution in a TIFF
GREY, COLOURS = (0, 1), 3  # photometric interpretations of grey, white or black first; samples that may be colours
TRANSPARENCY = (1, 2)  # kinds of an extra sample
RESOLUTION_UM = {INCH: 25_400.0, CENTIMETRE: 10_000.0}


@dataclass(frozen=True)
class Value:
    """A number, and its place in the recording."""

    value: float
    where: str


@dataclass(frozen=True)
class RecordingMetadata:
    """Metadata of a recording; None: not stated."""

    fps: Value | None = None
    um_per_px: Value | None = None
    oblong: str = ""  # the sides of its pixels, if they are not square
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """Numbering of the images of a TIFF by channel, plane in depth and time."""

    channels: int = 1
    planes: int = 1
    frames: int = 1
    order: str = "CZT"  # the first of them varies fastest from page to page
    names: tuple[str, ...] = ()  # of the channels
    where: str = ""
    series: int = 1  # number of stacks that the file describes; this is the first
    table: Mapping[int, int] | None = None  # page of each image in this file; None: not stated
    samples: int = 1  # channels in one page, as samples of each pixel that are no colours; they vary fastest
    wrong: str = ""  # reason why a file of several pages is refused: the metadata of its pages can't be used

    def __len__(self) -> int:
        return self.channels * self.planes * self.frames

    @property
    def only_channel(self) -> int:
        """The channel of all pages of this file, from 1, where there are others in other files; 0: not stated."""
        if self.channels == 1 or self.samples > 1 or not self.table:
            return 0
        step = self.number(C=1)
        channels = {image // step % self.channels for image in self.table}
        return channels.pop() + 1 if len(channels) == 1 else 0

    def is_row(self, axis: str) -> bool:
        """Whether the images follow each other along this axis only."""
        return {"C": self.channels, "Z": self.planes, "T": self.frames}[axis] == len(self) > 1

    def pages(self, channel: int | None) -> list[int]:
        """Pages of one channel along time, or along depth if there is one time only; None: all channels of one image.

        An image that is in no page of this file is MISSING.
        """
        images = self.images(channel)
        return list(images) if self.table is None else [self.table.get(image, MISSING) for image in images]

    def images(self, channel: int | None) -> range:
        """The numbers of the images for `pages`; they are evenly spaced."""
        axis = "C" if channel is None else "Z" if self.frames == 1 else "T"
        size = {"C": self.channels, "Z": self.planes, "T": self.frames}[axis]
        first, step = self.number(C=channel or 0), self.number(**{axis: 1})
        return range(first, first + size * step, step)

    def number(self, C: int = 0, Z: int = 0, T: int = 0) -> int:
        """Number of an image in the order of the file."""
        number, step = 0, 1
        for axis in self.order:
            index, size = {"C": (C, self.channels), "Z": (Z, self.planes), "T": (T, self.frames)}[axis]
            number += index * step
            step *= size
        return number


def channel_of(stack: Stack, chosen: int, pages: int, path: Path) -> list[int] | None:
    """The pages of the chosen channel; None: all pages, in the order of the file. Raises Refused.

    Args:
        chosen: a channel's number from 1; 0: none was chosen.
        pages: number of images.
        path: the file.
    """
    if stack.wrong and pages > 1:
        raise Refused(f"{path}: {stack.wrong}")
    if stack.planes > 1 and stack.frames > 1:
        raise Refused(f"{path}: found {stack.planes} planes in depth at each of {stack.frames} times ({stack.where}); "
                      "a video has one; save the plane that is meant in a file of its own")  # fmt: skip
    chosen = chosen or stack.only_channel
    count = stack.channels * stack.samples
    if chosen > count:
        raise Refused(f"{path}: camera.channel_number is {chosen}, and the file has {_channels(stack)}")
    if stack.series > 1 and pages > len(stack):
        raise Refused(f"{path}: found {stack.series} series ({stack.where}), the first of {len(stack)} images, and "
                      f"{pages} images in all; save the series that is meant in a file of its own")  # fmt: skip
    in_row = stack.channels == 1 or stack.is_row("C")
    if count == 1 or (not chosen and in_row and stack.samples in (1, COLOURS)):
        return _in_order(stack, 0 if stack.channels == 1 else None, pages, path) if pages > 1 else None
    if stack.channels > 1 and stack.table is None and len(stack) != pages:
        content = f"{pages} image{'s are' if pages > 1 else ' is'}"
        raise Refused(f"{path}: its description says {stack.channels} channels of {len(stack) // stack.channels} "
                      f"images ({stack.where}), and {content} in the file")  # fmt: skip
    if not chosen:
        raise Refused(f"{path}: found {_channels(stack)}; choose one with camera.channel_number (1 to {count})")
    if stack.channels == 1 and (pages == 1 or stack.table is None):
        return None
    channel = (chosen - 1) // stack.samples
    return stack.pages(channel) if stack.table is None else _in_order(stack, channel, pages, path)


def sample_of(stack: Stack, chosen: int) -> int | None:
    """Which sample of each pixel the chosen channel is; None: a pixel has one channel, or colours."""
    return (chosen - 1) % stack.samples if chosen and stack.samples > 1 else None


def _in_order(stack: Stack, channel: int | None, pages: int, path: Path) -> list[int] | None:
    """The pages of one channel (or of all in turn) by the table; None: in the order of the file. Raises Refused."""
    if stack.table is None:
        return None
    images = stack.images(channel)
    present = sorted(images.index(image) for image in stack.table if image in images)  # at most one per page
    if not present or present[-1] - present[0] + 1 != len(present):
        missing = (
            next((index for index, other in enumerate(present, present[0]) if index != other), 0) if present else 0
        )
        raise Refused(f"{path}: its OME-XML says of none of its {pages} pages that it is image {missing + 1} of "
                      f"{len(images)} (TiffData), and frames without a gap are needed")  # fmt: skip
    if len(stack.table) < pages:
        raise Refused(f"{path}: found {pages} images, and its OME-XML says of {len(stack.table)} of them which they "
                      "are (TiffData)")  # fmt: skip
    page_order = [stack.table[images[index]] for index in present]
    return None if page_order == list(range(pages)) else page_order


def _channels(stack: Stack) -> str:
    names = f": {', '.join(quoted(name, 40) for name in stack.names[:8])}" if any(stack.names) else ""
    count = stack.channels * stack.samples
    where = "samples of each pixel" if stack.samples > 1 else stack.where or "no description"
    return f"{count} channel{'s' * (count > 1)} ({where}{names})"


def of_tiff(tiff: Any, images: int, channel: int = 0) -> tuple[RecordingMetadata, Stack]:
    """Metadata of a TIFF. Invalid metadata are ignored.

    Args:
        images: number of images in the file.
        channel: the chosen channel, from 1; 0: none was chosen.
    """
    try:
        return _of_tiff(tiff, images, channel)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError):
        return RecordingMetadata(notes=("its metadata can't be read, also not its number of channels",)), Stack()


def _of_tiff(tiff: Any, images: int, channel: int) -> tuple[RecordingMetadata, Stack]:
    first = tiff.pages[0]
    scale = _of_tags(first)
    alternatives = [scale]
    if tiff.is_ome or "<OME" in first.description[:BEGIN]:  # tifffile tells it by its end, which may be cut off
        stated, stack = _of_ome(tiff.ome_metadata or first.description, first, len(tiff.pages))
        if tiff.is_imagej:
            alternatives.append(_of_imagej(tiff.imagej_metadata or {}, first)[0])
    elif tiff.is_imagej:
        stated, stack = _of_imagej(tiff.imagej_metadata or {}, first)
    else:
        stk = ("what MetaMorph's tags say of its scale and times is not read",) if STK_PLANES in first.tags else ()
        stated, stack = RecordingMetadata(notes=stk), _of_shape(tiff)
    stack = replace(stack, samples=_samples(first))
    if stated.um_per_px is None and not stated.oblong:
        stated = replace(stated, um_per_px=scale.um_per_px, oblong=scale.oblong)
    notes = [*stated.notes, *(note for other in alternatives for note in _disagreement(stated, other))]
    axis = "depth" if stack.planes > 1 and stack.frames == 1 else "channels" if stack.is_row("C") else ""
    if images > 1 and (axis == "depth" or (axis and not channel)):
        content = f"{stack.planes} planes in depth" if axis == "depth" else f"{stack.channels} channels of one image"
        notes.append(f"its {content} ({stack.where}) are taken as frames, one after the other in time")
    many = tiff.is_ome or len(stack) > 1  # else the images are described one by one
    if stack.where and stack.table is None and many and len(stack) != images:
        notes.append(f"{stack.where} says that it has {len(stack)} image{'s' * (len(stack) > 1)}, and it has {images}")
    return replace(stated, notes=tuple(notes)), stack


def _disagreement(used: RecordingMetadata, other: RecordingMetadata) -> Iterator[str]:
    """Notes on numbers of which two parts of a description say different things."""
    for unit, first, second in (
        ("frames a second", used.fps, other.fps),
        ("um per pixel", used.um_per_px, other.um_per_px),
    ):
        if first and second and abs(first.value - second.value) > CONFLICT * first.value:
            yield f"{first.value:.6g} {unit} ({first.where}) is taken, and {second.value:.6g} is in {second.where}"


def images_of_one_page(tiff: Any) -> tuple[str, int]:
    """(kind of the stack, number of its images) where a TIFF says that its one page is followed by other images."""
    first = tiff.pages[0]
    if metadata := tiff.imagej_metadata:
        return "ImageJ stack", int(metadata.get("images", 1))
    if stk := first.tags.get(STK_PLANES):
        return "STK of MetaMorph", int(stk.count)
    metadata = _json(first.description) or _json(first.description1)
    images = math.prod(map(_count, metadata.get("shape", ()))) // max(math.prod(first.shape), 1)
    return TRUNCATED, images if metadata.get("truncated") is True else 1


def of_film(fps: float, kind: str, frames: FilmFrames, bits: int) -> RecordingMetadata:
    """Metadata of a film, by its header and by the times of its frames.

    The rate is that of the header, or the mean rate of the frames if it differs and the times of all are known.

    Args:
        fps: by the header.
        kind: the film's format, in words.
        bits: of a value, in pixels that are read as 8 bit.
    """
    times_s, number = np.unique(frames.times_s, return_index=True)
    step_s = np.diff(times_s)
    header_rate = _value(fps, FPS, f"the frame rate in its {kind} header")
    measured_rate = _value(mean_hz(number, times_s, math.nan), FPS, "the mean interval of its frames, pauses left out")
    rate, notes = header_rate or measured_rate, list[str]()
    first = "its frames" if frames.whole else f"its first {len(frames.times_s)} frames"
    if header_rate is not None and measured_rate is not None:
        difference = abs(header_rate.value / measured_rate.value - 1.0)
        if difference > CONFLICT + CLOCK_S / float(times_s[-1] - times_s[0]):
            rate = measured_rate if frames.whole else header_rate
            choice = ", which is taken" if frames.whole else "; the rate of the header is taken"
            notes.append(f"its {kind} header says {header_rate.value:.6g} frames a second, and the times of {first} "
                         f"{measured_rate.value:.6g}{choice}")  # fmt: skip
    if measured_rate is not None:
        expected_s = np.diff(number) / measured_rate.value
        if (np.abs(step_s - expected_s) > UNEVEN / measured_rate.value + CLOCK_S).any():
            notes.append(f"the times of {first} are uneven (up to {step_s.max():.4g} s apart), and they are taken as "
                         "even")  # fmt: skip
    if frames.stated not in (0, frames.count):
        notes.append(f"the number of its frames is {frames.stated} by its {kind} header, and {frames.count} in fact")
    if frames.missing_s:
        notes.append(f"its frames end {frames.missing_s:.4g} s before the duration in its {kind} header; it may be "
                     "cut off")  # fmt: skip
    if bits > 8:
        notes.append(f"its pixels have {bits} bit, and they are read as 8 bit")
    return RecordingMetadata(fps=rate, notes=tuple(notes))


def _value(number: float, allowed: tuple[float, float], where: str) -> Value | None:
    return Value(number, where) if math.isfinite(number) and allowed[0] <= number <= allowed[1] else None


def _number(text: Any) -> float:
    """The text as a number; nan if it is none."""
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _count(text: Any) -> int:
    """The text as an integer of 1 or more; 1 if it is none."""
    number = _number(text)
    return int(number) if 1 <= number < 2**31 else 1


def _inverse(interval: float) -> float:
    return 1.0 / interval if interval > 0 else math.nan


def _unit(text: Any) -> str:
    """The unit as in SECONDS and MICROMETRES, with u for a micro sign or the Greek letter."""
    unit = str(text).strip().replace("\\u00B5", "u").replace("\\u00b5", "u").replace("µ", "u").replace("μ", "u")
    return unit.replace("Å", "a").lower()


def _scale(x_um: float, y_um: float, where: str, largest_um: float = UM_PER_PX[1]) -> RecordingMetadata:
    """The size of a square pixel, or `oblong` for other pixels."""
    if _differ(x_um, y_um) and min(x_um, y_um) <= largest_um:
        return RecordingMetadata(oblong=f"{x_um:g} x {y_um:g} um ({where})")
    return RecordingMetadata(um_per_px=_value(x_um, (UM_PER_PX[0], largest_um), where))


def _differ(x: float, y: float) -> bool:
    """Whether two sides are known and differ by more than SQUARE."""
    return math.isfinite(x) and math.isfinite(y) and abs(x - y) > SQUARE * max(x, y)


def _of_tags(first: Any) -> RecordingMetadata:
    """Scale by TIFF's resolution tags, in pixels per inch or cm; without a unit only whether a pixel is square."""
    where, unit = "its TIFF resolution tags", _tag(first, 296, NO_UNIT)
    unit = unit if isinstance(unit, int) else NO_UNIT
    x, y = (_inverse(_resolution(first, code)) for code in (282, 283))
    if unit == NO_UNIT and _differ(x, y):
        return RecordingMetadata(oblong=f"{x / y:.4g} times as wide as high ({where})")
    um = RESOLUTION_UM.get(unit, math.nan)
    return _scale(um * x, um * y, where, LARGEST_UM_PER_PX)


def _samples(first: Any) -> int:
    """Number of channels in a page, as samples of each pixel; 1 for colours. Transparency is no channel."""
    if first.photometric not in GREY:
        return 1
    return max(int(first.samplesperpixel) - sum(int(code) in TRANSPARENCY for code in first.extrasamples), 1)


def _tag(page: Any, code: int, otherwise: Any) -> Any:
    tag = page.tags.get(code)
    return otherwise if tag is None or tag.value is None else tag.value


def _resolution(page: Any, code: int) -> float:
    """Pixels per unit; nan if not stated."""
    ratio = _tag(page, code, None)
    if not isinstance(ratio, tuple) or len(ratio) != 2 or not ratio[1]:
        return math.nan
    return float(ratio[0]) / float(ratio[1])


def _of_imagej(metadata: Mapping[str, Any], first: Any) -> tuple[RecordingMetadata, Stack]:
    """ImageJ: finterval in tunit, pixels per `unit` (of y per `yunit`, if stated), channels, slices and frames."""
    unit = MICROMETRES.get(_unit(metadata.get("unit", "")), math.nan)
    y_unit = MICROMETRES.get(_unit(metadata["yunit"]), math.nan) if metadata.get("yunit") else unit
    x_um, y_um = unit * _inverse(_resolution(first, 282)), y_unit * _inverse(_resolution(first, 283))
    largest_um = LARGEST_UM_PER_PX if _unit(metadata.get("unit", "")) in INCHES else UM_PER_PX[1]
    scale = _scale(x_um, y_um, "its ImageJ description: pixels per unit", largest_um)
    interval_s = _number(str(metadata.get("finterval")).replace(",", ".")) * SECONDS.get(
        _unit(metadata.get("tunit", "s")), math.nan
    )
    fps = _value(_inverse(interval_s), FPS, "its ImageJ description: finterval")
    channels, planes = (_count(metadata.get(name, 1)) for name in ("channels", "slices"))
    frames = _count(metadata.get("frames", _count(metadata.get("images", 1)) // (channels * planes)))
    stack = Stack(min(channels, MOST_CHANNELS), planes, frames, "CZT", (), "its ImageJ description")
    return RecordingMetadata(fps, scale.um_per_px, scale.oblong), stack


def _of_shape(tiff: Any) -> Stack:
    """The shape that tifffile writes: axes of the file, then those of a page. Axes without a letter are the time; the
    time and the channel; or the time, the depth and the channel.
    """
    first = tiff.pages[0]
    metadata = _json(first.description) or _json(first.description1)
    sizes, axes = [_count(size) for size in metadata.get("shape", ())], str(metadata.get("axes", "")).upper()
    if len(axes) != len(sizes):
        axes = ""
    longer = [index for index, size in enumerate(sizes) if size > 1]  # an axis of one image counts for nothing
    of_page = [size for size in first.shape if size > 1]
    count = len(longer) - len(of_page)
    if count < 0 or [sizes[index] for index in longer[count:]] != of_page:
        return Stack()
    where, outer = "the shape in its description", [sizes[index] for index in longer[:count]]
    letters = "".join(axes[index] for index in longer) if axes else ""
    names = letters[:count] if axes else {0: "", 1: "T", 2: "TC", 3: "TZC"}.get(count, "")
    if len(names) == 1 and names not in "TZCYX":
        names = "T"  # images in a row
    page_is_image = letters[count:].replace("S", "") in ("YX", "Y", "X", "")
    if len(set(names)) != count or not set(names) <= set("TZC") or not page_is_image:
        content = f"the axes {quoted(axes, 40)}" if axes else f"a shape of {len(sizes)} axes without letters"
        return Stack(
            wrong=f"found {content} ({where}; allowed: some of T, Z and C, each once, and then YX, YXS or SYX)"
        )
    size = {"T": 1, "Z": 1, "C": 1} | dict(zip(names, outer, strict=True))
    order = names[::-1] + "".join(axis for axis in "CZT" if axis not in names)
    return Stack(size["C"], size["Z"], size["T"], order, (), where)


def _json(text: str) -> dict[str, Any]:
    """tifffile's description of a stack's shape; empty if there is none."""
    if not text.startswith("{"):
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) and "shape" in data else {}


def _of_ome(text: str, first: Any, pages: int) -> tuple[RecordingMetadata, Stack]:
    """OME-XML: TimeIncrement or DeltaT; PhysicalSizeX and Y; SizeC, SizeZ and SizeT; TiffData.

    Of several images (as of the positions of a stage) those count whose TiffData name this file.
    """
    if why := _too_large(text):
        note = f"its OME-XML is not read, for it has {why}; its pages are taken as they come"
        return RecordingMetadata(notes=(note,)), Stack()
    root, why = _root(text)
    if why:
        note = f"its OME-XML can't be read ({why}); its pages are taken as they come"
        return RecordingMetadata(notes=(note,)), Stack()
    all_pixels = [element for element in root.iter() if _name(element) == "Pixels"] if root is not None else []
    if root is None or not all_pixels:
        return RecordingMetadata(notes=_note_on_separate_file(root)), Stack()
    uuid = str(root.attrib.get("UUID", ""))
    files = [_files(element) for element in all_pixels]
    mine = [element for element, uuids in zip(all_pixels, files, strict=True) if uuid in uuids] or all_pixels
    pixels = mine[0]
    attributes = {key: str(value) for key, value in pixels.attrib.items()}
    scale = _scale(_side_um(attributes, "X"), _side_um(attributes, "Y"), "its OME-XML: PhysicalSizeX")
    fps, notes = _ome_rate(attributes, dict(_times_s(pixels)))
    samples = max(int(first.samplesperpixel), 1)
    names = tuple(_names(pixels))
    order = attributes.get("DimensionOrder", "XYCZT")[2:]
    stack = Stack(
        min(max(_count(attributes.get("SizeC", 1)) // samples, 1), MOST_CHANNELS),
        _count(attributes.get("SizeZ", 1)),
        _count(attributes.get("SizeT", 1)),
        order if sorted(order) == ["C", "T", "Z"] else "CZT",
        names,
        "its OME-XML",
        len(mine),
    )
    try:
        if uuid not in (all_uuids := set[str]().union(*files)) and len(all_uuids) > 1:
            raise ValueError("it does not state which of its files this one is")
        stack = replace(stack, table=_table(pixels, uuid, stack, samples, pages))
    except ValueError as error:
        wrong = f"the description of the pages in its OME-XML can't be used (TiffData: {error})"
        stack = replace(stack, wrong=wrong)
    return RecordingMetadata(fps, scale.um_per_px, scale.oblong, notes), stack


def _ome_rate(attributes: Mapping[str, str], times_s: Mapping[int, float]) -> tuple[Value | None, tuple[str, ...]]:
    """(frame rate, notes on it). The rate is that of TimeIncrement, or the mean rate by DeltaT if TimeIncrement is
    missing or differs: a camera may be slower than requested.

    Args:
        attributes: the attributes of Pixels.
        times_s: DeltaT by the number of the frame (TheT), of those frames that state it.
    """
    number = np.array(sorted(times_s), np.int64)
    time_s = np.array([times_s[index] for index in number.tolist()], np.float64)
    unit_s = SECONDS.get(_unit(attributes.get("TimeIncrementUnit", "s")), math.nan)
    nominal = _value(_inverse(_number(attributes.get("TimeIncrement")) * unit_s), FPS, "its OME-XML: TimeIncrement")
    with np.errstate(over="ignore", invalid="ignore"):  # for absurd times the rate is not allowed
        steps_s = np.diff(time_s) / np.diff(number)  # per frame
        measured_hz = mean_hz(number, time_s, math.nan)  # as `export` writes TimeIncrement
    measured = _value(measured_hz, FPS, "its OME-XML: the mean interval of its frames' DeltaT, pauses left out")
    notes: tuple[str, ...] = ()
    if nominal is not None and measured is not None and abs(measured.value - nominal.value) > CONFLICT * measured.value:
        notes = (f"TimeIncrement in its OME-XML says {nominal.value:.6g} frames a second, and the times of its frames "
                 f"(DeltaT) {measured.value:.6g}, which is taken",)  # fmt: skip
        nominal = None
    fps = nominal or measured
    if fps is not None and len(steps_s) and np.abs(steps_s * fps.value - 1.0).max() > UNEVEN:
        notes = (*notes, f"the times of its frames are uneven (up to {steps_s.max():.4g} s apart, DeltaT in its "
                         "OME-XML), and they are taken as even")  # fmt: skip
    return fps, notes


def _side_um(attributes: Mapping[str, str], axis: str) -> float:
    """Side of a pixel by the attributes of Pixels; nan if not stated."""
    unit_um = MICROMETRES.get(_unit(attributes.get(f"PhysicalSize{axis}Unit", "um")), math.nan)
    side = _number(attributes.get(f"PhysicalSize{axis}"))
    return side * unit_um if side > 0 else math.nan


def _too_large(text: str) -> str:
    """Reason why an XML would take too much memory; "" if it does not."""
    if len(text) > LARGEST_XML:
        return f"{len(text)} characters (allowed: {LARGEST_XML})"
    tags = text.count("<")
    return f"{tags} tags (allowed: {MOST_TAGS})" if tags > MOST_TAGS else ""


def _root(text: str) -> tuple[Any, str]:
    """(the element OME, ""), or (None, the reason) for invalid XML, and for XML that declares entities or a type."""
    if declaration := next((keyword for keyword in ("<!DOCTYPE", "<!ENTITY") if keyword in text), ""):
        return None, f"it contains {declaration}, which is not allowed"
    try:
        return ElementTree.fromstring(text), ""
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        return None, one_line(error)


def _note_on_separate_file(root: Any) -> tuple[str, ...]:
    """A note if the description is in a separate file (BinaryOnly)."""
    elements = [element for element in root if _name(element) == "BinaryOnly"] if root is not None else []
    files = (quoted(element.attrib.get("MetadataFile", "not named"), 60) for element in elements)
    return tuple(f"its OME-XML is in another file ({file}), which is not read" for file in files)


def _table(pixels: Any, own_uuid: str, stack: Stack, samples: int, pages: int) -> dict[int, int] | None:
    """The page of each image of a stack by TiffData; None if not stated: then pages are in the order of the images.

    Args:
        own_uuid: the UUID of this file; images in files with other UUIDs are left out, if several files are named.
        samples: OME channels in one image, as in a colour image.

    Raises ValueError, with the reason why it can't be used.
    """
    blocks = [(element, _uuid(element)) for element in pixels if _name(element) == "TiffData"]
    if not any(element.attrib for element, _ in blocks):
        return None
    if len(stack) > MOST_IMAGES:
        raise ValueError(f"{len(stack)} images, of at most {MOST_IMAGES}")
    files = _files(pixels)
    file_uuid = own_uuid if own_uuid in files else next(iter(files), "")
    table: dict[int, int] = {}
    for block, uuid in blocks:
        if uuid in ("", file_uuid):
            for image, page in _images(block.attrib, stack, samples, pages):
                if image in table:
                    raise ValueError(f"one image in the pages {table[image] + 1} and {page + 1}")
                table[image] = page
    if len(set(table.values())) < len(table):
        raise ValueError("two images in one page")
    return table


def _images(block: Mapping[str, Any], stack: Stack, samples: int, pages: int) -> Iterator[tuple[int, int]]:
    """(image, page) for each page of this file in a TiffData. Raises ValueError."""
    ifd, *first = (_index(block, name) for name in ("IFD", "FirstC", "FirstZ", "FirstT"))
    at = (first[0] // samples, first[1], first[2])
    if any(index >= size for index, size in zip(at, (stack.channels, stack.planes, stack.frames), strict=True)):
        raise ValueError(f"FirstC {first[0]}, FirstZ {first[1]}, FirstT {first[2]}, which the sizes have no room for")
    image = stack.number(*at)
    remaining = 1 if "IFD" in block else min(pages - ifd, len(stack) - image)
    count = _index(block, "PlaneCount", _index(block, "NumPlanes", remaining))
    if image + count > len(stack):
        raise ValueError(f"PlaneCount {count} from image {image + 1} of {len(stack)} on")
    return zip(range(image, image + count), range(ifd, min(ifd + count, pages)), strict=False)


def _index(block: Mapping[str, Any], name: str, otherwise: int = 0) -> int:
    """An integer of 0 or more. Raises ValueError."""
    text = str(block.get(name, otherwise)).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise ValueError(f"{name} is '{quoted(text, 40)}'")
    return int(text)


def _uuid(block: Any) -> str:
    """UUID of the file of a TiffData; "" if not stated."""
    return next((str(child.text or "").strip() for child in block if _name(child) == "UUID"), "")


def _files(pixels: Any) -> set[str]:
    """The UUIDs of the files that have images of this Pixels."""
    return {_uuid(child) for child in pixels if _name(child) == "TiffData"} - {""}


def _name(element: Any) -> str:
    """Name of an element, without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _names(pixels: Any) -> Iterator[str]:
    """Names of the channels; "" for a channel without name."""
    return (str(child.attrib.get("Name", "")) for child in pixels if _name(child) == "Channel")


def _times_s(pixels: Any) -> Iterator[tuple[int, float]]:
    """(number, time) of each frame of the first channel and plane that states both."""
    for plane in pixels:
        attributes = plane.attrib
        if _name(plane) != "Plane" or _number(attributes.get("TheC", 0)) > 0 or _number(attributes.get("TheZ", 0)) > 0:
            continue
        frame = _number(attributes.get("TheT"))
        time_s = _number(attributes.get("DeltaT")) * SECONDS.get(_unit(attributes.get("DeltaTUnit", "s")), math.nan)
        if math.isfinite(time_s) and 0 <= frame < 2**31:
            yield int(frame), time_s

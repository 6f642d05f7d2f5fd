"""The images of a recording by number: a multi-page TIFF, a folder of images, or a film. Each is read on demand.

An invalid recording is refused when it is opened, as far as this is possible without decoding all of it: cut off,
empty, of mixed sizes, not 8 or 16 bit. `image` returns [height, width] or, in colour, [height, width, 3] (red, green,
blue).
"""

from __future__ import annotations

import logging
import math
import os
import re
import struct
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol
from warnings import catch_warnings

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from config.files import kind_of, remember_read, require_file
from config.refused import Refused
from config.words import one_line, quoted
from control.contract import Fault
from drivers.film_frames import FilmFrames, film_frames
from drivers.image_size import MOST_PIXELS
from drivers.names_of_images import name_notes
from drivers.opencv_log import be_quiet
from drivers.stated import (
    CONFLICT,
    TRUNCATED,
    RecordingMetadata,
    channel_of,
    images_of_one_page,
    of_film,
    of_tiff,
    sample_of,
)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # this program reports errors itself

TIFFS = (".tif", ".tiff", ".btf", ".tf8")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", *TIFFS)
FILMS = (".avi", ".mp4", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv")
# First bytes of films: MPEG program stream or video; Matroska, WebM; Windows Media (ASF).
FILM_BEGINS = (b"\0\0\1\xba", b"\0\0\1\xb3", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel")
AVI_KINDS = (b"AVI ", b"AVI\x19")  # in bytes 8 to 11, behind RIFF and a length
BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"pnot")  # of MP4: in bytes 4 to 7
PACKET_BYTES, SYNC, PACKETS = 188, 0x47, 5  # of an MPEG transport stream; number of packets checked
DEPTHS = ("uint8", "uint16")
MOST_FRAMES = 1 << 31
DAMAGE = (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError,
          RuntimeError, OSError, MemoryError, struct.error)  # fmt: skip
TIFF_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # of a tag's value
LAYOUT_TAGS = {254, 256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339, 32995, 32996, 32997, 32998}
SIZES = {256, 257}  # tags for width and length, which every page needs
PLACES = {273: 279, 324: 325}  # tags for the offsets of strips or tiles: tags for their numbers of bytes
GREY_16 = int.from_bytes(b"Y1\0\x10", "little")  # FFmpeg's code of grey pixels of 16 bit
DEEP_BITS = (9, 10, 12, 14, 16)  # last byte of such a code (first, for the other order of bytes) ...
DEEP_LETTERS = b"YG"  # ... whose other end is one of these; and:
DEEP_CODES = {b"P010": 10, b"P012": 12, b"P016": 16, b"RGB0": 16, b"0RGB": 16, b"BGR0": 16, b"0BGR": 16}
LOSSY_COUNTS = 8  # allowed difference of the channels of a lossy grey image: MJPG 2, MPEG-4 6 in pure noise


class Pages(Protocol):
    """The images of one recording. In lossy formats, the channels of a grey image differ by up to `off_grey_counts`."""

    @property
    def off_grey_counts(self) -> int: ...

    @property
    def stated(self) -> RecordingMetadata:
        """The metadata of the recording."""
        ...

    def __len__(self) -> int:
        """Number of images."""
        ...

    def image(self, number: int) -> NDArray[Any]:
        """One image. Raises Fault if it can't be decoded."""
        ...

    def close(self) -> None: ...


def open_pages(path: Path | str, channel: int = 0) -> Pages:
    """The images of a file or folder. Raises Refused.

    Args:
        channel: number of the channel, from 1, in a TIFF with several channels; 0: there is only one.
    """
    pages = _opened(Path(path), channel)
    if channel > 1 and isinstance(pages, Film):
        pages.close()
        raise Refused(_one_channel(path, channel))
    return pages


def _opened(path: Path, channel: int) -> Pages:
    kind = kind_of(path)
    if kind == "a folder":
        return Folder(path, channel)
    if not kind:
        raise Refused(f"{path}: there is no such file or folder")
    require_file(path, "a recording")
    suffix = path.suffix.lower()
    if suffix in TIFFS:
        return Tiff(path, channel)
    if suffix in FILMS:
        return Film(path)
    raise Refused(f"{path}: found the ending '{quoted(suffix)}' (allowed: a folder, {', '.join((*TIFFS, *FILMS))})")


class Tiff:
    """A TIFF of one or many pages, or one page followed by the other images without pages of their own: as in ImageJ's
    stacks of more than 4 GB, MetaMorph's STK, and tifffile's truncated files.
    """

    off_grey_counts = 0

    def __init__(self, path: Path, channel: int = 0, in_folder: bool = False) -> None:
        """Raises Refused.

        Args:
            in_folder: it is one image of a folder, which leaves out the files of channels that were not chosen.
        """
        self.path = path
        layouts = tiff_layouts(path)
        with ExitStack() as refusing:
            try:
                self._tiff = refusing.enter_context(tifffile.TiffFile(path))
                first = self._tiff.pages[0]
                self._stack_images = self._stack(first)
                self._assert_uniform(first, layouts)
                images = len(self._tiff.pages) if self._stack_images is None else len(self._stack_images)
                self.stated, stack = of_tiff(self._tiff, images, channel)
            except DAMAGE as error:
                raise Refused(f"{path}: this TIFF can't be read ({one_line(error)})") from None
            self.channel_number = stack.only_channel  # from 1; 0: there is one only, or several are in this file
            self.channels = stack.channels
            channel_number = self.channel_number or channel if in_folder else channel
            self._channel_pages, self._sample = (
                channel_of(stack, channel_number, images, path),
                sample_of(stack, channel_number),
            )
            refusing.pop_all()  # it stays open
        self._count = images if self._channel_pages is None else len(self._channel_pages)

    def __len__(self) -> int:
        return self._count

    def image(self, number: int) -> NDArray[Any]:
        if self._channel_pages is not None:
            number = self._channel_pages[number]
        try:
            page: Any = self._tiff.pages[0 if self._stack_images is not None else number]
            image: NDArray[Any] = (
                page.asarray() if self._stack_images is None else np.asarray(self._stack_images[number])
            )
        except DAMAGE as error:
            raise Fault(f"{self.path}, page {number + 1}: it can't be decoded ({one_line(error)})") from None
        planar = image.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        image = image.transpose(1, 2, 0) if planar else image
        return image if self._sample is None else image[:, :, self._sample]

    def close(self) -> None:
        self._tiff.close()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first page, by its tags."""
        shape: tuple[int, ...] = self._tiff.pages[0].shape
        return shape

    @property
    def pixel_type(self) -> str:
        """Pixel type of the first page, by its tags."""
        return f"{self._tiff.pages[0].dtype}"

    def _stack(self, first: Any) -> NDArray[Any] | None:
        """The images of a stack with one page for all images; None for other files."""
        kind, images = images_of_one_page(self._tiff)
        if kind == TRUNCATED and images > 1 and len(self._tiff.pages) > 1:
            raise Refused(f"{self.path}: found {len(self._tiff.pages)} pages, the first of which is one page for "
                          f"{images} images; save it as a TIFF with a page for each image")  # fmt: skip
        if images <= 1 or len(self._tiff.pages) > 1:
            return None
        require_pixels(first.shape, f"{self.path}")
        if first.compression != tifffile.COMPRESSION.NONE or not first.is_contiguous:
            raise Refused(f"{self.path}: this {kind} has one page for {images} images, and it is compressed or in "
                          "pieces; save it as a TIFF with a page for each image")  # fmt: skip
        size = images * math.prod(first.shape) * first.dtype.itemsize
        if first.dataoffsets[0] + size > self.path.stat().st_size:
            raise Refused(f"{self.path}: this {kind} is cut off: it says that it has {images} images")
        dtype = first.dtype.newbyteorder(self._tiff.byteorder)
        return np.memmap(self.path, dtype, "r", first.dataoffsets[0], (images, *first.shape))

    def _assert_uniform(self, first: Any, layouts: list[Layout]) -> None:
        """Raises Refused. Pages of a layout that was already checked are skipped: tifffile needs 0.4 ms for each."""
        length = self.path.stat().st_size
        checked = set[Layout]()
        for number, layout in enumerate(layouts):
            if layout in checked:
                continue
            page: Any = self._tiff.pages[number]
            if layout:
                checked.add(layout)
            location = f"{self.path}, page {number + 1}"
            require_pixels(page.shape, location)
            require_pixels(page.chunks, location)
            _assert_depth(page.dtype.name if page.dtype is not None else "a type of its own", location)
            if page.shape != first.shape or page.dtype != first.dtype:
                raise Refused(f"{location}: found {_size(page.shape)} {page.dtype}, where page 1 is "
                              f"{_size(first.shape)} {first.dtype}; all pages must be of one size "
                              "and type")  # fmt: skip
            ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
            if max(ends, default=0) > length:
                raise Refused(
                    f"{location}: the file is cut off: the page needs {max(ends)} bytes, and {length} are there"
                )


class Folder:
    """The images in a folder, by the natural order of their names: 2.png before 10.png.

    Of OME-TIFFs that say which channel each of them is, those of the chosen channel.
    """

    def __init__(self, path: Path, channel: int = 0) -> None:
        self.path = path
        self._channel = channel
        try:
            files = list(path.iterdir())
        except OSError as error:
            raise Refused(f"{path}: this folder can't be read ({error.strerror})") from None
        images = [file for file in files if file.suffix.lower() in PICTURES and not file.name.startswith(".")]
        if not images:
            raise Refused(f"{path}: there is no image in this folder (allowed: {', '.join(PICTURES)})")
        self._files = sorted(images, key=lambda file: natural(file.name))
        self.off_grey_counts = LOSSY_COUNTS if {".jpg", ".jpeg"} & {file.suffix.lower() for file in images} else 0
        pictures = self._of_channel(self._uniform())
        self._files = list(pictures)
        self.stated = self._stated(pictures)

    def __len__(self) -> int:
        return len(self._files)

    def image(self, number: int) -> NDArray[Any]:
        file = self._files[number]
        if file.suffix.lower() in TIFFS:
            tiff = Tiff(file, self._channel, in_folder=True)
            try:
                return tiff.image(0)
            finally:
                tiff.close()
        try:
            pixels: NDArray[Any] | None = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            pixels = None
        if pixels is None:
            raise Fault(f"{file}: this image can't be decoded")
        return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 2::-1])  # OpenCV: blue, green, red

    def close(self) -> None:
        """Do nothing: no file stays open between two images."""

    def _stated(self, pictures: dict[Path, Picture]) -> RecordingMetadata:
        """Frame rate and scale in the metadata of the first image, and notes on the others."""
        notes = name_notes(self._files)
        if self._files[0].suffix.lower() not in TIFFS:
            return RecordingMetadata(notes=notes)
        first = Tiff(self._files[0], self._channel, in_folder=True)
        first.close()
        scale = first.stated.um_per_px
        for file, picture in pictures.items():
            if scale and picture.um_per_px and abs(picture.um_per_px - scale.value) > CONFLICT * scale.value:
                other = f"{picture.um_per_px:.6g} um per pixel by {quoted(file.name, 60)}"
                notes = (*notes, f"{scale.value:.6g} um per pixel is taken, by its first image, and it is {other}")
                break
        return replace(first.stated, notes=notes)

    def _uniform(self) -> dict[Path, Picture]:
        """What the header of each file says. Raises Refused if they differ in size or type."""
        name = self._files[0].name
        pictures = dict[Path, Picture]()
        for file in self._files:
            picture = pictures[file] = picture_form(file, self._channel)
            first = pictures[self._files[0]]
            if (picture.size, picture.pixel_type) != (first.size, first.pixel_type):
                raise Refused(
                    f"{file}: found {_size(picture.size)} {picture.pixel_type}, where {name} is {_size(first.size)} "
                    f"{first.pixel_type}; all must be of one size and type"
                )
        return pictures

    def _of_channel(self, pictures: dict[Path, Picture]) -> dict[Path, Picture]:
        """The files of the chosen channel, or all if they are of one channel. Raises Refused."""
        channels = sorted({picture.channel_number for picture in pictures.values()} - {0})
        if not channels or channels == [self._channel] or (len(channels) == 1 and not self._channel):
            return pictures
        if not self._channel:
            count = max(picture.channels for picture in pictures.values())
            raise Refused(f"{self.path}: found images of {len(channels)} channels (the OME-XML of each); choose one "
                          f"with camera.channel_number (1 to {count})")  # fmt: skip
        if self._channel not in channels:
            raise Refused(f"{self.path}: camera.channel_number is {self._channel}, and the OME-XML of the images says "
                          f"that they are of channel {', '.join(map(str, channels))}")  # fmt: skip
        return {file: picture for file, picture in pictures.items() if picture.channel_number == self._channel}


class Film:
    """An AVI, MP4 or similar file, read by OpenCV's FFmpeg, which would also follow a playlist (`require_film`).

    Grey images of 16 bit keep their depth. A frame that OpenCV doesn't find by its number is reached by reading on.
    """

    off_grey_counts = LOSSY_COUNTS

    def __init__(self, path: Path) -> None:
        self.path = path
        require_film(path)
        be_quiet()
        self._film = self._open()
        count, rate_hz, width_px, height_px, pixels = (
            self._film.get(name) if self._film.isOpened() else 0.0
            for name in (
                cv2.CAP_PROP_FRAME_COUNT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_CODEC_PIXEL_FORMAT,
            )
        )
        with ExitStack() as refusing:
            refusing.callback(self._film.release)
            require_pixels((int(height_px), int(width_px)), f"{path}")
            estimate = int(count) if 1 <= count <= MOST_FRAMES else 0
            self._frames = film_frames(path, estimate, rate_hz) if self._film.isOpened() else FilmFrames()
            if self._frames.count < 1:
                raise Refused(f"{path}: this film can't be opened; its format is not known, or it is cut off")
            refusing.pop_all()  # it stays open
        self._next = 0
        bits = _film_bits(int(pixels)) if int(pixels) != GREY_16 else 8
        self.stated = of_film(rate_hz, path.suffix[1:].upper(), self._frames, bits)

    def __len__(self) -> int:
        return self._frames.count

    def image(self, number: int) -> NDArray[Any]:
        if number != self._next:
            self._go_to(number)
        try:
            success, image = self._film.read()
        except cv2.error:
            success, image = False, None
        self._next = number + 1
        if not success or image is None:
            raise Fault(f"{self.path}: frame {number + 1} of {len(self)} can't be decoded; the film may be cut off")
        return image if image.ndim == 2 else np.ascontiguousarray(image[:, :, ::-1])

    def close(self) -> None:
        self._film.release()

    def _open(self) -> cv2.VideoCapture:
        film = cv2.VideoCapture(os.path.abspath(self.path), cv2.CAP_FFMPEG)  # no `concat:a` protocol
        if int(film.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) == GREY_16:
            film.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # else OpenCV makes it 8 bit
        return film

    def _go_to(self, number: int) -> None:
        """Make this frame the next one."""
        if self._frames.seekable:
            self._film.set(cv2.CAP_PROP_POS_FRAMES, number)
            return
        if number < self._next:
            self._film.release()
            self._film, self._next = self._open(), 0
        with suppress(cv2.error):
            while self._next < number and self._film.grab():
                self._next += 1


def _film_bits(pixels: int) -> int:
    """Bits of a value of a film's pixels, by FFmpeg's code of their format; 8 if it doesn't state them."""
    code = (pixels & 0xFFFFFFFF).to_bytes(4, "little")  # -1: not known
    for bits, letter in ((code[3], code[0]), (code[0], code[3])):
        if bits in DEEP_BITS and letter in DEEP_LETTERS:
            return bits
    return DEEP_CODES.get(code, 8)


def require_film(path: Path) -> None:
    """Raises Refused if the first bytes are not those of a film: FFmpeg also accepts playlists, with any name."""
    try:
        remember_read(path)
        with path.open("rb") as file:
            begin = file.read(PACKETS * PACKET_BYTES)
    except OSError as error:
        raise Refused(f"{path}: this film can't be read ({error.strerror})") from None
    if not _begins_as_a_film(begin):
        raise Refused(
            f"{path}: this file is no film, whatever its name says: its first bytes are '{quoted(begin[:16])}' "
            "(allowed: AVI, MP4, QuickTime, Matroska, WebM, MPEG, Windows Media)"
        )


def _begins_as_a_film(begin: bytes) -> bool:
    if begin.startswith(FILM_BEGINS) or begin[4:8] in BOXES:
        return True
    if begin[:4] == b"RIFF":
        return begin[8:12] in AVI_KINDS
    return len(begin) == PACKETS * PACKET_BYTES and set(begin[::PACKET_BYTES]) == {SYNC} and 0 in begin[:PACKET_BYTES]


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A sort key that orders numbers in a name by their value."""
    pieces = re.split(r"(\d+)", name.lower())
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], name


class Picture(NamedTuple):
    """What the header of an image file says."""

    size: tuple[int, ...]  # (height, width)
    pixel_type: str
    channel_number: int = 0  # of an OME-TIFF, from 1; 0: there is one channel only, or it is not stated
    channels: int = 1  # in all files that its OME-XML describes
    um_per_px: float | None = None  # None: not stated


def picture_form(file: Path, channel: int = 0) -> Picture:
    """What the header of an image file says.

    Raises Refused; also for a TIFF with many pages, or without this channel.
    """
    require_file(file, "an image")
    if file.suffix.lower() in TIFFS:
        tiff = Tiff(file, channel, in_folder=True)
        try:
            if len(tiff) > 1:
                raise Refused(
                    f"{file}: found {len(tiff)} pages, where one image a file is needed; give the file itself"
                )
            scale = tiff.stated.um_per_px
            um_per_px = None if scale is None else scale.value
            return Picture(tiff.shape[:2], tiff.pixel_type, tiff.channel_number, tiff.channels, um_per_px)
        finally:
            tiff.close()
    if channel > 1:
        raise Refused(_one_channel(file, channel))
    try:
        with catch_warnings(action="ignore"), Image.open(file) as picture:
            size = picture.height, picture.width
            deep = picture.mode.startswith("I") or ";16" in f"{picture.tile}"  # colour: only `tile` states 16 bit
    except Image.DecompressionBombError:
        raise Refused(f"{file}: this image is too large (allowed: {MOST_PIXELS} pixels)") from None
    except (UnidentifiedImageError, SyntaxError, *DAMAGE) as error:
        raise Refused(f"{file}: this image can't be read ({one_line(error)})") from None
    require_pixels(size, f"{file}")
    return Picture(size, "uint16" if deep else "uint8")


def _one_channel(path: Path | str, channel: int) -> str:
    return f"{path}: camera.channel_number is {channel}, and only a TIFF may have several channels"


def require_pixels(shape: tuple[int, ...], location: str) -> None:
    """Raises Refused for an image (or a part of one) of this shape if it is larger than allowed."""
    if math.prod(shape[:2]) > MOST_PIXELS or math.prod(shape) > 4 * MOST_PIXELS:
        raise Refused(f"{location}: this image is {_size(shape)}, which is too large (allowed: {MOST_PIXELS} pixels)")


Layout = tuple[Any, ...]  # of a page: complete tags that describe the storage of its image; codes of the other tags


def tiff_layouts(path: Path) -> list[Layout]:
    """Follow the chain of pages (TIFF 6.0, section 2; BigTIFF) to its end. Raises Refused if it leaves the file.

    Returns:
        The layout of each page whose image is one piece within the file; () for any other page.
    """
    layouts: list[Layout] = []
    length = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        order = {b"II": "<", b"MM": ">"}.get(begin[:2])
        version = struct.unpack(order + "H", begin[2:4])[0] if order and len(begin) == 8 else 0
        if version not in (42, 43):
            raise Refused(f"{path}: this file is not a TIFF")
        big = version == 43
        file.seek(8 if big else 4)
        page = 0
        try:
            offset = _number(file, f"{order}{'Q' if big else 'I'}")
            offsets = set[int]()
            while offset:
                page += 1
                if offset in offsets:
                    raise Refused(f"{path}, page {page}: the chain of pages runs in a circle")
                offsets.add(offset)
                file.seek(offset)
                entries = _number(file, f"{order}{'Q' if big else 'H'}")
                if entries * (20 if big else 12) > length:
                    raise Refused(f"{path}, page {page}: the file is cut off before this page's end")
                tags = file.read(entries * (20 if big else 12))
                layouts.append(_layout(tags, f"{order}HH{'QQ' if big else 'II'}", length, f"{path}, page {page}"))
                offset = _number(file, f"{order}{'Q' if big else 'I'}")
        except (struct.error, OverflowError, OSError, ValueError):  # an invalid offset
            raise Refused(f"{path}, page {max(page, 1)}: the file is cut off before this page's end") from None
        if page == 0:
            raise Refused(f"{path}: this TIFF has no page")
    return layouts


def _layout(tags: bytes, form: str, length: int, location: str) -> Layout:
    """Layout of one page. Raises Refused for a page without size, or a tag with more values than the file can hold."""
    size = struct.calcsize(form)
    entries = list(struct.iter_unpack(form, tags[: len(tags) // size * size]))
    if not {entry[0] for entry in entries} >= SIZES:
        raise Refused(
            f"{location}: found {len(entries)} tags without the width and the length of an image (256 and 257)"
        )
    for tag, kind, count, _ in entries:
        if count * TIFF_BYTES.get(kind, 1) > length:
            raise Refused(f"{location}: tag {tag} claims {count} values, which the file has no room for")
    field = {tag: (kind, value) for tag, kind, count, value in entries if count == 1}
    ends = [
        _single(*field[place], form) + _single(*field[size], form)
        for place, size in PLACES.items()
        if place in field and size in field
    ]
    if len(ends) != 1 or ends[0] > length:
        return ()
    return tuple(entry if entry[0] in LAYOUT_TAGS else entry[0] for entry in entries)


def _single(kind: int, value: int, form: str) -> int:
    """The single integer in a tag's field, which is filled from its first byte; 0 for another type."""
    field_bytes, number_bytes = struct.calcsize(form[0] + form[-1]), {3: 2, 4: 4, 16: 8}.get(kind, 0)
    if form[0] == ">":
        return value >> 8 * (field_bytes - number_bytes) if number_bytes else 0
    return value & (1 << 8 * number_bytes) - 1


def _number(file: BinaryIO, layout: str) -> int:
    number: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return number


def _assert_depth(name: str, location: str) -> None:
    if name not in DEPTHS:
        raise Refused(f"{location}: found pixels of type {name} (allowed: {', '.join(DEPTHS)})")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(step) for step in shape)

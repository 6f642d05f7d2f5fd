"""The frames of a film: their number, and the times of the first ones.

An AVI or MP4 states the number of its frames. Matroska, WebM, Windows Media and MPEG state a duration at most: FFmpeg
multiplies it by the stated rate. OpenCV also seeks by time: it finds frame n only at the time n / rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NO_TIMES: Floats = np.empty(0)
FIRST_FRAMES = 100  # of an AVI or MP4: their times are read
REORDERED = 16  # largest number of frames that are stored before earlier ones (B-frames)
BEGIN_FRAMES = 8  # of an AVI: decoded, as its B-frames may come with the times of others
AVI, MATROSKA, ASF = b"RIFF", b"\x1aE\xdf\xa3", b"0&\xb2u"
MPEG = (b"\0\0\1\xba", b"\0\0\1\xb3")  # program stream, video
SYNC = b"G"  # of an MPEG transport stream; an MP4 may begin with the same byte, before a name of letters
ENDS_EARLY = 1.5  # number of intervals from the last frame to the end of its display, and more
MOST_BOXES = 10_000  # of an MP4
LITTLE = 0.02  # part of the duration
RAW = [cv2.CAP_PROP_FORMAT, -1]  # packets as they are stored, not decoded


@dataclass(frozen=True)
class FilmFrames:
    """Number and times of the frames of a film."""

    count: int = 0  # that can be read; of a cut AVI or MP4, the number in its header
    stated: int = 0  # by the header; 0: not stated
    times_s: Floats = field(default_factory=lambda: NO_TIMES)  # of the first frames or all, rising; empty: not known
    seekable: bool = False  # whether OpenCV finds each frame by its number
    missing_s: float = 0.0  # by which the frames end before the duration in the header

    @property
    def whole(self) -> bool:
        """Whether the times of all frames are known."""
        return len(self.times_s) == self.count


def film_frames(path: Path, estimate: int, rate_hz: float) -> FilmFrames:
    """Read number and times of the frames: fast if the header is right, else by decoding the film once.

    Args:
        estimate: the number of frames by OpenCV; 0: not known.
        rate_hz: the rate by OpenCV; 0 or not finite: not known.
    """
    changed = path.stat()
    rate_hz = rate_hz if math.isfinite(rate_hz) and rate_hz > 0 else 0.0
    return _film_frames(path.absolute(), changed.st_size, changed.st_mtime_ns, estimate, rate_hz)


@lru_cache(maxsize=8)  # one command opens a film several times
def _film_frames(path: Path, size: int, mtime_ns: int, estimate: int, rate_hz: float) -> FilmFrames:
    with path.open("rb") as file:
        begin = file.read(8)
    is_stream = begin.startswith(SYNC) and not begin[4:].isalpha()
    if is_stream or begin.startswith(MPEG):  # times of groups of frames, and no index
        return FilmFrames(_grabbed(path)[0])
    if begin.startswith(AVI):
        return _of_avi(path, estimate, rate_hz)
    if begin.startswith((MATROSKA, ASF)):
        return _of_packets(path, estimate, rate_hz)
    return _of_mp4(path, estimate, rate_hz)


def _of_mp4(path: Path, header_count: int, rate_hz: float) -> FilmFrames:
    """An MP4 or QuickTime film: a table of frames, of which an edit list may leave some out."""
    times_s, count = _first_times_s(path), header_count
    if header_count and rate_hz:
        longest_s = max(1.0 / rate_hz, float(np.diff(times_s).max(initial=0.0)))
        # decoded, for packets include frames that are left out
        remaining_s = header_count / rate_hz - _last_s(path, header_count, [])
        if remaining_s > ENDS_EARLY * longest_s and not _is_cut(path):
            count = _grabbed(path)[0]
    return FilmFrames(count, header_count, times_s[:count], count == header_count and _by_number(times_s, rate_hz))


def _of_avi(path: Path, header_count: int, rate_hz: float) -> FilmFrames:
    """An AVI: an index of frames at even times, some of which may be empty."""
    times_s = _first_times_s(path)
    is_even = _by_number(times_s, rate_hz) and times_s[:1].sum() == 0.0
    if is_even and header_count and _number(_last_s(path, header_count, RAW), rate_hz) < header_count:
        decoded_s = np.fromiter(islice(_times_s(path, []), BEGIN_FRAMES), np.float64)
        return FilmFrames(header_count, header_count, times_s, _by_number(decoded_s, rate_hz))
    count, last_s = _grabbed(path)
    cut = _number(last_s, rate_hz) + 1 < header_count
    return FilmFrames(header_count if cut else count, header_count, times_s)


def _of_packets(path: Path, estimate: int, rate_hz: float) -> FilmFrames:
    """A film of timed packets, each with one frame as a rule: decoded if that is in doubt."""
    times_s = np.sort(np.fromiter(_times_s(path, RAW), np.float64))
    if len(times_s) == estimate and _by_number(times_s, rate_hz):
        return FilmFrames(estimate, 0, times_s, True)
    count, _ = _grabbed(path)
    times_s = times_s if len(times_s) == count else NO_TIMES
    return FilmFrames(count, 0, times_s, False, _missing_s(times_s, estimate / rate_hz if rate_hz else 0.0))


def _missing_s(times_s: Floats, header_s: float) -> float:
    """Time by which the frames end before the stated duration; 0.0 for little: the sound may be longer."""
    if len(times_s) < 2:
        return 0.0
    missing_s = header_s - float(times_s[-1] + np.diff(times_s).max())
    return missing_s if missing_s > LITTLE * header_s else 0.0


def _times_s(path: Path, how: list[int]) -> Iterator[float]:
    """The times of the frames in the order of the file; they are not converted to images."""
    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, how)
    try:
        while film.grab():
            yield film.get(cv2.CAP_PROP_POS_MSEC) / 1e3
    except cv2.error:
        return
    finally:
        film.release()


def _first_times_s(path: Path) -> Floats:
    """The times of the first frames, rising."""
    packets = FIRST_FRAMES + REORDERED
    times_s = np.sort(np.fromiter(islice(_times_s(path, RAW), packets), np.float64))
    return times_s if len(times_s) < packets else times_s[:FIRST_FRAMES]


def _grabbed(path: Path) -> tuple[int, float]:
    """(number of frames that can be decoded, the last of their times)."""
    count, last_s = 0, 0.0
    for time_s in _times_s(path, []):
        count, last_s = count + 1, max(last_s, time_s)
    return count, last_s


def _number(time_s: float, rate_hz: float) -> int:
    """The number that OpenCV gives to a frame at this time."""
    return math.floor(time_s * rate_hz + 0.5)


def _by_number(times_s: Floats, rate_hz: float) -> bool:
    """Whether OpenCV finds the frames at these times by their numbers."""
    number = np.floor(times_s * rate_hz + 0.5)
    return bool((number - number[:1] == np.arange(len(times_s))).all())


def _last_s(path: Path, header_count: int, how: list[int]) -> float:
    """The time of the last frame, which is sought from near the stated end."""
    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, how)
    last_s = 0.0
    try:
        has_frame = film.set(cv2.CAP_PROP_POS_FRAMES, header_count - 1)  # reads the frames before
        while has_frame:
            last_s = max(last_s, film.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
            has_frame = film.grab()
    except cv2.error:
        return last_s
    finally:
        film.release()
    return last_s


def _is_cut(path: Path) -> bool:
    """Whether a box of an MP4 ends behind the end of the file."""
    offset, end = 0, path.stat().st_size
    with path.open("rb") as file:
        for _ in range(MOST_BOXES):
            file.seek(offset)
            box = file.read(16)
            size = int.from_bytes(box[:4], "big")
            if size == 1:  # 64 bits behind the name
                size = int.from_bytes(box[8:], "big")
            if size < 8:  # 0: to the end of the file
                return False
            offset += size
            if offset >= end:
                return offset > end
    return False

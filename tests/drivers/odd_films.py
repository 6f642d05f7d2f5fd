"""Small films whose frames show their numbers, and changes of their bytes: times, counts, omitted frames."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

HEIGHT_PX, WIDTH_PX, BITS, BIT_PX = 64, 80, 8, 10
FPS = 25
SEGMENT, CLUSTER, GROUP, INFO = 0x18538067, 0x1F43B675, 0xA0, 0x1549A966  # of Matroska: elements of elements
CLUSTER_MS, BLOCKS, DURATION = 0xE7, (0xA3, 0xA1), 0x4489


def numbered_film(path: Path, code: str, count: int = 40, counts_per_bit: int = 0) -> Path:
    """A film of `count` frames, each with its number as a row of bright and dark bars.

    Args:
        counts_per_bit: brightness of the bars in a film of 16 bit; 0: 8 bit.
    """
    deep = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U] if counts_per_bit else []
    size, grey = (WIDTH_PX, HEIGHT_PX), [cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), float(FPS), size, [*deep, *grey])
    assert writer.isOpened()
    for number in range(count):
        bits = np.array([number >> bit & 1 for bit in range(BITS)])
        row = np.repeat(bits, BIT_PX) * (counts_per_bit or 200)
        writer.write(np.tile(row, (HEIGHT_PX, 1)).astype(np.uint16 if counts_per_bit else np.uint8))
    writer.release()
    return path


def number_in(image: np.ndarray) -> int:
    """The number shown by the bars of a frame."""
    grey = image if image.ndim == 2 else image[:, :, 0]
    bars = grey.reshape(HEIGHT_PX, BITS, BIT_PX)[:, :, 2:-2].mean((0, 2))
    return sum(1 << bit for bit in range(BITS) if bars[bit] > 100)


def set_matroska_times(path: Path, times_ms: Sequence[int], duration_ms: float) -> None:
    """Set the times of the frames of a Matroska file, and its duration."""
    data, frame, cluster_ms = bytearray(path.read_bytes()), 0, 0
    for name, start, end in _elements(data, 0, len(data)):
        if name == CLUSTER_MS:
            cluster_ms = int.from_bytes(data[start:end], "big")
        elif name in BLOCKS:
            data[start + 1 : start + 3] = struct.pack(">h", times_ms[frame] - cluster_ms)
            frame += 1
        elif name == DURATION:
            data[start:end] = struct.pack(">d" if end - start == 8 else ">f", duration_ms)
    assert frame == len(times_ms)
    at = data.find(b"00:00:0")  # the duration of the track
    data[at : at + 18] = f"00:00:{duration_ms / 1e3:012.9f}".encode()
    path.write_bytes(data)


def _elements(data: bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(name, begin, end) of each innermost element of a Matroska file, in order."""
    while at < end:
        name, at = _number(data, at, keep=True)
        size, at = _number(data, at)
        stop = min(at + size, end)
        if name in (SEGMENT, CLUSTER, GROUP, INFO):
            yield from _elements(data, at, stop)
        else:
            yield name, at, stop
        at = stop


def _number(data: bytearray, at: int, keep: bool = False) -> tuple[int, int]:
    """(a number of variable length, the position after it); `keep`: with the bit that marks its length."""
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return value if keep else value & (1 << 7 * length) - 1, at + length


def set_mp4_intervals(path: Path, counts_and_steps: Sequence[tuple[int, int]]) -> None:
    """Set the frame intervals of an MP4: pairs (number of frames, multiple of the even interval)."""
    data = bytearray(path.read_bytes())
    table = data.find(b"stts")
    entries, _, step = struct.unpack(">III", data[table + 8 : table + 20])
    assert entries == 1
    new = b"".join(struct.pack(">II", count, steps * step) for count, steps in counts_and_steps)
    ticks = step * sum(count * steps for count, steps in counts_and_steps)
    media, film = data.find(b"mdhd"), data.find(b"mvhd")
    (ticks_hz,), (film_hz,) = (struct.unpack(">I", data[at + 16 : at + 20]) for at in (media, film))
    for box, offset, value in ((b"mdhd", 20, ticks), *((name, at, ticks * film_hz // ticks_hz) for name, at in
                               ((b"mvhd", 20), (b"tkhd", 28 - 4), (b"elst", 12)))):  # fmt: skip
        at = data.find(box)
        data[at + offset : at + offset + 4] = struct.pack(">I", value)
    data[table + 8 : table + 20] = struct.pack(">I", len(counts_and_steps)) + new
    for box in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = data.find(box) - 4
        data[at : at + 4] = struct.pack(">I", int.from_bytes(data[at : at + 4], "big") + len(new) - 8)
    assert data.find(b"moov") > data.find(b"mdat")  # otherwise the frames would move
    path.write_bytes(data)


def trim_mp4(path: Path, first: int, count: int) -> None:
    """Restrict an even MP4 to `count` frames by its edit list, as phones do when they trim a film."""
    data = bytearray(path.read_bytes())
    step, edits = int.from_bytes(data[(at := data.find(b"stts")) + 16 : at + 20], "big"), data.find(b"elst")
    duration = int.from_bytes(data[edits + 12 : edits + 16], "big")
    frames = int.from_bytes(data[at + 12 : at + 16], "big")
    data[edits + 12 : edits + 20] = struct.pack(">II", duration * count // frames, first * step)
    path.write_bytes(data)


def set_avi_count(path: Path, count: int) -> None:
    """Set the number of frames in the header of an AVI."""
    data = bytearray(path.read_bytes())
    for header, offset in ((b"avih", 24), (b"strh", 40)):
        at = data.find(header) + offset
        data[at : at + 4] = struct.pack("<I", count)
    path.write_bytes(data)


def empty_avi_frames(path: Path, numbers: Sequence[int]) -> None:
    """Make frames of an AVI empty, as in a recording whose camera delivered no frame in time."""
    data = path.read_bytes()
    at = data.find(b"movi") + 4
    head, frames, index = bytearray(data[:at]), bytearray(), bytearray()
    while (name := data[at : at + 4]) != b"idx1":
        (size,) = struct.unpack("<I", data[at + 4 : at + 8])
        kept = 0 if len(index) // 16 in numbers else size
        index += name + struct.pack("<III", 16, 4 + len(frames), kept)
        frames += name + struct.pack("<I", kept) + data[at + 8 : at + 8 + kept + kept % 2]
        at += 8 + size + size % 2
    place = head.rfind(b"LIST") + 4
    head[place : place + 4] = struct.pack("<I", len(frames) + 4)
    made = head + frames + b"idx1" + struct.pack("<I", len(index)) + index
    made[4:8] = struct.pack("<I", len(made) - 8)
    path.write_bytes(made)

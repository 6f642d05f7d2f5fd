"""The galvo protocol as bytes (description: docs/galvo-protocol.md). Pure functions for driver and emulator.

    frame = COBS(kind u8, sequence u16, length u16, payload) + 3 bytes of CRC + 0x00

COBS: Cheshire and Baker, IEEE/ACM Trans. Networking 7, 159 (1999). The CRC is CRC-16/CCITT-FALSE of the stuffed
bytes, so that a damaged byte on the line is an error burst of at most 8 bits, which the CRC always detects.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

VERSION = 1
END = b"\0"
LARGEST_CODE = 32767  # +range of the converter; -range is -32767
FULL_POWER = 65535  # fraction 1 of the laser's set point
HEADER = struct.Struct("<BHH")
INFO = struct.Struct("<BIHhhhhHIIIHB")
DONE = struct.Struct("<BBHHIHI")
BATCH = struct.Struct("<HH")
REFUSED = struct.Struct("<BH")
SPOT = np.dtype([("x", "<i2"), ("y", "<i2"), ("power", "<u2"), ("dwell_ns", "<u4")])  # packed: 10 bytes


class Damaged(Exception):
    """The bytes are not a valid message."""


class Message(IntEnum):
    """Kind of a frame. Answers have the top bit set."""

    HELLO = 0x01
    BATCH = 0x02
    BLANK = 0x03
    STATUS = 0x04
    INFO = 0x81
    DONE = 0x82
    REFUSED = 0xFF


class Cause(IntEnum):
    """LIT, or the cause of a dark beam."""

    LIT = 0
    POWER_UP = 1
    BLANKED = 2
    WATCHDOG = 3
    REFUSED = 4


class Refusal(IntEnum):
    """Reason why a request was refused."""

    UNKNOWN = 1
    LENGTH = 2
    TOO_MANY = 3
    OUTSIDE = 4
    DWELL = 5
    WATCHDOG = 6


REFUSALS = {
    Refusal.UNKNOWN: "it does not know this message",
    Refusal.LENGTH: "the message has the wrong length",
    Refusal.TOO_MANY: "there are more spots than it can hold, or none",
    Refusal.OUTSIDE: "a spot is outside of its field",
    Refusal.DWELL: "a visit is shorter than it can make",
    Refusal.WATCHDOG: "the watchdog's time is 0 or too long",
}


@dataclass(frozen=True)
class Packet:
    kind: int
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True)
class Info:
    """Description of a device. `boot` has a new value after each power-up."""

    boot: int
    range_v: float
    low: tuple[int, int]  # its field, in codes of the converter
    high: tuple[int, int]
    spots: int  # largest number in a batch
    min_dwell_ns: int
    settle_ns: int
    delay_ns: int  # from the end of a batch to its first visit
    longest_watchdog_ms: int
    name: str
    version: int = VERSION


@dataclass(frozen=True)
class Done:
    """State of a device after a request. `table_crc` is the CRC of the spots in its memory."""

    cause: Cause
    spots: int
    table_crc: int
    visits: int  # since it was switched on, modulo 2**32
    watchdogs: int  # number of times that the watchdog has blanked the beam since then
    boot: int

    @property
    def lit(self) -> bool:
        return self.cause is Cause.LIT


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, no reflection; of b"123456789" it is 0x29B1."""
    return crc_hqx(data, 0xFFFF)


def stuff(data: bytes) -> bytes:
    """COBS: the same data without a zero byte."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes([len(run) + 1]) + run
    return bytes(out)


def unstuff(data: bytes) -> bytes:
    """The inverse of `stuff`. Raises Damaged."""
    out = bytearray()
    position = 0
    while position < len(data):
        code = data[position]
        run = data[position + 1 : position + code]
        position += code
        if code == 0 or len(run) != code - 1:
            raise Damaged("a block of the frame is cut off")
        out += run
        if code < 255 and position < len(data):
            out.append(0)
    return bytes(out)


def frame(packet: Packet) -> bytes:
    """A packet as bytes for the line, with the end byte."""
    body = stuff(HEADER.pack(packet.kind, packet.sequence, len(packet.payload)) + packet.payload)
    crc = crc16(body)
    return body + bytes([0x80 | crc >> 14, 0x80 | crc >> 7 & 0x7F, 0x80 | crc & 0x7F]) + END


def unframe(piece: bytes) -> Packet:
    """The packet in the bytes between two end bytes. Raises Damaged."""
    body, digits = piece[:-3], piece[-3:]
    crc = crc16(body)
    if digits != bytes([0x80 | crc >> 14, 0x80 | crc >> 7 & 0x7F, 0x80 | crc & 0x7F]):
        raise Damaged("the check sum is wrong")
    data = unstuff(body)
    if len(data) < HEADER.size:
        raise Damaged("the frame is too short")
    kind, sequence, length = HEADER.unpack_from(data)
    if length != len(data) - HEADER.size:
        raise Damaged("the frame has another length than it says")
    return Packet(kind, sequence, data[HEADER.size :])


class Reader:
    """Splits bytes into packets. Damaged ones are counted and skipped up to the next end byte."""

    def __init__(self, longest: int = 65536) -> None:
        self.damaged = 0
        self._longest = longest
        self._partial = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete."""
        *pieces, self._partial = (self._partial + data).split(END)
        packets = []
        for piece in pieces:
            try:
                if piece:
                    packets.append(unframe(piece))
            except Damaged:
                self.damaged += 1
        if len(self._partial) > self._longest:
            self._partial = b""
            self.damaged += 1
        return packets


def batch(watchdog_ms: int, spots: NDArray[np.void]) -> bytes:
    """The payload of a BATCH; spots [M] of SPOT."""
    return BATCH.pack(watchdog_ms, len(spots)) + spots.tobytes()


def unbatch(payload: bytes) -> tuple[int, NDArray[np.void]]:
    """(watchdog_ms, spots [M]). Raises Damaged."""
    if len(payload) < BATCH.size:
        raise Damaged("a batch is too short")
    watchdog_ms, count = BATCH.unpack_from(payload)
    if len(payload) != BATCH.size + count * SPOT.itemsize:
        raise Damaged("a batch has another length than its number of spots says")
    return watchdog_ms, np.frombuffer(payload, SPOT, offset=BATCH.size)


def info(values: Info) -> bytes:
    """The payload of an INFO."""
    name = values.name.encode("ascii")
    return INFO.pack(
        values.version, values.boot, round(values.range_v * 1e3), *values.low, *values.high, values.spots,
        values.min_dwell_ns, values.settle_ns, values.delay_ns, values.longest_watchdog_ms, len(name),
    ) + name  # fmt: skip


def uninfo(payload: bytes) -> Info:
    """The Info in a payload. Raises Damaged, also for another protocol version."""
    if len(payload) < INFO.size:
        raise Damaged("its description is too short")
    version, boot, range_mv, low_x, low_y, high_x, high_y, *limits, length = INFO.unpack_from(payload)
    name = payload[INFO.size :]
    if version != VERSION:
        raise Damaged(f"it speaks version {version} of the protocol, and {VERSION} is needed")
    if len(name) != length or not name.decode("ascii", "replace").isprintable() or not name.isascii():
        raise Damaged("its name is not readable")
    spots, min_dwell_ns, settle_ns, delay_ns, longest_ms = limits
    return Info(
        boot, range_mv / 1e3, (low_x, low_y), (high_x, high_y), spots, min_dwell_ns, settle_ns, delay_ns, longest_ms,
        name.decode("ascii"),
    )  # fmt: skip


def done(values: Done) -> bytes:
    """The payload of a DONE."""
    return DONE.pack(
        values.lit, values.cause, values.spots, values.table_crc, values.visits, values.watchdogs, values.boot
    )


def undone(payload: bytes) -> Done:
    """The Done in a payload. Raises Damaged."""
    if len(payload) != DONE.size:
        raise Damaged("its status has the wrong length")
    lit, cause, spots, table_crc, visits, watchdogs, boot = DONE.unpack(payload)
    if cause not in set(Cause) or bool(lit) is not (cause == Cause.LIT):
        raise Damaged("its status contradicts itself")
    return Done(Cause(cause), spots, table_crc, visits, watchdogs, boot)


def refused(code: Refusal, spot: int = 0) -> bytes:
    """The payload of a REFUSED; `spot` is the first invalid one."""
    return REFUSED.pack(code, spot)


def why_refused(payload: bytes) -> str:
    """The reason of a REFUSED in words. Raises Damaged."""
    if len(payload) != REFUSED.size:
        raise Damaged("its refusal has the wrong length")
    code, spot = REFUSED.unpack(payload)
    if code not in set(Refusal):
        return f"code {code}"
    return REFUSALS[Refusal(code)] + (f" (spot {spot})" if code in (Refusal.OUTSIDE, Refusal.DWELL) else "")

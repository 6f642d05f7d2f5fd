"""A galvo on a serial line with the protocol of docs/galvo-protocol.md. It steers and dims, and has a watchdog."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Gt, Interval, settings
from control.contract import Clock, Fault
from drivers import galvo_protocol as protocol
from drivers.device_settings import RealDeflector
from drivers.galvo_protocol import Damaged, Done, Info, Message, Packet
from drivers.light_protocols import DeflectorReadback
from drivers.readback import Returned
from drivers.serial_line import FASTEST_BAUD, SerialLine

Floats = NDArray[np.float64]

TRIES = 2  # every request may be repeated: the device recognises a repeated sequence number
REMEMBERED = 1000  # round trips
BY_ITSELF = "had gone dark by itself: its watchdog had not heard of us in time"
ROUNDING = 1e-6  # of a power's step


@settings
class SerialGalvo(RealDeflector):
    """A galvo with the open protocol of this project (docs/galvo-protocol.md) at a serial port."""

    address_key: ClassVar[str] = "port"
    emulator: ClassVar[str] = "galvo"
    blanks: ClassVar[bool] = True

    kind: Literal["serial_galvo"] = "serial_galvo"
    port: Annotated[str, Doc("/dev/ttyACM0, COM3, or what an emulator was linked to")]
    baud: Annotated[int, Interval(gt=0, le=FASTEST_BAUD), Doc("bits per second; a USB port ignores it")] = 115200
    v_per_um: Annotated[float, Interval(ge=1e-6, le=1e4), Doc("voltage that moves the spot by 1 um in the sample")] = (
        0.25
    )
    range_v: Annotated[float, Gt(0), Doc("the field is -range_v to +range_v on each axis, or the device's")] = 10.0
    watchdog_s: Annotated[float, Gt(0), Doc("the device blanks the beam after so long without a new batch")] = 0.1
    timeout_s: Annotated[float, Gt(0), Doc("longest wait for an answer; a request is sent twice")] = 0.02
    settle_s: Annotated[float, Ge(0), Doc("dark time of a jump, planned for; not below the device's")] = 1e-5
    delay_s: Annotated[float, Ge(0), Doc("from the command to the first visit, planned for")] = 1e-3
    min_dwell_s: Annotated[float, Ge(0), Doc("shortest visit, planned for; not below the device's")] = 2e-5

    @property
    def dead_man(self) -> str:
        """State of the light after the program has died."""
        return f"its own watchdog: it blanks the beam {self.watchdog_s:g} s after the last command, or sooner"

    def open(self, clock: Clock) -> SerialGalvoDriver:
        """Raises Fault if no galvo answers, or if it does not fit the settings."""
        return SerialGalvoDriver(self, clock)

    def put_out(self, clock: Clock, longest_s: float = math.inf) -> None:
        config = replace(self, timeout_s=min(self.timeout_s, longest_s))
        SerialGalvoDriver(config, clock).close()  # the greeting darkens it and checks that


class SerialGalvoDriver:
    """The Deflector plug, and the Modulator, over a serial line. Raises Fault if no galvo answers.

    `steer` stores a batch. `modulate` sends it with its powers, and compares the check sum of the device's spots with
    that of the sent ones. After a lost connection or a restart of the device, `modulate` raises Fault, and only `blank`
    connects again.
    """

    def __init__(self, config: SerialGalvo, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._sequence = 0
        self._reader = protocol.Reader()
        self._staged: NDArray[np.void] | None = None
        self._lit_until_s = float("inf")  # after this time its watchdog has blanked the beam
        self._info: Info | None = None
        self._watchdogs = 0
        self._trips_s: deque[float] = deque(maxlen=REMEMBERED)
        self._line = SerialLine("the galvo", config.port, config.baud, config.timeout_s, self._greet)
        self._line.connect()

    @property
    def info(self) -> Info:
        """The device's description in its last greeting. Raises Fault before that."""
        if self._info is None:
            raise Fault(self._line.trouble)
        return self._info

    @property
    def firmware(self) -> str:
        return self.info.name

    @property
    def identity(self) -> str:
        """Its name. It has no serial number, so that two galvos with the same name can't be distinguished."""
        return self.info.name

    @property
    def low_v(self) -> tuple[float, float]:
        x, y = self.info.low
        return max(x * self._step_v, -self._config.range_v), max(y * self._step_v, -self._config.range_v)

    @property
    def high_v(self) -> tuple[float, float]:
        x, y = self.info.high
        return min(x * self._step_v, self._config.range_v), min(y * self._step_v, self._config.range_v)

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its reported values beside the settings. The delay includes the median of the last round trips."""
        config, info = self._config, self.info
        return (
            Returned("deflector.range_v", config.range_v, info.range_v),
            Returned("deflector.settle_s", config.settle_s, info.settle_ns * 1e-9),
            Returned("deflector.min_dwell_s", config.min_dwell_s, info.min_dwell_ns * 1e-9),
            Returned("deflector.delay_s", config.delay_s, info.delay_ns * 1e-9 + float(np.median(self.round_trip_s))),
        )

    @property
    def round_trip_s(self) -> Floats:
        """[K] times from a request to its answer, the last ones."""
        return np.array(self._trips_s)

    def steer(self, position_v: Floats, dwell_s: Floats) -> DeflectorReadback:
        """Store the visits, rounded to the converter's steps and to ns; the beam moves at the next `modulate`."""
        self._staged = None
        if self._line.trouble:
            raise Fault(self._line.trouble)
        info = self.info
        codes = np.rint(position_v / self._step_v)  # [M, 2]
        if not ((position_v >= self.low_v) & (position_v <= self.high_v)).all():
            raise Fault(f"{self._line.what}: a spot is outside of the field that it can reach")
        if not 0 < len(codes) <= info.spots:
            raise Fault(f"{self._line.what}: {len(codes)} spots were asked, and it holds {info.spots}")
        dwell_ns = np.rint(np.maximum(dwell_s, self._config.min_dwell_s) * 1e9)  # [M]
        dwell_ns = np.clip(dwell_ns, max(info.min_dwell_ns, 1), 2**32 - 1)
        spots = np.zeros(len(codes), protocol.SPOT)
        spots["x"], spots["y"], spots["dwell_ns"] = codes[:, 0], codes[:, 1], dwell_ns
        self._staged = spots
        return DeflectorReadback(codes * self._step_v, dwell_ns * 1e-9, self._clock.now_s() + self._config.delay_s)

    def modulate(self, fraction: Floats, at_most_s: float) -> Floats:
        """Send the fractions, rounded down to the modulator's steps, with the visits of the last `steer`."""
        spots, self._staged = self._staged, None
        if spots is None or len(spots) != len(fraction):
            raise Fault(f"{self._line.what} was asked for light before it was steered")
        if not ((fraction >= 0) & (fraction <= 1)).all():
            raise Fault(f"{self._line.what}: a power is not between nothing and the laser's set point")
        power = np.floor(fraction * protocol.FULL_POWER + ROUNDING)  # [M]
        spots["power"] = power
        longest_s = min(self._config.watchdog_s, at_most_s, self.info.longest_watchdog_ms * 1e-3)
        sent_s = self._clock.now_s()
        if sent_s > self._lit_until_s:  # a late batch must not light the beam again
            self._watchdogs = self._blanked().watchdogs
            raise Fault(f"{self._line.what} {BY_ITSELF}")
        done = self._do(Message.BATCH, protocol.batch(max(int(longest_s * 1e3), 1), spots))
        self._lit_until_s = sent_s + longest_s  # the device counts from the request: its answer may come late
        self._check(done, spots)
        return np.asarray(power / protocol.FULL_POWER, np.float64)

    def blank(self) -> None:
        self._staged = None
        self._line.connect()
        if self._blanked().lit:
            raise Fault(f"{self._line.what} reports a lit beam after a command to go dark")

    def _blanked(self) -> Done:
        done = self._do(Message.BLANK)
        self._lit_until_s = float("inf")
        return done

    def status(self) -> str:
        try:
            self._line.connect()
            self._do(Message.STATUS)
        except Fault as fault:
            return str(fault)
        return "ready"

    def close(self) -> None:
        """Darken the beam, and release the port. `blank` confirms that it is dark; the guard calls it before."""
        try:
            if not self._line.trouble:
                with suppress(Fault):
                    self.blank()
        finally:
            self._line.close()

    @property
    def _step_v(self) -> float:
        return self.info.range_v / protocol.LARGEST_CODE

    def _check(self, done: Done, spots: NDArray[np.void]) -> None:
        """Raises Fault unless the device executed the request."""
        if not done.lit:
            raise Fault(f"{self._line.what} stays dark: {done.cause.name.lower().replace('_', ' ')}")
        if (done.spots, done.table_crc) != (len(spots), protocol.crc16(spots.tobytes())):
            raise Fault(f"{self._line.what} holds other spots than it was sent")
        if done.watchdogs != self._watchdogs:
            self._watchdogs = done.watchdogs
            raise Fault(f"{self._line.what} {BY_ITSELF}")

    def _greet(self) -> None:
        """Identify the device and darken it. Raises Fault if it does not fit the settings."""
        self._reader = protocol.Reader()
        answer = self._ask(Message.HELLO, Message.INFO)
        try:
            info = protocol.uninfo(answer.payload)
        except Damaged as damaged:
            raise Fault(f"{self._line.what}: {damaged}") from None
        if self._info is not None:
            self._line.require_same(self._info.name, info.name)
        for name, planned_s, needed_ns in (
            ("settle_s", self._config.settle_s, info.settle_ns),
            ("min_dwell_s", self._config.min_dwell_s, info.min_dwell_ns),
            ("delay_s", self._config.delay_s, info.delay_ns),
        ):
            if round(planned_s * 1e9) < needed_ns:
                raise Fault(f"{self._line.what}: deflector.{name} is {planned_s:g} s, and the device needs "
                            f"{needed_ns * 1e-9:g} s")  # fmt: skip
        self._info = info
        done = self._do(Message.BLANK)
        self._watchdogs = done.watchdogs
        if done.lit:
            raise Fault(f"{self._line.what} can't be made dark")

    def _do(self, kind: Message, payload: bytes = b"") -> Done:
        """Send a request and return its result. Raises Fault if the device has restarted since its greeting."""
        answer = self._ask(kind, Message.DONE, payload)
        try:
            done = protocol.undone(answer.payload)
        except Damaged as damaged:
            raise Fault(f"{self._line.what}: {damaged}") from None
        if done.boot != self.info.boot:
            raise self._line.lost("it was started anew")
        return done

    def _ask(self, kind: Message, expected: Message, payload: bytes = b"") -> Packet:
        self._sequence = (self._sequence + 1) % 2**16
        sequence = self._sequence

        def read(piece: bytes) -> Packet | None:
            for packet in self._reader.feed(piece + protocol.END):
                if packet.sequence == sequence and packet.kind in (expected, Message.REFUSED):
                    return packet
            return None

        began_s = time.perf_counter()
        tries = 1 if kind is Message.HELLO else TRIES  # a missing device is tried again soon
        answer = self._line.ask(protocol.frame(Packet(kind, sequence, payload)), protocol.END, read, tries=tries)
        self._trips_s.append(time.perf_counter() - began_s)
        if answer.kind == Message.REFUSED:
            try:
                raise Fault(f"{self._line.what} refused: {protocol.why_refused(answer.payload)}")
            except Damaged as damaged:
                raise Fault(f"{self._line.what} refused, and did not say why ({damaged})") from None
        return answer

"""An emulated galvo: the device's side of docs/galvo-protocol.md, with its beam and its watchdog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import galvo_protocol as protocol
from drivers.galvo_protocol import Cause, Damaged, Done, Info, Message, Packet, Refusal

NOTHING: NDArray[np.void] = np.empty(0, protocol.SPOT)


class GalvoDevice:
    """Bytes in, answers out, at given times. Changes of the beam are reported through `tell`, with times in ns."""

    def __init__(self, info: Info, notify: Callable[[dict[str, Any]], None], now_ns: int) -> None:
        self.info, self._notify = info, notify
        self._reader = protocol.Reader()
        self._spots = NOTHING
        self._cause = Cause.POWER_UP
        self._until_ns: int | None = None
        self._since_ns = now_ns
        self._visits = 0
        self._watchdogs = 0
        self._last_batch: tuple[int, Packet | None] | None = None  # sequence, refusal
        self._dark(Cause.POWER_UP, now_ns)

    @property
    def deadline_ns(self) -> int | None:
        """Time at which the watchdog will blank the beam; None: dark."""
        return self._until_ns

    def expire(self, now_ns: int) -> None:
        """Let the watchdog act, with its due time."""
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._watchdogs = (self._watchdogs + 1) % 2**16
            self._dark(Cause.WATCHDOG, self._until_ns)

    def state(self) -> dict[str, Any]:
        """State of the beam, as reported through `tell`."""
        if self._cause is not Cause.LIT:
            return {"beam": "dark", "cause": self._cause.name, "time_ns": self._since_ns}
        step_v = self.info.range_v / protocol.LARGEST_CODE
        return {
            "beam": "lit",
            "time_ns": self._since_ns,
            "position_v": np.column_stack([self._spots["x"] * step_v, self._spots["y"] * step_v]).tolist(),
            "fraction": (self._spots["power"] / protocol.FULL_POWER).tolist(),
            "dwell_ns": self._spots["dwell_ns"].tolist(),
            "settle_ns": self.info.settle_ns,
            "until_ns": self._until_ns,
        }

    def receive(self, data: bytes, now_ns: int) -> list[bytes]:
        """The answers to the complete packets in `data` and before."""
        self.expire(now_ns)
        return [protocol.frame(self._answer(packet, now_ns)) for packet in self._reader.feed(data)]

    def interlock(self, closed: bool, now_ns: int) -> None:
        """Do nothing: only the laser has an interlock."""

    def power(self, factor: float, now_ns: int) -> None:
        """Do nothing: only the laser has a power."""

    def mode(self, number: int) -> None:
        """Do nothing: only the laser has modes."""

    def _answer(self, packet: Packet, now_ns: int) -> Packet:
        last_batch, self._last_batch = self._last_batch, None
        match packet.kind:
            case Message.HELLO:
                return Packet(Message.INFO, packet.sequence, protocol.info(self.info))
            case Message.BATCH if last_batch is not None and last_batch[0] == packet.sequence:
                self._last_batch = last_batch
                return last_batch[1] or self._done(packet.sequence, now_ns)
            case Message.BATCH:
                answer = self._batch(packet, now_ns)
                self._last_batch = packet.sequence, answer if answer.kind == Message.REFUSED else None
                return answer
            case Message.BLANK:
                self._dark(Cause.BLANKED, now_ns)
                return self._done(packet.sequence, now_ns)
            case Message.STATUS:
                return self._done(packet.sequence, now_ns)
        return Packet(Message.REFUSED, packet.sequence, protocol.refused(Refusal.UNKNOWN))

    def _batch(self, packet: Packet, now_ns: int) -> Packet:
        try:
            watchdog_ms, spots = protocol.unbatch(packet.payload)
        except Damaged:
            return self._refuse(packet, Refusal.LENGTH, 0, now_ns)
        places = np.column_stack([spots["x"], spots["y"]])
        outside = ((places < self.info.low) | (places > self.info.high)).any(axis=1)
        short = spots["dwell_ns"] < self.info.min_dwell_ns
        if not 0 < len(spots) <= self.info.spots:
            return self._refuse(packet, Refusal.TOO_MANY, 0, now_ns)
        if outside.any():
            return self._refuse(packet, Refusal.OUTSIDE, int(outside.argmax()), now_ns)
        if short.any():
            return self._refuse(packet, Refusal.DWELL, int(short.argmax()), now_ns)
        if not 0 < watchdog_ms <= self.info.longest_watchdog_ms:
            return self._refuse(packet, Refusal.WATCHDOG, 0, now_ns)
        self._count_visits(now_ns)
        self._spots, self._cause, self._since_ns = spots, Cause.LIT, now_ns + self.info.delay_ns
        self._until_ns = now_ns + watchdog_ms * 1_000_000
        self._notify({"event": "batch", "sequence": packet.sequence, "received_ns": now_ns, **self.state()})
        return self._done(packet.sequence, now_ns)

    def _refuse(self, packet: Packet, why: Refusal, spot: int, now_ns: int) -> Packet:
        """Refuse a batch and go dark, since the batch before it is out of date."""
        self._dark(Cause.REFUSED, now_ns)
        return Packet(Message.REFUSED, packet.sequence, protocol.refused(why, spot))

    def _dark(self, cause: Cause, at_ns: int) -> None:
        changed = cause is not self._cause or cause is Cause.POWER_UP
        self._count_visits(at_ns)
        self._spots, self._cause, self._until_ns = NOTHING, cause, None
        if changed:
            self._since_ns = at_ns
            self._notify({"event": "dark", **self.state()})

    def _count_visits(self, now_ns: int) -> None:
        """Add the complete visits since the table began, jumps included."""
        if self._cause is Cause.LIT:
            visit_ns = self._spots["dwell_ns"].astype(np.int64) + self.info.settle_ns
            cycles, remainder_ns = divmod(max(now_ns - self._since_ns, 0), int(visit_ns.sum()))
            visits = cycles * len(visit_ns) + int(np.searchsorted(np.cumsum(visit_ns), remainder_ns, "right"))
            self._visits = (self._visits + visits) % 2**32

    def _done(self, sequence: int, now_ns: int) -> Packet:
        crc = protocol.crc16(self._spots.tobytes())
        done = Done(self._cause, len(self._spots), crc, self._visits, self._watchdogs, self.info.boot)
        return Packet(Message.DONE, sequence, protocol.done(done))

"""Serial devices with random replies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.rules import NASTY, Broken, sentence

WORDS = (
    b"OK",
    b"0",
    b"1",
    b"200",
    b"0.2",
    b"nan",
    b"inf",
    b"-1",
    b"1e308",
    b"Syntax error: x",
    b"",
    b"\xff\xfe",
    b"\x1b[31m",
    b"9" * 5000,
)


class Chatter:
    """Replaces `serial.Serial`: its replies are random; some have the right form."""

    def __init__(self, chance: Random, frames: bool) -> None:
        self.chance, self.frames = chance, frames
        self._waiting = b""
        self._asked = b""

    @property
    def in_waiting(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes) -> int:
        self._asked = bytes(data)
        for _ in range(self.chance.choice((0, 1, 1, 2, 20))):
            self._waiting += self._frame() if self.frames and self.chance.random() < 0.7 else self._line()
        return len(data)

    def read(self, size: int = 1) -> bytes:
        if not self._waiting and self.chance.random() < 0.2:
            self._waiting = self.chance.randbytes(self.chance.choice((1, 100, 70000)))
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def reset_output_buffer(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def reset_input_buffer(self) -> None:
        self._waiting = b""

    def close(self) -> None:
        """Nothing is open."""

    def _line(self) -> bytes:
        end = self.chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\0", b""))
        return (self.chance.choice(WORDS) if self.chance.random() < 0.8 else self.chance.randbytes(20)) + end

    def _frame(self) -> bytes:
        from drivers import galvo_protocol as protocol

        chance = self.chance
        try:
            sequence = protocol.unframe(self._asked.rstrip(protocol.END)).sequence
        except protocol.Damaged:
            sequence = 0
        kinds = [int(kind) for kind in protocol.Message]
        info = protocol.Info(1, 10.0, (-32000, -32000), (32000, 32000), 64, 0, 0, 0, 1000, "x")
        payload = chance.choice(
            (
                protocol.info(info),
                chance.randbytes(protocol.INFO.size),
                chance.randbytes(chance.randrange(60)),
                chance.randbytes(protocol.DONE.size),
                protocol.done(protocol.Done(chance.choice(list(protocol.Cause)), 0, 0, 0, 0, 1)),
            )
        )
        return protocol.frame(protocol.Packet(chance.choice((*kinds, chance.randrange(256))), sequence, payload))


@dataclass
class Replies:
    """The drivers of the galvo and of the laser, and the protocol alone."""

    folder: Path
    name: str = "replies"

    def prepare(self) -> None:
        for seed in range(30):
            with suppress(Broken):
                self.case(Random(seed), self.folder)

    def case(self, chance: Random, folder: Path) -> float:
        import numpy as np
        import serial

        from control.contract import Fault
        from drivers import galvo_protocol
        from drivers.deflectors.serial_galvo import SerialGalvo, SerialGalvoDriver
        from drivers.lasers.cobolt import Cobolt, CoboltDriver

        class Clock:
            def now_s(self) -> float:
                return 0.0

        class Modulator:
            def modulate(self, fraction: Any, at_most_s: float) -> Any:
                return fraction

            def blank(self) -> None: ...

        galvo = chance.random() < 0.5
        galvo_protocol.Reader().feed(chance.randbytes(chance.randrange(3000)))
        real = serial.Serial
        serial.Serial = lambda *args, **more: Chatter(chance, galvo)
        try:
            driver: Any
            if galvo:
                driver = SerialGalvoDriver(SerialGalvo(port=chance.choice(NASTY), timeout_s=0.002), Clock())
            else:
                driver = CoboltDriver(Cobolt(port="x", timeout_s=0.002), Modulator())
            for step in range(4):
                try:
                    if galvo:
                        driver.steer(np.zeros((1, 2)), np.full(1, 1e-3))
                        driver.modulate(np.full(1, 0.5), 0.1)
                    else:
                        driver.shine(np.full(1, 10.0), 0.1)
                        driver.off()
                    sentence(Fault(driver.status() or "-"))
                except Fault as fault:
                    sentence(fault)
                if step == 3:
                    driver.close()
        except Fault as fault:
            sentence(fault)
        finally:
            serial.Serial = real
        return 0.0

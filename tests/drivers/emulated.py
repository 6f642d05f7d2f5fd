"""Orders to the emulated devices, and their state from their logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from control.contract import Fault
from drivers.deflectors.serial_galvo import SerialGalvo, SerialGalvoDriver
from drivers.emulate.child import Child
from drivers.lasers.cobolt import Cobolt, CoboltDriver
from drivers.sim.clock import PacedClock
from tests.patience import PATIENCE_S


def eventually(true: Callable[[], Any], timeout_s: float = PATIENCE_S) -> bool:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if true():
            return True
        time.sleep(0.002)
    return bool(true())


def beam_of(child: Child) -> dict[str, Any]:
    """The latest state of the beam in the log of the emulator."""
    return next(event for event in reversed(child.events) if "beam" in event)


@dataclass(frozen=True)
class Emulated:
    """Two emulators, and drivers for them with time limits that suit a busy computer."""

    galvo: Child
    laser: Child
    opened: list[SerialGalvoDriver | CoboltDriver] = field(default_factory=list)  # by the current test

    def order(self, child: Child, words: str) -> None:
        child.order(words)
        assert child.wait_for("order", order=words) is not None

    def open_galvo(self, **changes: Any) -> SerialGalvoDriver:
        made: dict[str, Any] = {"timeout_s": 0.5, "watchdog_s": 1.0, **changes}
        galvo = SerialGalvoDriver(SerialGalvo(port=str(self.galvo.link), **made), PacedClock(1.0))
        self.opened.append(galvo)
        return galvo

    def open_laser(self, galvo: SerialGalvoDriver, **changes: Any) -> CoboltDriver:
        laser = CoboltDriver(Cobolt(port=str(self.laser.link), **{"timeout_s": 0.5, **changes}), galvo)
        try:
            laser.reset()  # of the faults of other tests
        except BaseException:
            laser.close()  # otherwise the port is taken at the next attempt
            raise
        self.opened.append(laser)
        return laser

    def close(self) -> None:
        """Close the devices that a test left open; otherwise their ports are taken in the next test."""
        while self.opened:
            with suppress(Fault):  # of a device that the test has made silent
                self.opened.pop().close()

    @property
    def lit(self) -> bool:
        """Whether light reaches the sample."""
        galvo, laser = beam_of(self.galvo), beam_of(self.laser)
        return galvo["beam"] == "lit" and laser["beam"] == "lit" and any(galvo["fraction"])

    def becomes(self, lit: bool) -> bool:
        return eventually(lambda: self.lit is lit)

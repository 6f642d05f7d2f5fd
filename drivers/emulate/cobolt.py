"""An emulated Cobolt laser: answers the driver's commands in the format of the maker's own driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OFF, CONTINUOUS, FAULT = 0, 2, 5  # gom?
CONSTANT_POWER = 1  # gam?
INTERLOCK = 3  # f?
SYNTAX = "Syntax error: illegal command"


class CoboltDevice:
    """Commands in, answers out. Changes of emission are reported through `tell`, with times in ns."""

    deadline_ns = None  # it has no watchdog

    def __init__(self, max_power_mw: float, notify: Callable[[dict[str, Any]], None], now_ns: int) -> None:
        self._max_power_mw, self._notify = max_power_mw, notify
        self._set_point_mw = 0.0
        self._emits = False
        self._closed = True  # the interlock's circuit
        self._fault = 0
        self._factor = 1.0  # emitted and measured power over the set point
        self._mode = CONSTANT_POWER
        self._autostart = True
        self._unread = b""
        self._since_ns = now_ns
        self._report("off", "power up", now_ns)

    def expire(self, now_ns: int) -> None:
        """Do nothing: there is no watchdog."""

    def state(self) -> dict[str, Any]:
        return {
            "beam": "lit" if self._emits else "dark",
            "time_ns": self._since_ns,
            "power_mw": self._power_mw,
        }

    def receive(self, data: bytes, now_ns: int) -> list[bytes]:
        """The answers to the complete commands in `data` and before."""
        *commands, self._unread = (self._unread + data).split(b"\r")
        self._unread = self._unread[-256:]
        return [self._answer(command.decode("ascii", "replace").strip(), now_ns).encode() + b"\r\n"
                for command in commands]  # fmt: skip

    def interlock(self, closed: bool, now_ns: int) -> None:
        """Set the interlock. Opening it switches the light off and is a fault until cleared."""
        self._closed = closed
        if not closed:
            self._fault = INTERLOCK
            self._switch(False, "interlock open", now_ns)

    def power(self, factor: float, now_ns: int) -> None:
        """Set the ratio of emitted power to set point."""
        self._factor = factor
        if self._emits:
            self._report("lit", "power", now_ns)

    def mode(self, number: int) -> None:
        """Set the answer to gam?, until the host sets constant power again."""
        self._mode = number

    @property
    def _power_mw(self) -> float:
        return self._set_point_mw * self._factor if self._emits else 0.0

    def _answer(self, command: str, now_ns: int) -> str:
        questions = {
            "?": "OK", "glm?": "0488-06-01-0200-100", "sn?": "EMULATED", "gfv?": "1.0", "hrs?": "0.0",
            "gmlp?": f"{self._max_power_mw:.1f}", "gam?": str(self._mode), "ilk?": str(int(not self._closed)),
            "f?": str(self._fault), "l?": str(int(self._emits)), "p?": f"{self._set_point_mw * 1e-3:.5f}",
            "pa?": f"{self._power_mw * 1e-3:.5f}", "@cobas?": str(int(self._autostart)),
            "gom?": str(FAULT if self._fault else CONTINUOUS if self._emits else OFF),
        }  # fmt: skip
        if command in questions:
            return questions[command]
        return self._obey(command, now_ns)

    def _obey(self, command: str, now_ns: int) -> str:
        name, _, value = command.partition(" ")
        match name:
            case "l0":
                self._switch(False, "l0", now_ns)
            case "l1" | "@cob1":
                if self._closed and not self._fault:
                    self._switch(True, name, now_ns)
            case "cf":
                self._fault = 0 if self._closed else INTERLOCK
            case "p":
                return self._set_power(value, now_ns)
            case "@cobas" if value in ("0", "1"):
                self._autostart = value == "1"
            case "cp":
                self._mode = CONSTANT_POWER
            case _:
                return SYNTAX
        return "OK"

    def _set_power(self, value: str, now_ns: int) -> str:
        try:
            power_mw = float(value) * 1e3
        except ValueError:
            return SYNTAX
        if not 0 <= power_mw <= self._max_power_mw * (1 + 1e-9):
            return SYNTAX
        self._set_point_mw = power_mw
        if self._emits:
            self._report("lit", "p", now_ns)
        return "OK"

    def _switch(self, emits: bool, why: str, now_ns: int) -> None:
        if emits is not self._emits:
            self._emits = emits
            self._report("lit" if emits else "off", why, now_ns)

    def _report(self, event: str, why: str, now_ns: int) -> None:
        self._since_ns = now_ns
        self._notify({"event": event, "why": why, **self.state()})

"""A Cobolt (HÜBNER Photonics) laser on a serial line, dimmed by a modulator.

Commands and their meanings are those of the maker's own driver (github.com/cobolt-lasers/pycobolt): ASCII at 115200
baud, 8N1; a command ends with CR, an answer with CR LF; powers are in W.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from config.fields import Doc, Ge, Gt, Interval, settings
from config.refused import Refused
from config.words import quoted
from control.contract import STILL_LIT, Fault
from drivers.closing import in_words
from drivers.device_settings import RealLaser
from drivers.light_protocols import Deflector, Modulator
from drivers.readback import Returned
from drivers.serial_line import AGAIN_S, FASTEST_BAUD, SerialLine

Floats = NDArray[np.float64]

FAULTS = {"1": "temperature", "3": "interlock", "4": "constant power timeout"}
MODES = {"0": "constant current", "1": "constant power", "2": "modulation"}
CONSTANT_POWER = "1"
QUESTIONS = ("pa?", "f?", "ilk?", "pa?", "l?", "gam?", "pa?", "p?")  # while it is lit, one per turn, in a cycle
LONGEST_ANSWER = 80  # characters
GOOD = {"f?": "0", "ilk?": "0", "l?": "1"}  # the correct answers
OFF = b"l0\r"
CLOSE_TRIES = 3  # attempts to confirm that emission is off, before the port is closed
PART = 0.01  # largest relative difference of the set point from the requested one


@settings
class Cobolt(RealLaser):
    """A Cobolt 04, 06 or 08 laser at a serial port. Its set point is fixed; the modulator sets the powers of spots."""

    address_key: ClassVar[str] = "port"
    emulator: ClassVar[str] = "cobolt"

    kind: Literal["cobolt"] = "cobolt"
    port: Annotated[str, Doc("/dev/ttyUSB0, COM4, or what an emulator was linked to")]
    baud: Annotated[int, Interval(gt=0, le=FASTEST_BAUD), Doc("bits per second")] = 115200
    max_power_mw: Annotated[float, Gt(0), Doc("its set point: the power of a spot with the fraction 1")] = 200.0
    timeout_s: Annotated[float, Gt(0), Doc("longest wait for an answer")] = 0.05
    linger_s: Annotated[
        float, Ge(0), Doc("emission stays on for so long behind a modulator that is confirmed dark; 0: never")
    ] = 0.0
    power_factor: Annotated[
        float, Gt(1), Doc("its measured power may be from 1/power_factor to power_factor of its set point")
    ] = 1.5
    power_settle_s: Annotated[
        float, Ge(0), Doc("its measured power may be too low for so long after it was switched on; never too high")
    ] = 1.0

    @property
    def dead_man(self) -> str:
        """State of the light after the program has died."""
        return "none: its emission stays on until it is switched off"

    def open(self, deflector: Deflector) -> CoboltDriver:
        """Raises Fault if no laser answers; Refused for a deflector that can't dim."""
        if not isinstance(deflector, Modulator):
            raise Refused(
                f"a cobolt laser has one power, and its deflector dims the spots, which {quoted(deflector.firmware)} "
                "can't (allowed: a deflector that can, as serial_galvo)"
            )
        return CoboltDriver(self, deflector)

    def put_out(self, longest_s: float = math.inf) -> None:
        put_out(replace(self, timeout_s=min(self.timeout_s, longest_s)))


def put_out(config: Cobolt) -> None:
    """Switch emission off over a separate line, after the laser's program has died. Raises Fault unless confirmed.

    The command is sent even if the laser does not answer.
    """
    line = SerialLine("the laser", config.port, config.baud, config.timeout_s, lambda: None)
    try:
        line.connect()
        line.hush(0.02)  # answers to the dead program may still come
        for command, answer in ((b"l0", "OK"), (b"l?", "0")):
            line.ask(command + b"\r", b"\r\n", partial(_answered, answer))
    except Exception:  # after any error, the command may still reach the laser
        line.write_blind(OFF)
        raise
    finally:
        line.close()


def _identity(firmware: str) -> str:
    return firmware.partition(", firmware ")[0]


def _answered(expected: str, piece: bytes) -> str | None:
    answer = piece.decode("ascii", "replace").strip()
    return answer if answer == expected else None


class CoboltDriver:
    """The Laser plug. Two shutters are in series: the modulator, and the laser's emission.

    `shine` switches emission on, sets each spot to power_mw / set point by the modulator, and sends the laser one
    query: for its measured power at least every third turn; for its fault, interlock, emission, mode and set point
    every eighth. A wrong answer is a Fault. `off` closes both shutters (emission only after linger_s, if the modulator
    is dark), and succeeds if one is confirmed; the command is sent even to a laser that does not answer. `close`
    repeats the command until the laser confirms that its emission is off, and raises Fault if it does not. An answer
    without a query is a Fault, too: a late '0' must not be taken as the answer to `f?`. After a fault of the laser the
    interlock is latched, so that the next `shine` follows an action of the operator; it clears the fault.
    """

    def __init__(self, config: Cobolt, modulator: Modulator) -> None:
        self._made, self._modulator = config, modulator
        self.max_power_mw = config.max_power_mw
        self.set_point_mw = 0.0  # as the laser returned it
        self._firmware = ""
        self._emits = False
        self._lit_s = -1e9
        self._on_s = -1e9  # when emission was switched on
        self._turn = 0
        self._sent_blind = False  # whether `l0` was sent without waiting, since emission was last on or confirmed off
        self.unconfirmed = False  # whether emission was switched off without a confirmation
        self._closed = False
        self._fault_reported = False  # whether a fault that is still in the laser was reported
        self._line = SerialLine("the laser", config.port, config.baud, config.timeout_s, self._greet)
        self._line.connect()

    @property
    def firmware(self) -> str:
        return self._firmware

    @property
    def identity(self) -> str:
        """Model and serial number, independent of the firmware."""
        return _identity(self._firmware)

    def shine(self, power_mw: Floats, at_most_s: float) -> Floats:
        """Powers above the set point are reduced to it. Raises Fault, without light, if the line is lost."""
        if self._line.trouble:
            raise Fault(self._line.trouble)
        if not self._emits:
            self._begin()
        fraction = np.minimum(power_mw / self.set_point_mw, 1.0)
        actual = self._modulator.modulate(fraction, at_most_s)
        self._lit_s = time.monotonic()
        self._ask_one()
        return actual * self.set_point_mw

    def off(self) -> None:
        errors = []
        try:
            self._modulator.blank()
        except Exception as error:  # noqa: BLE001  after any error, the other shutter must be closed
            errors.append(in_words(error))
        if errors or time.monotonic() - self._lit_s >= self._made.linger_s:
            try:
                self._line.connect()
                self._end()
            except Exception as error:  # noqa: BLE001
                errors.append(in_words(error))
                self.unconfirmed = True
                self._end_blind()
        if len(errors) == 2:
            raise Fault("; ".join(errors))

    @property
    def linger_s(self) -> float:
        """Longest time that emission stays on after `off`; then `off` must be called again."""
        return self._made.linger_s

    @property
    def returned(self) -> tuple[Returned, ...]:
        """Its set point, as last read back."""
        return (Returned("laser.max_power_mw", self._made.max_power_mw, self.set_point_mw),)

    def reset(self) -> None:
        """Clear a fault that is over. Raises Fault while the interlock is open."""
        if self._number("ilk?") != 0:
            raise Fault("the laser's interlock is open")
        self._text("cf", expect="OK")
        if (fault := self._text("f?")) != "0":
            raise Fault(f"the laser has the fault '{FAULTS.get(fault, fault)}', and it does not go away")

    def status(self) -> str:
        try:
            self._line.connect()
            if self._number("ilk?") != 0:
                return "interlock open"
            fault = self._text("f?")
        except Fault as trouble:
            return str(trouble)
        return "ready" if fault == "0" else f"fault: {FAULTS.get(fault, fault)}"

    def actual_power_mw(self) -> float:
        """The power by its own meter. Raises Fault."""
        return self._number("pa?") * 1e3

    def close(self) -> None:
        """Switch emission off and close the port. Raises Fault, with STILL_LIT, if the laser did not confirm it.

        This is needed behind a dark modulator, too: after the ports are closed, no program monitors the shutters. A
        second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._end_for_certain()
        finally:
            self._line.close()

    def _end_for_certain(self) -> None:
        why = ""
        for attempt in range(CLOSE_TRIES):
            if attempt:
                time.sleep(AGAIN_S)  # a lost line is opened again after this time
            try:
                self._line.connect()
                self._end()
            except Exception as error:  # noqa: BLE001  after any error the light may be on
                why = in_words(error)
                self._end_blind()
            else:
                return
        raise Fault(f"{STILL_LIT}: {why}")

    def _end_blind(self) -> None:
        """Send `l0` once without waiting for its answer: perhaps only the answers are lost."""
        if not self._sent_blind:
            self._sent_blind = self._line.write_blind(OFF)

    def _greet(self) -> None:
        """Identify the laser, switch it off, disable autostart, set constant power. Raises Fault, also for another one.

        Another laser stays off: its map and powers were not confirmed.
        """
        self._emits = False
        self._text("?", expect="OK")
        self._line.hush(0.02)
        self._end()
        answers = f"Cobolt {self._text('glm?')}, serial number {self._text('sn?')}, firmware {self._text('gfv?')}"
        self._line.require_same(self.identity, _identity(answers))
        self._firmware = answers
        self._text("@cobas 0", expect="OK")
        most_mw = self._number("gmlp?")
        if self._made.max_power_mw > most_mw * (1 + 1e-9):
            raise Fault(
                f"{self._line.what}: laser.max_power_mw is {self._made.max_power_mw:g}, and it gives {most_mw:g} mW"
            )
        self._set_constant_power()
        self._text(f"p {self._made.max_power_mw * 1e-3:.5f}", expect="OK")
        self.set_point_mw = self._read_set_point()

    def _begin(self) -> None:
        """Switch emission on. Raises Fault while the interlock is open, and once after a fault."""
        if self._number("ilk?") != 0:
            self._fault_reported = True
            raise Fault("the laser's interlock is open")
        if (fault := self._text("f?")) != "0":
            if not self._fault_reported:
                self._fault_reported = True
                raise Fault(f"the laser has the fault '{FAULTS.get(fault, fault)}'")
            self.reset()
        if (mode := self._text("gam?")) != CONSTANT_POWER:
            if not self._fault_reported:
                raise self._wrong_mode(mode)
            self._set_constant_power()
        self._fault_reported = False
        self._sent_blind = False  # before this light
        self._text("l1", expect="OK")
        if self._text("l?") != "1":
            raise Fault(f"{self._line.what} was switched on, and says that it is off")
        self._emits, self._on_s, self._turn = True, time.monotonic(), 0

    def _end(self) -> None:
        self._emits = False
        self._text("l0", expect="OK")
        if self._text("l?") != "0":
            raise self._line.lost("it was switched off, and says that it is on")  # the blind l0 will be answered, too
        self._sent_blind = self.unconfirmed = False

    def _ask_one(self) -> None:
        """Send the next query of QUESTIONS. Raises Fault for a wrong answer."""
        question = QUESTIONS[self._turn]
        self._turn = (self._turn + 1) % len(QUESTIONS)
        if question == "pa?":
            self._check_power()
        elif question == "p?":
            self.set_point_mw = self._read_set_point()
        elif question == "gam?":
            if (mode := self._text(question)) != CONSTANT_POWER:
                raise self._wrong_mode(mode)
        elif self._text(question) != GOOD[question]:
            raise self._not_ready("the laser has switched itself off")

    def _check_power(self) -> None:
        """Raises Fault if the power by its own meter does not fit its set point."""
        measured_mw, factor = self.actual_power_mw(), self._made.power_factor
        low_mw, high_mw = self.set_point_mw / factor, self.set_point_mw * factor
        settled = time.monotonic() - self._on_s >= self._made.power_settle_s
        if measured_mw > high_mw or (settled and measured_mw < low_mw):
            raise self._not_ready(
                f"{self._line.what}: it measures {measured_mw:.4g} mW of its light at a set point of "
                f"{self.set_point_mw:g} mW (allowed: {low_mw:.4g} to {high_mw:.4g} mW)"
            )

    def _not_ready(self, otherwise: str) -> Fault:
        """The Fault to raise, with the problem in its status, or else with `otherwise`."""
        why = self.status()
        self._fault_reported = True
        return Fault(otherwise if why == "ready" else f"the laser: {why}")

    def _wrong_mode(self, mode: str) -> Fault:
        """The Fault to raise; the next `shine`, after an action of the operator, sets the mode again."""
        self._fault_reported = True
        return Fault(f"{self._line.what}: its mode is {mode} ({MODES.get(mode, 'unknown')}), and it was set to "
                     f"{CONSTANT_POWER} ({MODES[CONSTANT_POWER]})")  # fmt: skip

    def _set_constant_power(self) -> None:
        self._text("cp", expect="OK")
        if (mode := self._text("gam?")) != CONSTANT_POWER:
            raise Fault(f"{self._line.what} was set to constant power, and says that its mode is {mode}")

    def _read_set_point(self) -> float:
        set_point_mw = self._number("p?") * 1e3
        if abs(set_point_mw - self._made.max_power_mw) > PART * self._made.max_power_mw:
            raise Fault(f"{self._line.what}: a set point of {self._made.max_power_mw:g} mW was asked, and it says "
                        f"{set_point_mw:g} mW")  # fmt: skip
        return set_point_mw

    def _number(self, question: str) -> float:
        answer = self._text(question)
        try:
            number = float(answer)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise self._line.lost(f"it answered '{answer}' to '{question}', where a number is needed")
        return number

    def _text(self, command: str, expect: str = "") -> str:
        """Its answer. Raises Fault for 'Syntax error', and for any other answer than `expect` if that is given."""

        def read(piece: bytes) -> str | None:
            answer = quoted(piece.decode("ascii", "replace").strip(), LONGEST_ANSWER)
            if command == "?" and answer != expect:
                return None  # an earlier answer
            if answer.startswith("Syntax error") or "\ufffd" in answer or (expect and answer != expect):
                raise Fault(f"{self._line.what} answered '{answer}' to '{command}'")
            return answer or None

        greets = command == "?"  # answers to an earlier program may still come; they are skipped
        return self._line.ask(command.encode("ascii") + b"\r", b"\r\n", read, in_step=not greets)

"""Faults of an emulator on demand: of its answers, its line, its interlock and its laser."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from config.refused import Refused

Answers = Literal["well", "silence", "garbage", "half", "late"]

WORDS = (
    "well, silence, garbage, half, late SECONDS, disconnect, connect, interlock open, interlock closed, power FACTOR, "
    "mode NUMBER, end"
)
MODES = ("0", "1", "2")  # of a laser: constant current, constant power, modulation
LARGEST_FACTOR = 1000.0


@dataclass(frozen=True)
class Trouble:
    """State of the faults."""

    answers: Answers = "well"
    late_s: float = 0.0
    plugged: bool = True
    interlock_closed: bool = True
    power_factor: float = 1.0  # emitted power over the set point
    mode: int | None = None  # new mode of the laser; None: unchanged
    ended: bool = False


def ordered(faults: Trouble, line: str) -> Trouble:
    """The state after one line of the control channel. Raises Refused for anything not in WORDS."""
    match line.split():
        case ["well" | "silence" | "garbage" | "half" as answers]:
            return replace(faults, answers=answers)
        case ["late", number]:
            if not 0 <= (late_s := _number(number)) < 60:
                raise Refused(f"'{line}': a time from 0 to 60 s is needed")
            return replace(faults, answers="late", late_s=late_s)
        case ["disconnect"]:
            return replace(faults, plugged=False)
        case ["connect"]:
            return replace(faults, plugged=True)
        case ["interlock", "open" | "closed" as state]:
            return replace(faults, interlock_closed=state == "closed")
        case ["power", number]:
            if not 0 <= (factor := _number(number)) <= LARGEST_FACTOR:
                raise Refused(f"'{line}': a factor from 0 to {LARGEST_FACTOR:g} is needed")
            return replace(faults, power_factor=factor)
        case ["mode", number] if number in MODES:
            return replace(faults, mode=int(number))
        case ["end"]:
            return replace(faults, ended=True)
    raise Refused(f"'{line}' is not an order to an emulator (allowed: {WORDS})")


def _number(text: str) -> float:
    """The number, or -1 if the word is none."""
    try:
        return float(text)
    except ValueError:
        return -1.0


def spoiled(faults: Trouble, answer: bytes, generator: random.Random) -> tuple[float, bytes]:
    """(delay in s, bytes that are sent) for an answer."""
    match faults.answers:
        case "silence":
            return 0.0, b""
        case "garbage":
            return 0.0, generator.randbytes(len(answer))
        case "half":
            return 0.0, answer[: len(answer) // 2]
        case "late":
            return faults.late_s, answer
        case "well":
            return 0.0, answer

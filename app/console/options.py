"""The values of the command line's options: read, bounded, and refused in one sentence with the option's name."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from config.refused import Refused
from config.words import quoted

LONGEST_S = 1e7  # of a run: 116 days
LARGEST_SEED = 2**32 - 1  # of a simulated rig


def plain_digits(text: str | float) -> str:
    """The text. Raises ValueError where Python reads more than a person writes: 1_0, digits of other scripts."""
    if "_" in f"{text}" or not f"{text}".isascii():
        raise ValueError
    return f"{text}"


def number(option: str, least: float, most: float) -> Callable[[str | float], float]:
    """A parser of a number from more than `least` to `most`."""

    def FLOAT(text: str | float) -> float:
        try:
            value = float(plain_digits(text))
        except ValueError:
            raise Refused(f"{option}: found '{quoted(text)}', where a number is needed") from None
        if not (math.isfinite(value) and least < value <= most):
            raise Refused(f"{option}: found {quoted(text)} (allowed: more than {least:g}, at most {most:g})")
        return value

    return FLOAT


def whole(option: str, least: int, most: int) -> Callable[[str | int], int]:
    """A parser of a whole number from `least` to `most`."""

    def INTEGER(text: str | int) -> int:
        try:
            value = int(plain_digits(text))
        except ValueError:
            raise Refused(f"{option}: found '{quoted(text)}', where a whole number is needed") from None
        if not least <= value <= most:
            raise Refused(f"{option}: found {quoted(text)} (allowed: {least} to {most})")
        return value

    return INTEGER


def path(option: str, *, named: bool = False) -> Callable[[str | Path], Path]:
    """A parser of a path; `named`: of a file that is written, which needs a name."""

    def PATH(text: str | Path) -> Path:
        given = f"{text}"
        if not given:
            raise Refused(f"{option}: found nothing, where a path is needed")
        if any("\ud800" <= one <= "\udfff" or one == "\0" for one in given):
            raise Refused(f"{option}: found '{quoted(given)}', which is not text in UTF-8")
        if named and not Path(given).name:
            raise Refused(f"{option}: found the folder '{quoted(given)}', where the name of a file is needed")
        return Path(given)

    return PATH

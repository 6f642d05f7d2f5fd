"""Parsers of the command line's options. Each raises Refused with the option's name for a value out of bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from config.refused import Refused
from config.words import quoted, text_of

LONGEST_S = 1e7  # longest run: 116 days
LARGEST_SEED = 2**32 - 1  # of a simulated rig


def plain_digits(text: str | float) -> str:
    """The text. Raises ValueError for `_` and non-ASCII digits, which Python's int() and float() accept."""
    digits = text_of(text)
    if "_" in digits or not digits.isascii():
        raise ValueError
    return digits


def number(option: str, least: float, most: float) -> Callable[[str | float], float]:
    """A parser of numbers in (least, most]."""

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
    """A parser of whole numbers from `least` to `most`."""

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
    """A parser of paths; `named`: the path of a file, which needs a name."""

    def PATH(text: str | Path) -> Path:
        path_text = f"{text}"
        if not path_text:
            raise Refused(f"{option}: found an empty text, where a path is needed")
        if any("\ud800" <= character <= "\udfff" or character == "\0" for character in path_text):
            raise Refused(f"{option}: found '{quoted(path_text)}', which is not text in UTF-8")
        if named and not Path(path_text).name:
            raise Refused(f"{option}: found the folder '{quoted(path_text)}', where the name of a file is needed")
        return Path(path_text)

    return PATH

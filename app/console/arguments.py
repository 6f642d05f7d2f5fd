"""Arguments of the Python API. Each function raises Refused, in one sentence with the argument's name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from app.console.options import path
from config.refused import Refused
from config.words import quoted

LONGEST_REMARK = 10_000  # characters


def path_of(name: str, value: Any, *, named: bool = False) -> Path:
    """The path of a file or a folder; `named`: it needs a name."""
    if not isinstance(value, str | os.PathLike) or not isinstance(said := os.fspath(value), str):
        raise Refused(f"{name}: found {_what(value)}, where a path is needed")
    return path(name, named=named)(said)


def truth(name: str, value: Any) -> bool:
    """True or False, of Python or NumPy: a text "no" counts as neither."""
    if not isinstance(value, bool | np.bool_):
        raise Refused(f"{name}: found {_what(value)} (allowed: True, False)")
    return bool(value)


def whole_number(name: str, value: Any) -> int:
    """A whole number of Python or NumPy."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise Refused(f"{name}: found {_what(value)}, where a whole number is needed")
    return int(value)


def remark(value: Any) -> str:
    """A text for a record."""
    if not isinstance(value, str):
        raise Refused(f"mark: found {_what(value)}, where a text is needed")
    if len(value) > LONGEST_REMARK:
        raise Refused(f"mark: found a text of {len(value)} characters (allowed: at most {LONGEST_REMARK})")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refused(f"mark: found '{quoted(value)}', which is not text in UTF-8")
    return str(value)


def _what(value: Any) -> str:
    """A value as a sentence calls it: a text and a number by itself, others by their type."""
    if isinstance(value, str):
        return f"'{quoted(value)}'"
    if value is None or isinstance(value, bool | int | float | np.number | np.bool_):
        return quoted(value)
    return type(value).__name__

"""Arguments of the Python API. Each function raises Refused, in one sentence with the argument's name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
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


def names(name: str, value: Any) -> list[str]:
    """A text, or several."""
    try:
        found = [value] if isinstance(value, str) else list(value)
    except TypeError:
        found = [None]
    if not all(isinstance(one, str) for one in found):
        raise Refused(f"{name}: found {_what(value)}, where a list of texts is needed")
    return found


def mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """Values by name."""
    if not isinstance(value, Mapping):
        raise Refused(f"{name}: found {_what(value)}, where a mapping is needed, as {{'camera.fps': 50}}")
    return value


def in_yaml(name: str, value: Any) -> str:
    """A value of Python or NumPy as it stands in a settings file, in JSON."""
    try:
        return json.dumps(value, default=lambda one: np.asarray(one).tolist())
    except RecursionError:
        raise Refused(
            f"{name}: found {type(value).__name__}, which can't be written, or is nested too deeply"
        ) from None
    except (TypeError, ValueError, AttributeError, OverflowError):
        needed = "a number, a text, a list or a mapping"
        raise Refused(f"{name}: found {type(value).__name__}, where {needed} is needed") from None


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

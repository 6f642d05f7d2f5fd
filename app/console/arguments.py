"""Arguments of the Python API. Each function raises Refused, in one sentence with the argument's name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sized
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from app.console.options import path
from config.foreign_errors import refusing
from config.refused import Refused
from config.words import quoted

LONGEST_REMARK = 10_000  # characters
LONGEST_SETTING = 1_000_000  # characters of a value as JSON
MOST_VALUES = 100_000  # of one argument


def reading(name: str, value: Any) -> AbstractContextManager[None]:
    """For a block that calls methods of an argument's class. Raises Refused for their errors, except for a signal."""
    return refusing(f"{name}: found {type(value).__name__}, which can't be read")


def path_of(name: str, value: Any, *, named: bool = False) -> Path:
    """The path of a file or a folder; `named`: of a file, which needs a name."""
    with reading(name, value):
        if not isinstance(value, str | os.PathLike) or not isinstance(text := os.fspath(value), str):
            raise Refused(f"{name}: found {_shown_value(value)}, where a path is needed")
        return path(name, named=named)(text)


def truth(name: str, value: Any) -> bool:
    """True or False, of Python or NumPy; a text such as "no" is refused."""
    with reading(name, value):
        if not isinstance(value, bool | np.bool_):
            raise Refused(f"{name}: found {_shown_value(value)} (allowed: True, False)")
        return bool(value)


def whole_number(name: str, value: Any) -> int:
    """A whole number of Python or NumPy."""
    with reading(name, value):
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
            raise Refused(f"{name}: found {_shown_value(value)}, where a whole number is needed")
        return int(value)


def names(name: str, value: Any) -> list[str]:
    """A text, or several."""
    with reading(name, value):
        try:
            texts = [value] if isinstance(value, str) else list(islice(value, MOST_VALUES + 1))
        except TypeError:
            texts = [None]
        if len(texts) > MOST_VALUES:
            raise Refused(f"{name}: found {_shown_value(value)} of more than {MOST_VALUES} values")
        if not all(isinstance(text, str) for text in texts):
            raise Refused(f"{name}: found {_shown_value(value)}, where a list of texts is needed")
        return texts


def assignments(name: str, value: Any) -> list[str]:
    """Values by dotted key, each as an argument of `--set`."""
    with reading(name, value):
        if not isinstance(value, Mapping):
            raise Refused(f"{name}: found {_shown_value(value)}, where a mapping is needed, as {{'camera.fps': 50}}")
        items = [f"{key}={in_yaml(name, item)}" for key, item in islice(value.items(), MOST_VALUES + 1)]
        if len(items) > MOST_VALUES:
            raise Refused(f"{name}: found {_shown_value(value)} of more than {MOST_VALUES} values")
        return items


def in_yaml(name: str, value: Any) -> str:
    """A value of Python or NumPy as JSON text for settings."""

    def plain(item: Any) -> Any:
        if np.ma.is_masked(item):
            raise Refused(f"{name}: found a masked value, where a number is needed")
        if (item.size if isinstance(item, np.ndarray) else len(item) if isinstance(item, Sized) else 1) > MOST_VALUES:
            raise Refused(f"{name}: found {type(item).__name__} of more than {MOST_VALUES} values")
        return np.asarray(item).tolist()

    with reading(name, value):
        try:
            text = json.dumps(value, default=plain)
        except RecursionError:
            raise Refused(
                f"{name}: found {type(value).__name__}, which can't be written, or is nested too deeply"
            ) from None
        except (TypeError, ValueError, AttributeError, OverflowError):
            expected = "a number, a text, a list or a mapping"
            raise Refused(f"{name}: found {type(value).__name__}, where {expected} is needed") from None
        if len(text) > LONGEST_SETTING:
            raise Refused(f"{name}: found {type(value).__name__} of more than {LONGEST_SETTING} characters")
        return text


def remark(value: Any) -> str:
    """A text for a record."""
    with reading("mark", value):
        if not isinstance(value, str):
            raise Refused(f"mark: found {_shown_value(value)}, where a text is needed")
        if len(value) > LONGEST_REMARK:
            raise Refused(f"mark: found a text of {len(value)} characters (allowed: at most {LONGEST_REMARK})")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Refused(f"mark: found '{quoted(value)}', which is not text in UTF-8")
        return str(value)


def _shown_value(value: Any) -> str:
    """A value in an error message: a text or a number itself, other values by their type."""
    if isinstance(value, str):
        return f"'{quoted(value)}'"
    if value is None or isinstance(value, bool | int | float | np.number | np.bool_):
        return quoted(value)
    return type(value).__name__

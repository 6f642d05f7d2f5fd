"""What a verb answers to a program: JSON in a file, whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.atomic import fresh_file
from config.refused import Refused
from control.contract import Fault


def write_json(path: Path, value: Any, *, own: bool = False) -> None:
    """Into `path`, whose folder is made; a number that is not finite becomes null, which JSON has no other word for.

    Args:
        own: it goes on with an answer that was read from there.

    Raises Refused where it can't be written, and where `path` is no plain file (a link, a device, a folder), or
    was read.
    """
    with answered(path, value, own=own):
        pass


@contextmanager
def answered(path: Path | None, value: Any, *, own: bool = False) -> Iterator[None]:
    """The answer is on the disk before the block begins, and takes the place of `path` after it.

    Where the block raises, nothing is left of it: for a step that is not to be taken twice. Arguments and errors are
    those of `write_json`; without a path the block alone runs.
    """
    if path is None:
        yield
        return
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with fresh_file(path, "a file for the answer", kind="JSON", own=own) as beside:
            with beside.open("wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            yield
    except OSError as error:
        if error.filename != str(path):  # of the block
            raise
        raise Refused(f"{path}: the answer could not be written ({error.strerror})") from None


def finite(value: Any) -> Any:
    """The same plain data, with None for nan and inf."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


def in_words(error: Exception) -> str | None:
    """One sentence about what the world did not do (a device, a disk); None for a mistake of our own."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return None

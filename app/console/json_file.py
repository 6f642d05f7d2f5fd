"""JSON answers of the verbs, written atomically: completely or not at all."""

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
    """Write JSON into `path` and make its folder; numbers that are not finite become null.

    Args:
        own: replace `path` even if this process has read it.

    Raises Refused if it can't be written, and if `path` is not a plain file (a link, a device, a folder) or was read
    without `own`.
    """
    with answered(path, value, own=own):
        pass


@contextmanager
def answered(path: Path | None, value: Any, *, own: bool = False) -> Iterator[None]:
    """Write the answer to the disk before the block, and move it to `path` after it.

    If the block raises, nothing remains of it: for steps that must not be repeated. Arguments and errors are those of
    `write_json`; without a path only the block runs.
    """
    if path is None:
        yield
        return
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with fresh_file(path, "a file for the answer", kind="JSON", own=own) as temporary_path:
            with temporary_path.open("wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            yield
    except OSError as error:
        if error.filename != str(path):  # an error of the block
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
    """Sentence on an error of a device or a file; None for any other error, which is a programming error."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return None

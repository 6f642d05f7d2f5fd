"""The results of the command as one JSON file: rows of checks, sabotages, mutations and families."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.console.json_file import write_json
from config.atomic import refuse_what_is_no_file
from config.files import kind_of, read_text, require_file
from config.refused import Refused
from config.words import one_line

ResultRow = Mapping[str, Any]

_NUMBER = (int, float, type(None))  # null: not finite
_LINE = {"id": str, "level": str, "unit": str, "predicted": _NUMBER, "measured": _NUMBER, "stderr": _NUMBER}
LATER = ("mutations",)  # optional for a page
LARGEST_BYTES = 100_000_000  # of an existing file
ROWS: dict[str, dict[str, Any]] = {
    "checks": {**_LINE, "title": str, "formula": str, "honest": str, "verdict": str, "why": str, "spent_s": _NUMBER},
    "sabotages": {**_LINE, "keys": list, "factor": _NUMBER, "caught": bool},
    "mutations": {**_LINE, "mutation": str, "what": str, "caught": bool},
    "families": {"id": str, "title": str, "about": str, "numbers": dict, "missed": list, "figure_sha256": str},
}


def read_results(path: Path | None) -> dict[str, list[Any]]:
    """The contents of an existing file; empty if there is none. Raises Refused for a file not from this command."""
    if path is None or not kind_of(path):
        return {}
    refuse_what_is_no_file(path, "a file for the answer")
    require_file(path, "a file for the answer")
    try:
        text = read_text(path, LARGEST_BYTES)
        content = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        reason = one_line(error)
        raise Refused(f"{path}: this is not what reproduce --json writes, and it is left as it is ({reason})") from None
    if not isinstance(content, dict) or not all(
        name in ROWS and isinstance(rows, list) for name, rows in content.items()
    ):
        raise Refused(f"{path}: this is not what reproduce --json writes, and it is left as it is; name another file")
    return content


def add_to(path: Path, name: str, rows: list[dict[str, object]]) -> None:
    """Write rows under their name into a JSON file; rows under other names are kept. Raises Refused."""
    write_json(path, {**read_results(path), name: rows}, own=True)


def whole(path: Path) -> dict[str, list[ResultRow]]:
    """All rows of a file, checked for the values that a page needs. Raises Refused."""
    if not kind_of(path):
        raise Refused(f"{path}: this is not what reproduce --json writes (there is no such file)")
    content = read_results(path)
    missing = [name for name in ROWS if name not in content and name not in LATER]
    if missing:
        raise Refused(f"{path}: there are no {', '.join(missing)}; reproduce with --json {path} writes them")
    content = {**{name: [] for name in LATER}, **content}
    for name in ROWS:
        for number, row in enumerate(content[name], 1):
            if wrong := ", ".join(_wrong(name, row)):
                raise Refused(f"{path}: row {number} of {name} has no right {wrong}; reproduce writes it anew")
    return content


def _wrong(name: str, row: Any) -> list[str]:
    """The keys of a row with a missing value or one of the wrong type."""
    row = row if isinstance(row, dict) else {}
    return [key for key, kind in ROWS[name].items() if not _is(row.get(key, ...), kind)]


def _is(value: object, kind: Any) -> bool:
    """Whether a value has the type required in a row; numbers in a mapping may also be null."""
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(inner, _NUMBER) for inner in value.values())
    if kind is list:
        return isinstance(value, list) and all(isinstance(inner, str) for inner in value)
    return isinstance(value, kind)


def in_words(value: float | None, digits: int = 5) -> str:
    return "–" if value is None else f"{value:.{digits}g}"

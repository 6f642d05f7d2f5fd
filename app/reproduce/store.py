"""Stored results, one file per check or family, so that an interrupted reproduction continues where it stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from app.reproduce.family import Found
from app.reproduce.measure import Outcome
from app.reproduce.verdict import CheckVerdict
from config.atomic import write_file
from config.reader import Document, write
from config.refused import Refused

T = TypeVar("T")
KEPT = "what reproduce keeps"  # a kind of config.output_kinds


def fingerprint(*settings: Any, rig: str) -> str:
    """SHA-256 of all that a result depends on: the settings (check, effort), the rig, and the program."""
    return sha256("\n".join([*(write(item) for item in settings), rig, _source()]).encode()).hexdigest()


def _source() -> str:
    """SHA-256 of the program's sources: after a change, all is measured again."""
    digest = sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(top: Path = Path(__file__).parents[2]) -> list[Path]:
    """All source files that runs and measurements depend on: all packages but the networks and the window."""
    packages = ("config", "control", "drivers", "tracking", "app")
    files = sorted(path for package in packages for path in (top / package).rglob("*.py"))
    return [path for path in files if not path.is_relative_to(top / "app" / "desktop")]


def rig_text(document: Document) -> str:
    """The text of the rig file of a check."""
    return (Path(document.source).parent / str(document.data["experiment"]["rig"])).read_text(encoding="utf-8")


def keep(folder: Path, name: str, mark: str, outcome: Outcome | Found) -> None:
    """Store a result, whole or not at all. Raises Refused, OSError."""
    text = json.dumps({"fingerprint": mark, **asdict(outcome)}, indent=1)
    write_file(folder / f"{name}.json", text + "\n", kind=KEPT)


def files_of(folder: Path, names: Iterable[str]) -> dict[str, tuple[Path, str | None]]:
    """The files of these checks or families with their kind, by their names in messages."""
    return {f"what is kept of {name}": (folder / f"{name}.json", KEPT) for name in names}


def kept(folder: Path, name: str, mark: str, make: Callable[[dict[str, Any]], T]) -> T | None:
    """The stored result with this fingerprint; None if there is none."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return make(stored) if stored.pop("fingerprint") == mark else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # not a stored result: measured again and replaced


def figure_of(folder: Path, name: str) -> bytes | None:
    """The stored figure of a family, PNG; None if there is none. Raises Refused if the file is damaged."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return base64.b64decode(json.loads(path.read_text(encoding="utf-8"))["figure"], validate=True)
    except (ValueError, KeyError, TypeError, OSError):
        raise Refused(f"{path}: this is not what reproduce --families keeps; without it, it is measured anew") from None


def figure_sha256(figure: str | bytes) -> str:
    """SHA-256 of a figure, given in base64 or as bytes."""
    return sha256(base64.b64decode(figure) if isinstance(figure, str) else figure).hexdigest()


def outcome_of(stored: dict[str, Any]) -> Outcome:
    """The result of a check from its stored form."""
    return Outcome(**{**stored, "verdict": CheckVerdict(**stored["verdict"])})


def found_of(stored: dict[str, Any]) -> Found:
    """The result of a family from its stored form."""
    return Found(**{**stored, "missed": tuple(stored["missed"])})
